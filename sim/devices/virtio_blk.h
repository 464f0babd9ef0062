/* SPDX-License-Identifier: MIT
 *
 * sim/devices/virtio_blk.h: virtio-mmio block device over a disk in the simulator's memory.
 */
#ifndef RINGSIDE_SIM_VIRTIO_BLK_H
#define RINGSIDE_SIM_VIRTIO_BLK_H

#include "sim/cpu_model.h"
#include "sim/devices/bus.h"

struct virtio_blk;

/* Called before each write to the disk; `number` counts them from 0. Returning false loses this and all later
 * writes (power cut): for crash tests. */
typedef bool disk_write_filter(void *ctx, uint64_t number, uint64_t sector, size_t bytes);

/* `disk` stays the caller's; bytes is a multiple of 512. Requests take disk_latency_us + bytes / disk_bytes_per_us of
 * simulated time, one after another. NULL without memory. */
struct virtio_blk *virtio_blk_create(const struct bus *bus, const struct cpu_model *model, unsigned vector, void *disk, uint64_t bytes);
void virtio_blk_set_filter(struct virtio_blk *device, disk_write_filter *filter, void *ctx);
struct bus_device virtio_blk_device(struct virtio_blk *device);
void virtio_blk_destroy(struct virtio_blk *device);

#endif
