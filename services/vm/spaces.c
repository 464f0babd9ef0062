/* SPDX-License-Identifier: MIT
 *
 * services/vm/spaces.c: spaces and the processes in them: create, fork, share, exec, exit.
 *
 * A space ends with its last member. fork copies the areas and, of the pages, only the
 * private ones: a page of a file or of shared memory is found again in its object when
 * it is touched, as Linux does it.
 */
#include "services/vm/space.h"

static struct vm_member **member_link(const struct vm *vm, int pid)
{
    struct vm_member *const *link = &vm->members[(unsigned)pid % MEMBER_BUCKETS];

    while (*link && (*link)->pid != pid)
        link = &(*link)->next;
    return (struct vm_member **)link;
}

struct vm_space *vm_space_of(const struct vm *vm, int pid)
{
    struct vm_member *member = *member_link(vm, pid);

    return member ? member->space : NULL;
}

struct vm_limits *vm_limits_of(const struct vm *vm, int pid)
{
    struct vm_member *member = *member_link(vm, pid);

    return member ? &member->limits : NULL;
}

static struct vm_space *space_new(struct vm *vm, long *error)
{
    struct vm_space *space = vm_alloc(vm, sizeof *space);

    *error = -ENOMEM;
    if (!space)
        return NULL;
    space->id = vm->mmu->space_create(vm->mmu->ctx);
    if (space->id < 0 && vm_shrink(vm))
        space->id = vm->mmu->space_create(vm->mmu->ctx);
    if (space->id < 0) {
        vm->host->free(vm->host->ctx, space, sizeof *space);
        return NULL;
    }
    *error = 0;
    return space;
}

static void space_free(struct vm *vm, struct vm_space *space)
{
    struct vm_node *root;

    while ((root = space->areas.root))
        vm_range_remove(vm, space, root->key, area_of(root)->end);
    vm_page_prune(vm, &space->pages, 0, UINT64_MAX);
    vm->mmu->space_destroy(vm->mmu->ctx, space->id);
    vm->host->free(vm->host->ctx, space, sizeof *space);
}

static void space_leave(struct vm *vm, struct vm_space *space)
{
    if (--space->users == 0)
        space_free(vm, space);
}

/* `pid` joins, under those limits. On failure the space is the caller's as before. */
static long space_join(struct vm *vm, struct vm_space *space, int pid, const struct vm_limits *limits)
{
    struct vm_member **link = member_link(vm, pid);
    struct vm_member *member = *link ? NULL : vm_alloc(vm, sizeof *member);

    if (!member)
        return *link ? -EEXIST : -ENOMEM;
    member->pid = pid;
    member->space = space;
    member->limits = *limits;
    *link = member;
    space->users++;
    vm->mmu->space_assign(vm->mmu->ctx, pid, space->id);
    return 0;
}

long vm_space_create(struct vm *vm, int pid)
{
    long r;
    struct vm_space *space = space_new(vm, &r);

    if (!space)
        return r;
    r = space_join(vm, space, pid, &(struct vm_limits){UINT64_MAX, UINT64_MAX, VM_STACK_LIMIT});
    if (r < 0)
        space_free(vm, space);
    return r;
}

static struct vm_area *copy_area(struct vm *vm, struct vm_space *to, const struct vm_area *area)
{
    struct vm_area *copy = vm_alloc(vm, sizeof *copy);

    if (!copy)
        return NULL;
    copy->end = area->end;
    copy->prot = area->prot;
    copy->flags = area->flags;
    copy->object = area->object;
    copy->index = area->index;
    copy->fill_end = area->fill_end;
    if (copy->object)
        vm_object_hold(copy->object);
    vm_area_insert(to, copy, area_start(area));
    return copy;
}

/* One more space sees a private page, read only. */
static long share_page(struct vm *vm, struct vm_space *to, uint64_t page, uint64_t entry, uint32_t prot)
{
    frame_t frame = entry_frame(entry);

    if (vm_page_reserve(vm, &to->pages, page) < 0)
        return -ENOMEM;
    if (entry & PAGE_MAPPED &&
        vm->mmu->map(vm->mmu->ctx, to->id, page << PAGE_SHIFT, frame, hardware_prot(prot, false)) < 0) {
        vm_page_trim(vm, &to->pages, page);
        return -ENOMEM;
    }
    vm_frame_hold(vm, frame);
    vm_page_set(&to->pages, page, entry & ~PAGE_WRITABLE);
    return 0;
}

/* Write-protects the parent's pages of an area in one go. */
static void protect_parent(struct vm *vm, struct vm_space *from, struct vm_area *area)
{
    uint64_t page = area_start(area) >> PAGE_SHIFT, end = area->end >> PAGE_SHIFT, first = 0, last = 0, entry;
    bool any = false;

    for (; (entry = vm_page_next(&from->pages, &page, end)); page++) {
        if (!(entry & PAGE_WRITABLE))
            continue;
        vm_page_set(&from->pages, page, entry & ~PAGE_WRITABLE);
        first = any ? first : page;
        last = page;
        any = true;
    }
    if (any)
        vm->mmu->protect(vm->mmu->ctx, from->id, first << PAGE_SHIFT, last - first + 1,
                         hardware_prot(area->prot, false));
}

static long fork_area(struct vm *vm, struct vm_space *from, struct vm_space *to, struct vm_area *area)
{
    uint64_t page = area_start(area) >> PAGE_SHIFT, end = area->end >> PAGE_SHIFT, entry;

    if (!copy_area(vm, to, area))
        return -ENOMEM;
    if (area->flags & AREA_SHARED)
        return 0;
    for (; (entry = vm_page_next(&from->pages, &page, end)); page++)
        if (entry & PAGE_PRIVATE && share_page(vm, to, page, entry, area->prot) < 0)
            return -ENOMEM;
    protect_parent(vm, from, area);
    return 0;
}

static long fork_areas(struct vm *vm, struct vm_space *from, struct vm_space *to)
{
    struct vm_area *area = vm_area_after(from, 0);

    for (; area; area = vm_area_next(area))
        if (fork_area(vm, from, to, area) < 0)
            return -ENOMEM;
    to->brk_start = from->brk_start;
    to->brk_end = from->brk_end;
    to->limited = from->limited;
    return 0;
}

long vm_space_fork(struct vm *vm, int child, int parent)
{
    struct vm_space *from = vm_space_of(vm, parent), *to;
    long r;

    if (!from)
        return -ESRCH;
    to = space_new(vm, &r);
    if (!to)
        return r;
    r = fork_areas(vm, from, to);
    if (r == 0)
        r = space_join(vm, to, child, vm_limits_of(vm, parent));
    if (r < 0)
        space_free(vm, to);
    return r;
}

long vm_space_share(struct vm *vm, int child, int parent)
{
    struct vm_space *space = vm_space_of(vm, parent);

    return space ? space_join(vm, space, child, vm_limits_of(vm, parent)) : -ESRCH;
}

long vm_space_exec(struct vm *vm, int pid)
{
    struct vm_member *member = *member_link(vm, pid);
    struct vm_space *old, *space;
    long r;

    if (!member)
        return -ESRCH;
    space = space_new(vm, &r);
    if (!space)
        return r;
    old = member->space;
    member->space = space;
    space->users = 1;
    space->limited = old->limited;
    vm->mmu->space_assign(vm->mmu->ctx, pid, space->id);
    space_leave(vm, old);
    return 0;
}

long vm_space_exit(struct vm *vm, int pid)
{
    struct vm_member **link = member_link(vm, pid), *member = *link;

    if (!member)
        return -ESRCH;
    *link = member->next;
    space_leave(vm, member->space);
    vm->host->free(vm->host->ctx, member, sizeof *member);
    return 0;
}
