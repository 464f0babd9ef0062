/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/loop.c: messages in, answers out.
 *
 * server_loop is the path of every call, so it does nothing that a call which neither waits nor wakes could do
 * without: the message becomes a struct call, an indexed load finds the operation, its result goes out with the wait
 * for the next message. Everything else is out of line.
 */
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/server.h"

void server_send(struct reply reply)
{
    if (reply.handle)
        kcall(IPC_REPLY, reply.handle, (uint64_t)reply.result, 0);
}

static __attribute__((noinline)) struct reply call_slow(struct entry *entry, long result)
{
    struct reply reply = entry_end(entry, result);

    return server.attention ? calls_settle(reply) : reply;
}

/* Numbers from `end` on are unknown: a program must not reach the pseudo numbers. A result that asks for a restart
 * needs no look here: it comes of a wait, or together with a pending signal. */
static inline __attribute__((always_inline)) struct reply call(uint64_t label, const uint64_t word[6], unsigned end)
{
    struct entry *entry = server.fresh;
    unsigned nr = LABEL_NR(label);
    const struct route *route = &server.routes[likely(nr < end) ? nr : ROUTE_UNKNOWN];
    long result;

    entry->handle = LABEL_HANDLE(label);
    entry->call.nr = nr;
    entry->call.pid = LABEL_BADGE(label);
    entry->call.arg[0] = word[0];
    entry->call.arg[1] = word[1];
    entry->call.arg[2] = word[2];
    entry->call.arg[3] = word[3];
    entry->call.arg[4] = word[4];
    entry->call.arg[5] = word[5];
    entry->call.flags = 0;
    entry->call.done = 0;
    entry->call.note = 0;
    server.entered = route->op;
    result = route->op(route->self, &entry->call);
    if (likely(result != CALL_WAIT) && likely(!server.attention) &&
        (!server.pending || likely(!server.pending(server.proc, entry->call.pid))))
        return (struct reply){entry->handle, result};
    return call_slow(entry, result);
}

/* ---- everything but calls ---- */

static struct reply message_fault(const struct ipc_message *m)
{
    return call(LABEL(MSG_CALL, CALL_FAULT, LABEL_HANDLE(m->label), LABEL_BADGE(m->label)), m->word, CALL_TABLE_END);
}

/* An entry of the program that the message is about. */
static struct entry *fresh_for(const struct ipc_message *m)
{
    struct entry *entry = server.fresh;

    entry->handle = LABEL_HANDLE(m->label);
    entry->call.nr = CALL_rt_sigreturn;
    entry->call.pid = LABEL_BADGE(m->label);
    entry->call.flags = 0;
    entry->call.done = 0;
    entry->call.note = 0;
    entry->result = 0;
    return entry;
}

static struct reply message_deliver(const struct ipc_message *m)
{
    struct entry *entry = fresh_for(m);

    entry->result = (long)m->word[0];
    return server.deliver ? server.deliver(entry) : (struct reply){entry->handle, -ENOSYS};
}

static struct reply message_exception(const struct ipc_message *m)
{
    struct entry *entry = fresh_for(m);

    if (!server.deliver)
        return (struct reply){entry->handle, -ENOSYS};
    server.exception(entry, LABEL_NR(m->label), m->word[0], m->word[1], m->word[2]);
    return server.deliver(entry);
}

static struct reply message_plain(const struct ipc_message *m)
{
    return (struct reply){LABEL_HANDLE(m->label), -ENOSYS};
}

static struct reply message_interrupt(const struct ipc_message *m)
{
    struct entry *entry = entry_of(LABEL_HANDLE(m->label));

    if (entry)
        entry_interrupt(entry);
    return NO_REPLY;
}

static struct reply message_gone(const struct ipc_message *m)
{
    struct entry *entry = entry_of(LABEL_HANDLE(m->label));

    if (entry)
        entry_forget(entry);
    return NO_REPLY;
}

static void interrupts(uint64_t bits)
{
    unsigned n = 0;

    for (const struct part *const *part = server_parts; *part; part++)
        for (unsigned i = 0; i < (*part)->interrupts; i++, n++)
            if (bits & NOTIFY_IRQ(n))
                (*part)->interrupt();
}

static struct reply message_notify(const struct ipc_message *m)
{
    uint64_t bits = m->word[0];

    server.fresh->call.pid = 0; /* this is nobody's call */
    interrupts(bits);
    for (unsigned service = 0; service < SERVICE_COUNT; service++)
        if (bits & NOTIFY_WAKE(service))
            wake_service(service);
    if (bits & NOTIFY_POLL)
        wake_channel(CHANNEL_POLL);
    for (int n = 0; n < SERVERS_MAX; n++)
        if (bits & NOTIFY_FREE(n))
            ask_free(n);
    if (bits & NOTIFY_ALARM)
        calls_alarm();
    if (bits & NOTIFY_BEAT)
        calls_account();
    return NO_REPLY;
}

static struct reply (*const messages[])(const struct ipc_message *m) = {
    [MSG_REQUEST] = serve_request,       [MSG_PLAIN] = message_plain,         [MSG_NOTIFY] = message_notify,
    [MSG_FAULT] = message_fault,         [MSG_EXCEPTION] = message_exception, [MSG_DELIVER] = message_deliver,
    [MSG_INTERRUPT] = message_interrupt, [MSG_GONE] = message_gone,
};

static __attribute__((noinline)) struct reply message(const struct ipc_message *m)
{
    unsigned kind = LABEL_KIND(m->label);
    struct reply reply = NO_REPLY;

    if (kind < sizeof(messages) / sizeof(*messages) && messages[kind])
        reply = messages[kind](m);
    return server.attention ? calls_settle(reply) : reply;
}

/* The message is in memory only if it is no call. */
void server_loop(struct reply reply)
{
    uint64_t word[6];

    for (;;) {
        uint64_t label = ipc_reply_wait(reply.handle, reply.result, word);

        if (likely(LABEL_KIND(label) == MSG_CALL))
            reply = call(label, word, CALL_TABLE_SIZE);
        else
            reply = message(&(struct ipc_message){label, {word[0], word[1], word[2], word[3], word[4], word[5]}});
    }
}
