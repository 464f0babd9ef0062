/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/calls.c: calls that wait.
 *
 * An entry that answered CALL_WAIT is on `waiting`. It comes to `ready` when its channel is woken, its deadline passes
 * or a signal interrupts it, and calls_settle hands it in again. An entry with a result is answered; but if it has
 * posted something that is not sent yet it is on `held` until that is: a SIGPIPE is pending before its write returns.
 *
 * The channel of a wait may be another server's. That server does not know channels of ours, it says only "something of
 * service S happened" (NOTIFY_WAKE): everything that waits for S is handed in again. And a server that waits because we
 * answered it CALL_WAIT is told by us in the same way (`waiters`), so that chains work: vmd waits for fsd for blkd.
 */
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/server.h"
#include "guest/ring3/memory.h"

/* ---- entries ---- */

void calls_init(void)
{
    list_init(&server.waiting);
    list_init(&server.ready);
    list_init(&server.held);
    server.alarm = CALL_FOREVER;
    server.fresh = server.current = heap_alloc(sizeof(struct entry));
    if (!server.fresh)
        panic("no memory at start");
    list_init(&server.fresh->link);
}

struct entry *entry_create(call_op *op, struct reply (*done)(struct entry *entry, long result))
{
    struct entry *entry = heap_alloc(sizeof(*entry));

    if (!entry)
        return NULL;
    list_init(&entry->link);
    entry->kind = ENTRY_JOB;
    entry->op = op;
    entry->done = done;
    return entry;
}

/* The fresh one is used again, as if it were new. */
void entry_release(struct entry *entry)
{
    if (entry != server.fresh) {
        heap_free(entry, sizeof(*entry));
        return;
    }
    entry->kind = ENTRY_CALL;
    entry->interrupted = entry->gone = entry->polite = false;
}

/* One that is kept is not the fresh one any more. */
static bool detach(struct entry *entry)
{
    struct entry *fresh;

    if (entry != server.fresh)
        return true;
    fresh = heap_alloc(sizeof(*fresh));
    if (!fresh)
        return false;
    list_init(&fresh->link);
    server.fresh = server.current = fresh;
    return true;
}

bool entry_keep(struct entry *entry)
{
    if (!detach(entry))
        return false;
    entry->waits = true;
    list_add(&server.waiting, &entry->link);
    if (entry->call.until != CALL_FOREVER)
        server.attention |= ATTENTION_ALARM;
    return true;
}

static struct entry *find_in(struct list *list, bool (*fits)(const struct entry *, uint64_t), uint64_t value)
{
    for (struct list *link = list->next; link != list; link = link->next) {
        struct entry *entry = LIST_MEMBER(link, struct entry, link);

        if (fits(entry, value))
            return entry;
    }
    return NULL;
}

struct entry *entry_find(bool (*fits)(const struct entry *entry, uint64_t value), uint64_t value)
{
    struct entry *entry = find_in(&server.waiting, fits, value);

    if (!entry)
        entry = find_in(&server.ready, fits, value);
    return entry ? entry : find_in(&server.held, fits, value);
}

static bool has_handle(const struct entry *entry, uint64_t handle)
{
    return entry->handle == handle;
}

struct entry *entry_of(uint64_t handle)
{
    return entry_find(has_handle, handle);
}

static bool any(const struct entry *entry, uint64_t value)
{
    return true;
}

void calls_end(void)
{
    struct entry *entry;

    while ((entry = entry_find(any, 0)))
        entry_forget(entry);
    heap_free(server.fresh, sizeof(*server.fresh));
}

void entry_ready(struct entry *entry, uint32_t flags)
{
    entry->call.flags = flags;
    entry->waits = false;
    list_remove(&entry->link);
    list_add(&server.ready, &entry->link);
    server.attention |= ATTENTION_READY;
}

/* Told at once, unless it has been told and waits for something short. */
void entry_interrupt(struct entry *entry)
{
    entry->interrupted = true;
    if (!(entry->call.flags & CALL_INTERRUPTED) && entry->waits)
        entry_ready(entry, CALL_INTERRUPTED);
}

void entry_forget(struct entry *entry)
{
    list_remove(&entry->link);
    entry_release(entry);
}

/* ---- handing in ---- */

static long hand_in(struct entry *entry)
{
    const struct route *route;

    if (entry->kind == ENTRY_JOB) {
        server.entered = entry->op;
        return entry->op(NULL, &entry->call);
    }
    route = &server.routes[entry->call.nr < CALL_TABLE_END ? entry->call.nr : ROUTE_UNKNOWN];
    server.entered = route->op;
    return route->op(route->self, &entry->call);
}

static bool is_interrupted(const struct entry *entry)
{
    return entry->interrupted ||
           (entry->kind == ENTRY_CALL && server.pending && server.pending(server.proc, entry->call.pid));
}

/* A signal interrupts a wait once; if the service then wants to wait still, it waits for something short. */
struct reply entry_end(struct entry *entry, long result)
{
    struct entry *outer = server.current;

    server.current = entry;
    while (result == CALL_WAIT && !entry->gone && !(entry->call.flags & CALL_INTERRUPTED) && is_interrupted(entry)) {
        entry->call.flags = CALL_INTERRUPTED;
        result = hand_in(entry);
    }
    server.current = outer;
    if (entry->gone) {
        entry_release(entry);
        return NO_REPLY;
    }
    if (result == CALL_WAIT) {
        if (entry_keep(entry))
            return NO_REPLY;
        result = -ENOMEM;
    }
    return entry->kind == ENTRY_JOB ? entry->done(entry, result) : server.finish(entry, result);
}

struct reply entry_run(struct entry *entry)
{
    struct entry *outer = server.current;
    long result;

    server.current = entry;
    result = hand_in(entry);
    server.current = outer;
    return entry_end(entry, result);
}

struct reply entry_answer(struct entry *entry, long result)
{
    struct reply reply = {entry->handle, result};
    bool posted = server.attention & ATTENTION_POSTED;

    server.attention &= ~(uint32_t)ATTENTION_POSTED;
    if (posted && detach(entry)) {
        entry->result = result;
        list_add(&server.held, &entry->link);
        return NO_REPLY;
    }
    entry_release(entry);
    return reply;
}

struct reply calls_release_held(void)
{
    struct reply reply = NO_REPLY;

    while (!list_empty(&server.held)) {
        struct entry *entry = LIST_MEMBER(server.held.next, struct entry, link);

        server_send(reply);
        reply = (struct reply){entry->handle, entry->result};
        entry_forget(entry);
    }
    return reply;
}

/* ---- the account ---- */

static void keep_all(const struct list *list)
{
    for (const struct list *link = list->next; link != list; link = link->next) {
        const struct entry *entry = LIST_MEMBER(link, struct entry, link);

        if (entry->handle)
            kcall(IPC_KEEP, entry->handle, 0, 0);
    }
}

/* Between two messages nothing is owed but by entries that are kept. */
void calls_account(void)
{
    keep_all(&server.waiting);
    keep_all(&server.ready);
    keep_all(&server.held);
    kcall(IPC_KEEP, 0, 0, 0);
}

/* ---- waking ---- */

static void tell_waiters(unsigned service)
{
    unsigned servers = server.waiters[service];

    server.waiters[service] = 0;
    for (int n = 0; servers; n++, servers >>= 1)
        if (servers & 1)
            kcall(IPC_NOTIFY, CAP_SERVER(n), NOTIFY_WAKE(service), 0);
}

void wake_channel(uint64_t channel)
{
    for (struct list *link = server.waiting.next, *next; link != &server.waiting; link = next) {
        struct entry *entry = LIST_MEMBER(link, struct entry, link);

        next = link->next;
        if (entry->call.channel == channel)
            entry_ready(entry, 0);
    }
    if (server.waiters[CHANNEL_SERVICE(channel)])
        tell_waiters(CHANNEL_SERVICE(channel));
}

void wake_service(unsigned service)
{
    for (struct list *link = server.waiting.next, *next; link != &server.waiting; link = next) {
        struct entry *entry = LIST_MEMBER(link, struct entry, link);

        next = link->next;
        if (CHANNEL_SERVICE(entry->call.channel) == service)
            entry_ready(entry, 0);
    }
    tell_waiters(service);
}

/* ---- time ---- */

static uint64_t next_deadline(void)
{
    uint64_t due = CALL_FOREVER;

    for (struct list *link = server.waiting.next; link != &server.waiting; link = link->next) {
        uint64_t until = LIST_MEMBER(link, struct entry, link)->call.until;

        due = until < due ? until : due;
    }
    for (const struct part *const *part = server_parts; *part; part++) {
        uint64_t until = (*part)->next_timer ? (*part)->next_timer() : CALL_FOREVER;

        due = until < due ? until : due;
    }
    return due;
}

/* An alarm that comes too early costs less than moving it for every wait that ends before its deadline. */
static void set_alarm(void)
{
    uint64_t due = next_deadline();

    if (due >= server.alarm)
        return;
    server.alarm = due;
    kcall(IPC_ALARM, due, 0, 0);
}

void calls_alarm(void)
{
    uint64_t now = server_now();

    server.alarm = CALL_FOREVER;
    server.attention |= ATTENTION_ALARM;
    for (struct list *link = server.waiting.next, *next; link != &server.waiting; link = next) {
        struct entry *entry = LIST_MEMBER(link, struct entry, link);

        next = link->next;
        if (entry->call.until <= now)
            entry_ready(entry, CALL_TIMED_OUT);
    }
    for (const struct part *const *part = server_parts; *part; part++)
        if ((*part)->next_timer && (*part)->next_timer() <= now)
            (*part)->timer();
}

/* ---- the loop's slow end ---- */

/* The current call's answer goes out last, with the wait: as in a kernel, who wakes another one goes on first.
 * Meanwhile it is kept where a death does not lose it. */
struct reply calls_settle(struct reply reply)
{
    server.owed = reply;
    while (!list_empty(&server.ready)) {
        struct entry *entry = LIST_MEMBER(server.ready.next, struct entry, link);
        struct reply other;

        list_remove(&entry->link);
        other = entry_run(entry);
        if (server.owed.handle)
            server_send(other);
        else
            server.owed = other;
    }
    reply = server.owed;
    server.owed = NO_REPLY;
    if (server.attention & ATTENTION_CONTEXT)
        server.write_back();
    if (server.attention & ATTENTION_ALARM)
        set_alarm();
    if (server.attention & ATTENTION_QUIT) {
        server_send(reply);
        server_end();
        kcall(IPC_EXIT, 0, 0, 0);
    }
    server.attention = 0;
    return reply;
}
