/* SPDX-License-Identifier: MIT
 *
 * sim/devices/virtio_blk.c: a disk (VIRTIO 1.1 §5.2) whose sectors are memory of the simulator.
 *
 * Rules:
 *  - Requests are served one after another, in the order in which they were made available. One takes the CPU model's
 *    disk_latency_us plus its bytes at disk_bytes_per_us; the next begins when it is done.
 *  - Data moves at the end of that time. So a request that is done is on the disk, and a flush, which comes after all
 *    requests before it, has nothing left to do but to take its time.
 *  - A write is atomic towards the power-cut filter: all of it reaches the disk or none.
 *  - A request without a whole header or without a status byte, or with a buffer that is not RAM, breaks the device;
 * one that is well formed but impossible (beyond the end, not whole sectors) fails with VIRTIO_BLK_S_IOERR.
 */
#include "sim/devices/virtio_blk.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "sim/devices/virtio.h"

#define SECTOR 512u
#define QUEUE 0

struct virtio_blk {
    struct virtio virtio;
    struct virtio_model model;
    struct virtio_blk_config config;
    const struct bus *bus;

    /* the disk */
    unsigned char *disk;
    uint64_t bytes;
    disk_write_filter *filter;
    void *filter_ctx;
    uint64_t writes;
    bool cut; /* the power is off: writes are lost */

    /* time */
    uint64_t latency_cycles, bytes_per_us, cycles_per_us;
    uint64_t busy_until; /* cycles */

    /* requests in flight: a ring; virtio_take admits no more than fit. Each has one event to come, in the same order.
     */
    struct virtio_chain pending[VIRTIO_QUEUE_SIZE_MAX];
    unsigned first, count;
    unsigned stale; /* events to come of requests that a reset forgot */
};

/* What a request wants, decoded and checked. */
struct operation {
    uint32_t type;
    uint64_t offset; /* bytes on the disk */
    uint64_t bytes;  /* of data, in either direction */
    uint8_t status;  /* VIRTIO_BLK_S_OK as long as nothing is wrong */
};

static bool decode(struct virtio_blk *b, const struct virtio_chain *chain, struct operation *op)
{
    struct virtio_blk_outhdr header;
    bool transfer;

    if (chain->writable_bytes < 1 || !virtio_gather(&b->virtio, chain, 0, &header, sizeof header))
        return false;
    *op = (struct operation){.type = header.type, .status = VIRTIO_BLK_S_OK};
    transfer = header.type == VIRTIO_BLK_T_IN || header.type == VIRTIO_BLK_T_OUT;
    op->bytes = header.type == VIRTIO_BLK_T_OUT ? chain->readable_bytes - sizeof header : chain->writable_bytes - 1;
    if (!transfer)
        return true;
    if (header.sector > b->bytes / SECTOR || op->bytes > b->bytes - header.sector * SECTOR || op->bytes % SECTOR)
        op->status = VIRTIO_BLK_S_IOERR;
    else
        op->offset = header.sector * SECTOR;
    return true;
}

/* The filter sees the write before it happens and may cut the power. */
static bool powered(struct virtio_blk *b, const struct operation *op)
{
    if (!b->cut && b->filter && !b->filter(b->filter_ctx, b->writes, op->offset / SECTOR, op->bytes))
        b->cut = true;
    b->writes++;
    return !b->cut;
}

static bool write_sectors(struct virtio_blk *b, const struct virtio_chain *chain, const struct operation *op)
{
    if (!powered(b, op))
        return true;
    return virtio_gather(&b->virtio, chain, sizeof(struct virtio_blk_outhdr), b->disk + op->offset, op->bytes);
}

/* Carries the request out. false: one of its buffers is not RAM. `written`: bytes put into its writable part. */
static bool execute(struct virtio_blk *b, const struct virtio_chain *chain, struct operation *op, uint32_t *written)
{
    static const char identity[VIRTIO_BLK_ID_BYTES] = "ringside";

    *written = 0;
    if (op->status != VIRTIO_BLK_S_OK)
        return true;
    switch (op->type) {
    case VIRTIO_BLK_T_IN:
        *written = op->bytes;
        return virtio_scatter(&b->virtio, chain, 0, b->disk + op->offset, op->bytes);
    case VIRTIO_BLK_T_OUT:
        return write_sectors(b, chain, op);
    case VIRTIO_BLK_T_FLUSH:
        return true;
    case VIRTIO_BLK_T_GET_ID:
        *written = op->bytes < sizeof identity ? op->bytes : sizeof identity;
        return virtio_scatter(&b->virtio, chain, 0, identity, *written);
    default:
        op->status = VIRTIO_BLK_S_UNSUPP;
        return true;
    }
}

static void complete(struct virtio_blk *b, const struct virtio_chain *chain)
{
    struct operation op;
    uint32_t written;

    if (!decode(b, chain, &op) || !execute(b, chain, &op, &written) ||
        !virtio_scatter(&b->virtio, chain, chain->writable_bytes - 1, &op.status, 1)) {
        virtio_break(&b->virtio);
        return;
    }
    virtio_give(&b->virtio, QUEUE, chain, written + 1);
}

/* The oldest request is done. */
static void finish(void *self)
{
    struct virtio_blk *b = self;
    const struct virtio_chain *chain = &b->pending[b->first];

    if (b->stale) {
        b->stale--;
        return;
    }
    b->first = (b->first + 1) % VIRTIO_QUEUE_SIZE_MAX;
    b->count--;
    if (virtio_live(&b->virtio))
        complete(b, chain);
}

static uint64_t service_cycles(const struct virtio_blk *b, const struct virtio_chain *chain)
{
    uint64_t bytes = chain->readable_bytes + chain->writable_bytes;

    if (bytes > b->bytes)
        bytes = 0; /* impossible, will fail at once */
    return b->latency_cycles + bytes * b->cycles_per_us / b->bytes_per_us;
}

static void notify(void *self, unsigned queue)
{
    struct virtio_blk *b = self;
    uint64_t now = b->bus->now(b->bus->ctx);

    for (;;) {
        struct virtio_chain *chain = &b->pending[(b->first + b->count) % VIRTIO_QUEUE_SIZE_MAX];

        if (!virtio_take(&b->virtio, QUEUE, chain))
            return;
        if (b->busy_until < now)
            b->busy_until = now;
        b->busy_until += service_cycles(b, chain);
        b->count++;
        b->bus->at(b->bus->ctx, b->busy_until, finish, b);
    }
}

static void reset(void *self)
{
    struct virtio_blk *b = self;

    b->stale += b->count;
    b->count = 0;
}

struct virtio_blk *virtio_blk_create(const struct bus *bus, const struct cpu_model *cpu, unsigned vector, void *disk,
                                     uint64_t bytes)
{
    struct virtio_blk *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->bus = bus;
    b->disk = disk;
    b->bytes = bytes;
    b->cycles_per_us = bus->hz / 1000000;
    b->latency_cycles = cpu->disk_latency_us * b->cycles_per_us;
    b->bytes_per_us = cpu->disk_bytes_per_us ? cpu->disk_bytes_per_us : 1;
    b->config = (struct virtio_blk_config){.capacity = bytes / SECTOR, .seg_max = VIRTIO_QUEUE_SIZE_MAX - 2};
    b->model = (struct virtio_model){
        .device_id = VIRTIO_ID_BLOCK,
        .features = 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_SEG_MAX,
        .queues = 1,
        .config = &b->config,
        .config_bytes = sizeof b->config,
        .notify = notify,
        .reset = reset,
    };
    virtio_init(&b->virtio, bus, vector, &b->model, b);
    return b;
}

void virtio_blk_set_filter(struct virtio_blk *b, disk_write_filter *filter, void *ctx)
{
    b->filter = filter;
    b->filter_ctx = ctx;
}

struct bus_device virtio_blk_device(struct virtio_blk *b)
{
    return virtio_device(&b->virtio);
}

void virtio_blk_destroy(struct virtio_blk *b)
{
    free(b);
}
