/* SPDX-License-Identifier: MIT
 *
 * services/virtio/virtq.h: the driver side of virtio over MMIO (VIRTIO 1.1 §4.2) with split virtqueues (§2.6).
 *
 * Not a service: a library that the drivers (services/blk, services/tty) link. It knows a device's registers by struct
 * device and its memory by struct host.
 *
 * Use: virtio_start → virtq_create for each queue → virtio_ready; then virtq_add … virtq_kick, and virtq_reap when the
 * interrupt came (or at any other time). A request is known by its token, a number below the queue's size that the
 * driver chooses; it may have up to VIRTQ_SEGMENTS_MAX buffers, those that the device reads first.
 */
#ifndef RINGSIDE_SERVICES_VIRTQ_H
#define RINGSIDE_SERVICES_VIRTQ_H

#include "services/device.h"
#include "services/host.h"

#define VIRTQ_SEGMENTS_MAX 4
#define VIRTQ_SIZE_MAX 128 /* table and rings fit into one 4 KiB page, the unit of contiguous DMA memory */

struct virtq;

struct virtq_segment {
    uint64_t address; /* DMA address */
    uint32_t bytes;
    uint32_t device_writes; /* 0: the device reads it */
};

/* Resets the device and agrees on VIRTIO_F_VERSION_1 and those of `wanted` that it offers. 0, or -ENODEV: no such
 * device there. `features`: what was agreed. */
long virtio_start(const struct device *device, uint32_t device_id, uint64_t wanted, uint64_t *features);
void virtio_ready(const struct device *device);
/* After this the device touches no memory any more. */
void virtio_stop(const struct device *device);
/* Acknowledges the interrupt. -EIO: the device says that it is broken and needs a reset. */
long virtio_acknowledge(const struct device *device);

/* `size`: a power of two. NULL: no memory, or the device has no such queue. */
struct virtq *virtq_create(const struct host *host, const struct device *device, unsigned index, unsigned size);
void virtq_destroy(struct virtq *q); /* after virtio_stop */

/* Makes a request available. 0, or -EAGAIN: no room. `token` < size; it must not be in use. */
long virtq_add(struct virtq *q, const struct virtq_segment *segment, unsigned count, unsigned token);
/* Tells the device about what was added. */
void virtq_kick(struct virtq *q);
/* A finished request: its token, and how much the device wrote; -EAGAIN: none; -EIO: the device gave nonsense back. */
long virtq_reap(struct virtq *q, uint32_t *written);
/* Whether finished requests interrupt. After turning it on, reap once more: one may have finished just before. */
void virtq_interrupts(struct virtq *q, int on);

#endif
