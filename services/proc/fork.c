/* SPDX-License-Identifier: MIT
 *
 * services/proc/fork.c: fork, vfork and clone for processes.
 *
 * A child is made in steps, each of which can fail and be undone: table entry, thread,
 * space, descriptors. Then it is one process more and nothing fails any more. There
 * are no threads (CLONE_THREAD: ENOSYS); CLONE_VM goes with CLONE_VFORK only, as libc's
 * posix_spawn uses it, so that a space has one process at a time that runs.
 */
#include <asm/signal.h>
#include <linux/sched.h>

#include "services/proc/process.h"

/* Harmless for a process by itself: nothing is shared that these could tell apart. */
#define FLAGS_IGNORED (CLONE_PTRACE | CLONE_UNTRACED | CLONE_DETACHED | CLONE_SYSVSEM | CLONE_IO)
#define FLAGS_KNOWN                                                                                                    \
    (CSIGNAL | CLONE_VM | CLONE_VFORK | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |                      \
     CLONE_CHILD_CLEARTID | FLAGS_IGNORED)

struct birth {
    uint64_t flags, stack, parent_tid, child_tid, tls;
};

static long check_flags(const struct birth *b)
{
    if (b->flags & CLONE_THREAD)
        return -ENOSYS;
    if (b->flags & ~(uint64_t)FLAGS_KNOWN || (b->flags & CSIGNAL) > SIGNALS)
        return -EINVAL;
    if (b->flags & CLONE_VM && !(b->flags & CLONE_VFORK))
        return -EINVAL;
    return b->flags & CLONE_SETTLS && b->tls >= USER_END ? -EPERM : 0;
}

static void inherit_identity(struct process *child, const struct process *p)
{
    child->pgid = p->pgid;
    child->sid = p->sid;
    for (int i = 0; i < 3; i++) {
        child->uid[i] = p->uid[i];
        child->gid[i] = p->gid[i];
        NOT_A_COPY();
    }
    for (int i = 0; i < NAME_BYTES; i++) {
        child->name[i] = p->name[i];
        NOT_A_COPY();
    }
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        child->limit[i].rlim_cur = p->limit[i].rlim_cur;
        child->limit[i].rlim_max = p->limit[i].rlim_max;
        NOT_A_COPY();
    }
}

static void inherit_signals(struct process *child, const struct process *p, bool new_space)
{
    child->blocked = p->blocked;
    child->actions = p->actions;
    if (child->actions)
        child->actions->users++;
    if (!new_space) /* it runs on a stack of its own: the alternate one is the parent's */
        return;
    child->stack_address = p->stack_address;
    child->stack_bytes = p->stack_bytes;
    child->stack_flags = p->stack_flags;
}

/* Each step with its undoing below. */
static long make_parts(struct proc *proc, struct call *call, struct process *p, struct process *child, bool share)
{
    const uint64_t parent[6] = {(uint64_t)p->pid};
    long r = proc->threads->thread_create(proc->threads->ctx, child->pid, p->pid);

    if (r < 0)
        return r;
    r = proc_ask(proc, call, SERVICE_VM, share ? VM_SHARE : VM_FORK, child->pid, parent);
    if (r == 0) {
        r = proc_ask(proc, call, SERVICE_FS, FS_FORK, child->pid, parent);
        if (r < 0)
            proc_ask(proc, call, SERVICE_VM, VM_EXIT, child->pid, NULL);
    }
    if (r < 0)
        proc->threads->thread_exit(proc->threads->ctx, child->pid);
    return r < 0 ? r : 0;
}

static void set_context(struct proc *proc, const struct process *child, const struct birth *b)
{
    struct user_context *context = proc->threads->thread_context(proc->threads->ctx, child->pid);

    context->regs.rax = 0;
    context->regs.vector = VECTOR_RESTORED;
    if (b->stack)
        context->regs.rsp = b->stack;
    if (b->flags & CLONE_SETTLS)
        context->fs_base = b->tls;
}

static void bring_up(struct proc *proc, struct process *p, struct process *child, const struct birth *b)
{
    bool share = b->flags & CLONE_VM;

    inherit_identity(child, p);
    inherit_signals(child, p, !share);
    child->exit_signal = (int)(b->flags & CSIGNAL);
    child->space_key = share ? p->space_key : ++proc->last_space;
    child->serial = ++proc->last_serial;
    child->clear_tid = b->flags & CLONE_CHILD_CLEARTID ? b->child_tid : 0;
    if (b->flags & CLONE_CHILD_SETTID && b->child_tid) {
        child->set_tid = b->child_tid;
        child->attention |= ATTENTION_NEW_TID;
    }
    if (b->flags & CLONE_VFORK) {
        p->vfork_child = child->pid;
        child->vfork_parent = p->pid;
    }
    proc->last_pid = child->pid;
    proc_adopt(p, child);
    set_context(proc, child, b);
    proc->threads->thread_start(proc->threads->ctx, child->pid);
}

/* The parent of a vfork waits until the child has left its space. Only its own end interrupts that. */
static long wait_for_vfork(struct call *call, struct process *p)
{
    if (p->vfork_child != (int)call->done || p->pending & signal_bit(SIGKILL))
        return (long)call->done;
    return call_wait(call, proc_channel(WAIT_VFORK, p->pid), CALL_FOREVER);
}

static long tell_parent_tid(struct proc *proc, struct call *call, const struct birth *b, int32_t pid)
{
    return b->flags & CLONE_PARENT_SETTID ? proc_out(proc, call, b->parent_tid, &pid, sizeof pid) : 0;
}

static long give_birth(struct proc *proc, struct call *call, const struct birth *b)
{
    struct process *p = proc_caller(proc, call), *child;
    int pid = proc_free_pid(proc);
    long r = check_flags(b);

    if (r == 0)
        r = pid < 0 ? pid : tell_parent_tid(proc, call, b, pid);
    if (r)
        return r;
    child = proc_add(proc, pid);
    if (!child)
        return -ENOMEM;
    r = make_parts(proc, call, p, child, b->flags & CLONE_VM);
    if (r < 0) {
        proc_remove(proc, child);
        return r;
    }
    bring_up(proc, p, child, b); /* point of no return */
    if (!(b->flags & CLONE_VFORK))
        return pid;
    call->done = (uint64_t)pid;
    return wait_for_vfork(call, p);
}

static long birth(struct proc *proc, struct call *call, const struct birth *b)
{
    return call->done ? wait_for_vfork(call, proc_caller(proc, call)) : give_birth(proc, call, b);
}

long proc_call_fork(void *self, struct call *call)
{
    return birth(self, call, &(struct birth){.flags = SIGCHLD});
}

long proc_call_vfork(void *self, struct call *call)
{
    return birth(self, call, &(struct birth){.flags = CLONE_VFORK | CLONE_VM | SIGCHLD});
}

long proc_call_clone(void *self, struct call *call)
{
    struct birth b = {.flags = call->arg[0] & UINT32_MAX, .stack = call->arg[1], .parent_tid = call->arg[2],
                      .child_tid = call->arg[3], .tls = call->arg[4]};

    return birth(self, call, &b);
}
