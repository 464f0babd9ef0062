/* SPDX-License-Identifier: MIT
 *
 * sim/devices/virtio.c: see virtio.h. Two halves: the register page (VIRTIO 1.1 §4.2.2), and the rings (§2.6).
 *
 * Registers are 32 bits wide and accessed so; other widths read 0 and write nothing, except in the configuration
 * space, which is bytes. Little endian throughout, as the machine and every host that can run it.
 */
#include "sim/devices/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define MAGIC 0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR 0x47524e52u

#define REFUSED_STATUS (VIRTIO_CONFIG_S_NEEDS_RESET) /* a driver cannot write these */

bool virtio_live(const struct virtio *v)
{
    return (v->status & VIRTIO_CONFIG_S_DRIVER_OK) && !(v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void raise_interrupt(struct virtio *v, uint32_t reason)
{
    v->interrupt_status |= reason;
    v->bus->interrupt(v->bus->ctx, v->vector);
}

void virtio_break(struct virtio *v)
{
    if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
        return;
    v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    raise_interrupt(v, VIRTIO_MMIO_INT_CONFIG);
}

/* ---- rings ---- */

static bool dma_load(struct virtio *v, uint64_t address, void *to, size_t bytes)
{
    if (v->bus->dma_read(v->bus->ctx, address, to, bytes))
        return true;
    virtio_break(v);
    return false;
}

static bool dma_store(struct virtio *v, uint64_t address, const void *from, size_t bytes)
{
    if (v->bus->dma_write(v->bus->ctx, address, from, bytes))
        return true;
    virtio_break(v);
    return false;
}

static bool refuse(struct virtio *v)
{
    virtio_break(v);
    return false;
}

static bool add_segment(struct virtio *v, struct virtio_chain *chain, const struct vring_desc *descriptor)
{
    unsigned n = chain->readable + chain->writable;

    if (descriptor->flags & VRING_DESC_F_INDIRECT) /* not offered */
        return refuse(v);
    chain->segment[n] = (struct virtio_segment){.address = descriptor->addr, .bytes = descriptor->len};
    if (descriptor->flags & VRING_DESC_F_WRITE) {
        chain->writable++;
        chain->writable_bytes += descriptor->len;
        return true;
    }
    if (chain->writable) /* §2.6.4.2: readable ones come first */
        return refuse(v);
    chain->readable++;
    chain->readable_bytes += descriptor->len;
    return true;
}

static bool read_chain(struct virtio *v, const struct virtio_queue *q, uint16_t head, struct virtio_chain *chain)
{
    struct vring_desc descriptor = {.next = head, .flags = VRING_DESC_F_NEXT};

    chain->head = head;
    chain->readable = chain->writable = 0;
    chain->readable_bytes = chain->writable_bytes = 0;
    for (uint32_t n = 0; descriptor.flags & VRING_DESC_F_NEXT; n++) {
        uint16_t index = descriptor.next;

        if (n == q->size || index >= q->size) /* a loop, or out of the table */
            return refuse(v);
        if (!dma_load(v, q->descriptors + index * sizeof descriptor, &descriptor, sizeof descriptor))
            return false;
        if (!add_segment(v, chain, &descriptor))
            return false;
    }
    return true;
}

bool virtio_take(struct virtio *v, unsigned queue, struct virtio_chain *chain)
{
    struct virtio_queue *q = &v->queues[queue];
    uint16_t available, head;

    if (!virtio_live(v) || !q->ready)
        return false;
    if (!dma_load(v, q->driver + offsetof(struct vring_avail, idx), &available, sizeof available))
        return false;
    if (available == q->seen)
        return false;
    if ((uint16_t)(available - q->seen) > q->size || q->in_flight == q->size)
        return refuse(v);
    if (!dma_load(v, q->driver + offsetof(struct vring_avail, ring) + q->seen % q->size * sizeof head, &head,
                  sizeof head))
        return false;
    if (!read_chain(v, q, head, chain))
        return false;
    q->seen++;
    q->in_flight++;
    return true;
}

void virtio_give(struct virtio *v, unsigned queue, const struct virtio_chain *chain, uint32_t written)
{
    struct virtio_queue *q = &v->queues[queue];
    struct vring_used_elem element = {.id = chain->head, .len = written};
    uint64_t slot = q->device + offsetof(struct vring_used, ring) + q->used % q->size * sizeof element;
    uint16_t flags;

    if (!virtio_live(v) || !q->ready)
        return;
    if (!dma_store(v, slot, &element, sizeof element))
        return;
    q->used++;
    q->in_flight--;
    if (!dma_store(v, q->device + offsetof(struct vring_used, idx), &q->used, sizeof q->used))
        return;
    if (!dma_load(v, q->driver + offsetof(struct vring_avail, flags), &flags, sizeof flags))
        return;
    if (!(flags & VRING_AVAIL_F_NO_INTERRUPT))
        raise_interrupt(v, VIRTIO_MMIO_INT_VRING);
}

/* Moves a part of `count` segments; exactly one of `to` and `from` is not NULL. */
static bool move(struct virtio *v, const struct virtio_segment *segment, unsigned count, uint64_t offset, void *to,
                 const void *from, uint64_t bytes)
{
    for (unsigned i = 0; i < count && bytes; i++) {
        uint64_t have = segment[i].bytes, piece;

        if (offset >= have) {
            offset -= have;
            continue;
        }
        piece = have - offset < bytes ? have - offset : bytes;
        if (to ? !v->bus->dma_read(v->bus->ctx, segment[i].address + offset, to, piece)
               : !v->bus->dma_write(v->bus->ctx, segment[i].address + offset, from, piece))
            return false;
        to = to ? (char *)to + piece : NULL;
        from = from ? (const char *)from + piece : NULL;
        bytes -= piece;
        offset = 0;
    }
    return bytes == 0;
}

bool virtio_gather(struct virtio *v, const struct virtio_chain *chain, uint64_t offset, void *to, uint64_t bytes)
{
    return move(v, chain->segment, chain->readable, offset, to, NULL, bytes);
}

bool virtio_scatter(struct virtio *v, const struct virtio_chain *chain, uint64_t offset, const void *from,
                    uint64_t bytes)
{
    return move(v, chain->segment + chain->readable, chain->writable, offset, NULL, from, bytes);
}

/* ---- registers ---- */

static uint64_t offered(const struct virtio *v)
{
    return v->model->features | 1ull << VIRTIO_F_VERSION_1;
}

static void reset(struct virtio *v)
{
    v->status = v->interrupt_status = 0;
    v->device_features_page = v->driver_features_page = v->selected = 0;
    v->driver_features = 0;
    memset(v->queues, 0, sizeof v->queues);
    v->model->reset(v->self);
}

static struct virtio_queue *selected(struct virtio *v)
{
    return v->selected < v->model->queues ? &v->queues[v->selected] : NULL;
}

static uint64_t read_config(const struct virtio *v, uint64_t offset, unsigned width)
{
    uint64_t value = 0;

    if (offset + width <= v->model->config_bytes)
        memcpy(&value, (const char *)v->model->config + offset, width);
    return value;
}

static uint32_t read_features(const struct virtio *v)
{
    return v->device_features_page < 2 ? offered(v) >> (32 * v->device_features_page) : 0;
}

static uint64_t virtio_read(void *self, uint64_t offset, unsigned width)
{
    struct virtio *v = self;
    const struct virtio_queue *q = selected(v);

    if (offset >= VIRTIO_MMIO_CONFIG)
        return read_config(v, offset - VIRTIO_MMIO_CONFIG, width);
    if (width != 4)
        return 0;
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        return MAGIC;
    case VIRTIO_MMIO_VERSION:
        return VERSION;
    case VIRTIO_MMIO_DEVICE_ID:
        return v->model->device_id;
    case VIRTIO_MMIO_VENDOR_ID:
        return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return read_features(v);
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return q ? VIRTIO_QUEUE_SIZE_MAX : 0;
    case VIRTIO_MMIO_QUEUE_READY:
        return q && q->ready;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
        return v->interrupt_status;
    case VIRTIO_MMIO_STATUS:
        return v->status;
    default:
        return 0;
    }
}

static void set_half(uint64_t *word, unsigned half, uint32_t value)
{
    unsigned shift = 32 * half;

    *word = (*word & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

/* §2.1: the driver adds bits, or writes 0 to reset. FEATURES_OK stays clear when we cannot agree. */
static void write_status(struct virtio *v, uint32_t value)
{
    bool agreed = !(v->driver_features & ~offered(v)) && (v->driver_features >> VIRTIO_F_VERSION_1 & 1);

    if (value == 0) {
        reset(v);
        return;
    }
    if (!agreed)
        value &= ~(uint32_t)(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
    v->status |= value & ~(uint32_t)REFUSED_STATUS;
}

static void write_queue_ready(struct virtio *v, struct virtio_queue *q, uint32_t value)
{
    bool sound = q->size && q->size <= VIRTIO_QUEUE_SIZE_MAX && !(q->size & (q->size - 1)) &&
                 q->descriptors % 16 == 0 && q->driver % 2 == 0 && q->device % 4 == 0;

    if (!(value & 1) || q->ready)
        return;
    if (sound)
        q->ready = true;
    else
        virtio_break(v);
}

/* The registers of the selected queue. Once it is ready they no longer change (§4.2.2). */
static void write_queue(struct virtio *v, struct virtio_queue *q, uint64_t offset, uint32_t value)
{
    if (!q || q->ready)
        return;
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        q->size = value;
        break;
    case VIRTIO_MMIO_QUEUE_READY:
        write_queue_ready(v, q, value);
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        set_half(&q->descriptors, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        set_half(&q->driver, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        set_half(&q->device, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
        break;
    }
}

static void write_notify(struct virtio *v, uint32_t queue)
{
    if (queue < v->model->queues && virtio_live(v) && v->queues[queue].ready)
        v->model->notify(v->self, queue);
}

static void write_driver_features(struct virtio *v, uint32_t value)
{
    if (v->driver_features_page < 2 && !(v->status & VIRTIO_CONFIG_S_FEATURES_OK))
        set_half(&v->driver_features, v->driver_features_page, value);
    else if (value)
        v->driver_features |= ~offered(v); /* a feature that cannot exist: FEATURES_OK will be refused */
}

static void virtio_write(void *self, uint64_t offset, unsigned width, uint64_t wide)
{
    struct virtio *v = self;
    uint32_t value = wide;

    if (width != 4)
        return;
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        v->device_features_page = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        v->driver_features_page = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        write_driver_features(v, value);
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        v->selected = value;
        break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
        write_notify(v, value);
        break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
        v->interrupt_status &= ~value;
        break;
    case VIRTIO_MMIO_STATUS:
        write_status(v, value);
        break;
    default:
        write_queue(v, selected(v), offset, value);
        break;
    }
}

void virtio_init(struct virtio *v, const struct bus *bus, unsigned vector, const struct virtio_model *model, void *self)
{
    *v = (struct virtio){.bus = bus, .model = model, .self = self, .vector = vector};
}

struct bus_device virtio_device(struct virtio *v)
{
    return (struct bus_device){.self = v, .read = virtio_read, .write = virtio_write};
}
