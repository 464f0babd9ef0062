/* SPDX-License-Identifier: MIT
 *
 * services/vm/frames.c: memory for vm itself, and frames with their reference counts.
 *
 * The counts are allocated whole when vm is made, a page at a time because a service
 * cannot count on large contiguous memory: so a running system never fails for want of
 * a counter, and never keeps more than it started with.
 */
#include "services/vm/space.h"

#define COUNTS_EACH (PAGE_SIZE / sizeof(uint32_t))

static size_t count_pages(const struct vm *vm)
{
    return ((vm->frame_limit >> PAGE_SHIFT) + COUNTS_EACH - 1) / COUNTS_EACH;
}

void *vm_alloc(struct vm *vm, size_t bytes)
{
    void *memory = vm->host->alloc(vm->host->ctx, bytes);

    if (!memory && vm_shrink(vm))
        memory = vm->host->alloc(vm->host->ctx, bytes);
    return memory;
}

bool vm_counts_create(struct vm *vm)
{
    const struct host *host = vm->host;
    size_t pages = count_pages(vm);

    vm->counts = host->alloc(host->ctx, pages * sizeof *vm->counts);
    if (!vm->counts)
        return false;
    for (size_t i = 0; i < pages; i++) {
        vm->counts[i] = host->alloc(host->ctx, PAGE_SIZE);
        if (!vm->counts[i])
            return false;
    }
    return true;
}

void vm_counts_destroy(struct vm *vm)
{
    const struct host *host = vm->host;
    size_t pages = count_pages(vm);

    for (size_t i = 0; vm->counts && i < pages; i++)
        if (vm->counts[i])
            host->free(host->ctx, vm->counts[i], PAGE_SIZE);
    if (vm->counts)
        host->free(host->ctx, vm->counts, pages * sizeof *vm->counts);
}

static uint32_t *count_of(const struct vm *vm, frame_t frame)
{
    uint64_t number = frame >> PAGE_SHIFT;

    return &vm->counts[number / COUNTS_EACH][number % COUNTS_EACH];
}

frame_t vm_frame_new(struct vm *vm)
{
    frame_t frame = vm->mmu->frame_alloc(vm->mmu->ctx);

    if (frame == FRAME_NONE && vm_shrink(vm))
        frame = vm->mmu->frame_alloc(vm->mmu->ctx);
    if (frame != FRAME_NONE)
        *count_of(vm, frame) = 1;
    return frame;
}

void vm_frame_hold(struct vm *vm, frame_t frame)
{
    ++*count_of(vm, frame);
}

void vm_frame_drop(struct vm *vm, frame_t frame)
{
    if (--*count_of(vm, frame) == 0)
        vm->mmu->frame_free(vm->mmu->ctx, frame);
}

uint32_t vm_frame_count(const struct vm *vm, frame_t frame)
{
    return *count_of(vm, frame);
}
