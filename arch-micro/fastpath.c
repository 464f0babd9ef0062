/* SPDX-License-Identifier: MIT
 *
 * arch-micro/fastpath.c: the common call and its answer, without the questions that they need not ask.
 *
 * Call: a program's system call whose server waits, or IPC_CALL of an endpoint where a receiver waits. The registers move,
 * the receiver runs in the caller's place. Answer: IPC_REPLY_WAIT of one that has nothing else to receive. The result
 * moves, the caller runs again. Whatever is different in the least goes the general way (ipc.c), so that every line here
 * is one that nearly every call needs.
 */
#include "arch-micro/kernel.h"

/* Both are in step with the scheduler already: one blocks, the other was blocked. */
static inline void hand_over(struct task *self, struct task *to)
{
    self->thread.state = THREAD_SLEEPING;
    to->thread.state = THREAD_RUNNING;
    thread_switch(&to->thread);
}

/* The receiver that waits at `endpoint` gets the message of `task`. */
static inline bool call_at(struct task *task, struct endpoint *endpoint, enum message_kind kind, uint32_t nr)
{
    struct task *receiver = endpoint->waiting;

    if (unlikely(!receiver))
        return false;
    endpoint->waiting = NULL;
    receiver->state = IPC_NONE;
    task->kind = (uint8_t)kind;
    task->nr = (uint16_t)nr;
    task->delivered = task->yield = false;
    if (kind == MSG_CALL)
        message_move_call(receiver, task);
    else
        message_move_plain(receiver, task);
    hand_over(task, receiver);
    return true;
}

bool fast_call(struct task *task, const struct route *route, uint32_t nr)
{
    return call_at(task, route->endpoint, MSG_CALL, nr);
}

static inline struct endpoint *endpoint_at(const struct task *task, uint64_t cap, unsigned rights)
{
    const struct capability *found = cap < task->cap_count ? &task->caps[cap] : NULL;

    if (unlikely(!found || found->kind != CAP_KIND_ENDPOINT || (found->rights & rights) != rights))
        return NULL;
    return found->endpoint;
}

bool fast_plain_call(struct task *task, struct user_regs *regs)
{
    struct endpoint *endpoint = endpoint_at(task, regs->rdi, RIGHT_SEND);

    if (unlikely(!endpoint || endpoint->owner) || unlikely(!call_at(task, endpoint, MSG_PLAIN, 0)))
        return false;
    regs->r10 = task->answer[0];
    regs->r8 = task->answer[1];
    regs->r9 = task->answer[2];
    regs->rax = (uint64_t)task->result;
    return true;
}

bool fast_reply_wait(struct task *self, struct user_regs *regs)
{
    struct endpoint *endpoint = likely(!regs->rdx) ? self->endpoint : endpoint_at(self, regs->rdx, RIGHT_RECEIVE);
    uint64_t handle = regs->rdi, received = self->received;
    struct task *to = likely(handle < TASKS_MAX) ? kernel.task[handle] : NULL;

    if (unlikely(!to || to->state != IPC_SERVED || to->server != self || to->notice != NOTICE_NONE || !endpoint))
        return false;
    if (unlikely(to->kind != MSG_CALL && to->kind != MSG_PLAIN))
        return false;
    if (unlikely(endpoint->notices || endpoint->tell_free || endpoint->notified || endpoint->deaths || endpoint->waiting ||
                 !list_empty(&endpoint->senders)))
        return false;
    message_move_answer(to, self, (long)regs->rsi);
    list_remove(&to->link);
    to->state = IPC_NONE;
    self->state = IPC_RECEIVING;
    self->at = endpoint;
    endpoint->waiting = self;
    self->result = 0;
    hand_over(self, to);
    if (unlikely(self->received == received)) { /* woken to look, or interrupted */
        if (self->result == 0)
            ipc_receive(self, endpoint);
        if (self->result < 0)
            regs->rax = (uint64_t)self->result;
        self->result = (long)regs->rax; /* a signal may have come since: its frame keeps the message's label */
    }
    return true;
}
