/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/dev_console.c: a guest's virtio consoles (VIRTIO 1.1 §5.3): queue 0 receives, queue 1 transmits.
 *
 * The first guest's are the machine's (console.c). Others have no input, and their output goes to the log.
 */
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "arch-vmm/kernel.h"

enum { RECEIVE, TRANSMIT, QUEUES };

#define PIECE 1024
#define REQUEST_MAX (1u << 20) /* bytes of one request: what the machine's own console takes */

static const struct virtio_console_config no_config;

/* ---- output ---- */

static bool log_chain(struct vm_console *c, const struct virtio_chain *chain)
{
    char piece[PIECE];

    for (uint64_t at = 0, n; at < chain->readable_bytes; at += n) {
        n = chain->readable_bytes - at < PIECE ? chain->readable_bytes - at : PIECE;
        if (!virtio_gather(&c->virtio, chain, at, piece, n))
            return false;
        for (uint64_t i = 0; i < n; i++)
            guest_log(c->guest, piece[i]);
        if (at + n < chain->readable_bytes)
            vcpu_pause(&c->guest->cpu);
    }
    return true;
}

static bool in_memory(const struct guest *guest, const struct virtio_chain *chain)
{
    if (chain->readable_bytes > REQUEST_MAX)
        return false;
    for (unsigned i = 0; i < chain->readable; i++)
        if (!guest_memory(guest, chain->segment[i].address, chain->segment[i].bytes))
            return false;
    return true;
}

/* One request at a time is with the machine's console. */
static void transmit(struct vm_console *c)
{
    while (!c->sending && virtio_take(&c->virtio, TRANSMIT, &c->send)) {
        bool sound = !c->send.writable && c->send.readable && in_memory(c->guest, &c->send);

        if (sound && c->guest->number == 1) {
            c->sending = true;
            console_send(c);
        } else if (sound && log_chain(c, &c->send)) {
            virtio_give(&c->virtio, TRANSMIT, &c->send, 0);
        } else {
            virtio_break(&c->virtio);
        }
    }
}

void vm_console_sent(struct vm_console *c)
{
    c->sending = false;
    if (!c->stale)
        virtio_give(&c->virtio, TRANSMIT, &c->send, 0);
    c->stale = false;
    transmit(c);
}

/* ---- input ---- */

/* Who has no input gets its buffers back empty, all at once. */
static void start_receive(struct vm_console *c)
{
    while (!c->receiving && virtio_take(&c->virtio, RECEIVE, &c->receive)) {
        if (c->receive.readable || !c->receive.writable_bytes) {
            virtio_break(&c->virtio);
        } else if (c->guest->number == 1) {
            c->receiving = true;
            console_receive(c);
        } else {
            virtio_give(&c->virtio, RECEIVE, &c->receive, 0);
        }
    }
}

void vm_console_received(struct vm_console *c, const void *bytes, uint32_t count)
{
    if (!c->receiving)
        return;
    c->receiving = false;
    if (!virtio_scatter(&c->virtio, &c->receive, 0, bytes, count)) {
        virtio_break(&c->virtio);
        return;
    }
    virtio_give(&c->virtio, RECEIVE, &c->receive, count);
    start_receive(c);
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
    struct vm_console *c = self;

    c->receiving = false;
    c->stale = c->sending;
}

void vm_console_init(struct guest *guest, unsigned line)
{
    struct vm_console *c = &guest->console[line];

    c->guest = guest;
    c->line = line;
    c->model = (struct virtio_model){
        .device_id = VIRTIO_ID_CONSOLE,
        .queues = QUEUES,
        .config = &no_config,
        .config_bytes = sizeof(no_config),
        .notify = notify,
        .reset = reset,
    };
    virtio_init(&c->virtio, &guest->bus, line ? VECTOR_VIRTIO_STDERR : VECTOR_VIRTIO_CONSOLE, &c->model, c);
}
