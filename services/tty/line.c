/* SPDX-License-Identifier: MIT
 *
 * services/tty/line.c: see line.h.
 */
#include "services/tty/line.h"

#include <linux/errno.h>
#include <linux/virtio_ids.h>

#include "services/virtio/virtq.h"

enum { RECEIVE_QUEUE, TRANSMIT_QUEUE };

/* Virtio wants a power of two; one more than the buffers costs nothing. */
#define QUEUE_SIZE 8
_Static_assert(LINE_BUFFERS <= QUEUE_SIZE, "a descriptor for each buffer");

static long allocate(struct line *l)
{
    l->in = l->host->alloc(l->host->ctx, LINE_BUFFER_BYTES);
    if (!l->in)
        return -ENOMEM;
    for (int i = 0; i < LINE_BUFFERS; i++) {
        l->out[i] = l->host->alloc(l->host->ctx, LINE_BUFFER_BYTES);
        if (!l->out[i])
            return -ENOMEM;
    }
    return 0;
}

long line_open(struct line *l, const struct host *host, const struct device *device)
{
    uint64_t features;

    *l = (struct line){.host = host, .device = *device};
    if (virtio_start(&l->device, VIRTIO_ID_CONSOLE, 0, &features) < 0) {
        l->host = NULL; /* nothing of ours is there to stop */
        return -ENODEV;
    }
    if (allocate(l) < 0)
        return -ENOMEM;
    l->receive = virtq_create(host, &l->device, RECEIVE_QUEUE, QUEUE_SIZE);
    l->transmit = virtq_create(host, &l->device, TRANSMIT_QUEUE, QUEUE_SIZE);
    if (!l->receive || !l->transmit)
        return -ENOMEM;
    virtq_interrupts(l->transmit, 0);
    virtio_ready(&l->device);
    return 0;
}

static void free_page(const struct host *host, void *page)
{
    if (page)
        host->free(host->ctx, page, LINE_BUFFER_BYTES);
}

void line_close(struct line *l)
{
    if (!l->host)
        return;
    virtio_stop(&l->device);
    if (l->receive)
        virtq_destroy(l->receive);
    if (l->transmit)
        virtq_destroy(l->transmit);
    for (int i = 0; i < LINE_BUFFERS; i++)
        free_page(l->host, l->out[i]);
    free_page(l->host, l->in);
}

static void give_up(struct line *l)
{
    if (!l->broken)
        virtio_stop(&l->device);
    l->broken = 1;
    l->busy = 0;
    l->posted = 0;
    l->at_end = 1;
}

int line_buffer(const struct line *l)
{
    for (int i = 0; i < LINE_BUFFERS; i++)
        if (!(l->busy >> i & 1))
            return i;
    return -1;
}

void line_send(struct line *l, int buffer, size_t bytes)
{
    struct virtq_segment segment = {.address = l->host->dma(l->host->ctx, l->out[buffer]), .bytes = (uint32_t)bytes};

    if (l->broken)
        return;
    l->busy |= 1u << buffer;
    virtq_add(l->transmit, &segment, 1, (unsigned)buffer);
    virtq_kick(l->transmit);
}

static void post(struct line *l)
{
    struct virtq_segment segment = {
        .address = l->host->dma(l->host->ctx, l->in), .bytes = LINE_BUFFER_BYTES, .device_writes = 1};

    l->posted = 1;
    virtq_add(l->receive, &segment, 1, 0);
    virtq_kick(l->receive);
}

size_t line_peek(struct line *l, const unsigned char **from)
{
    if (l->in_at == l->in_end && !l->posted && !l->at_end)
        post(l);
    *from = l->in + l->in_at;
    return l->in_end - l->in_at;
}

void line_consume(struct line *l, size_t bytes)
{
    l->in_at += bytes;
}

static unsigned reap_output(struct line *l)
{
    uint32_t written;
    unsigned change = 0;
    long buffer;

    while ((buffer = virtq_reap(l->transmit, &written)) >= 0) {
        l->busy &= ~(1u << buffer);
        change = LINE_ROOM;
    }
    if (buffer == -EIO)
        give_up(l);
    return change;
}

int line_want_room(struct line *l)
{
    if (l->broken)
        return 0;
    virtq_interrupts(l->transmit, 1);
    return reap_output(l) != 0;
}

static unsigned reap_input(struct line *l)
{
    uint32_t written;
    long buffer = virtq_reap(l->receive, &written);

    if (buffer == -EIO)
        give_up(l);
    if (buffer < 0)
        return 0;
    l->posted = 0;
    l->in_at = 0;
    l->in_end = written <= LINE_BUFFER_BYTES ? written : LINE_BUFFER_BYTES;
    l->at_end = written == 0;
    return LINE_INPUT;
}

unsigned line_reap(struct line *l)
{
    unsigned change;

    if (l->broken)
        return 0;
    change = reap_output(l);
    if (!l->broken)
        change |= reap_input(l);
    return l->broken ? LINE_ROOM | LINE_INPUT : change;
}

unsigned line_event(struct line *l)
{
    unsigned change;

    if (l->broken)
        return 0;
    if (virtio_acknowledge(&l->device) < 0) {
        give_up(l);
        return LINE_ROOM | LINE_INPUT;
    }
    change = line_reap(l);
    if (!l->broken && (change & LINE_ROOM)) /* else somebody may still wait for room */
        virtq_interrupts(l->transmit, 0);
    return change;
}
