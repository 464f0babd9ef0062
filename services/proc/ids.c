/* SPDX-License-Identifier: MIT
 *
 * services/proc/ids.c: pids, process groups, sessions.
 */
#include "services/proc/process.h"

long proc_call_getpid(void *self, struct call *call)
{
    return call->pid;
}

long proc_call_getppid(void *self, struct call *call)
{
    return proc_caller(self, call)->ppid;
}

long proc_call_set_tid_address(void *self, struct call *call)
{
    proc_caller(self, call)->clear_tid = call->arg[0];
    return call->pid;
}

/* As of a Linux that was built without restartable sequences; C libraries do without. */
long proc_call_rseq(void *self, struct call *call)
{
    return -ENOSYS;
}

/* pid 0: the caller. */
static struct process *target(struct proc *proc, struct call *call, int pid)
{
    return pid == 0 ? proc_caller(proc, call) : proc_find(proc, pid);
}

struct group {
    int pgid, sid;
};

static long in_group(struct proc *proc, struct process *p, void *ctx)
{
    struct group *g = ctx;

    return p->pgid == g->pgid && p->sid == g->sid;
}

static long check_setpgid(struct proc *proc, const struct process *me, const struct process *p, int pgid)
{
    struct group group = {.pgid = pgid, .sid = me->sid};

    if (!p || (p != me && p->parent != me))
        return -ESRCH;
    if (p != me && p->sid != me->sid)
        return -EPERM;
    if (p != me && p->did_exec)
        return -EACCES;
    if (p->sid == p->pid)
        return -EPERM;
    if (pgid != p->pid && !proc_each(proc, in_group, &group))
        return -EPERM;
    return 0;
}

long proc_call_setpgid(void *self, struct call *call)
{
    struct process *p = target(self, call, (int)call->arg[0]);
    int pgid = (int)call->arg[1];
    long r;

    if (pgid < 0)
        return -EINVAL;
    if (pgid == 0 && p)
        pgid = p->pid;
    r = check_setpgid(self, proc_caller(self, call), p, pgid);
    if (r == 0)
        p->pgid = pgid;
    return r;
}

long proc_call_getpgid(void *self, struct call *call)
{
    struct process *p = target(self, call, (int)call->arg[0]);

    return p ? p->pgid : -ESRCH;
}

long proc_call_getpgrp(void *self, struct call *call)
{
    return proc_caller(self, call)->pgid;
}

static long has_group(struct proc *proc, struct process *p, void *ctx)
{
    return p->pgid == *(int *)ctx;
}

long proc_call_setsid(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    int pid = p->pid;

    if (proc_each(self, has_group, &pid))
        return -EPERM;
    p->pgid = p->sid = pid;
    return pid;
}

long proc_call_getsid(void *self, struct call *call)
{
    struct process *p = target(self, call, (int)call->arg[0]);

    return p ? p->sid : -ESRCH;
}
