/* SPDX-License-Identifier: MIT
 *
 * arch-micro/ipc.c: synchronous messages (Liedtke, "Improving IPC by Kernel Design", SOSP 1993): the general path.
 *
 * A sender blocks until it is answered. If a receiver waits, the message moves at once, and the CPU with it: the receiver
 * runs in the sender's place, without a look at the run queue (direct process switch). Else the sender queues up.
 *
 * Besides senders there is what has no sender: notification bits (interrupts among them), notices about those whom the
 * receiver serves, and deaths for the supervisor. These come first, in the order notices, deaths, bits: so a receiver
 * hears that a handle is gone before it can meet the same number again.
 */
#include "arch-micro/kernel.h"
#include "guest/print.h"

/* ---- moving ---- */

/* `to` serves `from` from now on. */
void ipc_taken(struct task *to, struct task *from)
{
    from->state = IPC_SERVED;
    from->server = to;
    list_add(&to->serving, &from->link);
    to->received++;
}

/* The caller's registers are the message. */
__attribute__((noinline)) void message_move_call(struct task *to, struct task *from)
{
    const struct user_regs *in = &from->thread.context->regs;
    struct user_regs *out = &to->thread.context->regs;

    out->rax = ipc_label(from);
    out->rdi = in->rdi;
    out->rsi = in->rsi;
    out->rdx = in->rdx;
    out->r10 = in->r10;
    out->r8 = in->r8;
    out->r9 = in->r9;
    ipc_taken(to, from);
}

/* The same for IPC_CALL, whose first argument is the endpoint. */
__attribute__((noinline)) void message_move_plain(struct task *to, struct task *from)
{
    const struct user_regs *in = &from->thread.context->regs;
    struct user_regs *out = &to->thread.context->regs;

    out->rax = ipc_label(from);
    out->rdi = in->rsi;
    out->rsi = in->rdx;
    out->rdx = in->r10;
    out->r10 = in->r8;
    out->r8 = in->r9;
    ipc_taken(to, from);
}

__attribute__((noinline)) void message_move_words(struct task *to, struct task *from)
{
    struct user_regs *out = &to->thread.context->regs;

    out->rax = ipc_label(from);
    out->rdi = from->word[0];
    out->rsi = from->word[1];
    out->rdx = from->word[2];
    out->r10 = from->word[3];
    out->r8 = from->word[4];
    out->r9 = from->word[5];
    ipc_taken(to, from);
}

static void move_page_words(struct task *to, const struct task *from, unsigned first, unsigned end)
{
    const uint64_t *in = (const uint64_t *)message_page(from);
    volatile uint64_t *out = (volatile uint64_t *)message_page(to); /* words, not a copy routine */

    for (unsigned i = first; i < end; i++)
        out[i] = in[i];
}

__attribute__((noinline)) void message_move_request(struct task *to, struct task *from)
{
    to->thread.context->regs.rax = ipc_label(from);
    move_page_words(to, from, 0, MESSAGE_WORDS);
    ipc_taken(to, from);
}

__attribute__((noinline)) void message_move_answer(struct task *to, struct task *from, long result)
{
    const struct user_regs *in = &from->thread.context->regs;

    to->result = to->kind == MSG_REQUEST ? 0 : result;
    if (to->kind == MSG_REQUEST)
        move_page_words(to, from, MESSAGE_WORDS - MESSAGE_ANSWER_WORDS, MESSAGE_WORDS);
    else if (to->kind == MSG_PLAIN) {
        to->answer[0] = in->r10;
        to->answer[1] = in->r8;
        to->answer[2] = in->r9;
    }
}

static void move(struct task *to, struct task *from)
{
    if (kernel.mach)
        mach_take(to, from);
    else if (from->kind == MSG_CALL)
        message_move_call(to, from);
    else if (from->kind == MSG_REQUEST)
        message_move_request(to, from);
    else
        message_move_words(to, from);
    /* It was interrupted while it queued. */
    if (unlikely(from->attention) && (from->kind == MSG_CALL || from->kind == MSG_FAULT))
        ipc_interrupt(from);
}

/* ---- sending ---- */

bool ipc_cycle(const struct task *from, const struct endpoint *to)
{
    const struct task *task = to->owner;

    while (task && task != from) {
        if (task->state == IPC_SERVED)
            task = task->server;
        else if (task->state == IPC_SENDING)
            task = task->at->owner;
        else
            return false;
    }
    return task;
}

/* The receiver of `endpoint` is about to get a message. */
static struct task *take_waiting(struct endpoint *endpoint)
{
    struct task *receiver = endpoint->waiting;

    endpoint->waiting = NULL;
    receiver->state = IPC_NONE;
    return receiver;
}

void ipc_send(struct task *from, struct endpoint *to)
{
    from->delivered = from->yield = false;
    from->to = to;
    if (kernel.mach)
        mach_put(from);
    if (to->waiting && !kernel.mach) {
        struct task *receiver = take_waiting(to);

        move(receiver, from);
        sched_handoff(&receiver->thread);
        return;
    }
    from->state = IPC_SENDING;
    from->at = to;
    list_add(&to->senders, &from->link);
    if (to->waiting)
        sched_resume(&take_waiting(to)->thread);
    sched_block();
}

static void unblock(struct task *task)
{
    list_remove(&task->link);
    task->state = IPC_NONE;
    task->server = NULL;
    task->at = NULL;
    task->served = NULL;
    sched_resume(&task->thread);
}

void ipc_fail(struct task *from, long result)
{
    if (from->notice != NOTICE_NONE && from->server) {
        from->notice = NOTICE_NONE;
        from->server->endpoint->notices--;
    }
    if (kernel.mach)
        mach_drop(from);
    if (from->kind == MSG_REQUEST && from->image)
        message_page(from)->result = result;
    from->result = result;
    from->answer[0] = from->answer[1] = from->answer[2] = 0;
    unblock(from);
}

void ipc_answer(struct task *from, long result)
{
    if (unlikely(from->notice != NOTICE_NONE)) {
        from->notice = NOTICE_NONE;
        from->server->endpoint->notices--;
    }
    if (kernel.mach)
        mach_answer(from, from->server, result);
    else
        message_move_answer(from, from->server, result);
    unblock(from);
}

struct task *ipc_served(const struct task *self, uint64_t handle)
{
    struct task *task = handle && handle < TASKS_MAX ? kernel.task[handle] : NULL;

    return task && task->state == IPC_SERVED && task->server == self && task->notice != NOTICE_GONE ? task : NULL;
}

/* ---- notices ---- */

static void give_label(struct task *to, uint64_t label, uint64_t word)
{
    struct user_regs *out = &to->thread.context->regs;

    out->rax = label;
    out->rdi = word;
    to->received++;
}

/* One that a plain endpoint's receiver serves has nobody to tell: plain senders do not wait for consent. */
static void add_notice(struct task *from, enum notice notice)
{
    struct endpoint *endpoint = from->server->endpoint;

    if (from->notice == NOTICE_NONE)
        endpoint->notices++;
    from->notice = (uint8_t)notice;
    if (endpoint->waiting)
        sched_resume(&take_waiting(endpoint)->thread);
}

void ipc_interrupt(struct task *from)
{
    bool plain = from->state == IPC_RECEIVING || from->kind == MSG_PLAIN;

    if (from->state == IPC_NONE)
        return;
    if (from->state == IPC_RECEIVING)
        from->at->waiting = NULL;
    if (plain)
        ipc_fail(from, -EINTR);
    else if (from->state == IPC_SERVED && (from->kind == MSG_CALL || from->kind == MSG_FAULT))
        add_notice(from, NOTICE_INTERRUPT);
}

void ipc_gone(struct task *from)
{
    if (from->state == IPC_SERVED && from->server->endpoint) {
        add_notice(from, NOTICE_GONE);
        return;
    }
    if (from->state == IPC_RECEIVING)
        from->at->waiting = NULL;
    list_remove(&from->link);
    from->state = IPC_NONE;
}

static struct task *find_notice(struct task *self)
{
    for (struct list *link = self->serving.next; link != &self->serving; link = link->next) {
        struct task *task = LIST_MEMBER(link, struct task, link);

        if (task->notice != NOTICE_NONE)
            return task;
    }
    panic("notices of server %d are lost", self->badge);
}

static void give_notice(struct task *self)
{
    struct task *from = find_notice(self);
    bool gone = from->notice == NOTICE_GONE;

    self->endpoint->notices--;
    from->notice = NOTICE_NONE;
    give_label(self, LABEL(gone ? MSG_GONE : MSG_INTERRUPT, 0, from->handle, from->badge), 0);
    if (!gone)
        return;
    list_remove(&from->link);
    from->state = IPC_NONE;
    if (from->released)
        task_dispose(from);
}

static void give_death(struct task *self)
{
    unsigned number = (unsigned)__builtin_ctz(self->endpoint->deaths);
    const struct server *server = kernel.server[number];
    struct user_regs *out = &self->thread.context->regs;

    self->endpoint->deaths &= ~(1u << number);
    give_label(self, LABEL(MSG_DEATH, number, 0, 0), server->death_vector);
    out->rsi = server->death_rip;
    out->rdx = server->death_address;
}

static void give_bits(struct task *self, struct endpoint *endpoint)
{
    uint64_t bits = endpoint->notified;

    endpoint->notified = 0;
    give_label(self, LABEL(MSG_NOTIFY, 0, 0, 0), bits);
    if (bits & NOTIFY_BEAT && self->image)
        server_was_asked(self->image);
}

/* ---- receiving ---- */

void ipc_notify(struct endpoint *endpoint, uint64_t bits)
{
    endpoint->notified |= bits;
    if (endpoint->waiting)
        sched_resume(&take_waiting(endpoint)->thread);
}

void ipc_tell_free(struct endpoint *endpoint)
{
    uint32_t servers = endpoint->tell_free;

    endpoint->tell_free = 0;
    for (unsigned n = 0; servers; n++, servers >>= 1)
        if (servers & 1)
            ipc_notify(&kernel.server[n]->endpoint, NOTIFY_FREE(endpoint->owner->badge));
}

bool ipc_ready(const struct task *self, const struct endpoint *endpoint)
{
    return endpoint->notified || endpoint->deaths || endpoint->notices || !list_empty(&endpoint->senders);
}

/* Takes one message if there is one. */
static bool take(struct task *self, struct endpoint *endpoint)
{
    if (endpoint->notices) {
        give_notice(self);
        return true;
    }
    if (endpoint->deaths) {
        give_death(self);
        return true;
    }
    if (endpoint->notified) {
        give_bits(self, endpoint);
        return true;
    }
    if (!list_empty(&endpoint->senders)) {
        struct task *from = LIST_MEMBER(endpoint->senders.next, struct task, link);

        list_remove(&from->link);
        move(self, from);
        return true;
    }
    return false;
}

/* Its wait ends as if a signal had come. */
void ipc_leave(struct task *receiver)
{
    receiver->at->waiting = NULL;
    receiver->at = NULL;
    receiver->state = IPC_NONE;
    receiver->result = -EINTR;
}

/* A sender that finds the receiver waiting moves its message and hands the CPU over; whoever else wakes it lets it look. */
void ipc_receive(struct task *self, struct endpoint *endpoint)
{
    uint64_t received = self->received;

    self->result = 0;
    while (self->received == received && !take(self, endpoint)) {
        if (unlikely(endpoint->waiting)) { /* another one, since this one was woken */
            self->result = -EBUSY;
            return;
        }
        if (unlikely(endpoint->tell_free))
            ipc_tell_free(endpoint);
        self->state = IPC_RECEIVING;
        self->at = endpoint;
        endpoint->waiting = self;
        sched_block();
        self->at = NULL;
        if (self->result < 0) /* interrupted */
            return;
    }
}
