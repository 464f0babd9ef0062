/* SPDX-License-Identifier: MIT
 *
 * services/vm/areas.c: what the addresses of a space mean: mmap's view.
 *
 * Areas never overlap and are kept in a tree by their first address. Neighbours that
 * nothing tells apart are joined, so a heap that grows is one area. To change a part
 * of an area, make the part's ends borders first (vm_area_split: that may fail, and
 * changes no meaning), then change whole areas (which cannot fail).
 */
#include "services/vm/space.h"

struct vm_area *vm_area_find(struct vm_space *space, uint64_t address)
{
    struct vm_area *area = space->last;

    if (area && area_start(area) <= address && address < area->end)
        return area;
    area = area_of(vm_tree_floor(&space->areas, address));
    if (!area || address >= area->end)
        return NULL;
    return space->last = area;
}

struct vm_area *vm_area_after(struct vm_space *space, uint64_t address)
{
    struct vm_area *area = vm_area_find(space, address);

    return area ? area : area_of(vm_tree_ceiling(&space->areas, address));
}

struct vm_area *vm_area_next(struct vm_area *area)
{
    return area_of(vm_tree_next(&area->node));
}

void vm_area_insert(struct vm_space *space, struct vm_area *area, uint64_t start)
{
    vm_tree_insert(&space->areas, &area->node, start);
    space->area_count++;
}

static void area_remove(struct vm_space *space, struct vm_area *area)
{
    vm_tree_remove(&space->areas, &area->node);
    space->area_count--;
    space->last = NULL;
}

void vm_area_free(struct vm *vm, struct vm_area *area)
{
    if (area->object)
        vm_object_release(vm, area->object);
    vm->host->free(vm->host->ctx, area, sizeof *area);
}

long vm_area_split(struct vm *vm, struct vm_space *space, uint64_t address)
{
    struct vm_area *area = vm_area_find(space, address), *upper;

    if (!area || area_start(area) == address)
        return 0;
    upper = space->area_count < AREAS_MAX ? vm_alloc(vm, sizeof *upper) : NULL;
    if (!upper)
        return -ENOMEM;
    upper->end = area->end;
    upper->prot = area->prot;
    upper->flags = area->flags;
    upper->object = area->object;
    upper->index = area_index(area, address);
    upper->fill_end = area->fill_end;
    if (upper->object)
        vm_object_hold(upper->object);
    area->end = address;
    vm_area_insert(space, upper, address);
    return 0;
}

static bool can_join(const struct vm_area *low, const struct vm_area *high)
{
    return low->end == area_start(high) && low->prot == high->prot && low->flags == high->flags &&
           !(low->flags & AREA_STACK) && low->object == high->object && low->fill_end == high->fill_end &&
           (!low->object || area_index(low, low->end) == high->index);
}

static void join(struct vm *vm, struct vm_space *space, struct vm_area *low, struct vm_area *high)
{
    low->end = high->end;
    area_remove(space, high);
    vm_area_free(vm, high);
}

void vm_area_merge(struct vm *vm, struct vm_space *space, struct vm_area *area)
{
    struct vm_area *low = area_of(vm_tree_previous(&area->node)), *high = vm_area_next(area);

    if (high && can_join(area, high))
        join(vm, space, area, high);
    if (low && can_join(low, area))
        join(vm, space, low, area);
}

void vm_area_move(struct vm *vm, struct vm_space *space, struct vm_area *area, uint64_t start, uint64_t bytes)
{
    bool filled = area->fill_end >= area_start(area) && area->fill_end < area->end;

    area_remove(space, area);
    area->fill_end = filled ? area->fill_end - area_start(area) + start : 0;
    area->end = start + bytes;
    vm_area_insert(space, area, start);
    vm_area_merge(vm, space, area);
}

bool vm_range_free(struct vm_space *space, uint64_t start, uint64_t end)
{
    struct vm_area *area = vm_area_after(space, start);

    return !area || area_start(area) >= end;
}

bool vm_range_covered(struct vm_space *space, uint64_t start, uint64_t end)
{
    struct vm_area *area = vm_area_find(space, start);

    while (area && area->end < end) {
        struct vm_area *next = vm_area_next(area);

        if (!next || area_start(next) != area->end)
            return false;
        area = next;
    }
    return area;
}

bool vm_range_sealed(struct vm_space *space, uint64_t start, uint64_t end)
{
    struct vm_area *area = vm_area_after(space, start);

    while (area && area_start(area) < end && !(area->flags & AREA_RESERVED))
        area = vm_area_next(area);
    return area && area_start(area) < end;
}

/* First fit from the top, as Linux's top-down layout; a stack keeps its guard. */
uint64_t vm_gap_find(struct vm_space *space, uint64_t bytes)
{
    uint64_t top = VM_MMAP_TOP;
    struct vm_area *area = area_of(vm_tree_floor(&space->areas, top - 1));

    for (; area; area = area_of(vm_tree_previous(&area->node))) {
        uint64_t guard = area->flags & AREA_STACK ? STACK_GUARD : 0;

        if (area->end < top && top - area->end >= bytes)
            return top - bytes;
        if (area_start(area) - guard < top)
            top = area_start(area) > guard ? area_start(area) - guard : 0;
    }
    return top >= MAP_LOWEST && top - MAP_LOWEST >= bytes ? top - bytes : 0;
}

/* First and last used page of a range; false if there is none. */
static bool used_span(struct vm_space *space, uint64_t *first, uint64_t *last)
{
    uint64_t end = *last;

    if (!vm_page_next(&space->pages, first, end))
        return false;
    for (uint64_t page = *first; vm_page_next(&space->pages, &page, end); page++)
        *last = page;
    return true;
}

void vm_range_drop(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end)
{
    uint64_t first = start >> PAGE_SHIFT, last = end >> PAGE_SHIFT, entry;

    if (!used_span(space, &first, &last))
        return;
    vm->mmu->unmap(vm->mmu->ctx, space->id, first << PAGE_SHIFT, last - first + 1);
    for (uint64_t page = first; (entry = vm_page_next(&space->pages, &page, last + 1)); page++) {
        vm_page_set(&space->pages, page, 0);
        vm_page_trim(vm, &space->pages, page);
        vm_frame_drop(vm, entry_frame(entry));
    }
}

void vm_range_remove(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end)
{
    struct vm_area *area = vm_area_after(space, start), *next;

    vm_range_drop(vm, space, start, end);
    for (; area && area_start(area) < end; area = next) {
        next = vm_area_next(area);
        area_remove(space, area);
        vm_area_free(vm, area);
    }
}

long vm_area_create(struct vm *vm, struct vm_space *space, const struct vm_mapping *mapping)
{
    struct vm_area *area = space->area_count < AREAS_MAX ? vm_alloc(vm, sizeof *area) : NULL;

    if (!area)
        return -ENOMEM;
    if (vm_area_split(vm, space, mapping->start) || vm_area_split(vm, space, mapping->end)) {
        vm->host->free(vm->host->ctx, area, sizeof *area);
        return -ENOMEM;
    }
    /* Point of no return. */
    vm_range_remove(vm, space, mapping->start, mapping->end);
    area->end = mapping->end;
    area->prot = mapping->prot;
    area->flags = mapping->flags;
    area->object = mapping->object;
    area->index = mapping->index;
    area->fill_end = mapping->fill_end;
    vm_area_insert(space, area, mapping->start);
    vm_area_merge(vm, space, area);
    return 0;
}
