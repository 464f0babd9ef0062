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

static void route_set(unsigned number, enum service_id id)
{
    const struct service *service = &kernel.services[id];

    if (service->calls && service->calls[number])
        kernel.routes[number] = (struct route){service->calls[number], service->self};
}

void calls_init(void)
{
    struct service *proc = &kernel.services[SERVICE_PROC];

    for (unsigned i = 0; i <= ROUTE_UNKNOWN; i++)
        kernel.routes[i] = (struct route){call_unknown, NULL};
#define CALL(number, name, service) route_set(number, SERVICE_##service);
#include "abi/calls.def"
#undef CALL
    route_set(CALL_FAULT, SERVICE_VM);
    route_set(CALL_SYNC_ALL, SERVICE_FS);
    kernel.routes[CALL_alarm] = kernel.routes[CALL_setitimer] = (struct route){call_timer, proc};
}

/* A pseudo call number, from the kernel itself, has its place in the table too. */
static const struct route *route_of(uint32_t number)
{
    return &kernel.routes[number < CALL_TABLE_END ? number : ROUTE_UNKNOWN];
}

void call_sleep(const struct call *call)
{
    sched_sleep(call->channel, call->until, false);
}

static uint32_t flags_after(enum wake_reason reason)
{
    return reason == WAKE_TIME ? CALL_TIMED_OUT : reason == WAKE_INTERRUPT ? CALL_INTERRUPTED : 0;
}

/* A signal interrupts a wait once; if the service then wants to wait still, it waits for something short. */
long call_complete(struct task *task, struct call *call, long result)
{
    const struct route *route = route_of(call->nr);

    while (result == CALL_WAIT && !task->dying) {
        bool told = call->flags & CALL_INTERRUPTED;

        if (!told && proc_pending(kernel.proc, task->pid))
            call->flags = CALL_INTERRUPTED;
        else
            call->flags = flags_after(sched_sleep(call->channel, call->until, !told));
        result = route->op(route->self, call);
    }
    return result;
}

/* Signal frames are built on the program's stack: that may wait, too. 0: go; 1: the process is no more. */
static long deliver_signals(struct task *task, long result)
{
    struct call call = {.nr = CALL_rt_sigreturn, .pid = task->pid};
    long status;

    while ((status = proc_deliver(kernel.proc, &call, result)) == CALL_WAIT)
        sched_sleep(call.channel, call.until, true);
    return status;
}

void task_leave(struct task *task, long result)
{
    while (this_cpu()->reschedule && !task->dying)
        sched_before_user();
    if (!task->dying && (result == -ERESTART || proc_pending(kernel.proc, task->pid)) && deliver_signals(task, result))
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

    call.nr = number;
    call.pid = task->pid;
    call.arg[0] = regs->rdi;
    call.arg[1] = regs->rsi;
    call.arg[2] = regs->rdx;
    call.arg[3] = regs->r10;
    call.arg[4] = regs->r8;
    call.arg[5] = regs->r9;
    call.flags = 0;
    call.done = 0;
    call.note = 0;
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
