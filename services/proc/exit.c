/* SPDX-License-Identifier: MIT
 *
 * services/proc/exit.c: the end of a process.
 *
 * What it holds goes at once: descriptors, space, timers, signals, its thread. What its
 * parent may ask for stays as a zombie until it is waited for. Orphans go to process 1;
 * with process 1 everything ends, as with the first process of a pid namespace.
 */
#include <asm/signal.h>
#include <asm/siginfo.h>

#include "services/proc/process.h"

#define FIRST_PID 1

void proc_notify_parent(struct proc *proc, struct process *p, int code, int status)
{
    struct process *parent = p->parent;
    struct signal_info info = {.code = code, .pid = p->pid, .uid = p->uid[0], .status = status,
                               .user_ns = p->user_ns, .system_ns = p->system_ns};
    bool quiet = parent && code != CLD_EXITED && code != CLD_KILLED && code != CLD_DUMPED &&
                 proc_action(parent, SIGCHLD).flags & SA_NOCLDSTOP;

    if (!parent)
        return;
    if (p->exit_signal && !quiet)
        proc_send(proc, parent, p->exit_signal, &info);
    proc_wake(proc, WAIT_CHILD, parent->pid);
}

/* The parent said beforehand that it does not care. */
static bool reaps_itself(const struct process *p)
{
    struct action action = proc_action(p->parent, SIGCHLD);

    return p->exit_signal == SIGCHLD && (action.handler == (uint64_t)SIG_IGN || action.flags & SA_NOCLDWAIT);
}

/* A zombie tells its parent, which may let it go at once. */
static void report_end(struct proc *proc, struct process *p)
{
    bool gone = reaps_itself(p);
    bool exited = (p->status & 0x7f) == 0;

    proc_notify_parent(proc, p, exited ? CLD_EXITED : CLD_KILLED, exited ? p->status >> 8 : p->status & 0x7f);
    if (gone)
        proc_remove(proc, p);
}

static void give_away_children(struct proc *proc, struct process *p)
{
    struct process *first = proc_find(proc, FIRST_PID);

    while (p->first_child) {
        struct process *child = p->first_child;

        proc_disown(child);
        proc_adopt(first, child);
        if (child->state == PROCESS_ZOMBIE)
            report_end(proc, child);
    }
}

void proc_release_vfork(struct proc *proc, struct process *child)
{
    struct process *parent = proc_find(proc, child->vfork_parent);

    if (!child->vfork_parent)
        return;
    child->vfork_parent = 0;
    if (parent)
        parent->vfork_child = 0;
    if (parent)
        proc_wake(proc, WAIT_VFORK, parent->pid);
}

static void let_go(struct proc *proc, struct call *call, struct process *p)
{
    proc_times(proc, p, &p->user_ns, &p->system_ns);
    proc_arm_timer(proc, p, 0, 0);
    proc_flush_signals(proc, p);
    proc_drop_actions(proc, p);
    proc_exec_free(proc, p);
    p->futex_key = 0;
    p->attention = 0;
    proc_ask(proc, call, SERVICE_FS, FS_EXIT, p->pid, NULL);
    proc_ask(proc, call, SERVICE_VM, VM_EXIT, p->pid, NULL);
    proc_release_vfork(proc, p);
}

struct last_rites {
    struct call *call;
};

static long end_other(struct proc *proc, struct process *p, void *ctx)
{
    struct last_rites *rites = ctx;

    if (p->pid == FIRST_PID || p->state == PROCESS_ZOMBIE)
        return 0;
    p->state = PROCESS_ZOMBIE;
    p->status = SIGKILL;
    let_go(proc, rites->call, p);
    proc->threads->thread_exit(proc->threads->ctx, p->pid);
    return 0;
}

static long remove_one(struct proc *proc, struct process *p, void *ctx)
{
    while (p->first_child)
        proc_disown(p->first_child);
    proc_remove(proc, p);
    return 0;
}

static void end_all(struct proc *proc, struct call *call, int status)
{
    struct last_rites rites = {.call = call};

    proc_each(proc, end_other, &rites);
    proc_each(proc, remove_one, NULL);
    proc->threads->thread_exit(proc->threads->ctx, FIRST_PID);
    proc->threads->all_done(proc->threads->ctx, status);
}

void proc_end(struct proc *proc, struct call *call, struct process *p, int status)
{
    int pid = p->pid;

    p->state = PROCESS_ZOMBIE;
    p->status = status;
    let_go(proc, call, p);
    if (pid == FIRST_PID) {
        end_all(proc, call, status);
        return;
    }
    give_away_children(proc, p);
    report_end(proc, p);
    proc->threads->thread_exit(proc->threads->ctx, pid);
}

/* Linux clears the tid only if someone is left who shares the memory. */
static long clear_tid(struct proc *proc, struct call *call, struct process *p)
{
    int32_t zero = 0;

    if (!p->clear_tid || !p->vfork_parent)
        return 0;
    return proc_out(proc, call, p->clear_tid, &zero, sizeof zero);
}

long proc_leave(struct proc *proc, struct call *call, struct process *p, int status)
{
    if (proc_leave_locks(proc, call, p) == CALL_WAIT || clear_tid(proc, call, p) == CALL_WAIT)
        return CALL_WAIT;
    proc_end(proc, call, p, status);
    return 0;
}

long proc_call_exit(void *self, struct call *call)
{
    return proc_leave(self, call, proc_caller(self, call), (int)(call->arg[0] & 0xff) << 8);
}

long proc_call_exit_group(void *self, struct call *call)
{
    return proc_call_exit(self, call);
}
