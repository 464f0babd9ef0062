/* SPDX-License-Identifier: MIT
 *
 * sim/devices/virtio_console.c: a console (VIRTIO 1.1 §5.3): queue 0 receives, queue 1 transmits.
 *
 * Rules:
 *  - Output reaches the host when the driver notifies; the request is done CONSOLE_LATENCY_US of simulated time later.
 *  - Input is asked of the host CONSOLE_LATENCY_US after a buffer was posted, and is in the buffer at that simulated
 *    moment, however long the host's read took. A host that has nothing yet (a terminal) is asked again
 *    CONSOLE_POLL_US later. Only one question is under way at a time, so bytes keep their order.
 *  - A buffer of the wrong direction, or more than REQUEST_MAX at once, breaks the device.
 */
#include "sim/devices/virtio_console.h"

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include "sim/devices/virtio.h"

#define CONSOLE_LATENCY_US 5
#define CONSOLE_POLL_US 1000
#define PIECE 4096u
#define REQUEST_MAX (1u << 20) /* bytes of one transmit request */

enum { RECEIVE, TRANSMIT, QUEUES };

struct virtio_console {
    struct virtio virtio;
    struct virtio_model model;
    struct virtio_console_config config;
    const struct bus *bus;
    struct console_streams streams;
    uint64_t cycles_per_us;

    /* receive: the buffer being filled, if `receiving`; it has one event to come */
    struct virtio_chain receive;
    bool receiving;

    /* transmit: requests whose bytes have left, waiting for their time; a ring as long as the queue. Each has one event
     * to come, in the same order. */
    struct virtio_chain sent[VIRTIO_QUEUE_SIZE_MAX];
    unsigned first, count;

    /* events to come of what a reset forgot */
    unsigned stale_receive, stale_sent;
};

static void start_receive(struct virtio_console *c);

static uint64_t after(struct virtio_console *c, unsigned us)
{
    return c->bus->now(c->bus->ctx) + us * c->cycles_per_us;
}

/* ---- input ---- */

/* Bytes put into the buffer; negative: none yet. */
static long fill(struct virtio_console *c)
{
    unsigned char piece[PIECE];
    uint64_t room = c->receive.writable_bytes;
    long got = 0;

    if (c->streams.input)
        got = c->streams.input(c->streams.ctx, piece, room < PIECE ? room : PIECE);
    if (got > 0 && !virtio_scatter(&c->virtio, &c->receive, 0, piece, got))
        virtio_break(&c->virtio);
    return got;
}

static void receive_event(void *self)
{
    struct virtio_console *c = self;
    long got;

    if (c->stale_receive) {
        c->stale_receive--;
        return;
    }
    got = fill(c);
    if (got < 0) {
        c->bus->at(c->bus->ctx, after(c, CONSOLE_POLL_US), receive_event, c);
        return;
    }
    c->receiving = false;
    virtio_give(&c->virtio, RECEIVE, &c->receive, got);
    start_receive(c);
}

static void start_receive(struct virtio_console *c)
{
    if (c->receiving || !virtio_take(&c->virtio, RECEIVE, &c->receive))
        return;
    if (c->receive.readable || !c->receive.writable_bytes) {
        virtio_break(&c->virtio);
        return;
    }
    c->receiving = true;
    c->bus->at(c->bus->ctx, after(c, CONSOLE_LATENCY_US), receive_event, c);
}

/* ---- output ---- */

static void transmit_event(void *self)
{
    struct virtio_console *c = self;
    const struct virtio_chain *chain = &c->sent[c->first];

    if (c->stale_sent) {
        c->stale_sent--;
        return;
    }
    c->first = (c->first + 1) % VIRTIO_QUEUE_SIZE_MAX;
    c->count--;
    virtio_give(&c->virtio, TRANSMIT, chain, 0);
}

/* The bytes of one request. false: it points outside RAM (what came before has been printed). */
static bool emit(struct virtio_console *c, const struct virtio_chain *chain)
{
    unsigned char piece[PIECE];

    for (unsigned i = 0; i < chain->readable; i++) {
        const struct virtio_segment *segment = &chain->segment[i];

        for (uint32_t at = 0, n; at < segment->bytes; at += n) {
            n = segment->bytes - at < PIECE ? segment->bytes - at : PIECE;
            if (!c->bus->dma_read(c->bus->ctx, segment->address + at, piece, n))
                return false;
            if (c->streams.output)
                c->streams.output(c->streams.ctx, piece, n);
        }
    }
    return true;
}

static void transmit(struct virtio_console *c)
{
    for (;;) {
        struct virtio_chain *chain = &c->sent[(c->first + c->count) % VIRTIO_QUEUE_SIZE_MAX];

        if (!virtio_take(&c->virtio, TRANSMIT, chain))
            return;
        if (chain->writable || chain->readable_bytes > REQUEST_MAX || !emit(c, chain)) {
            virtio_break(&c->virtio);
            return;
        }
        c->count++;
        c->bus->at(c->bus->ctx, after(c, CONSOLE_LATENCY_US), transmit_event, c);
    }
}

/* ---- the device ---- */

static void notify(void *self, unsigned queue)
{
    if (queue == RECEIVE)
        start_receive(self);
    else
        transmit(self);
}

static void reset(void *self)
{
    struct virtio_console *c = self;

    c->stale_receive += c->receiving;
    c->stale_sent += c->count;
    c->receiving = false;
    c->count = 0;
}

struct virtio_console *virtio_console_create(const struct bus *bus, unsigned vector,
                                             const struct console_streams *streams)
{
    struct virtio_console *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->bus = bus;
    c->streams = *streams;
    c->cycles_per_us = bus->hz / 1000000;
    c->model = (struct virtio_model){
        .device_id = VIRTIO_ID_CONSOLE,
        .queues = QUEUES,
        .config = &c->config,
        .config_bytes = sizeof c->config,
        .notify = notify,
        .reset = reset,
    };
    virtio_init(&c->virtio, bus, vector, &c->model, c);
    return c;
}

struct bus_device virtio_console_device(struct virtio_console *c)
{
    return virtio_device(&c->virtio);
}

void virtio_console_destroy(struct virtio_console *c)
{
    free(c);
}
