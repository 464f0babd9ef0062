/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/console.c: the machine's two consoles, for the first guest.
 *
 * What it prints leaves from its own memory, by DMA. Input is asked for only while the guest asks, so that nothing is taken
 * from the host that no guest will read; it passes through a page here, as its buffer may be gone when it comes.
 */
#include <linux/virtio_ids.h>

#include "arch-vmm/kernel.h"
#include "guest/driver.h"
#include "guest/heap.h"
#include "guest/print.h"
#include "services/virtio/virtq.h"

enum { RECEIVE, TRANSMIT };

#define LINES 2
#define QUEUE_SIZE 8
#define TOKEN 0 /* one request at a time in each queue */

static struct host host;

static struct line {
    struct device device;
    struct virtq *queue[2];
    struct vm_console *sender, *receiver;
    unsigned sent; /* segments of the sender's request */
    void *input;
} lines[LINES];

static void line_init(struct line *line, uint64_t address)
{
    uint64_t features;

    line->device = driver_device(address);
    line->input = heap_alloc(PAGE_BYTES);
    if (!line->input || virtio_start(&line->device, VIRTIO_ID_CONSOLE, 0, &features) < 0)
        panic("no console");
    for (unsigned i = 0; i < 2; i++)
        if (!(line->queue[i] = virtq_create(&host, &line->device, i, QUEUE_SIZE)))
            panic("no memory for the console");
    virtio_ready(&line->device);
}

void console_init(void)
{
    driver_host(&host);
    line_init(&lines[0], MMIO_VIRTIO_CONSOLE);
    line_init(&lines[1], MMIO_VIRTIO_STDERR);
}

void console_end(void)
{
    for (struct line *line = lines; line < lines + LINES; line++) {
        virtio_stop(&line->device);
        for (unsigned i = 0; i < 2; i++)
            virtq_destroy(line->queue[i]);
        heap_free(line->input, PAGE_BYTES);
    }
}

/* The next segments, as many as a request of the machine's console takes. */
static void send_more(struct line *line)
{
    const struct virtio_chain *chain = &line->sender->send;
    struct virtq_segment segment[VIRTQ_SEGMENTS_MAX];
    unsigned count = 0;

    while (count < VIRTQ_SEGMENTS_MAX && line->sent < chain->readable) {
        const struct virtio_segment *s = &chain->segment[line->sent++];

        segment[count++] = (struct virtq_segment){.address = line->sender->guest->base + s->address, .bytes = s->bytes};
    }
    virtq_add(line->queue[TRANSMIT], segment, count, TOKEN);
    virtq_kick(line->queue[TRANSMIT]);
}

void console_send(struct vm_console *console)
{
    struct line *line = &lines[console->line];

    line->sender = console;
    line->sent = 0;
    send_more(line);
}

void console_receive(struct vm_console *console)
{
    struct line *line = &lines[console->line];
    bool asked = line->receiver;
    struct virtq_segment segment = {.address = physical(line->input), .device_writes = 1};

    line->receiver = console;
    if (asked)
        return; /* of a request that a reset forgot */
    segment.bytes = console->receive.writable_bytes < PAGE_BYTES ? (uint32_t)console->receive.writable_bytes : PAGE_BYTES;
    virtq_add(line->queue[RECEIVE], &segment, 1, TOKEN);
    virtq_kick(line->queue[RECEIVE]);
}

static void sent(struct line *line)
{
    struct vm_console *console = line->sender;

    if (line->sent < console->send.readable) {
        send_more(line);
        return;
    }
    line->sender = NULL;
    vm_console_sent(console);
}

static void received(struct line *line, uint32_t bytes)
{
    struct vm_console *console = line->receiver;

    line->receiver = NULL;
    vm_console_received(console, line->input, bytes);
}

/* What has been taken from the host is the guest's; no more is taken. */
void console_stop_input(void)
{
    uint32_t written;

    for (struct line *line = lines; line < lines + LINES; line++) {
        virtio_stop(&line->device);
        if (virtq_reap(line->queue[RECEIVE], &written) >= 0)
            received(line, written);
    }
}

void console_interrupt(void)
{
    uint32_t written;

    for (struct line *line = lines; line < lines + LINES; line++) {
        virtio_acknowledge(&line->device);
        if (virtq_reap(line->queue[TRANSMIT], &written) >= 0)
            sent(line);
        if (virtq_reap(line->queue[RECEIVE], &written) >= 0)
            received(line, written);
    }
}
