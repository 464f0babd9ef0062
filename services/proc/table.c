/* SPDX-License-Identifier: MIT
 *
 * services/proc/table.c: the process table: pids, parents and children.
 */
#include "services/proc/process.h"

static struct process **bucket_of(struct proc *proc, int pid)
{
    return &proc->bucket[(unsigned)pid % PROC_BUCKETS];
}

struct process *proc_add(struct proc *proc, int pid)
{
    struct process *p = proc_alloc(proc, sizeof *p);
    struct process **bucket = bucket_of(proc, pid);

    if (!p)
        return NULL;
    p->pid = pid;
    p->bucket_next = *bucket;
    *bucket = p;
    proc->count++;
    return p;
}

void proc_remove(struct proc *proc, struct process *p)
{
    struct process **link = bucket_of(proc, p->pid);

    while (*link != p)
        link = &(*link)->bucket_next;
    *link = p->bucket_next;
    proc_disown(p);
    proc_arm_timer(proc, p, 0, 0);
    proc_flush_signals(proc, p);
    proc_drop_actions(proc, p);
    proc_exec_free(proc, p);
    proc_free(proc, p, sizeof *p);
    proc->count--;
}

void proc_adopt(struct process *parent, struct process *child)
{
    child->parent = parent;
    child->ppid = parent ? parent->pid : 0;
    child->next_sibling = NULL;
    child->previous_sibling = parent ? parent->last_child : NULL;
    if (!parent)
        return;
    if (parent->last_child)
        parent->last_child->next_sibling = child;
    else
        parent->first_child = child;
    parent->last_child = child;
}

void proc_disown(struct process *child)
{
    struct process *parent = child->parent, *next = child->next_sibling, *previous = child->previous_sibling;

    if (!parent)
        return;
    *(previous ? &previous->next_sibling : &parent->first_child) = next;
    *(next ? &next->previous_sibling : &parent->last_child) = previous;
    child->parent = child->next_sibling = child->previous_sibling = NULL;
    child->ppid = 0;
}

long proc_each(struct proc *proc, long (*visit)(struct proc *, struct process *, void *), void *ctx)
{
    for (unsigned i = 0; i < PROC_BUCKETS; i++) {
        struct process *next;

        for (struct process *p = proc->bucket[i]; p; p = next) {
            long r;

            next = p->bucket_next;
            r = visit(proc, p, ctx);
            if (r)
                return r;
        }
    }
    return 0;
}

static long names_group(struct proc *proc, struct process *p, void *ctx)
{
    int pid = *(int *)ctx;

    return p->pgid == pid || p->sid == pid;
}

/* A pid is free if it is no process, no group and no session. */
static bool pid_used(const struct proc *proc, int pid)
{
    return proc_find(proc, pid) || proc_each((struct proc *)proc, names_group, &pid);
}

int proc_free_pid(const struct proc *proc)
{
    int pid = proc->last_pid;

    for (int tries = 0; tries < PID_MAX; tries++) {
        pid = pid + 1 < PID_MAX ? pid + 1 : 2;
        if (!pid_used(proc, pid))
            return pid;
    }
    return -EAGAIN;
}

long proc_ask(struct proc *proc, struct call *call, int service, int op, int pid, const uint64_t arg[6])
{
    struct request rq = {.service = (uint16_t)service, .op = (uint16_t)op, .pid = pid, .call = call};

    for (int i = 0; arg && i < 6; i++) {
        rq.arg[i] = arg[i];
        NOT_A_COPY();
    }
    return proc->host->ask(proc->host->ctx, &rq);
}
