/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/host.c: what the services call back for, in a program's own address space.
 *
 * Another service is a function call, the caller's memory is right there; the rest is machine.c. All services share one
 * struct host.
 */
#include "arch-exo/lib/library.h"

/* ---- struct host ---- */

/* The caller's space is loaded, because its call runs on its own env: but for the last call of a process whose env is
 * no more, which the housekeeper makes. */
static long host_copy(struct call *call, void *to, const void *from, size_t bytes, uint64_t user)
{
    struct task *task = task_current();

    if (!is_programs(user, bytes) || task->pid != call->pid)
        return bytes ? -EFAULT : 0;
    pages_flush();
    if (!bytes || copy_user(to, from, bytes) == 0)
        return 0;
    if (task->fault_result == CALL_WAIT)
        return call_wait(call, task->fault.channel, task->fault.until);
    return task->fault_result;
}

static long host_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    return host_copy(call, to, (const void *)from, bytes, from);
}

static long host_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    return host_copy(call, (void *)to, from, bytes, to);
}

static void host_wake(void *ctx, uint64_t channel)
{
    task_wake(channel);
}

/* An execve has found its file: its name is the space's that vm is about to make. */
static void note_exec(const struct request *rq)
{
    struct task *task = task_find(rq->pid);
    char path[256];

    if (!task)
        return;
    if (!rq->arg[0])
        task_name_exec(task, rq->data);
    else if (is_programs(rq->arg[0], sizeof(path)) &&
             peek_user_string(path, (const char *)rq->arg[0], sizeof(path)) >= 0)
        task_name_exec(task, path);
}

static long host_ask(void *ctx, struct request *rq)
{
    long result = local_ask(library.services, rq);

    if (rq->service == SERVICE_FS && rq->op == FS_OPEN_EXEC && result >= 0)
        note_exec(rq);
    return result;
}

void host_init(void)
{
    machine_init(&library.host);
    library.host.copy_in = host_copy_in;
    library.host.copy_out = host_copy_out;
    library.host.wake = host_wake;
    library.host.ask = host_ask;
}
