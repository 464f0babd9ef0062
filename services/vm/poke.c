/* SPDX-License-Identifier: MIT
 *
 * services/vm/poke.c: others' hands in a program's space (services/requests.h): VM_POKE and VM_RESERVE.
 *
 * A poke writes like a debugger: whatever the page's protection, and only for this space. A page of a file becomes the
 * space's private copy, so that the object's page, which other programs run or will run, stays as the file is. fork
 * shares the copy as it shares any private page.
 *
 * A reserved area is sealed as by mseal(2): the program can use it but not unmap, move, replace, reprotect or discard
 * it (EPERM). It lies below the program, where neither brk nor mmap goes. A space has at most one; fork copies it,
 * exec leaves it behind.
 */
#include "services/vm/space.h"

/* Text as the loader mapped it: what the program does not write itself. */
static bool is_text(const struct vm_area *area)
{
    return area->object && area->prot & PROT_EXEC && !(area->prot & PROT_WRITE);
}

long vm_poke(struct vm *vm, struct request *rq)
{
    struct vm_space *space = vm_space_of(vm, rq->pid);
    uint64_t address = rq->arg[0];
    struct vm_area *area = space ? vm_area_find(space, address) : NULL;
    frame_t frame;
    char *window;
    long r;

    if (rq->size == 0 || rq->size > PAGE_SIZE - (address & PAGE_MASK))
        return -EINVAL;
    if (!area)
        return -EFAULT;
    if (area->flags & AREA_SHARED || !area->prot || (rq->arg[1] & VM_POKE_TEXT && !is_text(area)))
        return -EACCES;
    r = vm_page_own(vm, rq->call, space, area, address, &frame);
    if (r < 0)
        return r;
    window = vm->mmu->frame_window(vm->mmu->ctx, frame);
    return vm->host->take(vm->host->ctx, rq, window + (address & PAGE_MASK), 0, rq->size);
}

static struct vm_area *find_reserved(struct vm_space *space)
{
    struct vm_area *area = vm_area_after(space, 0);

    while (area && !(area->flags & AREA_RESERVED))
        area = vm_area_next(area);
    return area;
}

/* The highest room below `near` with nothing in it, right below another area; 0: none. */
static uint64_t room_below(struct vm_space *space, uint64_t near, uint64_t bytes)
{
    struct vm_area *above = vm_area_find(space, near), *below;

    for (; above; above = below) {
        uint64_t guard = above->flags & AREA_STACK ? STACK_GUARD : 0, start = area_start(above), lowest;

        below = area_of(vm_tree_previous(&above->node));
        lowest = below ? below->end : MAP_LOWEST;
        if (start >= guard + bytes && start - guard - bytes >= lowest)
            return start - guard - bytes;
    }
    return 0;
}

long vm_reserve(struct vm *vm, struct request *rq)
{
    struct vm_space *space = vm_space_of(vm, rq->pid);
    uint64_t bytes = page_up(rq->arg[1]);
    struct vm_area *area = space ? find_reserved(space) : NULL;
    struct vm_mapping mapping = {.prot = (uint32_t)rq->arg[2] & 7, .flags = AREA_RESERVED};
    long r;

    if (!space || rq->arg[1] == 0 || rq->arg[1] > VM_USER_END || !mapping.prot)
        return -EINVAL;
    if (area)
        return area->end - area_start(area) == bytes && area->prot == mapping.prot ? (long)area_start(area) : -EEXIST;
    if (!vm_area_find(space, rq->arg[0]))
        return -EFAULT;
    mapping.start = room_below(space, rq->arg[0], bytes);
    if (!mapping.start || vm_too_much(vm, bytes))
        return -ENOMEM;
    mapping.end = mapping.start + bytes;
    r = vm_area_create(vm, space, &mapping);
    return r < 0 ? r : (long)mapping.start;
}
