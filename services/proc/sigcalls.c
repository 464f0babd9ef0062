/* SPDX-License-Identifier: MIT
 *
 * services/proc/sigcalls.c: what a program says about its signals: actions, mask, alternate stack; waiting for one.
 */
#include <linux/signal.h>

#include "services/proc/process.h"

#define SS_FLAGS (SS_DISABLE | SS_ONSTACK | SS_AUTODISARM)

static long old_action(struct proc *proc, struct call *call, const struct process *p, int signo)
{
    struct action old = proc_action(p, signo);

    return call->arg[2] ? proc_out(proc, call, call->arg[2], &old, sizeof old) : 0;
}

long proc_call_rt_sigaction(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    struct action action;
    int signo = (int)call->arg[0];
    long r = 0;

    if (call->arg[3] != sizeof p->blocked || signo < 1 || signo > SIGNALS)
        return -EINVAL;
    if (call->arg[1] && (signo == SIGKILL || signo == SIGSTOP))
        return -EINVAL;
    if (call->arg[1])
        r = proc_in(self, call, &action, call->arg[1], sizeof action);
    if (r == 0)
        r = old_action(self, call, p, signo);
    if (r || !call->arg[1])
        return r;
    action.mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    return proc_set_action(self, p, signo, &action);
}

static long new_mask(uint64_t old, uint64_t set, int how, uint64_t *mask)
{
    switch (how) {
    case SIG_BLOCK:
        *mask = old | set;
        return 0;
    case SIG_UNBLOCK:
        *mask = old & ~set;
        return 0;
    case SIG_SETMASK:
        *mask = set;
        return 0;
    default:
        return -EINVAL;
    }
}

long proc_call_rt_sigprocmask(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    uint64_t set, mask = p->blocked;
    long r = 0;

    if (call->arg[3] != sizeof mask)
        return -EINVAL;
    if (call->arg[1])
        r = proc_in(self, call, &set, call->arg[1], sizeof set);
    if (r == 0 && call->arg[1])
        r = new_mask(p->blocked, set, (int)call->arg[0], &mask);
    if (r == 0 && call->arg[2])
        r = proc_out(self, call, call->arg[2], &p->blocked, sizeof p->blocked);
    if (r == 0 && call->arg[1])
        proc_set_blocked(p, mask);
    return r;
}

long proc_call_rt_sigpending(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    uint64_t set = p->pending & p->blocked;

    if (call->arg[1] > sizeof set)
        return -EINVAL;
    return proc_out(self, call, call->arg[0], &set, call->arg[1]);
}

/* The old mask comes back when the handler returns (frame.c), or if there is none (deliver.c). */
long proc_call_rt_sigsuspend(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    uint64_t mask;
    long r = 0;

    if (!call->done) {
        if (call->arg[1] != sizeof mask)
            return -EINVAL;
        r = proc_in(self, call, &mask, call->arg[0], sizeof mask);
        if (r)
            return r;
        call->done = 1;
        p->saved_mask = p->blocked;
        proc_set_blocked(p, mask);
    }
    if (!proc_interrupted(p) && !(call->flags & CALL_INTERRUPTED))
        return call_wait(call, proc_channel(WAIT_SIGNAL, p->pid), CALL_FOREVER);
    p->attention |= ATTENTION_MASK; /* only now: what is due before makes a waiting call look interrupted */
    return -ERESTART_NOHAND;
}

long proc_call_pause(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);

    if (proc_interrupted(p) || call->flags & CALL_INTERRUPTED)
        return -ERESTART_NOHAND;
    return call_wait(call, proc_channel(WAIT_SIGNAL, p->pid), CALL_FOREVER);
}

bool proc_on_stack(const struct process *p, uint64_t sp)
{
    return p->stack_bytes && !(p->stack_flags & SS_AUTODISARM) && sp > p->stack_address &&
           sp - p->stack_address <= p->stack_bytes;
}

static long check_stack(const struct process *p, const stack_t *new, uint64_t sp)
{
    int mode = new->ss_flags & ~SS_AUTODISARM;

    if (proc_on_stack(p, sp))
        return -EPERM;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
        return -EINVAL;
    return mode != SS_DISABLE && new->ss_size < MINSIGSTKSZ ? -ENOMEM : 0;
}

static void set_stack(struct process *p, const stack_t *new)
{
    bool disable = new->ss_flags & SS_DISABLE;

    p->stack_address = disable ? 0 : (uint64_t)new->ss_sp;
    p->stack_bytes = disable ? 0 : new->ss_size;
    p->stack_flags = new->ss_flags & SS_AUTODISARM;
}

long proc_call_sigaltstack(void *self, struct call *call)
{
    struct proc *proc = self;
    struct process *p = proc_caller(proc, call);
    uint64_t sp = proc->threads->thread_context(proc->threads->ctx, p->pid)->regs.rsp;
    stack_t new, old = {.ss_sp = (void *)p->stack_address, .ss_size = p->stack_bytes};
    long r = 0;

    old.ss_flags = (int)p->stack_flags | (!p->stack_bytes ? SS_DISABLE : proc_on_stack(p, sp) ? SS_ONSTACK : 0);
    if (call->arg[0])
        r = proc_in(proc, call, &new, call->arg[0], sizeof new);
    if (r == 0 && call->arg[0])
        r = check_stack(p, &new, sp);
    if (r == 0 && call->arg[1])
        r = proc_out(proc, call, call->arg[1], &old, sizeof old);
    if (r == 0 && call->arg[0])
        set_stack(p, &new);
    return r;
}
