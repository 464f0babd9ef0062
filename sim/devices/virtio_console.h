/* SPDX-License-Identifier: MIT
 *
 * sim/devices/virtio_console.h: virtio-mmio console: a byte stream in and one out.
 *
 * Determinism: input is taken from `input` when the guest has posted a buffer and
 * arrives a fixed simulated time later, however long the host's read took.
 */
#ifndef RINGSIDE_SIM_VIRTIO_CONSOLE_H
#define RINGSIDE_SIM_VIRTIO_CONSOLE_H

#include "sim/devices/bus.h"

struct virtio_console;

struct console_streams {
    void *ctx;
    /* Up to `bytes` of input: count, 0 at end, blocking on the host if it must; negative: nothing yet, ask again 1 ms
     * of simulated time later (a terminal). NULL: no input (end at once). At end of input the device completes the
     * posted buffer with length 0, again and again. */
    long (*input)(void *ctx, void *to, size_t bytes);
    void (*output)(void *ctx, const void *from, size_t bytes);
};

struct virtio_console *virtio_console_create(const struct bus *bus, unsigned vector, const struct console_streams *streams);
struct bus_device virtio_console_device(struct virtio_console *device);
void virtio_console_destroy(struct virtio_console *device);

#endif
