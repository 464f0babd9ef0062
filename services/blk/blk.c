/* SPDX-License-Identifier: MIT
 *
 * services/blk/blk.c: the block driver, over services/virtio.
 *
 * A request takes a slot: a header and a status byte in a page that the device reaches, and a state. The asker knows it
 * by a ticket (slot and generation, so that an old ticket is recognised) and keeps the slot until BLK_DONE has told it
 * the result. Slots, not descriptors, run out first: then requests WAIT on the channel of slots.
 *
 * Channels: CHANNEL(SERVICE_BLK, 0) a slot became free; CHANNEL(SERVICE_BLK, ticket) that request is done.
 *
 * A device that says it needs a reset is switched off: everything unfinished and everything later is -EIO.
 */
#include "services/blk/blk.h"

#include <linux/errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "services/requests.h"
#include "services/virtio/virtq.h"

#define SECTOR 512u
#define PAGE 4096u
#define QUEUE_SIZE 128 /* descriptors; a request needs up to three */
#define SLOTS 32
#define GENERATIONS 0x7fffffffu

/* What the device reads and writes of a slot besides the data. */
struct slot_dma {
    struct virtio_blk_outhdr header;
    uint8_t status;
    uint8_t pad[15];
};
_Static_assert(sizeof(struct slot_dma) * SLOTS <= PAGE, "slots live in one page");

enum slot_state { SLOT_FREE, SLOT_PENDING, SLOT_DONE };

struct slot {
    enum slot_state state;
    uint32_t generation;
    long result; /* when done: 0 or -EIO */
};

struct blk {
    const struct host *host;
    struct device device;
    struct virtq *queue;
    uint64_t sectors;
    int can_flush; /* else the disk has no volatile cache: a write that is done is durable */
    int broken;
    struct slot_dma *dma;
    uint64_t dma_address;
    struct slot slot[SLOTS];
};

static long ticket_of(const struct blk *b, unsigned slot)
{
    return (long)b->slot[slot].generation * SLOTS + slot + 1;
}

/* The slot of a ticket that its holder has not yet asked about to the end, or NULL. */
static struct slot *slot_of(struct blk *b, uint64_t ticket)
{
    struct slot *slot = &b->slot[(ticket - 1) % SLOTS];

    if (ticket == 0 || slot->state == SLOT_FREE || slot->generation != (ticket - 1) / SLOTS)
        return NULL;
    return slot;
}

static void finish(struct blk *b, unsigned slot, long result)
{
    b->slot[slot].state = SLOT_DONE;
    b->slot[slot].result = result;
    b->host->wake(b->host->ctx, CHANNEL(SERVICE_BLK, ticket_of(b, slot)));
}

static void give_up(struct blk *b)
{
    if (b->broken)
        return;
    b->broken = 1;
    virtio_stop(&b->device);
    for (unsigned i = 0; i < SLOTS; i++)
        if (b->slot[i].state == SLOT_PENDING)
            finish(b, i, -EIO);
    b->host->wake(b->host->ctx, CHANNEL(SERVICE_BLK, 0));
}

static void reap(struct blk *b)
{
    uint32_t written;
    long token;

    if (b->broken)
        return;
    while ((token = virtq_reap(b->queue, &written)) >= 0)
        finish(b, (unsigned)token, b->dma[token].status == VIRTIO_BLK_S_OK ? 0 : -EIO);
    if (token == -EIO)
        give_up(b);
}

void blk_event(struct blk *b)
{
    if (!b->broken && virtio_acknowledge(&b->device) < 0)
        give_up(b);
    reap(b);
}

/* A free slot, or -EAGAIN. */
static int free_slot(const struct blk *b)
{
    for (int i = 0; i < SLOTS; i++)
        if (b->slot[i].state == SLOT_FREE)
            return i;
    return -EAGAIN;
}

/* Queues a request for `bytes` at DMA address `data` (0 bytes: none). A ticket, or CALL_WAIT. */
static long submit(struct blk *b, struct call *call, uint32_t type, uint64_t sector, uint64_t data, uint32_t bytes)
{
    int i = free_slot(b);
    uint64_t own = b->dma_address + (uint64_t)i * sizeof(struct slot_dma);
    struct virtq_segment segment[3] = {{.address = own, .bytes = sizeof(struct virtio_blk_outhdr)}};
    unsigned count = 1;

    if (i < 0)
        return call_wait(call, CHANNEL(SERVICE_BLK, 0), CALL_FOREVER);
    if (bytes)
        segment[count++] = (struct virtq_segment){data, bytes, type == VIRTIO_BLK_T_IN};
    segment[count++] = (struct virtq_segment){own + offsetof(struct slot_dma, status), 1, 1};

    b->dma[i].header = (struct virtio_blk_outhdr){.type = type, .sector = sector};
    b->dma[i].status = VIRTIO_BLK_S_IOERR; /* until the device says otherwise */
    b->slot[i].generation = b->slot[i].generation % GENERATIONS + 1;
    b->slot[i].state = SLOT_PENDING;
    virtq_add(b->queue, segment, count, (unsigned)i); /* three descriptors a slot: there is room */
    virtq_kick(b->queue);
    return ticket_of(b, (unsigned)i);
}
_Static_assert(SLOTS * 3 <= QUEUE_SIZE, "every slot finds its descriptors");

static long transfer(struct blk *b, struct request *rq, uint32_t type)
{
    uint64_t sector = rq->arg[0], bytes = rq->arg[1];

    if (b->broken)
        return -EIO;
    if (bytes == 0 || bytes % SECTOR || bytes > UINT32_MAX)
        return -EINVAL;
    if (sector > b->sectors || bytes / SECTOR > b->sectors - sector)
        return -EIO;
    return submit(b, rq->call, type, sector, rq->arg[2], (uint32_t)bytes);
}

static long request_read(struct blk *b, struct request *rq)
{
    return transfer(b, rq, VIRTIO_BLK_T_IN);
}

static long request_write(struct blk *b, struct request *rq)
{
    return transfer(b, rq, VIRTIO_BLK_T_OUT);
}

static long request_flush(struct blk *b, struct request *rq)
{
    if (b->broken)
        return -EIO;
    if (b->can_flush)
        return submit(b, rq->call, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    return submit(b, rq->call, VIRTIO_BLK_T_GET_ID, 0, 0, 0); /* a ticket that comes after the writes before it */
}

static long request_done(struct blk *b, struct request *rq)
{
    struct slot *slot;

    reap(b);
    slot = slot_of(b, rq->arg[0]);
    if (!slot)
        return -EINVAL;
    if (slot->state == SLOT_PENDING)
        return call_wait(rq->call, CHANNEL(SERVICE_BLK, rq->arg[0]), CALL_FOREVER);
    slot->state = SLOT_FREE;
    b->host->wake(b->host->ctx, CHANNEL(SERVICE_BLK, 0));
    return slot->result;
}

static long request_size(struct blk *b, struct request *rq)
{
    return (long)b->sectors;
}

static long blk_request(void *self, struct request *rq)
{
    static long (*const operation[])(struct blk *, struct request *) = {
        [BLK_READ] = request_read,   [BLK_WRITE] = request_write, [BLK_FLUSH] = request_flush,
        [BLK_DONE] = request_done,   [BLK_SIZE] = request_size,
    };

    if (rq->op >= sizeof operation / sizeof *operation || !operation[rq->op])
        return -ENOSYS;
    return operation[rq->op](self, rq);
}

struct service blk_service(struct blk *b)
{
    static call_op *const no_calls[CALL_TABLE_END];

    return (struct service){.name = "blk", .self = b, .calls = no_calls, .request = blk_request};
}

/* The capacity may be read in halves: nothing changes it. */
static uint64_t capacity(const struct device *d)
{
    uint64_t low = d->read(d->ctx, VIRTIO_MMIO_CONFIG);

    return low | (uint64_t)d->read(d->ctx, VIRTIO_MMIO_CONFIG + 4) << 32;
}

static int start(struct blk *b)
{
    uint64_t features;

    if (virtio_start(&b->device, VIRTIO_ID_BLOCK, 1ull << VIRTIO_BLK_F_FLUSH, &features) < 0)
        return 0;
    b->can_flush = (features >> VIRTIO_BLK_F_FLUSH) & 1;
    b->sectors = capacity(&b->device);
    b->dma = b->host->alloc(b->host->ctx, PAGE);
    b->queue = virtq_create(b->host, &b->device, 0, QUEUE_SIZE);
    if (!b->dma || !b->queue)
        return 0;
    b->dma_address = b->host->dma(b->host->ctx, b->dma);
    virtio_ready(&b->device);
    return 1;
}

struct blk *blk_create(const struct host *host, const struct device *device)
{
    struct blk *b = host->alloc(host->ctx, sizeof *b);

    if (!b)
        return NULL;
    *b = (struct blk){.host = host, .device = *device};
    if (start(b))
        return b;
    blk_destroy(b);
    return NULL;
}

void blk_destroy(struct blk *b)
{
    const struct host *host = b->host;

    virtio_stop(&b->device);
    if (b->queue)
        virtq_destroy(b->queue);
    if (b->dma)
        host->free(host->ctx, b->dma, PAGE);
    host->free(host->ctx, b, sizeof *b);
}
