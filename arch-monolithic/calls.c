/* SPDX-License-Identifier: MIT
 *
 * arch-monolithic/calls.c: a system call in a monolithic kernel: SYSCALL, a jump through a table, SYSRET.
 *
 * The services' tables are merged into one at boot, so that a call costs one indexed load and one indirect call. A
 * call that answers CALL_WAIT puts its thread to sleep, in the middle of this file, and is handed in again afterwards.
 *
 * kernel_syscall is the path that every call takes, so it does nothing that a call which neither waits nor changes its
 * caller's registers could do without; everything else is call_slow.
 */
#include "abi/probe.h"
#include "arch-monolithic/kernel.h"

#define likely(x) __builtin_expect(!!(x), 1)

/* No service has this call. Worth a word if Linux may have it. */
static long call_unknown(void *self, struct call *call)
{
    if (call->nr < CALL_TABLE_SIZE)
        probe(PROBE_WARN, PROBE_WARN_ENOSYS, call->nr, 0);
    return -ENOSYS;
}

/* alarm and setitimer: the thread that serves them must look at the time anew. */
static long call_timer(void *self, struct call *call)
{
    long result = service_call(self, call);

    sched_wake(CHANNEL_TIMER);
    return result;
}

void calls_init(void)
{
    struct service *proc = &kernel.services[SERVICE_PROC];

    local_routes(kernel.routes, kernel.services, call_unknown);
    kernel.routes[CALL_alarm] = kernel.routes[CALL_setitimer] = (struct route){call_timer, proc};
}

void call_sleep(const struct call *call)
{
    sched_sleep(call->channel, call->until, false);
}

static uint32_t task_sleep(uint64_t channel, uint64_t until, bool interruptible)
{
    enum wake_reason reason = sched_sleep(channel, until, interruptible);

    return reason == WAKE_TIME ? CALL_TIMED_OUT : reason == WAKE_INTERRUPT ? CALL_INTERRUPTED : 0;
}

long call_complete(struct task *task, struct call *call, long result)
{
    return local_complete(local_route(kernel.routes, call->nr), call, result, kernel.proc, &task->dying, task_sleep);
}

void task_leave(struct task *task, long result)
{
    while (this_cpu()->reschedule && !task->dying)
        sched_before_user();
    if (!task->dying && (result == -ERESTART || proc_pending(kernel.proc, task->pid)) &&
        local_deliver(kernel.proc, task->pid, result, task_sleep))
        task->dying = true;
    if (task->dying)
        sched_exit();
    thread_load_user_state();
}

static __attribute__((noinline)) bool call_slow(struct task *task, struct call *call, long result)
{
    struct user_regs *regs = &task->thread.context->regs;

    result = call_complete(task, call, result);
    if (regs->vector == VECTOR_SYSCALL_ENTRY)
        regs->rax = (uint64_t)result;
    if (!task->thread.changed && result != -ERESTART && !task->dying && !this_cpu()->reschedule &&
        !proc_pending(kernel.proc, task->pid)) {
        thread_load_user_state();
        return true;
    }
    task_leave(task, result);
    return false;
}

/* A result that asks for a restart needs no look here: it comes of a wait, or together with a pending signal. */
bool kernel_syscall(struct user_regs *regs)
{
    struct cpu *cpu = this_cpu();
    struct task *task = (struct task *)cpu->current;
    uint32_t number = (uint32_t)regs->error;
    const struct route *route = &kernel.routes[likely(number < CALL_TABLE_SIZE) ? number : ROUTE_UNKNOWN];
    struct call call;
    long result;

    local_call(&call, number, task->pid, regs);
    result = route->op(route->self, &call);
    if (likely(result != CALL_WAIT) && likely(cpu->user_state == &task->thread) && likely(!cpu->reschedule) &&
        likely(!proc_pending(kernel.proc, task->pid))) {
        regs->rax = (uint64_t)result;
        return true;
    }
    return call_slow(task, &call, result);
}

void kernel_user_return(struct user_regs *regs)
{
    struct cpu *cpu = this_cpu();
    struct task *task = (struct task *)cpu->current;

    if (cpu->user_state != &task->thread || cpu->reschedule || proc_pending(kernel.proc, task->pid))
        task_leave(task, 0);
}
