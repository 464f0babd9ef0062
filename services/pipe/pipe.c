/* SPDX-License-Identifier: MIT
 *
 * services/pipe/pipe.c: pipes (pipe(7)), a library of objects that fs holds.
 *
 * `head` and `tail` count bytes since the pipe was made; their difference is what it holds. Bytes are copied first
 * and counted afterwards, so a copy that waits or fails changes nothing. A write of up to PIPE_BUF bytes
 * waits until all of it fits; a longer one goes in as room comes, its progress in call->done.
 *
 * Readers and writers wait on separate channels, so that a byte read wakes no other reader.
 */
#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/limits.h>

#include "services/pipe/pipe.h"
#include "services/string.h"

#define RING_BYTES 65536u

struct pipe {
    const struct host *host;
    uint8_t *ring;
    uint64_t head, tail; /* written, read */
    uint32_t readers, writers;
    uint32_t read_waits, write_waits; /* someone waits on that side: wake at the next change */
    uint32_t armed;                   /* poll looked */
};

/* The low bits of its address tell pipes of one service apart; nobody shows a channel. */
static uint64_t channel_of(const struct pipe *p, int writer)
{
    return CHANNEL(SERVICE_PIPE, (uint64_t)(uintptr_t)p | (uint64_t)writer);
}

struct pipe *pipe_create(const struct host *host)
{
    struct pipe *p = host->alloc(host->ctx, sizeof *p);

    if (!p)
        return NULL;
    p->ring = host->alloc(host->ctx, RING_BYTES);
    if (!p->ring) {
        host->free(host->ctx, p, sizeof *p);
        return NULL;
    }
    p->host = host;
    p->readers = p->writers = 1;
    return p;
}

/* Something changed that the given side may wait for. */
static void notify(struct pipe *p, int writer)
{
    uint32_t *waits = writer ? &p->write_waits : &p->read_waits;

    if (*waits) {
        *waits = 0;
        p->host->wake(p->host->ctx, channel_of(p, writer));
    }
    if (p->armed) {
        p->armed = 0;
        p->host->wake(p->host->ctx, CHANNEL_POLL);
    }
}

void pipe_hold(struct pipe *p, int writer)
{
    *(writer ? &p->writers : &p->readers) += 1;
}

void pipe_release(struct pipe *p, int writer)
{
    *(writer ? &p->writers : &p->readers) -= 1;
    if (!p->readers && !p->writers) {
        p->host->free(p->host->ctx, p->ring, RING_BYTES);
        p->host->free(p->host->ctx, p, sizeof *p);
        return;
    }
    notify(p, !writer);
}

size_t pipe_bytes(const struct pipe *p)
{
    return p->head - p->tail;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static long wait_on(struct pipe *p, struct call *call, int writer)
{
    *(writer ? &p->write_waits : &p->read_waits) = 1;
    return call_wait(call, channel_of(p, writer), CALL_FOREVER);
}

/* ---- reading ---- */

/* What a read answers that finds nothing. */
static long nothing(struct pipe *p, struct call *call, int nonblock)
{
    if (!p->writers)
        return 0;
    if (nonblock)
        return -EAGAIN;
    return call->flags & CALL_INTERRUPTED ? -ERESTART : wait_on(p, call, 0);
}

/* One contiguous piece to the caller. */
static long take(struct pipe *p, struct call *call, uint64_t to, size_t bytes)
{
    size_t at = p->tail % RING_BYTES, n = least(least(bytes, pipe_bytes(p)), RING_BYTES - at);
    long r = p->host->copy_out(p->host->ctx, call, to, p->ring + at, n);

    if (r)
        return r;
    p->tail += n;
    return (long)n;
}

/* call->done: bytes taken before a copy had to wait for the caller's page. */
long pipe_read(struct pipe *p, struct call *call, uint64_t to, size_t bytes, int nonblock)
{
    long r = 0;

    if (!bytes)
        return 0;
    if (!pipe_bytes(p) && !call->done)
        return nothing(p, call, nonblock);
    while (call->done < bytes && pipe_bytes(p)) {
        r = take(p, call, to + call->done, bytes - call->done);
        if (r < 0)
            break;
        call->done += (uint64_t)r;
        notify(p, 1);
    }
    return r == CALL_WAIT || !call->done ? r : (long)call->done;
}

/* ---- writing ---- */

static size_t room(const struct pipe *p)
{
    return RING_BYTES - pipe_bytes(p);
}

/* How much may go in now: all of a short write or nothing, any part of a long one. */
static size_t admitted(const struct pipe *p, size_t bytes, uint64_t done)
{
    if (bytes <= PIPE_BUF)
        return room(p) >= bytes - done ? bytes - done : 0;
    return least(room(p), bytes - done);
}

/* Copies n bytes in, in one piece or, around the ring's end, two; counts them only when all are there. */
static long put(struct pipe *p, struct call *call, uint64_t from, size_t n)
{
    size_t at = p->head % RING_BYTES, first = least(n, RING_BYTES - at);
    long r = p->host->copy_in(p->host->ctx, call, p->ring + at, from, first);

    if (!r && first < n)
        r = p->host->copy_in(p->host->ctx, call, p->ring, from + first, n - first);
    if (r)
        return r;
    p->head += n;
    notify(p, 0);
    return (long)n;
}

static long full(struct pipe *p, struct call *call, int nonblock)
{
    if (nonblock)
        return call->done ? (long)call->done : -EAGAIN;
    if (call->flags & CALL_INTERRUPTED)
        return call->done ? (long)call->done : -ERESTART;
    return wait_on(p, call, 1);
}

long pipe_write(struct pipe *p, struct call *call, uint64_t from, size_t bytes, int nonblock)
{
    while (call->done < bytes) {
        size_t n = admitted(p, bytes, call->done);
        long r;

        if (!p->readers)
            return call->done ? (long)call->done : -EPIPE;
        if (!n)
            return full(p, call, nonblock);
        r = put(p, call, from + call->done, n);
        if (r < 0)
            return r == CALL_WAIT || !call->done ? r : (long)call->done;
        call->done += (uint64_t)r;
    }
    return (long)call->done;
}

long pipe_put(struct pipe *p, struct call *call, const void *data, size_t bytes, int nonblock)
{
    size_t n = least(room(p), bytes), at = p->head % RING_BYTES, first = least(n, RING_BYTES - at);

    if (!p->readers)
        return -EPIPE;
    if (!n)
        return call->done ? 0 : full(p, call, nonblock);
    memcpy(p->ring + at, data, first);
    memcpy(p->ring, (const uint8_t *)data + first, n - first);
    p->head += n;
    notify(p, 0);
    return (long)n;
}

int pipe_broken(const struct pipe *p)
{
    return !p->readers;
}

unsigned pipe_poll(struct pipe *p, int writer)
{
    p->armed = 1;
    if (writer)
        return (room(p) >= PIPE_BUF ? POLLOUT | POLLWRNORM : 0u) | (p->readers ? 0u : POLLERR);
    return (pipe_bytes(p) ? POLLIN | POLLRDNORM : 0u) | (p->writers ? 0u : POLLHUP);
}
