/* SPDX-License-Identifier: MIT
 *
 * services/proc/timer.c: alarm and setitimer(ITIMER_REAL).
 *
 * A call's deadline ends a wait; a timer comes whatever the program does. So armed timers
 * are in a list, soonest first, and the placement asks for the first one.
 */
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <linux/time.h>

#include "services/proc/process.h"

#define NS_PER_US 1000ul
#define US_PER_SECOND 1000000

static void unlink_timer(struct proc *proc, struct process *p)
{
    struct process **link = &proc->timers;

    while (*link && *link != p)
        link = &(*link)->timer_next;
    if (*link)
        *link = p->timer_next;
    p->timer_next = NULL;
}

void proc_arm_timer(struct proc *proc, struct process *p, uint64_t due, uint64_t interval)
{
    struct process **link = &proc->timers;

    if (p->timer_due)
        unlink_timer(proc, p);
    p->timer_due = due;
    p->timer_interval = interval;
    if (!due)
        return;
    while (*link && (*link)->timer_due <= due)
        link = &(*link)->timer_next;
    p->timer_next = *link;
    *link = p;
}

uint64_t proc_next_timer(const struct proc *proc)
{
    return proc->timers ? proc->timers->timer_due : CALL_FOREVER;
}

/* Periods that have been missed are one signal, as a standard signal is pending once. */
static uint64_t next_period(const struct process *p, uint64_t now)
{
    if (!p->timer_interval)
        return 0;
    return p->timer_due + ((now - p->timer_due) / p->timer_interval + 1) * p->timer_interval;
}

void proc_timer(struct proc *proc)
{
    uint64_t now = proc_now(proc);

    while (proc->timers && proc->timers->timer_due <= now) {
        struct process *p = proc->timers;

        proc_arm_timer(proc, p, next_period(p, now), p->timer_interval);
        proc_send(proc, p, SIGALRM, &(struct signal_info){.code = SI_KERNEL});
    }
}

static uint64_t remaining(const struct process *p, uint64_t now)
{
    if (!p->timer_due)
        return 0;
    return p->timer_due > now ? p->timer_due - now : NS_PER_US; /* due: as good as now, but still armed */
}

/* Returns the seconds that were left, rounded up. */
long proc_call_alarm(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    uint64_t seconds = (uint32_t)call->arg[0], now = proc_now(self);
    uint64_t left = remaining(p, now);

    proc_arm_timer(self, p, seconds ? now + seconds * NS_PER_SECOND : 0, 0);
    return (long)((left + NS_PER_SECOND - 1) / NS_PER_SECOND);
}

static struct timeval to_timeval(uint64_t ns)
{
    return (struct timeval){.tv_sec = (long)(ns / NS_PER_SECOND), .tv_usec = (long)(ns % NS_PER_SECOND / NS_PER_US)};
}

static bool bad_timeval(const struct timeval *t)
{
    return t->tv_sec < 0 || t->tv_usec < 0 || t->tv_usec >= US_PER_SECOND;
}

/* Capped far in the future, where nothing overflows. */
static uint64_t to_ns(const struct timeval *t)
{
    uint64_t seconds = (uint64_t)t->tv_sec < 1ul << 32 ? (uint64_t)t->tv_sec : 1ul << 32;

    return seconds * NS_PER_SECOND + (uint64_t)t->tv_usec * NS_PER_US;
}

long proc_call_setitimer(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    uint64_t now = proc_now(self), first;
    struct itimerval new = {0}, old = {to_timeval(p->timer_interval), to_timeval(remaining(p, now))};
    long r = 0;

    if ((int)call->arg[0] != ITIMER_REAL)
        return -EINVAL;
    if (call->arg[1])
        r = proc_in(self, call, &new, call->arg[1], sizeof new);
    if (r == 0 && (bad_timeval(&new.it_value) || bad_timeval(&new.it_interval)))
        r = -EINVAL;
    if (r == 0 && call->arg[2])
        r = proc_out(self, call, call->arg[2], &old, sizeof old);
    if (r)
        return r;
    first = to_ns(&new.it_value);
    proc_arm_timer(self, p, first ? now + first : 0, first ? to_ns(&new.it_interval) : 0);
    return 0;
}
