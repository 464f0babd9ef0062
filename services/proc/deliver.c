/* SPDX-License-Identifier: MIT
 *
 * services/proc/deliver.c: on the way back to user mode: results, restarts, signals.
 *
 * proc_deliver may WAIT in the middle and is called again from the start with the same
 * result, so each of its steps either leaves no trace until it commits or, done once,
 * is not found again: a taken signal is gone, and a context that has been replaced
 * (VECTOR_RESTORED) has no result to write any more.
 */
#include <asm/signal.h>
#include <asm/siginfo.h>

#include "services/proc/process.h"

#define SYSCALL_BYTES 2 /* the length of the SYSCALL instruction */

enum { GO = 0, KILLED = 1 };

struct delivery {
    struct proc *proc;
    struct call *call;
    struct process *p;
    struct user_context *context;
    long result;
};

static bool in_call(const struct delivery *d)
{
    return d->context->regs.vector == VECTOR_SYSCALL_ENTRY;
}

static bool is_restart(long result)
{
    return result == -ERESTART || result == -ERESTART_NOINTR || result == -ERESTART_NOHAND || result == -ERESTART_SLEEP;
}

/* With a handler: does the call start again after it? Without one it always does. */
static bool restarts(long result, const struct action *handler)
{
    if (result == -ERESTART_NOINTR || !handler)
        return true;
    return result == -ERESTART && handler->flags & SA_RESTART;
}

/* RIP and RAX as the program is to see them when it goes on. */
static void outcome(const struct delivery *d, const struct action *handler, uint64_t *rip, uint64_t *rax)
{
    const struct user_regs *regs = &d->context->regs;

    *rip = regs->rip;
    *rax = regs->rax;
    if (!in_call(d))
        return;
    *rax = (uint64_t)d->result;
    if (!is_restart(d->result))
        return;
    *rax = (uint64_t)-EINTR;
    if (!restarts(d->result, handler))
        return;
    *rax = regs->error; /* the call's number */
    *rip = regs->rip - SYSCALL_BYTES;
}

/* Nothing (more) to deliver: the result goes to RAX. */
static long finish(struct delivery *d)
{
    struct user_regs *regs = &d->context->regs;
    bool was_in_call = in_call(d);

    outcome(d, NULL, &regs->rip, &regs->rax);
    if (was_in_call && is_restart(d->result))
        regs->vector = VECTOR_RESTORED;
    if (d->p->attention & ATTENTION_MASK) {
        d->p->attention &= ~ATTENTION_MASK;
        proc_set_blocked(d->p, d->p->saved_mask);
    }
    return GO;
}

static void after_frame(struct delivery *d, int signo, struct action action)
{
    uint64_t block = action.mask | (action.flags & SA_NODEFER ? 0 : signal_bit(signo));

    d->p->restart_deadline = 0;
    d->p->attention &= ~ATTENTION_MASK;
    proc_take_signal(d->proc, d->p, signo);
    proc_set_blocked(d->p, d->p->blocked | block);
    if (action.flags & SA_RESETHAND) {
        action.handler = (uint64_t)SIG_DFL;
        proc_set_action(d->proc, d->p, signo, &action);
    }
}

/* A frame that does not fit kills, by SIGSEGV that cannot be caught if it was a SIGSEGV that did not fit. */
static void frame_failed(struct delivery *d, int signo)
{
    struct action action = {.handler = (uint64_t)SIG_DFL};

    proc_take_signal(d->proc, d->p, signo);
    if (signo == SIGSEGV)
        proc_set_action(d->proc, d->p, SIGSEGV, &action);
    proc_force(d->proc, d->p, SIGSEGV, &(struct signal_info){.code = SI_KERNEL});
}

static long handle(struct delivery *d, int signo, const struct signal_info *info, const struct action *action)
{
    bool replaces_mask = d->p->attention & ATTENTION_MASK;
    struct frame_request f = {.signo = signo, .info = info, .action = *action,
                              .mask = replaces_mask ? d->p->saved_mask : d->p->blocked};
    long r;

    outcome(d, action, &f.rip, &f.rax);
    r = proc_push_frame(d->proc, d->call, d->p, d->context, &f);
    if (r == CALL_WAIT)
        return r;
    if (r < 0)
        frame_failed(d, signo);
    else
        after_frame(d, signo, *action);
    return GO;
}

static long stop(struct delivery *d, int signo)
{
    proc_take_signal(d->proc, d->p, signo);
    d->p->attention |= ATTENTION_STOPPED;
    d->p->status = signo << 8 | 0x7f;
    d->p->report_stop = true;
    d->p->report_continue = false;
    proc_notify_parent(d->proc, d->p, CLD_STOPPED, signo);
    return GO;
}

static long by_default(struct delivery *d, int signo)
{
    long r;

    switch (proc_default(signo)) {
    case DEFAULT_TERMINATE:
        r = proc_leave(d->proc, d->call, d->p, signo);
        return r == CALL_WAIT ? r : KILLED;
    case DEFAULT_STOP:
        return stop(d, signo);
    default:
        proc_take_signal(d->proc, d->p, signo);
        return GO;
    }
}

static long deliver_one(struct delivery *d, int signo, const struct signal_info *info)
{
    struct action action = proc_action(d->p, signo);

    if (action.handler == (uint64_t)SIG_DFL)
        return by_default(d, signo);
    if (action.handler != (uint64_t)SIG_IGN)
        return handle(d, signo, info, &action);
    proc_take_signal(d->proc, d->p, signo);
    return GO;
}

/* The first steps of a child: CLONE_CHILD_SETTID. That it cannot be written is nobody's error. */
static long write_tid(struct delivery *d)
{
    int32_t pid = d->p->pid;
    long r = proc_out(d->proc, d->call, d->p->set_tid, &pid, sizeof pid);

    if (r == CALL_WAIT)
        return r;
    d->p->set_tid = 0;
    d->p->attention &= ~ATTENTION_NEW_TID;
    return GO;
}

long proc_deliver(struct proc *proc, struct call *call, long result)
{
    struct delivery d = {.proc = proc, .call = call, .p = proc_caller(proc, call), .result = result};
    struct signal_info info;
    long r = GO;
    int signo;

    if (!d.p || d.p->state == PROCESS_ZOMBIE)
        return KILLED;
    d.context = proc->threads->thread_context(proc->threads->ctx, call->pid);
    if (d.p->attention & ATTENTION_NEW_TID)
        r = write_tid(&d);
    while (r == GO) {
        if (d.p->attention & ATTENTION_STOPPED)
            return call_wait(call, proc_channel(WAIT_CONTINUE, call->pid), CALL_FOREVER);
        signo = proc_next_signal(d.p, &info);
        if (!signo)
            break;
        r = deliver_one(&d, signo, &info);
    }
    if (r != GO)
        return r;
    d.p->attention &= ~ATTENTION_INTERRUPTED;
    return finish(&d);
}

int proc_pending(const struct proc *proc, int pid)
{
    const struct process *p = proc_find(proc, pid);

    return p && p->attention;
}

int proc_killed(const struct proc *proc, int pid)
{
    const struct process *p = proc_find(proc, pid);

    return p && p->pending & signal_bit(SIGKILL);
}
