/* SPDX-License-Identifier: MIT
 *
 * services/tty/line.h: a line: bytes to and from one virtio console (VIRTIO 1.1 §5.3). It knows no terminal.
 *
 * Output: a few page buffers. The owner fills a free one and sends it; the device hands it back. Finished output
 * interrupts only after line_want_room, so that a program that prints does not cause interrupts that nobody waits for.
 * Input: one page buffer, posted when the owner asks, so that input which nobody reads is never taken from the host.
 */
#ifndef RINGSIDE_SERVICES_TTY_LINE_H
#define RINGSIDE_SERVICES_TTY_LINE_H

#include "services/device.h"
#include "services/host.h"

#define LINE_BUFFERS 4
#define LINE_BUFFER_BYTES 4096u

struct virtq;

struct line {
    const struct host *host;
    struct device device;
    struct virtq *receive, *transmit;
    int broken; /* the device is gone: output is lost, input is at its end */

    /* output */
    unsigned char *out[LINE_BUFFERS];
    unsigned busy; /* bit n: buffer n is the device's */

    /* input */
    unsigned char *in;
    int posted;           /* the buffer is the device's */
    size_t in_at, in_end; /* bytes of it not yet consumed */
    int at_end;           /* the host's input has ended */
};

enum line_change {
    LINE_ROOM = 1,  /* a buffer came back */
    LINE_INPUT = 2, /* input, or its end, arrived */
};

/* 0, -ENODEV or -ENOMEM. */
long line_open(struct line *line, const struct host *host, const struct device *device);
/* Also for a line whose opening failed, or that was never opened (all zero). */
void line_close(struct line *line);

/* A free output buffer, or -1. */
int line_buffer(const struct line *line);
/* Sends the first `bytes` of it. */
void line_send(struct line *line, int buffer, size_t bytes);
/* Finished output interrupts from now on. 1: some had finished just before, nobody need wait. */
int line_want_room(struct line *line);

/* Bytes that have arrived: *from. 0: none; then asks the device for more unless the end was seen. */
size_t line_peek(struct line *line, const unsigned char **from);
void line_consume(struct line *line, size_t bytes);

/* Takes from the device what it has finished; enum line_change bits. */
unsigned line_reap(struct line *line);
/* The device's interrupt. */
unsigned line_event(struct line *line);

#endif
