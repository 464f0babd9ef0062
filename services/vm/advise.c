/* SPDX-License-Identifier: MIT
 *
 * services/vm/advise.c: madvise and msync.
 *
 * Only MADV_DONTNEED does anything: private anonymous pages read as zeros afterwards,
 * file pages come from the file again. The hints that ask for nothing observable are
 * accepted; those that change what fork does are not there (EINVAL).
 */
#include "services/vm/space.h"

static bool is_hint(int advice)
{
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_FREE: /* lazily: never, unless memory were short */
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT:
        return true;
    default:
        return false;
    }
}

static bool bad_range(uint64_t start, uint64_t bytes)
{
    return start & PAGE_MASK || bytes > VM_USER_END || start > VM_USER_END - page_up(bytes);
}

long vm_call_madvise(void *self, struct call *call)
{
    struct vm *vm = self;
    struct vm_space *space = vm_space_of(vm, call->pid);
    uint64_t start = call->arg[0], bytes = call->arg[1], end = start + page_up(bytes);
    int advice = (int)call->arg[2];

    if (!space || bad_range(start, bytes) || (advice != MADV_DONTNEED && !is_hint(advice)))
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (advice == MADV_DONTNEED && vm_range_sealed(space, start, end))
        return -EPERM;
    if (advice == MADV_DONTNEED)
        vm_range_drop(vm, space, start, end);
    return vm_range_covered(space, start, end) ? 0 : -ENOMEM;
}

/* Nothing mapped is ever dirty towards a file, so there is nothing to write. */
long vm_call_msync(void *self, struct call *call)
{
    struct vm_space *space = vm_space_of(self, call->pid);
    uint64_t start = call->arg[0], bytes = call->arg[1], flags = call->arg[2];

    if (!space || flags & ~(uint64_t)(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || (flags & MS_ASYNC && flags & MS_SYNC) ||
        start & PAGE_MASK)
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (bad_range(start, bytes) || !vm_range_covered(space, start, start + page_up(bytes)))
        return -ENOMEM;
    return 0;
}
