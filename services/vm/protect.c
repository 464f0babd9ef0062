/* SPDX-License-Identifier: MIT
 *
 * services/vm/protect.c: mprotect.
 *
 * The page table follows at once and in runs, so that a page whose right to be written
 * returns is written without another fault, unless it must be copied first.
 */
#include "services/vm/space.h"

/* A run of pages that get the same hardware protection. */
struct run {
    uint64_t first, last; /* page numbers */
    bool any, writable;
};

static void run_flush(struct vm *vm, struct vm_space *space, struct run *run, uint32_t prot)
{
    if (run->any)
        vm->mmu->protect(vm->mmu->ctx, space->id, run->first << PAGE_SHIFT, run->last - run->first + 1,
                         hardware_prot(prot, run->writable));
    run->any = false;
}

static bool may_write_now(const struct vm *vm, const struct vm_area *area, uint64_t entry)
{
    if (!(area->prot & PROT_WRITE))
        return false;
    return area->flags & AREA_SHARED || (entry & PAGE_PRIVATE && vm_frame_count(vm, entry_frame(entry)) == 1);
}

/* No access: the pages leave the page table and wait in the map. */
static void hide_pages(struct vm *vm, struct vm_space *space, struct vm_area *area)
{
    uint64_t page = area_start(area) >> PAGE_SHIFT, end = area->end >> PAGE_SHIFT, first = 0, last = 0, entry;
    bool any = false;

    for (; (entry = vm_page_next(&space->pages, &page, end)); page++) {
        if (!(entry & PAGE_MAPPED))
            continue;
        vm_page_set(&space->pages, page, entry & ~(PAGE_MAPPED | PAGE_WRITABLE));
        first = any ? first : page;
        last = page;
        any = true;
    }
    if (any)
        vm->mmu->unmap(vm->mmu->ctx, space->id, first << PAGE_SHIFT, last - first + 1);
}

/* Puts a hidden page back. If a page table cannot be had, the next fault tries again. */
static uint64_t show_page(struct vm *vm, struct vm_space *space, uint64_t page, uint64_t entry, unsigned prot)
{
    long r = vm->mmu->map(vm->mmu->ctx, space->id, page << PAGE_SHIFT, entry_frame(entry), prot);

    return r < 0 ? entry : entry | PAGE_MAPPED | (prot & VM_PROT_WRITE ? PAGE_WRITABLE : 0);
}

static void reprotect_pages(struct vm *vm, struct vm_space *space, struct vm_area *area)
{
    uint64_t page = area_start(area) >> PAGE_SHIFT, end = area->end >> PAGE_SHIFT, entry;
    struct run run = {.any = false};

    for (; (entry = vm_page_next(&space->pages, &page, end)); page++) {
        bool writable = may_write_now(vm, area, entry);

        if (!(entry & PAGE_MAPPED)) {
            entry = show_page(vm, space, page, entry, hardware_prot(area->prot, writable));
            vm_page_set(&space->pages, page, entry);
            continue;
        }
        if (run.any && run.writable != writable)
            run_flush(vm, space, &run, area->prot);
        run = (struct run){.first = run.any ? run.first : page, .last = page, .any = true, .writable = writable};
        vm_page_set(&space->pages, page, (entry & ~PAGE_WRITABLE) | (writable ? PAGE_WRITABLE : 0));
    }
    run_flush(vm, space, &run, area->prot);
}

static void protect_area(struct vm *vm, struct vm_space *space, struct vm_area *area, uint32_t prot)
{
    if (area->prot == prot)
        return;
    area->prot = prot;
    if (prot)
        reprotect_pages(vm, space, area);
    else
        hide_pages(vm, space, area);
}

long vm_range_protect(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end, uint32_t prot)
{
    if (vm_area_split(vm, space, start) || vm_area_split(vm, space, end))
        return -ENOMEM;
    for (struct vm_area *area = vm_area_find(space, start); area && area_start(area) < end;) {
        uint64_t area_end = area->end;

        protect_area(vm, space, area, prot);
        vm_area_merge(vm, space, area);
        area = vm_area_after(space, area_end);
    }
    return 0;
}

/* A writable mapping of a file that is shared would have to be written back: refused when mapped, refused here. */
static bool would_write_file(struct vm_space *space, uint64_t start, uint64_t end)
{
    for (struct vm_area *area = vm_area_find(space, start); area && area_start(area) < end; area = vm_area_next(area))
        if (area->flags & AREA_SHARED && area->object->kind == OBJECT_FILE)
            return true;
    return false;
}

long vm_call_mprotect(void *self, struct call *call)
{
    struct vm *vm = self;
    struct vm_space *space = vm_space_of(vm, call->pid);
    uint64_t start = call->arg[0], bytes = call->arg[1], end = start + page_up(bytes);
    uint64_t prot = call->arg[2];

    if (!space || start & PAGE_MASK || prot & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (bytes > VM_USER_END || start > VM_USER_END - page_up(bytes) || !vm_range_covered(space, start, end))
        return -ENOMEM;
    if (vm_range_sealed(space, start, end))
        return -EPERM;
    if (prot & PROT_WRITE && would_write_file(space, start, end))
        return -EACCES;
    return vm_range_protect(vm, space, start, end, (uint32_t)prot);
}
