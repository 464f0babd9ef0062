/* SPDX-License-Identifier: MIT
 *
 * services/blk/blk.h: the block driver: virtio-blk over virtio-mmio (VIRTIO 1.1 §4.2, §5.2).
 */
#ifndef RINGSIDE_SERVICES_BLK_H
#define RINGSIDE_SERVICES_BLK_H

#include "services/device.h"
#include "services/host.h"

struct blk;

/* NULL: no memory, or no such device there. */
struct blk *blk_create(const struct host *host, const struct device *device);
void blk_destroy(struct blk *blk);
struct service blk_service(struct blk *blk);
/* The device's interrupt: reap completions, wake their channels. Safe to call at any time. */
void blk_event(struct blk *blk);

#endif
