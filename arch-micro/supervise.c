/* SPDX-License-Identifier: MIT
 *
 * arch-micro/supervise.c: what the supervisor sees of servers and does to them, and what servers say of themselves.
 *
 * Two things are seen from outside. A server that runs and receives nothing may hang: its state, messages received and
 * CPU time are the supervisor's to judge. A server that receives but does not answer gives an account: asked by
 * NOTIFY_BEAT, it names the calls that wait in it. No clock is needed for that to be sound. The question is a message,
 * and who deals with messages one by one stands between two when it answers: what it has taken before is answered,
 * kept, or forgotten. What is forgotten gets an error from the kernel. One that takes the next message without having
 * answered the question is as good as hanging.
 *
 * A request is never kept: it is answered before the next message, so each that is there at an account is forgotten.
 */
#include "arch-micro/kernel.h"

/* ---- state ---- */

/* One that runs, or could, or waits for messages. Who waits for another server is not what is stuck. */
static long stop(struct server *server)
{
    struct task *task = &server->task;

    if (server->dead || server->ended)
        return -EBUSY;
    if (task->state == IPC_RECEIVING)
        ipc_leave(task);
    else if (task->state == IPC_NONE && task->thread.state == THREAD_READY)
        sched_suspend(&task->thread);
    else
        return -EBUSY;
    server_die(server, SERVER_HUNG, thread_context_read(&task->thread)->regs.rip, 0);
    return 0;
}

static long state(const struct server *server)
{
    enum server_state state = server->task.state == IPC_NONE ? SERVER_BUSY : SERVER_WAITING;

    return (long)((server->dead ? SERVER_DEAD : state) | server->task.received << 8);
}

/* ---- what it owes ---- */

/* What a server has taken it answers, or it keeps it and says so when asked: then it stands before its next message,
 * and has everything else behind it. So what it does not name will never be answered. Whether it tells the truth of
 * what it keeps only it can know. */
static void fail_forgotten(struct server *server)
{
    struct task *self = &server->task;

    for (struct list *link = self->serving.next, *next; link != &self->serving; link = next) {
        struct task *from = LIST_MEMBER(link, struct task, link);

        next = link->next;
        if (from->kept || from->notice == NOTICE_GONE) {
            from->kept = false;
            continue;
        }
        server->forgotten++;
        ipc_fail(from, from->kind == MSG_REQUEST ? -EPIPE : -EIO);
    }
}

long server_keep(struct server *server, uint64_t handle)
{
    struct task *from = ipc_served(&server->task, handle);

    if (!handle) {
        server->asked = 0;
        fail_forgotten(server);
        return 0;
    }
    if (!from || from->kind == MSG_REQUEST)
        return from ? -EPERM : -ESRCH;
    from->kept = true;
    return 0;
}

void server_was_asked(struct server *server)
{
    server->asked = server->task.received;
}

static long ask(struct server *server)
{
    const struct task *task = &server->task;
    unsigned forgotten = server->forgotten;

    if (server->dead || server->ended)
        return 0;
    if (server->asked && (task->received > server->asked || task->state == IPC_RECEIVING))
        return -EPIPE;
    server->forgotten = 0;
    if (!list_empty(&task->serving))
        ipc_notify(&server->endpoint, NOTIFY_BEAT);
    return forgotten;
}

/* ---- leaving ---- */

/* Nobody is left whom it could fail but servers that have not heard of it. */
static void end(struct server *server)
{
    server->ended = true;
    alarm_cancel(&server->alarm);
    server_fail_served(server);
    endpoint_fail_senders(&server->endpoint);
    sched_block();
}

/* 1: it does not trust the memory that it was restarted with. */
static long exit_server(struct server *server, uint64_t status)
{
    if (status)
        server_die(server, SERVER_REFUSED, server->death_rip, 0);
    else if (tasks_any())
        server_die(server, SERVER_LEFT, server->task.thread.context->regs.rip, 0);
    else
        end(server);
    return 0;
}

long server_call(struct task *self, struct user_regs *regs)
{
    struct server *server = regs->rdi < kernel.servers ? kernel.server[regs->rdi] : NULL;

    if (regs->error == IPC_EXIT)
        return exit_server(self->image, regs->rdi);
    if (!server || server == self->image)
        return -EINVAL;
    if (regs->error == IPC_SERVER_STATE) {
        regs->rdx = sched_used_ns(&server->task.thread);
        return state(server);
    }
    if (regs->error == IPC_SERVER_BEAT)
        return ask(server);
    return regs->error == IPC_SERVER_STOP ? stop(server) : server_restart(server, regs->rsi == RESTART_KEEP);
}
