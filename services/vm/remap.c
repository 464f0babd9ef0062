/* SPDX-License-Identifier: MIT
 *
 * services/vm/remap.c: mremap: shrink, grow in place, or move pages (never their contents).
 */
#include "services/vm/space.h"

struct remap {
    uint64_t from, old_bytes, new_bytes; /* page aligned */
    unsigned flags;
    uint64_t to; /* MREMAP_FIXED */
};

static long check_fixed(const struct remap *m)
{
    if (m->to & PAGE_MASK || m->to > VM_USER_END - m->new_bytes || m->to < MAP_LOWEST)
        return -EINVAL;
    if (m->to < m->from + m->old_bytes && m->from < m->to + m->new_bytes)
        return -EINVAL;
    return 0;
}

static long check_remap(const struct vm *vm, int pid, struct vm_space *space, const struct remap *m,
                        const struct vm_area *area)
{
    if (m->from & PAGE_MASK || m->new_bytes == 0 || m->old_bytes == 0 ||
        m->flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED))
        return -EINVAL;
    if (m->flags & MREMAP_FIXED && (!(m->flags & MREMAP_MAYMOVE) || check_fixed(m)))
        return -EINVAL;
    if (!area || m->old_bytes > area->end - m->from)
        return -EFAULT;
    if (area->flags & AREA_RESERVED || (m->flags & MREMAP_FIXED && vm_range_sealed(space, m->to, m->to + m->new_bytes)))
        return -EPERM;
    if (m->new_bytes <= m->old_bytes)
        return 0;
    if (vm_too_much(vm, m->new_bytes) ||
        !vm_may_grow(vm, pid, space, m->new_bytes - m->old_bytes, 0, area->prot, area->flags))
        return -ENOMEM;
    return 0;
}

/* The mapping that `area` would be from address `from` of its own, `bytes` long, if it were at `to`. */
static struct vm_mapping like(const struct vm_area *area, uint64_t from, uint64_t to, uint64_t bytes)
{
    struct vm_mapping m = {.start = to, .end = to + bytes, .prot = area->prot, .flags = area->flags,
                           .object = area->object, .index = area->object ? area_index(area, from) : 0};

    if (area->fill_end >= from && area->fill_end < from + bytes)
        m.fill_end = area->fill_end - from + to;
    return m;
}

static long create_like(struct vm *vm, struct vm_space *space, const struct vm_mapping *mapping)
{
    long r;

    if (mapping->object)
        vm_object_hold(mapping->object);
    r = vm_area_create(vm, space, mapping);
    if (r < 0 && mapping->object)
        vm_object_release(vm, mapping->object);
    return r;
}

static long cut(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end)
{
    if (vm_area_split(vm, space, start) || vm_area_split(vm, space, end))
        return -ENOMEM;
    vm_range_remove(vm, space, start, end);
    return 0;
}

static void unreserve_target(struct vm *vm, struct vm_space *space, const struct remap *m)
{
    vm_page_prune(vm, &space->pages, m->to >> PAGE_SHIFT, (m->to + m->old_bytes) >> PAGE_SHIFT);
}

static long reserve_target(struct vm *vm, struct vm_space *space, const struct remap *m)
{
    uint64_t page = m->from >> PAGE_SHIFT, end = (m->from + m->old_bytes) >> PAGE_SHIFT;

    for (; vm_page_next(&space->pages, &page, end); page++) {
        uint64_t target = ((page << PAGE_SHIFT) - m->from + m->to) >> PAGE_SHIFT;

        if (vm_page_reserve(vm, &space->pages, target) < 0) {
            unreserve_target(vm, space, m);
            return -ENOMEM;
        }
    }
    return 0;
}

/* The room is reserved: only the page table may refuse, and then the next fault maps the page. */
static void move_pages(struct vm *vm, struct vm_space *space, const struct remap *m, uint32_t prot)
{
    uint64_t page = m->from >> PAGE_SHIFT, end = (m->from + m->old_bytes) >> PAGE_SHIFT, entry;

    vm->mmu->unmap(vm->mmu->ctx, space->id, m->from, m->old_bytes >> PAGE_SHIFT);
    for (; (entry = vm_page_next(&space->pages, &page, end)); page++) {
        uint64_t target = (page << PAGE_SHIFT) - m->from + m->to;

        vm_page_set(&space->pages, page, 0);
        if (entry & PAGE_MAPPED && vm->mmu->map(vm->mmu->ctx, space->id, target, entry_frame(entry),
                                                hardware_prot(prot, entry & PAGE_WRITABLE)) < 0)
            entry &= ~(PAGE_MAPPED | PAGE_WRITABLE);
        vm_page_set(&space->pages, target >> PAGE_SHIFT, entry);
    }
    /* Not before: a leaf that the source has left may be one that the target is still to use. */
    vm_page_prune(vm, &space->pages, m->from >> PAGE_SHIFT, end);
}

/* Moves a whole area of old_bytes (<= new_bytes) to m->to, where nothing is. */
static long move_area(struct vm *vm, struct vm_space *space, const struct remap *m)
{
    struct vm_area *area = vm_area_find(space, m->from);

    if (reserve_target(vm, space, m) < 0)
        return -ENOMEM;
    /* Point of no return. */
    move_pages(vm, space, m, area->prot);
    vm_area_move(vm, space, area, m->to, m->new_bytes);
    return (long)m->to;
}

static long move(struct vm *vm, struct vm_space *space, struct remap *m)
{
    long r = 0;

    if (m->flags & MREMAP_FIXED)
        r = cut(vm, space, m->to, m->to + m->new_bytes);
    else
        m->to = vm_gap_find(space, m->new_bytes);
    if (r < 0 || m->to == 0)
        return -ENOMEM;
    if (m->old_bytes > m->new_bytes) {
        if (cut(vm, space, m->from + m->new_bytes, m->from + m->old_bytes))
            return -ENOMEM;
        m->old_bytes = m->new_bytes;
    }
    if (vm_area_split(vm, space, m->from) || vm_area_split(vm, space, m->from + m->old_bytes))
        return -ENOMEM;
    return move_area(vm, space, m);
}

static bool can_grow_here(struct vm_space *space, const struct remap *m, const struct vm_area *area)
{
    uint64_t end = m->from + m->old_bytes, new_end = m->from + m->new_bytes;

    return area->end == end && new_end <= VM_USER_END && vm_range_free(space, end, new_end);
}

static long grow_here(struct vm *vm, struct vm_space *space, const struct remap *m, const struct vm_area *area)
{
    uint64_t end = m->from + m->old_bytes;
    struct vm_mapping more = like(area, end, end, m->new_bytes - m->old_bytes);

    more.fill_end = area->fill_end; /* the same, so that the two join */
    long r = create_like(vm, space, &more);

    return r < 0 ? r : (long)m->from;
}

long vm_call_mremap(void *self, struct call *call)
{
    struct vm *vm = self;
    struct vm_space *space = vm_space_of(vm, call->pid);
    struct remap m = {.from = call->arg[0], .old_bytes = page_up(call->arg[1]), .new_bytes = page_up(call->arg[2]),
                      .flags = (unsigned)call->arg[3], .to = call->arg[4]};
    struct vm_area *area = space ? vm_area_find(space, m.from) : NULL;
    long r;

    if (call->arg[1] > VM_USER_END || call->arg[2] > VM_USER_END)
        return -EINVAL;
    r = check_remap(vm, call->pid, space, &m, area);
    if (r < 0)
        return r;
    if (m.flags & MREMAP_FIXED)
        return move(vm, space, &m);
    if (m.new_bytes < m.old_bytes)
        r = cut(vm, space, m.from + m.new_bytes, m.from + m.old_bytes);
    if (m.new_bytes <= m.old_bytes)
        return r < 0 ? r : (long)m.from;
    if (can_grow_here(space, &m, area))
        return grow_here(vm, space, &m, area);
    return m.flags & MREMAP_MAYMOVE ? move(vm, space, &m) : -ENOMEM;
}
