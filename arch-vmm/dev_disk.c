/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/dev_disk.c: a guest's virtio disk (VIRTIO 1.1 §5.2): its slice of the machine's.
 *
 * The guest's buffers are the machine's memory, so the real device moves the data, without a copy: each segment of a
 * request becomes a request of the machine's disk. What the guest says is checked here: sectors against the slice, buffers
 * against its memory. Requests begin in their order and end in it; several are under way.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "arch-vmm/kernel.h"
#include "guest/heap.h"
#include "guest/print.h"

#define QUEUE 0
#define REQUESTS VIRTIO_QUEUE_SIZE_MAX

static const char identity[VIRTIO_BLK_ID_BYTES] = "ringside";

static struct disk_request *request_at(struct vm_disk *disk, unsigned n)
{
    return &disk->request[(disk->oldest + n) % REQUESTS];
}

/* ---- the segments of a request that are data: all but the header and the status byte ---- */

struct segment {
    uint64_t address;
    uint32_t bytes;
};

static bool is_write(const struct disk_request *rq)
{
    return rq->type == VIRTIO_BLK_T_OUT;
}

static unsigned data_segments(const struct disk_request *rq)
{
    if (rq->type == VIRTIO_BLK_T_FLUSH)
        return 1;
    if (rq->status != VIRTIO_BLK_S_OK)
        return 0;
    return is_write(rq) ? rq->chain.readable - 1 : rq->type == VIRTIO_BLK_T_IN ? rq->chain.writable - 1 : 0;
}

static const struct virtio_segment *data_segment(const struct disk_request *rq, unsigned n)
{
    return &rq->chain.segment[is_write(rq) ? n + 1 : rq->chain.readable + n];
}

/* Header and status have segments of their own, as every driver lays them out that we know; others are refused. */
static bool is_laid_out(const struct virtio_chain *chain)
{
    const struct virtio_segment *header = &chain->segment[0], *status = &chain->segment[chain->readable + chain->writable - 1];

    return chain->readable && chain->writable && header->bytes == sizeof(struct virtio_blk_outhdr) && status->bytes == 1;
}

/* Within the slice, whole sectors, in RAM. */
static bool check_data(struct guest *guest, struct disk_request *rq)
{
    uint64_t sectors = 0;

    for (unsigned i = 0; i < data_segments(rq); i++) {
        const struct virtio_segment *s = data_segment(rq, i);

        if (!guest_memory(guest, s->address, s->bytes))
            return false;
        if (!s->bytes || s->bytes % SECTOR_BYTES)
            rq->status = VIRTIO_BLK_S_IOERR;
        sectors += s->bytes / SECTOR_BYTES;
    }
    if (rq->sector > guest->disk.sectors || sectors > guest->disk.sectors - rq->sector)
        rq->status = VIRTIO_BLK_S_IOERR;
    return true;
}

/* False: the guest broke the protocol. */
static bool decode_request(struct guest *guest, struct disk_request *rq)
{
    struct virtio_blk_outhdr header;

    if (!is_laid_out(&rq->chain) || !virtio_gather(&guest->disk.virtio, &rq->chain, 0, &header, sizeof(header)))
        return false;
    rq->type = header.type;
    rq->sector = header.sector;
    rq->status = VIRTIO_BLK_S_OK;
    rq->begun = rq->ended = rq->written = 0;
    switch (rq->type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
        return check_data(guest, rq);
    case VIRTIO_BLK_T_FLUSH:
        return true;
    case VIRTIO_BLK_T_GET_ID:
        rq->written = rq->chain.writable_bytes - 1 < sizeof(identity) ? (uint32_t)rq->chain.writable_bytes - 1 : sizeof(identity);
        return virtio_scatter(&guest->disk.virtio, &rq->chain, 0, identity, rq->written);
    default:
        rq->status = VIRTIO_BLK_S_UNSUPP;
        return true;
    }
}

/* ---- progress ---- */

static uint64_t begin_segment(struct guest *guest, struct disk_request *rq)
{
    const struct virtio_segment *s = data_segment(rq, rq->begun);
    uint64_t ticket;

    if (rq->type == VIRTIO_BLK_T_FLUSH)
        return disk_flush();
    if (!is_write(rq))
        guest_memory_for_device(guest, s->address, s->bytes);
    ticket = disk_begin(is_write(rq), guest->disk.first + rq->sector, s->bytes, guest->base + s->address);
    if (ticket) {
        rq->sector += s->bytes / SECTOR_BYTES;
        rq->written += is_write(rq) ? 0 : s->bytes;
    }
    return ticket;
}

/* False: the machine's disk has no room. */
static bool begin_request(struct guest *guest, struct disk_request *rq)
{
    while (rq->begun < data_segments(rq)) {
        uint64_t ticket = begin_segment(guest, rq);

        if (!ticket)
            return false;
        rq->ticket[rq->begun++] = ticket;
    }
    return true;
}

/* Once more, as a page that was data when the device began may be a page table by now. */
static void segment_read(struct guest *guest, const struct virtio_segment *s)
{
    guest_memory_for_device(guest, s->address, s->bytes);
}

static bool has_ended(struct guest *guest, struct disk_request *rq)
{
    while (rq->ended < rq->begun) {
        int result = disk_ended(rq->ticket[rq->ended]);

        if (result > 0)
            return false;
        if (result < 0)
            rq->status = VIRTIO_BLK_S_IOERR;
        else if (rq->type == VIRTIO_BLK_T_IN)
            segment_read(guest, data_segment(rq, rq->ended));
        rq->ended++;
    }
    return rq->ended == data_segments(rq) || rq->status != VIRTIO_BLK_S_OK;
}

static void end_request(struct guest *guest, struct disk_request *rq)
{
    struct vm_disk *disk = &guest->disk;

    disk->oldest = (disk->oldest + 1) % REQUESTS;
    disk->count--;
    if (!virtio_live(&disk->virtio))
        return;
    if (virtio_scatter(&disk->virtio, &rq->chain, rq->chain.writable_bytes - 1, &rq->status, 1))
        virtio_give(&disk->virtio, QUEUE, &rq->chain, rq->written + 1);
    else
        virtio_break(&disk->virtio);
}

static void take_requests(struct guest *guest)
{
    struct vm_disk *disk = &guest->disk;

    while (disk->count < REQUESTS) {
        struct disk_request *rq = request_at(disk, disk->count);

        if (!virtio_take(&disk->virtio, QUEUE, &rq->chain))
            return;
        if (!decode_request(guest, rq)) {
            virtio_break(&disk->virtio);
            return;
        }
        disk->count++;
    }
}

void vm_disk_pump(struct guest *guest)
{
    struct vm_disk *disk = &guest->disk;

    for (unsigned i = 0; i < disk->count && begin_request(guest, request_at(disk, i)); i++)
        ;
    while (disk->count && has_ended(guest, request_at(disk, 0)))
        end_request(guest, request_at(disk, 0));
}

/* ---- the device ---- */

static void notify(void *self, unsigned queue)
{
    take_requests(self);
    vm_disk_pump(self);
}

void vm_disk_forget(struct guest *guest)
{
    struct vm_disk *disk = &guest->disk;

    for (unsigned i = 0; i < disk->count; i++) {
        struct disk_request *rq = request_at(disk, i);

        while (rq->ended < rq->begun)
            if (disk_ended(rq->ticket[rq->ended]) <= 0)
                rq->ended++;
    }
    disk->count = 0;
}

static void reset(void *self)
{
    vm_disk_forget(self);
}

void vm_disk_init(struct guest *guest)
{
    static struct virtio_blk_config config[GUESTS_MAX];
    struct vm_disk *disk = &guest->disk;

    disk->sectors = disk_sectors() / monitor.boot->disk_slices;
    disk->first = guest->number <= monitor.boot->disk_slices ? (guest->number - 1) * disk->sectors : 0;
    disk->request = heap_alloc(REQUESTS * sizeof(*disk->request));
    if (!disk->request || guest->number > monitor.boot->disk_slices)
        panic("guest %u: no disk", guest->number);
    config[guest->number - 1] = (struct virtio_blk_config){.capacity = disk->sectors, .seg_max = VIRTIO_QUEUE_SIZE_MAX - 2};
    disk->model = (struct virtio_model){
        .device_id = VIRTIO_ID_BLOCK,
        .features = 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_SEG_MAX,
        .queues = 1,
        .config = &config[guest->number - 1],
        .config_bytes = sizeof(*config),
        .notify = notify,
        .reset = reset,
    };
    virtio_init(&disk->virtio, &guest->bus, VECTOR_VIRTIO_BLK, &disk->model, guest);
}

void vm_disk_fini(struct guest *guest)
{
    heap_free(guest->disk.request, REQUESTS * sizeof(*guest->disk.request));
}
