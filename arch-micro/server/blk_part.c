/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/blk_part.c: blk: the disk's registers, and its interrupt.
 *
 * The device moves from and to where it is told, for whoever asks. That this is memory of the asker only the kernel
 * knows, so that is asked first: else who may use the disk could read and write all memory by it.
 */
#include "abi/devices.h"
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/parts.h"
#include "services/blk/blk.h"

static struct {
    struct blk *blk;
    struct device device;
    struct service service;
} part;

static long dma_of_asker(uint64_t address, uint64_t bytes)
{
    return kcall(IPC_DMA_OF, server.request_entry.handle, address, bytes);
}

/* What the same server asks is a function call, of memory that is its own. */
static long request(void *self, struct request *rq)
{
    bool moves = (rq->op == BLK_READ || rq->op == BLK_WRITE) && rq->arg[1];
    long result;

    if (rq != &server.request)
        return part.service.request(self, rq);
    if (moves && dma_of_asker(rq->arg[2], rq->arg[1]) < 0)
        return -EFAULT;
    server.entered = part.service.request;
    result = part.service.request(self, rq);
    if (rq->op == BLK_FORGET && result == 0)
        dma_of_asker(0, 0);
    return result;
}

static void create(enum server_why why)
{
    part.device = device_at(MMIO_VIRTIO_BLK);
    part.blk = blk_create(&server.host, &part.device);
    if (!part.blk)
        panic("no disk");
    part.service = blk_service(part.blk);
    server_add(SERVICE_BLK, part.service);
    server.services[SERVICE_BLK].request = request;
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
