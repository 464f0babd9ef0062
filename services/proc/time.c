/* SPDX-License-Identifier: MIT
 *
 * services/proc/time.c: clocks and time used, all from host->now: the machine's cycle clock.
 */
#include <linux/time.h>
#include <linux/times.h>

#include "services/proc/process.h"

#define NS_PER_TICK 10000000ul /* times(2): 100 ticks a second */
#define PAGE_KIB 4

void proc_times(struct proc *proc, struct process *p, uint64_t *user, uint64_t *system)
{
    *user = *system = 0;
    proc->threads->thread_times(proc->threads->ctx, p->pid, user, system);
}

/* A clock's time in ns, or -EINVAL. */
static long read_clock(struct proc *proc, struct process *p, int clock)
{
    uint64_t user, system;

    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        return (long)(proc->config.wall_ns + proc_now(proc));
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        return (long)proc_now(proc);
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        proc_times(proc, p, &user, &system);
        return (long)(user + system);
    default:
        return -EINVAL;
    }
}

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (long)(ns / NS_PER_SECOND), .tv_nsec = (long)(ns % NS_PER_SECOND)};
}

static struct __kernel_old_timeval to_timeval(uint64_t ns)
{
    return (struct __kernel_old_timeval){.tv_sec = (long)(ns / NS_PER_SECOND),
                                         .tv_usec = (long)(ns % NS_PER_SECOND / 1000)};
}

long proc_call_clock_gettime(void *self, struct call *call)
{
    long ns = read_clock(self, proc_caller(self, call), (int)call->arg[0]);
    struct timespec now;

    if (ns < 0)
        return ns;
    now = to_timespec((uint64_t)ns);
    return proc_out(self, call, call->arg[1], &now, sizeof now);
}

/* Every clock counts nanoseconds here, the coarse ones too. */
long proc_call_clock_getres(void *self, struct call *call)
{
    struct timespec resolution = {.tv_nsec = 1};
    long ns = read_clock(self, proc_caller(self, call), (int)call->arg[0]);

    if (ns < 0 || !call->arg[1])
        return ns < 0 ? ns : 0;
    return proc_out(self, call, call->arg[1], &resolution, sizeof resolution);
}

long proc_call_gettimeofday(void *self, struct call *call)
{
    struct proc *proc = self;
    struct __kernel_old_timeval now = to_timeval(proc->config.wall_ns + proc_now(proc));
    struct timezone zone = {0};
    long r = 0;

    if (call->arg[0])
        r = proc_out(proc, call, call->arg[0], &now, sizeof now);
    if (r == 0 && call->arg[1])
        r = proc_out(proc, call, call->arg[1], &zone, sizeof zone);
    return r;
}

long proc_call_time(void *self, struct call *call)
{
    struct proc *proc = self;
    long now = (long)((proc->config.wall_ns + proc_now(proc)) / NS_PER_SECOND);
    long r = call->arg[0] ? proc_out(proc, call, call->arg[0], &now, sizeof now) : 0;

    return r ? r : now;
}

long proc_call_times(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    uint64_t user, system;
    struct tms t;
    long r = 0;

    proc_times(self, p, &user, &system);
    t = (struct tms){.tms_utime = (long)(user / NS_PER_TICK), .tms_stime = (long)(system / NS_PER_TICK),
                     .tms_cutime = (long)(p->child_user_ns / NS_PER_TICK),
                     .tms_cstime = (long)(p->child_system_ns / NS_PER_TICK)};
    if (call->arg[0])
        r = proc_out(self, call, call->arg[0], &t, sizeof t);
    return r ? r : (long)(proc_now(self) / NS_PER_TICK);
}

/* Faults and switches are the machine's to count, not a service's: those fields are 0. */
void proc_fill_rusage(struct rusage *usage, uint64_t user_ns, uint64_t system_ns, uint64_t pages)
{
    __builtin_memset(usage, 0, sizeof *usage);
    usage->ru_utime = to_timeval(user_ns);
    usage->ru_stime = to_timeval(system_ns);
    usage->ru_maxrss = (long)pages * PAGE_KIB;
}

long proc_call_getrusage(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    int who = (int)call->arg[0];
    uint64_t user, system;
    struct rusage usage;

    if (who == RUSAGE_CHILDREN) {
        proc_fill_rusage(&usage, p->child_user_ns, p->child_system_ns, 0);
    } else if (who == RUSAGE_SELF || who == RUSAGE_THREAD) {
        long pages = proc_ask(self, call, SERVICE_VM, VM_USAGE, p->pid, NULL);

        if (pages == CALL_WAIT)
            return pages;
        proc_times(self, p, &user, &system);
        proc_fill_rusage(&usage, user, system, pages > 0 ? (uint64_t)pages : 0);
    } else {
        return -EINVAL;
    }
    return proc_out(self, call, call->arg[1], &usage, sizeof usage);
}
