/* SPDX-License-Identifier: MIT
 *
 * services/vm/mmap.c: mmap, munmap and brk.
 *
 * Nothing is read or allocated here but the area itself: pages come when they are
 * touched (fault.c). Addresses are handed out from the top down and never at random,
 * so a program sees the same layout in every run.
 */
#include "services/vm/space.h"

bool vm_too_much(const struct vm *vm, uint64_t bytes)
{
    return bytes > vm->frame_limit;
}

/* The arguments of mmap(2), understood. */
struct demand {
    uint64_t address, bytes, offset;
    uint32_t prot;
    unsigned flags;
    int fd;
};

static long check_demand(const struct vm *vm, const struct demand *d)
{
    unsigned type = d->flags & MAP_TYPE;

    if (d->bytes == 0 || d->offset & PAGE_MASK || type < MAP_SHARED || type > MAP_SHARED_VALIDATE)
        return -EINVAL;
    if (d->bytes > VM_USER_END)
        return -ENOMEM;
    if (d->offset + page_up(d->bytes) < d->offset)
        return -EOVERFLOW;
    if (type == MAP_PRIVATE && (d->prot & PROT_WRITE) && !(d->flags & MAP_NORESERVE) && vm_too_much(vm, d->bytes))
        return -ENOMEM;
    return 0;
}

static long fixed_address(struct vm_space *space, const struct demand *d, uint64_t bytes)
{
    if (d->address & PAGE_MASK)
        return -EINVAL;
    if (d->address > VM_USER_END - bytes)
        return -ENOMEM;
    if (d->address < MAP_LOWEST)
        return -EPERM;
    if (!(d->flags & MAP_FIXED_NOREPLACE) && vm_range_sealed(space, d->address, d->address + bytes))
        return -EPERM;
    if ((d->flags & MAP_FIXED_NOREPLACE) && !vm_range_free(space, d->address, d->address + bytes))
        return -EEXIST;
    return (long)d->address;
}

/* Where the mapping goes: an address, or -errno. A hint is taken if there is room. */
static long choose_address(struct vm_space *space, const struct demand *d)
{
    uint64_t bytes = page_up(d->bytes), hint = page_up(d->address), gap;

    if (d->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
        return fixed_address(space, d, bytes);
    if (hint >= MAP_LOWEST && hint <= VM_USER_END - bytes && d->address <= VM_USER_END &&
        vm_range_free(space, hint, hint + bytes))
        return (long)hint;
    gap = vm_gap_find(space, bytes);
    return gap ? (long)gap : -ENOMEM;
}

static long file_object(struct vm *vm, struct call *call, const struct demand *d, struct vm_object **object)
{
    struct request of = {.op = FS_FILE_OF, .pid = call->pid, .arg = {(uint64_t)d->fd}};
    long handle = vm_ask_fs(vm, call, &of), r;

    if (handle < 0)
        return handle;
    r = (d->flags & MAP_TYPE) != MAP_PRIVATE && (d->prot & PROT_WRITE) ? -ENODEV
                                                                       : vm_object_file(vm, call, handle, object);
    vm_ask_fs(vm, call, &(struct request){.op = FS_RELEASE, .arg = {(uint64_t)handle}});
    return r;
}

/* What is behind the mapping, with one user: *object stays NULL for private anonymous memory. */
static long choose_object(struct vm *vm, struct call *call, const struct demand *d, struct vm_object **object)
{
    if (!(d->flags & MAP_ANONYMOUS))
        return file_object(vm, call, d, object);
    if ((d->flags & MAP_TYPE) == MAP_PRIVATE)
        return 0;
    *object = vm_object_shared(vm);
    return *object ? 0 : -ENOMEM;
}

static long map_demand(struct vm *vm, struct call *call, struct vm_space *space, const struct demand *d)
{
    struct vm_object *object = NULL;
    long address = choose_address(space, d);
    long r = address < 0 ? address : choose_object(vm, call, d, &object);
    struct vm_mapping mapping = {
        .start = (uint64_t)address,
        .end = (uint64_t)address + page_up(d->bytes),
        .prot = d->prot,
        .flags = (object && (d->flags & MAP_TYPE) != MAP_PRIVATE ? AREA_SHARED : 0) |
                 (d->flags & MAP_GROWSDOWN ? AREA_STACK : 0),
        .object = object,
        .index = d->flags & MAP_ANONYMOUS ? 0 : d->offset >> PAGE_SHIFT,
    };

    if (r < 0)
        return r;
    if (space->limited && !vm_may_grow(vm, call->pid, space, mapping.end - mapping.start, mapping.start, mapping.prot,
                                       mapping.flags))
        r = -ENOMEM;
    else
        r = vm_area_create(vm, space, &mapping);
    if (r < 0 && object)
        vm_object_release(vm, object);
    return r < 0 ? r : address;
}

long vm_call_mmap(void *self, struct call *call)
{
    struct vm *vm = self;
    struct vm_space *space = vm_space_of(vm, call->pid);
    struct demand d = {
        .address = call->arg[0],
        .bytes = call->arg[1],
        .prot = call->arg[2] & (PROT_READ | PROT_WRITE | PROT_EXEC),
        .flags = (unsigned)call->arg[3],
        .fd = (int)call->arg[4],
        .offset = call->arg[5],
    };
    long r = space ? check_demand(vm, &d) : -ENOMEM;

    return r < 0 ? r : map_demand(vm, call, space, &d);
}

long vm_call_munmap(void *self, struct call *call)
{
    struct vm *vm = self;
    struct vm_space *space = vm_space_of(vm, call->pid);
    uint64_t start = call->arg[0], bytes = call->arg[1], end = start + page_up(bytes);

    if (!space || start & PAGE_MASK || bytes == 0 || bytes > VM_USER_END || start > VM_USER_END - page_up(bytes))
        return -EINVAL;
    if (vm_range_sealed(space, start, end))
        return -EPERM;
    if (vm_area_split(vm, space, start) || vm_area_split(vm, space, end))
        return -ENOMEM;
    vm_range_remove(vm, space, start, end);
    return 0;
}

static long grow_heap(struct vm *vm, struct vm_space *space, int pid, uint64_t from, uint64_t to)
{
    struct vm_mapping heap = {.start = from, .end = to, .prot = PROT_READ | PROT_WRITE};
    struct vm_area *above = vm_area_after(space, from);
    uint64_t guard = above && above->flags & AREA_STACK ? STACK_GUARD : 0;

    if (above && to + guard > area_start(above))
        return -ENOMEM;
    if (vm_too_much(vm, to - from) || !vm_may_grow(vm, pid, space, to - from, 0, heap.prot, heap.flags))
        return -ENOMEM;
    return vm_area_create(vm, space, &heap);
}

static long shrink_heap(struct vm *vm, struct vm_space *space, uint64_t from, uint64_t to)
{
    if (vm_area_split(vm, space, to) || vm_area_split(vm, space, from))
        return -ENOMEM;
    vm_range_remove(vm, space, to, from);
    return 0;
}

/* As the raw call: the new end of the heap, or the old one if it cannot be had. */
long vm_call_brk(void *self, struct call *call)
{
    struct vm *vm = self;
    struct vm_space *space = vm_space_of(vm, call->pid);
    uint64_t want = call->arg[0], from, to;
    long r = 0;

    if (!space)
        return 0;
    if (want < space->brk_start || want > VM_USER_END - PAGE_SIZE)
        return (long)space->brk_end;
    from = page_up(space->brk_end);
    to = page_up(want);
    if (to > from)
        r = grow_heap(vm, space, call->pid, from, to);
    if (to < from)
        r = shrink_heap(vm, space, from, to);
    if (r == 0)
        space->brk_end = want;
    return (long)space->brk_end;
}
