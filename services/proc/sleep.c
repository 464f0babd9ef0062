/* SPDX-License-Identifier: MIT
 *
 * services/proc/sleep.c: nanosleep and clock_nanosleep.
 *
 * The deadline is fixed at the first entry and kept in call->done. An interrupted
 * relative sleep that starts again without a handler having run (after a stop) finds its
 * old deadline in the process: it does not sleep longer for having been stopped.
 */
#include <linux/time.h>

#include "services/proc/process.h"

#define SECONDS_MAX (1ul << 33) /* more than 270 years: for ever, and nothing overflows */

struct sleep {
    uint64_t rem; /* where the rest is written; 0: nowhere */
    bool absolute;
};

static long sleep_until(struct proc *proc, struct call *call, const struct sleep *s)
{
    struct process *p = proc_caller(proc, call);
    uint64_t now = proc_now(proc), left;
    struct timespec rest;
    long r = 0;

    if (now >= call->done)
        return 0;
    if (!proc_interrupted(p) && !(call->flags & CALL_INTERRUPTED))
        return call_wait(call, 0, call->done);
    if (s->absolute)
        return -ERESTART_NOHAND;
    left = call->done - now;
    rest = (struct timespec){.tv_sec = (long)(left / NS_PER_SECOND), .tv_nsec = (long)(left % NS_PER_SECOND)};
    if (s->rem)
        r = proc_out(proc, call, s->rem, &rest, sizeof rest);
    if (r)
        return r;
    p->restart_deadline = call->done;
    return -ERESTART_SLEEP;
}

/* Reads the program's struct timespec as ns. */
static long read_ns(struct proc *proc, struct call *call, uint64_t from, uint64_t *ns)
{
    struct timespec t;
    long r = proc_in(proc, call, &t, from, sizeof t);

    if (r)
        return r;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= (long)NS_PER_SECOND)
        return -EINVAL;
    *ns = ((uint64_t)t.tv_sec < SECONDS_MAX ? (uint64_t)t.tv_sec : SECONDS_MAX) * NS_PER_SECOND + (uint64_t)t.tv_nsec;
    return 0;
}

/* First entry of a relative sleep: fixes the deadline. */
static long begin(struct proc *proc, struct call *call, uint64_t from)
{
    struct process *p = proc_caller(proc, call);
    uint64_t ns;
    long r = read_ns(proc, call, from, &ns);

    if (r)
        return r;
    call->done = p->restart_deadline ? p->restart_deadline : proc_now(proc) + ns;
    p->restart_deadline = 0;
    return 0;
}

long proc_call_nanosleep(void *self, struct call *call)
{
    long r = call->done ? 0 : begin(self, call, call->arg[0]);

    return r ? r : sleep_until(self, call, &(struct sleep){.rem = call->arg[1]});
}

static long begin_absolute(struct proc *proc, struct call *call, int clock)
{
    uint64_t ns, wall = clock == CLOCK_REALTIME ? proc->config.wall_ns : 0;
    long r = read_ns(proc, call, call->arg[2], &ns);

    if (r == 0)
        call->done = ns > wall ? ns - wall : 1;
    return r;
}

long proc_call_clock_nanosleep(void *self, struct call *call)
{
    int clock = (int)call->arg[0];
    struct sleep s = {.absolute = call->arg[1] & TIMER_ABSTIME};
    long r = 0;

    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
        return clock == CLOCK_PROCESS_CPUTIME_ID ? -EOPNOTSUPP : -EINVAL;
    if (!s.absolute)
        s.rem = call->arg[3];
    if (!call->done)
        r = s.absolute ? begin_absolute(self, call, clock) : begin(self, call, call->arg[2]);
    return r ? r : sleep_until(self, call, &s);
}
