/* SPDX-License-Identifier: MIT
 *
 * services/blk/blk.c: the block driver, over services/virtio.
 *
 * A request in flight has a slot: a header and a status byte in a page that the device reaches. The asker knows it by a
 * ticket, which outlives the slot: it keeps the result until BLK_DONE has told it. So an asker may have many more
 * requests begun than fit into the queue, and collect them later; a ticket's number has a generation, so that an old
 * one is recognised. When either runs out, requests WAIT.
 *
 * A driver may be started anew while its askers live on, with tickets of the instance before. So generations begin with
 * the time, which is ahead of any number that an earlier instance can have reached: it never began a request each
 * GENERATION_NS and ticket. What became of a request whose ticket is not known is not known either, but it has ended:
 * the device was reset. -ESTALE tells the asker to begin it again. An asker that is itself started anew has no tickets,
 * but may have memory that the device still uses: BLK_FORGET waits for that, and makes the tickets free.
 *
 * Channels: CHANNEL(SERVICE_BLK, 0) there is room; CHANNEL(SERVICE_BLK, ticket) that request is done.
 *
 * The device interrupts only while somebody waits (VIRTIO 1.1 §2.6.7): what is done before it is asked for costs no
 * interrupt, which matters most where the driver is a domain of its own.
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
#define SLOTS 32       /* in flight */
#define TICKETS 256    /* begun and not collected */
#define GENERATIONS 0x7fffffu
#define GENERATION_NS 1024u

/* What the device reads and writes of a slot besides the data. */
struct slot_dma {
    struct virtio_blk_outhdr header;
    uint8_t status;
    uint8_t pad[15];
};
_Static_assert(sizeof(struct slot_dma) * SLOTS <= PAGE, "slots live in one page");
_Static_assert(SLOTS * 3 <= QUEUE_SIZE, "every slot finds its descriptors");

enum ticket_state { TICKET_FREE, TICKET_PENDING, TICKET_DONE };

struct ticket {
    enum ticket_state state;
    uint32_t generation;
    int awaited;
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
    struct ticket *slot[SLOTS]; /* whose request it is; NULL: free */
    struct ticket ticket[TICKETS];
    unsigned next_ticket; /* where to look for a free one first */
    unsigned awaited;     /* tickets */
    int room_awaited;
};

static long number_of(const struct blk *b, const struct ticket *t)
{
    return (long)t->generation * TICKETS + (t - b->ticket) + 1;
}

/* The ticket of that number whose result has not been collected, or NULL. */
static struct ticket *ticket_of(struct blk *b, uint64_t number)
{
    struct ticket *t = &b->ticket[(number - 1) % TICKETS];

    if (number == 0 || t->state == TICKET_FREE || t->generation != (number - 1) / TICKETS)
        return NULL;
    return t;
}

static void wake(struct blk *b, long object)
{
    b->host->wake(b->host->ctx, CHANNEL(SERVICE_BLK, object));
}

static void wake_room(struct blk *b)
{
    if (b->room_awaited)
        wake(b, 0);
    b->room_awaited = 0;
}

static void finish(struct blk *b, unsigned slot, long result)
{
    struct ticket *t = b->slot[slot];

    b->slot[slot] = NULL;
    t->state = TICKET_DONE;
    t->result = result;
    if (t->awaited) {
        t->awaited = 0;
        b->awaited--;
        wake(b, number_of(b, t));
    }
    wake_room(b);
}

static void give_up(struct blk *b)
{
    if (b->broken)
        return;
    b->broken = 1;
    virtio_stop(&b->device);
    for (unsigned i = 0; i < SLOTS; i++)
        if (b->slot[i])
            finish(b, i, -EIO);
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
    if (!b->broken && !b->awaited && !b->room_awaited)
        virtq_interrupts(b->queue, 0);
}

static int free_slot(const struct blk *b)
{
    for (int i = 0; i < SLOTS; i++)
        if (!b->slot[i])
            return i;
    return -EAGAIN;
}

static struct ticket *free_ticket(struct blk *b)
{
    for (unsigned i = 0; i < TICKETS; i++) {
        struct ticket *t = &b->ticket[(b->next_ticket + i) % TICKETS];

        if (t->state == TICKET_FREE)
            return t;
    }
    return NULL;
}

/* Hands slot `i` to the device, with `bytes` of data at DMA address `data` (0 bytes: none). */
static void start_slot(struct blk *b, unsigned i, uint32_t type, uint64_t sector, uint64_t data, uint32_t bytes)
{
    uint64_t own = b->dma_address + i * sizeof(struct slot_dma);
    struct virtq_segment segment[3] = {{.address = own, .bytes = sizeof(struct virtio_blk_outhdr)}};
    unsigned count = 1;

    if (bytes)
        segment[count++] = (struct virtq_segment){data, bytes, type == VIRTIO_BLK_T_IN};
    segment[count++] = (struct virtq_segment){own + offsetof(struct slot_dma, status), 1, 1};
    b->dma[i].header = (struct virtio_blk_outhdr){.type = type, .sector = sector};
    b->dma[i].status = VIRTIO_BLK_S_IOERR;  /* until the device says otherwise */
    virtq_add(b->queue, segment, count, i); /* three descriptors a slot: there is room */
    virtq_kick(b->queue);
}

/* The next completion interrupts; what came before it is taken now. */
static void want_interrupt(struct blk *b)
{
    virtq_interrupts(b->queue, 1);
    reap(b);
}

/* There is a ticket and a slot, or an interrupt will tell when there may be. */
static int room(struct blk *b, struct ticket **t)
{
    *t = free_ticket(b);
    if (!*t || free_slot(b) < 0)
        reap(b);
    if (*t && free_slot(b) >= 0)
        return 1;
    b->room_awaited = 1;
    want_interrupt(b);
    *t = free_ticket(b);
    return *t && free_slot(b) >= 0;
}

/* A ticket's number, or CALL_WAIT. */
static long submit(struct blk *b, struct call *call, uint32_t type, uint64_t sector, uint64_t data, uint32_t bytes)
{
    struct ticket *t;
    int i;

    if (!room(b, &t))
        return call_wait(call, CHANNEL(SERVICE_BLK, 0), CALL_FOREVER);
    i = free_slot(b);
    b->next_ticket = (unsigned)(t - b->ticket + 1) % TICKETS;
    t->generation = t->generation % GENERATIONS + 1;
    t->state = TICKET_PENDING;
    t->awaited = 0;
    b->slot[i] = t;
    start_slot(b, (unsigned)i, type, sector, data, bytes);
    return number_of(b, t);
}

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
    struct ticket *t;

    t = ticket_of(b, rq->arg[0]);
    if (!t)
        return -ESTALE;
    if (t->state == TICKET_PENDING)
        reap(b);
    if (t->state == TICKET_PENDING) {
        b->awaited += !t->awaited;
        t->awaited = 1;
        want_interrupt(b);
    }
    if (t->state == TICKET_PENDING)
        return call_wait(rq->call, CHANNEL(SERVICE_BLK, rq->arg[0]), CALL_FOREVER);
    t->state = TICKET_FREE;
    wake_room(b);
    return t->result;
}

static long request_size(struct blk *b, struct request *rq)
{
    return (long)b->sectors;
}

static int in_flight(const struct blk *b)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (b->slot[i])
            return 1;
    return 0;
}

static long request_forget(struct blk *b, struct request *rq)
{
    reap(b);
    if (in_flight(b)) {
        b->room_awaited = 1;
        want_interrupt(b);
    }
    if (in_flight(b))
        return call_wait(rq->call, CHANNEL(SERVICE_BLK, 0), CALL_FOREVER);
    for (unsigned i = 0; i < TICKETS; i++)
        b->ticket[i].state = TICKET_FREE;
    wake_room(b);
    return 0;
}

static long blk_request(void *self, struct request *rq)
{
    static long (*const operation[])(struct blk *, struct request *) = {
        [BLK_READ] = request_read, [BLK_WRITE] = request_write, [BLK_FLUSH] = request_flush,
        [BLK_DONE] = request_done, [BLK_SIZE] = request_size,   [BLK_FORGET] = request_forget,
    };

    if (rq->op >= sizeof operation / sizeof *operation || !operation[rq->op])
        return -ENOSYS;
    return operation[rq->op](self, rq);
}

static call_op *const blk_calls[CALL_TABLE_END]; /* none: programs reach it through fs */

struct service blk_service(struct blk *b)
{
    return (struct service){.name = "blk", .self = b, .calls = blk_calls, .request = blk_request};
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
    virtq_interrupts(b->queue, 0);
    virtio_ready(&b->device);
    return 1;
}

struct blk *blk_create(const struct host *host, const struct device *device)
{
    struct blk *b = host->alloc(host->ctx, sizeof *b);
    uint32_t generation = (uint32_t)(host->now(host->ctx) / GENERATION_NS % GENERATIONS);

    if (!b)
        return NULL;
    *b = (struct blk){.host = host, .device = *device};
    for (unsigned i = 0; i < TICKETS; i++)
        b->ticket[i].generation = generation;
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
