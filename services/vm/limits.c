/* SPDX-License-Identifier: MIT
 *
 * services/vm/limits.c: RLIMIT_AS, RLIMIT_DATA and RLIMIT_STACK.
 *
 * Nobody counts along: where a process has limits at all, its areas are added up each time it asks for more.
 */
#include <linux/resource.h>

#include "services/vm/space.h"

/* What Linux counts as data: private, writable, and no stack. */
static bool is_data(uint32_t prot, uint32_t flags)
{
    return prot & PROT_WRITE && !(flags & (AREA_SHARED | AREA_STACK));
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Bytes of an area outside [start, end). */
static uint64_t outside(const struct vm_area *area, uint64_t start, uint64_t end)
{
    uint64_t low = area_start(area) < start ? start : area_start(area), high = least(area->end, end);

    return area->end - area_start(area) - (low < high ? high - low : 0);
}

bool vm_may_grow(const struct vm *vm, int pid, struct vm_space *space, uint64_t bytes, uint64_t place, uint32_t prot,
                 uint32_t flags)
{
    const struct vm_limits *limits = space->limited ? vm_limits_of(vm, pid) : NULL;
    uint64_t all = bytes, data = bytes, end = place ? place + bytes : 0;

    if (!limits)
        return true;
    for (struct vm_area *area = vm_area_after(space, 0); area; area = vm_area_next(area)) {
        if (area->flags & AREA_RESERVED) /* not the program's */
            continue;
        all += outside(area, place, end);
        if (is_data(area->prot, area->flags))
            data += outside(area, place, end);
    }
    return all <= limits->space && (!is_data(prot, flags) || data <= limits->data);
}

long vm_limit(struct vm *vm, struct request *rq)
{
    struct vm_limits *limits = vm_limits_of(vm, rq->pid);

    if (!limits)
        return -ESRCH;
    switch (rq->arg[0]) {
    case RLIMIT_AS:
        limits->space = rq->arg[1];
        break;
    case RLIMIT_DATA:
        limits->data = rq->arg[1];
        break;
    case RLIMIT_STACK:
        limits->stack = rq->arg[1];
        break;
    default:
        return -EINVAL;
    }
    vm_space_of(vm, rq->pid)->limited = true;
    return 0;
}
