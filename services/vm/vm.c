/* SPDX-License-Identifier: MIT
 *
 * services/vm/vm.c: making and ending the vm service; its table of calls.
 *
 * Layers inside, one file each: tree and pages (maps), frames (counts), objects (files
 * and shared memory), areas (what addresses mean), spaces (processes), then the calls:
 * mmap, protect, advise, remap, fault; requests and poke are what others ask. space.h has
 * the whole picture.
 */
#include "services/vm/space.h"

struct vm *vm_create(const struct host *host, const struct vm_host *pages, uint64_t frame_limit)
{
    struct vm *vm = host->alloc(host->ctx, sizeof *vm);

    if (!vm)
        return NULL;
    vm->host = host;
    vm->mmu = pages;
    vm->frame_limit = frame_limit;
    if (vm_counts_create(vm))
        return vm;
    vm_destroy(vm);
    return NULL;
}

void vm_destroy(struct vm *vm)
{
    vm_shrink(vm);
    vm_counts_destroy(vm);
    vm->host->free(vm->host->ctx, vm, sizeof *vm);
}

static call_op *const vm_calls[CALL_TABLE_END] = {
    [CALL_mmap] = vm_call_mmap,       [CALL_munmap] = vm_call_munmap,   [CALL_brk] = vm_call_brk,
    [CALL_mprotect] = vm_call_mprotect, [CALL_mremap] = vm_call_mremap, [CALL_madvise] = vm_call_madvise,
    [CALL_msync] = vm_call_msync,     [CALL_FAULT] = vm_call_fault,
};

struct service vm_service(struct vm *vm)
{
    return (struct service){.name = "vm", .self = vm, .calls = vm_calls, .request = vm_request};
}
