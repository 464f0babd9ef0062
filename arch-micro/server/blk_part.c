/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/blk_part.c: blk: the disk's registers, and its interrupt.
 */
#include "abi/devices.h"
#include "arch-micro/server/parts.h"
#include "services/blk/blk.h"

static struct {
    struct blk *blk;
    struct device device;
} part;

static void create(enum server_why why)
{
    part.device = device_at(MMIO_VIRTIO_BLK);
    part.blk = blk_create(&server.host, &part.device);
    if (!part.blk)
        panic("no disk");
    server_add(SERVICE_BLK, blk_service(part.blk));
}

static void destroy(void)
{
    blk_destroy(part.blk);
}

static void interrupt(void)
{
    blk_event(part.blk);
}

const struct part blk_part = {.create = create, .destroy = destroy, .interrupts = 1, .interrupt = interrupt};
