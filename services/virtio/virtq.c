/* SPDX-License-Identifier: MIT
 *
 * services/virtio/virtq.c: see virtq.h.
 *
 * Descriptors are a free list threaded through the table's `next`. The rings are shared with a device, so the indices
 * are read and written with acquire and release order; the rest follows from that.
 */
#include "services/virtio/virtq.h"

#include <linux/errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#define MAGIC 0x74726976u /* "virt" */
#define PAGE 4096u
#define NO_TOKEN 0xffffu

struct virtq {
    const struct host *host;
    const struct device *device;
    unsigned index, size;

    /* shared with the device, in one page */
    struct vring_desc *table;
    struct vring_avail *available;
    struct vring_used *used;
    void *page;

    /* ours */
    uint16_t free_head, free_count;
    uint16_t next_available, next_used; /* free running */
    uint16_t head_of[VIRTQ_SIZE_MAX];   /* token → first descriptor */
    uint16_t token_of[VIRTQ_SIZE_MAX];  /* first descriptor → token, NO_TOKEN */
};

static uint32_t get(const struct device *d, unsigned reg)
{
    return d->read(d->ctx, reg);
}

static void put(const struct device *d, unsigned reg, uint32_t value)
{
    d->write(d->ctx, reg, value);
}

static void add_status(const struct device *d, uint32_t bits)
{
    put(d, VIRTIO_MMIO_STATUS, get(d, VIRTIO_MMIO_STATUS) | bits);
}

static uint64_t offered(const struct device *d)
{
    uint64_t features;

    put(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    features = get(d, VIRTIO_MMIO_DEVICE_FEATURES);
    put(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    return features | (uint64_t)get(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

static void accept_features(const struct device *d, uint64_t features)
{
    put(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    put(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
    put(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    put(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

/* §3.1.1, steps 1 to 6. */
long virtio_start(const struct device *d, uint32_t device_id, uint64_t wanted, uint64_t *features)
{
    uint64_t version_1 = 1ull << VIRTIO_F_VERSION_1;

    if (get(d, VIRTIO_MMIO_MAGIC_VALUE) != MAGIC || get(d, VIRTIO_MMIO_VERSION) != 2 ||
        get(d, VIRTIO_MMIO_DEVICE_ID) != device_id)
        return -ENODEV;
    put(d, VIRTIO_MMIO_STATUS, 0);
    add_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    add_status(d, VIRTIO_CONFIG_S_DRIVER);
    *features = offered(d) & (wanted | version_1);
    accept_features(d, *features);
    add_status(d, VIRTIO_CONFIG_S_FEATURES_OK);
    if (!(*features & version_1) || !(get(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK))
        return -ENODEV;
    return 0;
}

void virtio_ready(const struct device *d)
{
    add_status(d, VIRTIO_CONFIG_S_DRIVER_OK);
}

void virtio_stop(const struct device *d)
{
    put(d, VIRTIO_MMIO_STATUS, 0);
}

long virtio_acknowledge(const struct device *d)
{
    uint32_t why = get(d, VIRTIO_MMIO_INTERRUPT_STATUS);

    if (why)
        put(d, VIRTIO_MMIO_INTERRUPT_ACK, why);
    if (!(why & VIRTIO_MMIO_INT_CONFIG))
        return 0;
    return get(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET ? -EIO : 0;
}

static void put_address(const struct device *d, unsigned low, unsigned high, uint64_t address)
{
    put(d, low, (uint32_t)address);
    put(d, high, (uint32_t)(address >> 32));
}

static void register_queue(struct virtq *q)
{
    const struct device *d = q->device;
    uint64_t page = q->host->dma(q->host->ctx, q->page);

    put(d, VIRTIO_MMIO_QUEUE_NUM, q->size);
    put_address(d, VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, page);
    put_address(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
                page + (uint64_t)((char *)q->available - (char *)q->page));
    put_address(d, VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH,
                page + (uint64_t)((char *)q->used - (char *)q->page));
    put(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* Table, available ring, used ring: 16n, 6 + 2n and 6 + 8n bytes (§2.6), the last from a multiple of 4. */
static void lay_out(struct virtq *q)
{
    char *page = q->page;
    unsigned used_at = (16 * q->size + 6 + 2 * q->size + 3) & ~3u;

    q->table = (struct vring_desc *)page;
    q->available = (struct vring_avail *)(page + 16 * q->size);
    q->used = (struct vring_used *)(page + used_at);
    for (unsigned i = 0; i < q->size; i++) {
        q->table[i].next = (uint16_t)(i + 1);
        q->token_of[i] = q->head_of[i] = NO_TOKEN;
    }
    q->free_count = (uint16_t)q->size;
}

struct virtq *virtq_create(const struct host *host, const struct device *device, unsigned index, unsigned size)
{
    struct virtq *q;

    put(device, VIRTIO_MMIO_QUEUE_SEL, index);
    if (size > VIRTQ_SIZE_MAX || get(device, VIRTIO_MMIO_QUEUE_NUM_MAX) < size)
        return NULL;
    q = host->alloc(host->ctx, sizeof *q);
    if (!q)
        return NULL;
    *q = (struct virtq){.host = host, .device = device, .index = index, .size = size};
    q->page = host->alloc(host->ctx, PAGE);
    if (!q->page) {
        host->free(host->ctx, q, sizeof *q);
        return NULL;
    }
    lay_out(q);
    register_queue(q);
    return q;
}

void virtq_destroy(struct virtq *q)
{
    const struct host *host = q->host;

    host->free(host->ctx, q->page, PAGE);
    host->free(host->ctx, q, sizeof *q);
}

static uint16_t take_descriptor(struct virtq *q, const struct virtq_segment *segment)
{
    uint16_t index = q->free_head;
    struct vring_desc *d = &q->table[index];

    q->free_head = d->next;
    q->free_count--;
    d->addr = segment->address;
    d->len = segment->bytes;
    d->flags = segment->device_writes ? VRING_DESC_F_WRITE : 0;
    return index;
}

static void publish(struct virtq *q, uint16_t head)
{
    q->available->ring[q->next_available % q->size] = head;
    q->next_available++;
    __atomic_store_n(&q->available->idx, q->next_available, __ATOMIC_RELEASE);
}

long virtq_add(struct virtq *q, const struct virtq_segment *segment, unsigned count, unsigned token)
{
    uint16_t head, last;

    if (count == 0 || count > q->free_count || token >= q->size || q->head_of[token] != NO_TOKEN)
        return -EAGAIN;
    head = last = take_descriptor(q, &segment[0]);
    for (unsigned i = 1; i < count; i++) {
        uint16_t index = take_descriptor(q, &segment[i]);

        q->table[last].flags |= VRING_DESC_F_NEXT;
        q->table[last].next = index;
        last = index;
    }
    q->token_of[head] = (uint16_t)token;
    q->head_of[token] = head;
    publish(q, head);
    return 0;
}

void virtq_kick(struct virtq *q)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* idx is visible before we look whether a kick is wanted */
    if (!(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY))
        put(q->device, VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

static void free_chain(struct virtq *q, uint16_t head)
{
    uint16_t last = head;
    uint16_t count = 1;

    while (q->table[last].flags & VRING_DESC_F_NEXT) {
        last = q->table[last].next;
        count++;
    }
    q->table[last].next = q->free_head;
    q->free_head = head;
    q->free_count = (uint16_t)(q->free_count + count);
}

long virtq_reap(struct virtq *q, uint32_t *written)
{
    const struct vring_used_elem *element = &q->used->ring[q->next_used % q->size];
    uint16_t token;

    if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->next_used)
        return -EAGAIN;
    if (element->id >= q->size || q->token_of[element->id] == NO_TOKEN)
        return -EIO;
    token = q->token_of[element->id];
    *written = element->len;
    q->token_of[element->id] = q->head_of[token] = NO_TOKEN;
    free_chain(q, (uint16_t)element->id);
    q->next_used++;
    return token;
}

void virtq_interrupts(struct virtq *q, int on)
{
    __atomic_store_n(&q->available->flags, on ? 0 : VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the caller looks at the used ring */
}
