/* SPDX-License-Identifier: MIT
 *
 * services/proc/signal.c: sending signals, queues of pending ones, actions.
 *
 * As Linux's kernel/signal.c: a signal that nobody wants is dropped when it is sent; a
 * standard signal is pending at most once; real-time signals queue. The information of
 * a signal is queued in memory that may not be there: then the signal arrives without
 * (SI_USER from nobody), never not at all. The information of a program's own fault
 * has its place in the process.
 */
#include <asm/signal.h>
#include <asm/siginfo.h>

#include "services/proc/process.h"

#define STOP_SIGNALS (1ul << (SIGSTOP - 1) | 1ul << (SIGTSTP - 1) | 1ul << (SIGTTIN - 1) | 1ul << (SIGTTOU - 1))
#define IGNORED_SIGNALS (1ul << (SIGCHLD - 1) | 1ul << (SIGURG - 1) | 1ul << (SIGWINCH - 1))
#define UNBLOCKABLE (1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1))
/* Delivered before others, as the instruction that caused them comes first. */
#define SYNCHRONOUS                                                                                                    \
    (1ul << (SIGSEGV - 1) | 1ul << (SIGBUS - 1) | 1ul << (SIGILL - 1) | 1ul << (SIGTRAP - 1) | 1ul << (SIGFPE - 1) |  \
     1ul << (SIGSYS - 1))

enum signal_default proc_default(int signo)
{
    if (signal_bit(signo) & STOP_SIGNALS)
        return DEFAULT_STOP;
    if (signal_bit(signo) & IGNORED_SIGNALS)
        return DEFAULT_IGNORE;
    return signo == SIGCONT ? DEFAULT_CONTINUE : DEFAULT_TERMINATE;
}

void proc_refresh(struct process *p)
{
    if (p->pending & ~p->blocked)
        p->attention |= ATTENTION_SIGNAL;
    else
        p->attention &= ~ATTENTION_SIGNAL;
}

void proc_set_blocked(struct process *p, uint64_t mask)
{
    p->blocked = mask & ~UNBLOCKABLE;
    proc_refresh(p);
}

struct action proc_action(const struct process *p, int signo)
{
    return p->actions ? p->actions->action[signo - 1] : (struct action){.handler = (uint64_t)SIG_DFL};
}

void proc_drop_actions(struct proc *proc, struct process *p)
{
    if (p->actions && --p->actions->users == 0)
        proc_free(proc, p->actions, sizeof *p->actions);
    p->actions = NULL;
}

/* The process gets actions of its own, to change. */
static long own_actions(struct proc *proc, struct process *p)
{
    struct actions *own;

    if (p->actions && p->actions->users == 1)
        return 0;
    own = proc_alloc(proc, sizeof *own);
    if (!own)
        return -ENOMEM;
    for (int i = 0; p->actions && i < SIGNALS; i++) {
        own->action[i].handler = p->actions->action[i].handler;
        own->action[i].flags = p->actions->action[i].flags;
        own->action[i].restorer = p->actions->action[i].restorer;
        own->action[i].mask = p->actions->action[i].mask;
        NOT_A_COPY();
    }
    own->users = 1;
    proc_drop_actions(proc, p);
    p->actions = own;
    return 0;
}

static bool ignores(const struct process *p, int signo)
{
    uint64_t handler = proc_action(p, signo).handler;

    return handler == (uint64_t)SIG_IGN || (handler == (uint64_t)SIG_DFL && proc_default(signo) == DEFAULT_IGNORE);
}

static void forget(struct proc *proc, struct process *p, uint64_t signals)
{
    for (struct queued_signal **link = &p->queue; *link;) {
        struct queued_signal *q = *link;

        if (signal_bit(q->signo) & signals) {
            *link = q->next;
            proc_free(proc, q, sizeof *q);
        } else {
            link = &q->next;
        }
    }
    p->pending &= ~signals;
    p->forced &= ~signals;
    proc_refresh(p);
}

void proc_flush_signals(struct proc *proc, struct process *p)
{
    forget(proc, p, ~0ul);
}

long proc_set_action(struct proc *proc, struct process *p, int signo, const struct action *action)
{
    if (own_actions(proc, p) < 0)
        return -ENOMEM;
    p->actions->action[signo - 1] = *action;
    if (ignores(p, signo))
        forget(proc, p, signal_bit(signo));
    return 0;
}

static void enqueue(struct proc *proc, struct process *p, int signo, const struct signal_info *info)
{
    struct queued_signal *q = info ? proc_alloc(proc, sizeof *q) : NULL, **link = &p->queue;

    p->pending |= signal_bit(signo);
    if (!q)
        return;
    q->signo = signo;
    q->info = *info;
    while (*link)
        link = &(*link)->next;
    *link = q;
}

void proc_continue(struct proc *proc, struct process *p)
{
    if (!(p->attention & ATTENTION_STOPPED))
        return;
    p->attention &= ~ATTENTION_STOPPED;
    p->report_stop = false;
    proc_wake(proc, WAIT_CONTINUE, p->pid);
}

/* What a stop or continue signal does when it is sent, whether or not it is blocked or handled. */
static void prepare(struct proc *proc, struct process *p, int signo)
{
    if (signal_bit(signo) & STOP_SIGNALS)
        forget(proc, p, signal_bit(SIGCONT));
    if (signo == SIGCONT) {
        forget(proc, p, STOP_SIGNALS);
        if (p->attention & ATTENTION_STOPPED) {
            proc_continue(proc, p);
            p->report_continue = true;
            proc_notify_parent(proc, p, CLD_CONTINUED, SIGCONT);
        }
    }
    if (signo == SIGKILL)
        proc_continue(proc, p);
}

/* The thread looks at its signals soon; an interruptible call of it ends. */
static void interrupt(struct proc *proc, struct process *p)
{
    proc_refresh(p);
    if (!(p->attention & ATTENTION_SIGNAL))
        return;
    p->attention |= ATTENTION_INTERRUPTED;
    proc->threads->thread_interrupt(proc->threads->ctx, p->pid);
}

bool proc_mask_begin(struct process *p, uint64_t mask)
{
    p->saved_mask = p->blocked;
    proc_set_blocked(p, mask);
    return proc_interrupted(p);
}

/* What is due under the mask of the wait is delivered first, and its frame has the mask from before (deliver.c). */
void proc_mask_end(struct proc *proc, struct process *p, bool interrupted)
{
    if (interrupted && proc_interrupted(p))
        p->attention |= ATTENTION_MASK;
    else
        proc_set_blocked(p, p->saved_mask);
    interrupt(proc, p);
}

void proc_send(struct proc *proc, struct process *p, int signo, const struct signal_info *info)
{
    prepare(proc, p, signo);
    if (ignores(p, signo) && !(p->blocked & signal_bit(signo)))
        return;
    if (signo == SIGCONT && proc_action(p, signo).handler == (uint64_t)SIG_DFL && !(p->blocked & signal_bit(signo)))
        return;
    if (signo < SIGRTMIN && p->pending & signal_bit(signo))
        return;
    enqueue(proc, p, signo, info);
    interrupt(proc, p);
}

void proc_force(struct proc *proc, struct process *p, int signo, const struct signal_info *info)
{
    struct action action = proc_action(p, signo);
    bool blocked = p->blocked & signal_bit(signo);

    if ((blocked || action.handler == (uint64_t)SIG_IGN) && p->actions) {
        action.handler = (uint64_t)SIG_DFL;
        if (proc_set_action(proc, p, signo, &action) < 0)
            signo = SIGKILL;
    }
    p->blocked &= ~signal_bit(signo);
    p->fault = *info;
    p->pending |= signal_bit(signo);
    p->forced |= signal_bit(signo);
    interrupt(proc, p);
}

static struct queued_signal **queued(struct process *p, int signo)
{
    struct queued_signal **link = &p->queue;

    while (*link && (*link)->signo != signo)
        link = &(*link)->next;
    return link;
}

int proc_next_signal(struct process *p, struct signal_info *info)
{
    uint64_t due = p->pending & ~p->blocked;
    struct queued_signal *q;
    int signo;

    if (!due)
        return 0;
    if (due & signal_bit(SIGKILL))
        due = signal_bit(SIGKILL);
    else if (due & SYNCHRONOUS)
        due &= SYNCHRONOUS;
    signo = __builtin_ctzl(due) + 1;
    q = *queued(p, signo);
    *info = p->forced & signal_bit(signo) ? p->fault : q ? q->info : (struct signal_info){.code = SI_USER};
    return signo;
}

void proc_take_signal(struct proc *proc, struct process *p, int signo)
{
    struct queued_signal **link = queued(p, signo), *q = *link;
    bool forced = p->forced & signal_bit(signo);

    p->forced &= ~signal_bit(signo);
    if (q && !forced) {
        *link = q->next;
        proc_free(proc, q, sizeof *q);
    }
    if (!*queued(p, signo))
        p->pending &= ~signal_bit(signo);
    proc_refresh(p);
}
