/* SPDX-License-Identifier: MIT
 *
 * services/proc/limits.c: getrlimit, setrlimit, prlimit64.
 *
 * Limits are remembered, inherited and reported here, and kept where the resource is: fs and vm are told theirs. What
 * no case of `enforce` names is not kept at all.
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

#define OPEN_MAX 1048576 /* Linux's default fs.nr_open */

/* Who has the resource has the soft limit, too. */
static long enforce(struct proc *proc, struct call *call, const struct process *p, unsigned resource, uint64_t soft)
{
    const uint64_t arg[6] = {resource, soft};

    if (soft == p->limit[resource].rlim_cur)
        return 0;
    switch (resource) {
    case RLIMIT_NOFILE:
    case RLIMIT_FSIZE:
        return proc_ask(proc, call, SERVICE_FS, FS_LIMIT, p->pid, arg);
    case RLIMIT_AS:
    case RLIMIT_DATA:
    case RLIMIT_STACK:
        return proc_ask(proc, call, SERVICE_VM, VM_LIMIT, p->pid, arg);
    default:
        return 0;
    }
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
    if (r == 0 && new && resource == RLIMIT_NOFILE && value.rlim_max > OPEN_MAX)
        r = -EPERM;
    if (r == 0 && old)
        r = proc_out(proc, call, old, &p->limit[resource], sizeof value);
    if (r == 0 && new)
        r = enforce(proc, call, p, resource, value.rlim_cur);
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
