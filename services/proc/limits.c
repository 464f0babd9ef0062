/* SPDX-License-Identifier: MIT
 *
 * services/proc/limits.c: getrlimit, setrlimit, prlimit64.
 *
 * Limits are remembered, inherited and reported; the services have their own, fixed ones
 * (a stack of 8 MiB, the descriptors of fs).
 */
#include "services/proc/process.h"

static struct process *target(struct proc *proc, struct call *call, int pid)
{
    struct process *p = pid ? proc_find(proc, pid) : proc_caller(proc, call);

    return p && p->state != PROCESS_ZOMBIE ? p : NULL;
}

static long check_limit(const struct process *caller, const struct rlimit64 *old, const struct rlimit64 *new)
{
    if (new->rlim_cur > new->rlim_max)
        return -EINVAL;
    return new->rlim_max > old->rlim_max && caller->uid[1] != 0 ? -EPERM : 0;
}

/* new and old: addresses in the program, or 0. */
static long limit(struct proc *proc, struct call *call, int pid, unsigned resource, uint64_t new, uint64_t old)
{
    struct process *p = target(proc, call, pid);
    struct rlimit64 value;
    long r = 0;

    if (resource >= RLIM_NLIMITS)
        return -EINVAL;
    if (!p)
        return -ESRCH;
    if (new)
        r = proc_in(proc, call, &value, new, sizeof value);
    if (r == 0 && new)
        r = check_limit(proc_caller(proc, call), &p->limit[resource], &value);
    if (r == 0 && old)
        r = proc_out(proc, call, old, &p->limit[resource], sizeof value);
    if (r == 0 && new)
        p->limit[resource] = value;
    return r;
}

long proc_call_getrlimit(void *self, struct call *call)
{
    return call->arg[1] ? limit(self, call, 0, (unsigned)call->arg[0], 0, call->arg[1]) : -EFAULT;
}

long proc_call_setrlimit(void *self, struct call *call)
{
    return call->arg[1] ? limit(self, call, 0, (unsigned)call->arg[0], call->arg[1], 0) : -EFAULT;
}

long proc_call_prlimit64(void *self, struct call *call)
{
    return limit(self, call, (int)call->arg[0], (unsigned)call->arg[1], call->arg[2], call->arg[3]);
}
