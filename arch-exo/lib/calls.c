/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/calls.c: a system call in an exokernel's library: a jump, a table, a jump back.
 *
 * The services' tables are merged into one at boot, so that a call costs one indexed load and one indirect call. A
 * call that answers CALL_WAIT puts its env to sleep, in the middle of this file, and is handed in again afterwards.
 *
 * lib_syscall is the path that every call takes, so it does nothing that a call which neither waits nor changes its
 * caller's registers could do without; everything else is call_slow. What the kernel wants is not looked at here but on
 * the way out (entry.S), where no interrupt can come between the look and the program.
 */
#include "abi/probe.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "arch-exo/lib/patch.h"

/* So often is a site reflected before it is patched. Patching one costs as much as some forty reflections, so that it
 * would only lose where a call is made once or twice (exit, and most of what a short program calls); a site that has
 * been there this often is mostly in a loop. */
#define PATCH_AFTER 8

/* No service has this call. Worth a word if Linux may have it. */
static long call_unknown(void *self, struct call *call)
{
    if (call->nr < CALL_TABLE_SIZE)
        probe(PROBE_WARN, PROBE_WARN_ENOSYS, call->nr, 0);
    return -ENOSYS;
}

/* alarm and setitimer: the kernel's alarm may have to come earlier. */
static long call_timer(void *self, struct call *call)
{
    long result = service_call(self, call);

    alarm_update();
    return result;
}

void calls_init(void)
{
    struct service *proc = &library.services[SERVICE_PROC];

    local_routes(library.routes, library.services, call_unknown);
    library.routes[CALL_FAULT] = (struct route){pages_fault, &library.services[SERVICE_VM]};
    library.routes[CALL_alarm] = library.routes[CALL_setitimer] = (struct route){call_timer, proc};
}

void call_sleep(const struct call *call)
{
    task_sleep(call->channel, call->until, false);
}

long call_complete(struct task *task, struct call *call, long result)
{
    return local_complete(local_route(library.routes, call->nr), call, result, library.proc, &task->dying, task_sleep);
}

void task_leave(struct task *task, long result)
{
    if (!task->dying && (result == -ERESTART || proc_pending(library.proc, task->pid)) &&
        local_deliver(library.proc, task->pid, result, task_sleep))
        task->dying = true;
    if (task->dying)
        task_end();
    pages_flush();
    if (task->attention & ATTENTION_CONTEXT)
        task_load_context(task);
    lock_release();
}

static __attribute__((noinline)) bool call_slow(struct task *task, struct call *call, long result)
{
    struct user_regs *regs = &lib_private.context.regs;

    result = call_complete(task, call, result);
    if (regs->vector == VECTOR_SYSCALL_ENTRY)
        regs->rax = (uint64_t)result;
    pages_flush();
    if (!task->attention && result != -ERESTART && !task->dying && !proc_pending(library.proc, task->pid)) {
        lock_release();
        return true;
    }
    task_leave(task, result);
    return false;
}

/* A result that asks for a restart needs no look here: it comes of a wait, or together with a pending signal. */
bool lib_syscall(void)
{
    struct user_regs *regs = &lib_private.context.regs;
    struct task *task = task_current();
    uint32_t number = (uint32_t)regs->error;
    const struct route *route = &library.routes[likely(number < CALL_TABLE_SIZE) ? number : ROUTE_UNKNOWN];
    struct call call;
    long result;

    lock_take();
    local_call(&call, number, task->pid, regs);
    result = route->op(route->self, &call);
    if (likely(result != CALL_WAIT) && likely(!task->attention) && likely(!proc_pending(library.proc, task->pid))) {
        regs->rax = (uint64_t)result;
        lock_release();
        return true;
    }
    return call_slow(task, &call, result);
}

/* Whether the site has been reflected often enough. Sites that share a counter are patched sooner. */
static bool is_worth_patching(struct task *task, uint64_t rip)
{
    uint8_t *times = &task->reflected[(rip ^ rip >> 6) % REFLECTED_SITES];

    if (*times < PATCH_AFTER)
        ++*times;
    return *times == PATCH_AFTER;
}

bool lib_reflected(void)
{
    struct task *task = task_current();
    uint64_t rip = lib_private.context.regs.rip;

    if (library.patches && is_worth_patching(task, rip)) {
        lock_take();
        patch_site(task->pid, rip);
        pages_flush();
        lock_release();
    }
    return lib_syscall();
}

/* The context is all of the program's state, also that of a call which has just been completed: there is no result to
 * be written any more. */
void lib_pending(void)
{
    uint64_t pending = __atomic_exchange_n(&lib_private.pending, 0, __ATOMIC_RELAXED);

    if (pending & PENDING_SLICE)
        exo_call(EXO_YIELD, 0, 0, 0);
    lock_take();
    if (pending & PENDING_REVOKE)
        pages_revoke();
    lib_private.context.regs.vector = VECTOR_RESTORED;
    task_leave(task_current(), 0);
}
