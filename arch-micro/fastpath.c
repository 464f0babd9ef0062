/* SPDX-License-Identifier: MIT
 *
 * arch-micro/fastpath.c: the common call and its answer, without the questions that they need not ask.
 *
 * Call: a program's system call whose server waits. The registers move, the server runs in the caller's place.
 * Answer: of such a call, by a server that has nothing else to receive. The result moves, the caller runs again. Whatever
 * is different in the least goes the general way (ipc.c), so that every line here is one that nearly every call needs.
 */
#include "arch-micro/kernel.h"

bool fast_call(struct task *task, const struct route *route, uint32_t nr)
{
    struct endpoint *endpoint = route->endpoint;
    struct task *server = endpoint->waiting;

    if (unlikely(!server))
        return false;
    endpoint->waiting = NULL;
    server->state = IPC_NONE;
    task->kind = MSG_CALL;
    task->nr = (uint16_t)nr;
    task->delivered = task->yield = false;
    message_move_call(server, task);
    sched_handoff(&server->thread);
    return true;
}

bool fast_reply_wait(struct task *self, struct user_regs *regs)
{
    struct endpoint *endpoint = self->endpoint;
    uint64_t handle = regs->rdi, received = self->received;
    struct task *to = likely(handle < TASKS_MAX) ? kernel.task[handle] : NULL;

    if (unlikely(!to || to->state != IPC_SERVED || to->server != self || to->kind != MSG_CALL || regs->rdx))
        return false;
    if (unlikely(endpoint->notices || endpoint->tell_free || endpoint->notified || endpoint->deaths ||
                 !list_empty(&endpoint->senders)))
        return false;
    message_move_answer(to, self, (long)regs->rsi);
    list_remove(&to->link);
    to->state = IPC_NONE;
    self->state = IPC_RECEIVING;
    self->at = endpoint;
    endpoint->waiting = self;
    sched_handoff(&to->thread);
    if (unlikely(self->received == received)) /* woken to look */
        ipc_receive(self, endpoint);
    return true;
}
