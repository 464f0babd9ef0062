/* SPDX-License-Identifier: MIT
 *
 * services/vm/fault.c: page faults: what an address means, made true one page at a time.
 *
 *     no entry in the page map    private anonymous: a frame of zeros
 *                                 an object's page: mapped as it is, or copied if it is private and written
 *     entry, write refused        the only reference: writable from now on; else a copy
 *     entry, not in the table     back into the table
 *     entry, all in order         spurious (another thread was first): nothing
 */
#include "services/vm/space.h"

struct fault {
    struct vm *vm;
    struct call *call;
    struct vm_space *space;
    struct vm_area *area;
    uint64_t address; /* of the page */
    bool write;
};

/* The entry's place is reserved. Consumes the reference to the frame, whatever happens. */
static long install(struct fault *f, frame_t frame, uint64_t flags)
{
    struct vm *vm = f->vm;
    unsigned prot = hardware_prot(f->area->prot, flags & PAGE_WRITABLE);

    if (vm->mmu->map(vm->mmu->ctx, f->space->id, f->address, frame, prot) < 0) {
        vm_frame_drop(vm, frame);
        return -ENOMEM;
    }
    vm_page_set(&f->space->pages, f->address >> PAGE_SHIFT, frame | PAGE_MAPPED | flags);
    return 0;
}

static uint64_t writable_flag(const struct fault *f)
{
    return f->area->prot & PROT_WRITE ? PAGE_WRITABLE : 0;
}

static long zero_page(struct fault *f)
{
    frame_t frame = vm_frame_new(f->vm);

    if (frame == FRAME_NONE)
        return -ENOMEM;
    f->vm->mmu->frame_zero(f->vm->mmu->ctx, frame);
    return install(f, frame, PAGE_PRIVATE | writable_flag(f));
}

/* A private copy; `keep` bytes of it, zeros behind. The caller keeps `from` referenced. */
static long copy_page(struct fault *f, frame_t from, uint64_t keep)
{
    struct vm *vm = f->vm;
    frame_t frame = vm_frame_new(vm);

    if (frame == FRAME_NONE)
        return -ENOMEM;
    vm->mmu->frame_copy(vm->mmu->ctx, frame, from);
    if (keep < PAGE_SIZE) {
        char *window = vm->mmu->frame_window(vm->mmu->ctx, frame);

        __builtin_memset(window + keep, 0, PAGE_SIZE - keep);
    }
    return install(f, frame, PAGE_PRIVATE | writable_flag(f));
}

static long object_page(struct fault *f)
{
    struct vm_area *area = f->area;
    bool partial = area->fill_end && (area->fill_end & ~PAGE_MASK) == f->address;
    frame_t frame;
    long r = vm_object_page(f->vm, f->call, area->object, area_index(area, f->address), &frame);

    if (r < 0)
        return r;
    vm_frame_hold(f->vm, frame);
    if (area->flags & AREA_SHARED)
        return install(f, frame, writable_flag(f));
    if (!f->write && !partial)
        return install(f, frame, 0);
    r = copy_page(f, frame, partial ? area->fill_end & PAGE_MASK : PAGE_SIZE);
    vm_frame_drop(f->vm, frame);
    return r;
}

static long fault_absent(struct fault *f)
{
    uint64_t page = f->address >> PAGE_SHIFT;
    long r = vm_page_reserve(f->vm, &f->space->pages, page);

    if (r < 0)
        return r;
    r = f->area->object ? object_page(f) : zero_page(f);
    if (r < 0)
        vm_page_trim(f->vm, &f->space->pages, page);
    return r;
}

/* The frame is already this page's: only its protection, or its place in the page table, changes. */
static long reinstall(struct fault *f, uint64_t entry, uint64_t writable)
{
    vm_frame_hold(f->vm, entry_frame(entry));
    long r = install(f, entry_frame(entry), (entry & PAGE_PRIVATE) | writable);

    if (r == 0)
        vm_frame_drop(f->vm, entry_frame(entry));
    return r;
}

static long fault_write(struct fault *f, uint64_t entry)
{
    frame_t old = entry_frame(entry);
    bool own = f->area->flags & AREA_SHARED || (entry & PAGE_PRIVATE && vm_frame_count(f->vm, old) == 1);
    long r;

    if (own)
        return reinstall(f, entry, PAGE_WRITABLE);
    r = copy_page(f, old, PAGE_SIZE);
    if (r == 0)
        vm_frame_drop(f->vm, old);
    return r;
}

long vm_page_own(struct vm *vm, struct call *call, struct vm_space *space, struct vm_area *area, uint64_t address,
                 frame_t *frame)
{
    struct fault f = {.vm = vm, .call = call, .space = space, .area = area, .address = address & ~PAGE_MASK,
                      .write = true};
    uint64_t page = address >> PAGE_SHIFT, entry = vm_page_get(&space->pages, page);
    long r = 0;

    if (!entry)
        r = fault_absent(&f);
    else if (!(entry & PAGE_PRIVATE) || vm_frame_count(vm, entry_frame(entry)) > 1)
        r = fault_write(&f, entry);
    if (r == 0)
        *frame = entry_frame(vm_page_get(&space->pages, page));
    return r;
}

static bool allowed(const struct vm_area *area, uint64_t access)
{
    if (access & VM_WRITE)
        return area->prot & PROT_WRITE;
    if (access & VM_EXEC_ACCESS)
        return area->prot & PROT_EXEC;
    return area->prot; /* x86: what can be written or executed can be read */
}

/* A stack grows down to the page of `address`, within its limit, and keeps its guard. */
static struct vm_area *grow_stack(const struct vm *vm, int pid, struct vm_space *space, uint64_t address)
{
    struct vm_area *stack = vm_area_after(space, address), *below;

    if (!stack || !(stack->flags & AREA_STACK) || address < MAP_LOWEST ||
        stack->end - address > vm_limits_of(vm, pid)->stack ||
        !vm_may_grow(vm, pid, space, area_start(stack) - address, 0, stack->prot, stack->flags))
        return NULL;
    below = area_of(vm_tree_previous(&stack->node));
    if (below && below->end + STACK_GUARD > address)
        return NULL;
    stack->node.key = address;
    return stack;
}

long vm_call_fault(void *self, struct call *call)
{
    struct vm *vm = self;
    uint64_t entry;
    struct fault f = {.vm = vm, .call = call, .space = vm_space_of(vm, call->pid),
                      .address = call->arg[0] & ~PAGE_MASK, .write = call->arg[1] & VM_WRITE};

    if (!f.space || call->arg[0] >= VM_USER_END)
        return -EFAULT;
    f.area = vm_area_find(f.space, f.address);
    if (!f.area)
        f.area = grow_stack(vm, call->pid, f.space, f.address);
    if (!f.area)
        return -EFAULT;
    if (!allowed(f.area, call->arg[1]))
        return -EACCES;
    entry = vm_page_get(&f.space->pages, f.address >> PAGE_SHIFT);
    if (!entry)
        return fault_absent(&f);
    if (f.write && !(entry & PAGE_WRITABLE))
        return fault_write(&f, entry);
    return entry & PAGE_MAPPED ? 0 : reinstall(&f, entry, 0);
}
