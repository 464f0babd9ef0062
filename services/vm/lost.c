/* SPDX-License-Identifier: MIT
 *
 * services/vm/lost.c: frames that the placement wants back although they are in use, or has taken back without asking.
 *
 * What a file holds, and nobody has changed, will be read again: the page is forgotten. Anything else was the only
 * copy: every process that could have seen it is hurt, and must not run on as if it were zeros. The caller may be in
 * the middle of a fault: nothing here allocates, and the leaf of entries that it is about to fill stays.
 */
#include "services/vm/space.h"

struct loss {
    struct vm *vm;
    const frame_t *frames; /* lowest first */
    size_t count;
};

static bool is_lost(const struct loss *l, frame_t frame)
{
    size_t low = 0, high = l->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (l->frames[middle] == frame)
            return true;
        if (l->frames[middle] < frame)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool any_lost(const struct loss *l, struct vm_pages *pages, uint64_t flags)
{
    uint64_t page = 0, entry;

    for (; (entry = vm_page_next(pages, &page, UINT64_MAX)); page++)
        if ((entry & flags) == flags && is_lost(l, entry_frame(entry)))
            return true;
    return false;
}

/* Pages of its own, or of memory that it shares with others. */
static bool is_hurt(const struct loss *l, struct vm_space *space)
{
    if (any_lost(l, &space->pages, PAGE_PRIVATE))
        return true;
    for (struct vm_area *area = vm_area_after(space, 0); area; area = vm_area_next(area))
        if (area->object && area->object->kind == OBJECT_SHARED && any_lost(l, &area->object->pages, 0))
            return true;
    return false;
}

/* The leaf of the last lookup stays, empty or not. */
static void forget(const struct loss *l, struct vm_pages *pages)
{
    const struct vm_leaf *busy = pages->last;
    uint64_t page = 0, entry;

    for (; (entry = vm_page_next(pages, &page, UINT64_MAX)); page++) {
        if (!is_lost(l, entry_frame(entry)))
            continue;
        vm_page_set(pages, page, 0);
        if (pages->last != busy)
            vm_page_trim(l->vm, pages, page);
    }
}

static void forget_in_space(const struct loss *l, struct vm_space *space)
{
    forget(l, &space->pages);
    for (struct vm_area *area = vm_area_after(space, 0); area; area = vm_area_next(area))
        if (area->object && area->object->kind == OBJECT_SHARED)
            forget(l, &area->object->pages);
}

void vm_lost(struct vm *vm, const frame_t *frames, size_t count, void (*hurt)(int pid))
{
    const struct loss l = {vm, frames, count};

    for (unsigned i = 0; i < MEMBER_BUCKETS; i++)
        for (struct vm_member *member = vm->members[i]; member; member = member->next)
            if (is_hurt(&l, member->space))
                hurt(member->pid);
    for (unsigned i = 0; i < MEMBER_BUCKETS; i++)
        for (struct vm_member *member = vm->members[i]; member; member = member->next)
            forget_in_space(&l, member->space);
    for (struct vm_object *object = vm->files; object; object = object->next)
        forget(&l, &object->pages);
}

/* ---- before it comes to that ---- */

static size_t unmap_clean(struct vm *vm, struct vm_space *space, size_t wanted)
{
    uint64_t page = 0, entry;
    size_t n = 0;

    for (; n < wanted && (entry = vm_page_next(&space->pages, &page, UINT64_MAX)); page++) {
        struct vm_area *area = vm_area_find(space, page << PAGE_SHIFT);

        if (entry & PAGE_PRIVATE || area->object->kind != OBJECT_FILE)
            continue;
        vm->mmu->unmap(vm->mmu->ctx, space->id, page << PAGE_SHIFT, 1);
        vm_page_set(&space->pages, page, 0);
        vm_page_trim(vm, &space->pages, page);
        vm_frame_drop(vm, entry_frame(entry));
        n++;
    }
    return n;
}

size_t vm_reclaim(struct vm *vm, size_t wanted)
{
    size_t dropped = vm_shrink(vm), unmapped = 1;

    while (dropped < wanted && unmapped) {
        unmapped = 0;
        for (unsigned i = 0; i < MEMBER_BUCKETS; i++)
            for (struct vm_member *member = vm->members[i]; member; member = member->next)
                unmapped += unmap_clean(vm, member->space, wanted - dropped);
        dropped += vm_shrink(vm);
    }
    return dropped;
}
