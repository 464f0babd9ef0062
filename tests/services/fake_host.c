/* SPDX-License-Identifier: MIT
 *
 * tests/services/fake_host.c: see fake_host.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/fs/mkfs.h"
#include "tests/services/fake_host.h"

#define TICKET_CHANNEL(ticket) CHANNEL(SERVICE_BLK, ticket)

uint64_t fake_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* ---- memory ---- */

static void *get(size_t bytes)
{
    size_t unit = bytes >= 4096 ? 4096 : 16;
    void *memory = aligned_alloc(unit, (bytes + unit - 1) / unit * unit);

    assert_non_null(memory);
    return memset(memory, 0, bytes);
}

static void *mkfs_get(void *ctx, size_t bytes)
{
    return get(bytes);
}

static void mkfs_put(void *ctx, void *memory, size_t bytes)
{
    free(memory);
}

const struct mkfs_memory fake_memory = {.alloc = mkfs_get, .free = mkfs_put};

static void *host_alloc(void *ctx, size_t bytes)
{
    struct fake_host *f = ctx;

    f->allocations++;
    if (f->fail_at && f->allocations >= f->fail_at)
        return NULL;
    f->live += (long)bytes;
    return get(bytes);
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    struct fake_host *f = ctx;

    f->live -= (long)bytes;
    free(memory);
}

/* ---- copies ---- */

static long admit(struct fake_host *f, struct call *call, uint64_t address, size_t bytes)
{
    if (address < FAKE_BAD || (f->high && (address < f->low || address >= f->high || bytes > f->high - address)))
        return -EFAULT;
    if (f->wait_every && fake_random(&f->random) % (uint64_t)f->wait_every == 0)
        return call_wait(call, CHANNEL(SERVICE_VM, 1), f->now);
    f->copies++;
    f->copied += bytes;
    f->largest = (long)bytes > f->largest ? (long)bytes : f->largest;
    return 0;
}

/* fs reads a path in pieces that may go beyond its end, within the page: as a kernel may, but a sanitizer must not see.
 */
__attribute__((no_sanitize("address", "undefined"))) static void copy_unseen(uint8_t *to, const volatile uint8_t *from,
                                                                             size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = from[i];
}

static long host_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    long r = admit(ctx, call, from, bytes);

    if (!r)
        copy_unseen(to, (const uint8_t *)(uintptr_t)from, bytes);
    return r;
}

static long host_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    long r = admit(ctx, call, to, bytes);

    if (!r)
        memcpy((void *)(uintptr_t)to, from, bytes);
    return r;
}

static long host_take(void *ctx, struct request *rq, void *to, size_t offset, size_t bytes)
{
    assert_true(offset + bytes <= rq->size && !rq->data_out);
    memcpy(to, (const uint8_t *)rq->data + offset, bytes);
    return 0;
}

static long host_give(void *ctx, struct request *rq, size_t offset, const void *from, size_t bytes)
{
    assert_true(offset + bytes <= rq->size && rq->data_out);
    memcpy((uint8_t *)rq->data + offset, from, bytes);
    return 0;
}

static uint64_t host_now(void *ctx)
{
    return ((struct fake_host *)ctx)->now;
}

static void host_wake(void *ctx, uint64_t channel)
{
    struct fake_host *f = ctx;

    if (f->woken_count < 64)
        f->woken[f->woken_count++] = channel;
}

bool fake_was_woken(struct fake_host *f, uint64_t channel)
{
    bool yes = false;

    for (unsigned i = 0; i < f->woken_count; i++)
        yes |= f->woken[i] == channel;
    f->woken_count = 0;
    return yes;
}

static uint64_t host_dma(void *ctx, void *memory)
{
    return P(memory);
}

/* ---- the disk ---- */

static void record(struct fake_host *f, const struct fake_io *io)
{
    struct fake_write *w;

    if (!f->record)
        return;
    if (f->log_count == f->log_room) {
        f->log_room = f->log_room ? f->log_room * 2 : 256;
        f->log = realloc(f->log, f->log_room * sizeof *f->log);
        assert_non_null(f->log);
    }
    w = &f->log[f->log_count++];
    *w = (struct fake_write){.flush = io->op == BLK_FLUSH, .at = io->sector * 512, .bytes = io->bytes};
    if (!w->flush) {
        w->data = malloc(io->bytes);
        memcpy(w->data, (const void *)(uintptr_t)io->dma, io->bytes);
    }
}

static void complete(struct fake_host *f, struct fake_io *io)
{
    uint8_t *at = f->disk + io->sector * 512, *memory = (uint8_t *)(uintptr_t)io->dma;

    io->done = true;
    f->last_ticket = io->ticket;
    if (io->op == BLK_READ) {
        f->reads++;
        memcpy(memory, at, io->bytes);
        return;
    }
    if (io->op == BLK_FLUSH)
        f->flushes++;
    else if (!f->fail_write_at || ++f->writes < f->fail_write_at)
        memcpy(at, memory, io->bytes);
    record(f, io);
}

/* A flush goes after what was there before it, and before what came after. */
static bool may_go(const struct fake_host *f, const struct fake_io *io)
{
    for (unsigned i = 0; i < FAKE_QUEUE; i++) {
        const struct fake_io *other = &f->queue[i];

        if (other->ticket && !other->done && other->ticket < io->ticket &&
            (other->op == BLK_FLUSH || io->op == BLK_FLUSH))
            return false;
    }
    return true;
}

bool fake_disk_step(struct fake_host *f)
{
    struct fake_io *best = NULL;
    uint64_t best_rank = 0;

    for (unsigned i = 0; i < FAKE_QUEUE; i++) {
        struct fake_io *io = &f->queue[i];
        uint64_t rank;

        if (!io->ticket || io->done || !may_go(f, io))
            continue;
        rank = f->shuffle ? fake_random(&f->random) : UINT64_MAX - io->ticket;
        if (!best || rank > best_rank) {
            best = io;
            best_rank = rank;
        }
    }
    if (best)
        complete(f, best);
    return best != NULL;
}

static long submit(struct fake_host *f, struct request *rq)
{
    unsigned busy = 0;
    struct fake_io *io = NULL;

    assert_true(rq->op == BLK_FLUSH ||
                (rq->arg[1] % 512 == 0 && rq->arg[0] * 512 + rq->arg[1] <= f->disk_bytes && rq->arg[1]));
    for (unsigned i = 0; i < FAKE_QUEUE; i++) {
        busy += f->queue[i].ticket && !f->queue[i].done;
        if (!f->queue[i].ticket && !io)
            io = &f->queue[i];
    }
    if (busy >= f->depth || !io)
        return call_wait(rq->call, CHANNEL(SERVICE_BLK, 0), CALL_FOREVER);
    *io = (struct fake_io){
        .ticket = ++f->next_ticket, .op = rq->op, .sector = rq->arg[0], .bytes = rq->arg[1], .dma = rq->arg[2]};
    return (long)io->ticket;
}

/* The device goes on for a while, is then reset, and nobody knows a ticket any more. */
static void driver_dies(struct fake_host *f)
{
    while (fake_random(&f->random) % 4 && fake_disk_step(f))
        ;
    for (unsigned i = 0; i < FAKE_QUEUE; i++) {
        f->losses += f->queue[i].ticket != 0;
        f->queue[i].ticket = 0;
    }
}

static long is_done(struct fake_host *f, struct request *rq)
{
    for (unsigned i = 0; i < FAKE_QUEUE; i++) {
        struct fake_io *io = &f->queue[i];
        long r = 0;

        if (io->ticket != rq->arg[0])
            continue;
        while (f->immediate && !io->done)
            fake_disk_step(f);
        if (!io->done)
            return call_wait(rq->call, TICKET_CHANNEL(io->ticket), CALL_FOREVER);
        if (io->op == BLK_WRITE && f->fail_write_at && f->writes >= f->fail_write_at)
            r = -EIO;
        io->ticket = 0;
        return r;
    }
    if (!f->lose_every)
        fail_msg("a ticket that does not exist was asked for");
    return -ESTALE;
}

static long ask_disk(struct fake_host *f, struct request *rq)
{
    if (f->lose_every && fake_random(&f->random) % (uint64_t)f->lose_every == 0)
        driver_dies(f);
    switch (rq->op) {
    case BLK_SIZE:
        return (long)(f->disk_bytes / 512);
    case BLK_DONE:
        return is_done(f, rq);
    default:
        return submit(f, rq);
    }
}

/* ---- terminal, signals ---- */

static long ask_tty(struct fake_host *f, struct request *rq)
{
    size_t n = rq->arg[2];
    long r;

    switch (rq->op) {
    case TTY_WRITE:
        n = n < sizeof f->output - f->output_bytes ? n : sizeof f->output - f->output_bytes;
        r = host_copy_in(f, rq->call, f->output + f->output_bytes, rq->arg[1], n);
        f->output_bytes += r ? 0 : n;
        return r ? r : (long)n;
    case TTY_READ:
        if (!f->input)
            return rq->arg[3] ? -EAGAIN : call_wait(rq->call, CHANNEL(SERVICE_TTY, 1), CALL_FOREVER);
        n = n < strlen(f->input) ? n : strlen(f->input);
        r = host_copy_out(f, rq->call, rq->arg[1], f->input, n);
        f->input += r ? 0 : n;
        return r ? r : (long)n;
    case TTY_POLL:
        return 4 | (f->input ? 1 : 0);
    default:
        return -ENOTTY;
    }
}

static long ask_proc(struct fake_host *f, struct request *rq)
{
    if (f->proc_busy) {
        f->proc_busy = false;
        return call_wait(rq->call, CHANNEL(SERVICE_PROC, 1), CALL_FOREVER);
    }
    switch (rq->op) {
    case PROC_SIGNAL:
        f->signal = (int)rq->arg[0];
        return 0;
    case PROC_MASK:
        f->mask = rq->arg[0];
        f->masks++;
        return f->signal_due;
    case PROC_MASK_END:
        f->mask = 0;
        f->unmasked = (int)rq->arg[0];
        return 0;
    default:
        return -ENOSYS;
    }
}

static long host_ask(void *ctx, struct request *rq)
{
    struct fake_host *f = ctx;

    assert_non_null(rq->call);
    if (rq->service == SERVICE_BLK && f->disk)
        return ask_disk(f, rq);
    if (rq->service == SERVICE_TTY)
        return ask_tty(f, rq);
    return rq->service == SERVICE_PROC ? ask_proc(f, rq) : -ENOSYS;
}

/* ---- life ---- */

void fake_host_init(struct fake_host *f, void *disk, uint64_t disk_bytes)
{
    memset(f, 0, sizeof *f);
    f->host = (struct host){.ctx = f,
                            .alloc = host_alloc,
                            .free = host_free,
                            .copy_in = host_copy_in,
                            .copy_out = host_copy_out,
                            .now = host_now,
                            .wake = host_wake,
                            .ask = host_ask,
                            .dma = host_dma,
                            .take = host_take,
                            .give = host_give};
    f->disk = disk;
    f->disk_bytes = disk_bytes;
    f->depth = FAKE_QUEUE / 2;
    f->now = 1000;
}

void fake_host_end(struct fake_host *f)
{
    for (size_t i = 0; i < f->log_count; i++)
        free(f->log[i].data);
    free(f->log);
    assert_int_equal(f->live, 0);
}

/* ---- playing placement ---- */

/* Something that the call may have waited for. false: there is nothing. */
static bool let_happen(struct fake_host *f, struct call *call)
{
    if (call->channel >> 56 == SERVICE_BLK) {
        assert_true(fake_disk_step(f) || f->lose_every); /* a driver that starts anew wakes everybody */
        return true;
    }
    if (call->until == CALL_FOREVER)
        return false;
    f->now = call->until > f->now ? call->until : f->now;
    call->flags |= CALL_TIMED_OUT;
    return true;
}

long fake_run(struct fake_host *f, const struct service *service, struct call *call)
{
    for (long tries = 0; tries < 1000000; tries++) {
        long r = service_call(service, call);

        if (r != CALL_WAIT)
            return r;
        call->flags = 0;
        if (!let_happen(f, call))
            return CALL_WAIT;
    }
    fail_msg("call %u waits for ever", call->nr);
    return 0;
}

long fake_call(struct fake_host *f, const struct service *service, int pid, uint32_t nr, uint64_t a0, uint64_t a1,
               uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct call call = {.nr = nr, .pid = pid, .arg = {a0, a1, a2, a3, a4, a5}};

    return fake_run(f, service, &call);
}
