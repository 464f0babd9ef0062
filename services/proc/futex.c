/* SPDX-License-Identifier: MIT
 *
 * services/proc/futex.c: FUTEX_WAIT and FUTEX_WAKE.
 *
 * A waiter is known by address and, for a private futex, by space. Shared futexes match
 * by address alone: right for memory shared by fork, where it is in the same place; a
 * stranger that happens to wait at the same address is woken for nothing, which a futex's
 * user must expect.
 */
#include <linux/futex.h>
#include <linux/time.h>

#include "services/proc/process.h"

#define ANY_SPACE UINT64_MAX

static uint64_t space_of(const struct process *p, unsigned op)
{
    return op & FUTEX_PRIVATE_FLAG ? p->space_key : ANY_SPACE;
}

static long read_deadline(struct proc *proc, struct call *call, unsigned op, uint64_t *deadline)
{
    struct timespec t;
    uint64_t ns, wall = op & FUTEX_CLOCK_REALTIME ? proc->config.wall_ns : 0;
    long r = proc_in(proc, call, &t, call->arg[3], sizeof t);

    if (r)
        return r;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= (long)NS_PER_SECOND)
        return -EINVAL;
    ns = ((uint64_t)t.tv_sec >> 33 ? 1ul << 33 : (uint64_t)t.tv_sec) * NS_PER_SECOND + (uint64_t)t.tv_nsec;
    if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT)
        *deadline = proc_now(proc) + ns;
    else
        *deadline = ns > wall ? ns - wall : 1;
    return 0;
}

static long begin(struct proc *proc, struct call *call, struct process *p, unsigned op)
{
    uint64_t deadline = CALL_FOREVER;
    uint32_t value;
    long r = call->arg[3] ? read_deadline(proc, call, op, &deadline) : 0;

    if (r == 0)
        r = proc_in(proc, call, &value, call->arg[0], sizeof value);
    if (r)
        return r;
    if (value != (uint32_t)call->arg[2])
        return -EAGAIN;
    call->done = deadline;
    p->futex_key = call->arg[0];
    p->futex_space = space_of(p, op);
    p->futex_woken = false;
    return 0;
}

static long end_wait(struct process *p, long result)
{
    p->futex_key = 0;
    return result;
}

static long futex_wait(struct proc *proc, struct call *call, struct process *p, unsigned op)
{
    long r = call->done ? 0 : begin(proc, call, p, op);

    if (r)
        return r;
    if (p->futex_woken)
        return end_wait(p, 0);
    if (call->done != CALL_FOREVER && proc_now(proc) >= call->done)
        return end_wait(p, -ETIMEDOUT);
    if (proc_interrupted(p) || call->flags & CALL_INTERRUPTED)
        return end_wait(p, call->done == CALL_FOREVER ? -ERESTART : -EINTR);
    return call_wait(call, proc_channel(WAIT_FUTEX, p->pid), call->done);
}

struct waking {
    uint64_t key, space; /* space 0: whatever it is */
    long limit, woken;
};

static long wake_one(struct proc *proc, struct process *p, void *ctx)
{
    struct waking *w = ctx;

    if (p->futex_key != w->key || (w->space && p->futex_space != w->space) || p->futex_woken)
        return 0;
    p->futex_woken = true;
    proc_wake(proc, WAIT_FUTEX, p->pid);
    return ++w->woken >= w->limit;
}

static long futex_wake(struct proc *proc, struct call *call, struct process *p, unsigned op)
{
    struct waking w = {.key = call->arg[0], .space = space_of(p, op), .limit = (int)call->arg[2]};

    if (w.limit < 1)
        w.limit = 1;
    proc_each(proc, wake_one, &w);
    return w.woken;
}

long proc_futex_wake(struct proc *proc, uint64_t address, int limit)
{
    struct waking w = {.key = address, .limit = limit};

    proc_each(proc, wake_one, &w);
    return w.woken;
}

long proc_call_futex(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    unsigned op = (unsigned)call->arg[1];

    if (call->arg[0] & 3)
        return -EINVAL;
    if (call->arg[0] >= USER_END)
        return -EFAULT;
    switch (op & FUTEX_CMD_MASK) {
    case FUTEX_WAIT_BITSET:
        if (!(uint32_t)call->arg[5])
            return -EINVAL;
        __attribute__((fallthrough));
    case FUTEX_WAIT:
        return futex_wait(self, call, p, op);
    case FUTEX_WAKE_BITSET:
        if (!(uint32_t)call->arg[5])
            return -EINVAL;
        __attribute__((fallthrough));
    case FUTEX_WAKE:
        return futex_wake(self, call, p, op);
    default:
        return -ENOSYS;
    }
}
