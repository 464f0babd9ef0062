/* SPDX-License-Identifier: MIT
 *
 * sim/devices/virtio.h: the device side of virtio over MMIO (VIRTIO 1.1 §4.2, version 2) with split virtqueues (§2.6).
 *
 * Layer: below the device models (virtio_blk.c, virtio_console.c), above sim/devices/bus.h. A model embeds a struct
 * virtio, describes itself by a struct virtio_model, and moves requests with virtio_take … virtio_give.
 *
 * Trust: none. Everything in the rings was written by a guest that may be hostile or wrong. Every address goes
 * through the bus, which refuses what is not RAM; a chain is at most one queue long, so a loop ends; at most one
 * queue of requests is in flight. What breaks the rules of §2.6 breaks the device: it sets DEVICE_NEEDS_RESET
 * (§2.1.1), raises a configuration interrupt and does nothing more until the driver resets it.
 */
#ifndef RINGSIDE_SIM_VIRTIO_H
#define RINGSIDE_SIM_VIRTIO_H

#include "sim/devices/bus.h"

#define VIRTIO_QUEUES_MAX 2
#define VIRTIO_QUEUE_SIZE_MAX 128 /* descriptors; a power of two */

struct virtio_model {
    uint32_t device_id;
    uint64_t features; /* offered; VIRTIO_F_VERSION_1 is added */
    unsigned queues;
    const void *config; /* device configuration space, constant */
    size_t config_bytes;
    void (*notify)(void *self, unsigned queue); /* the driver made requests available */
    void (*reset)(void *self);                  /* forget requests in flight */
};

struct virtio_queue {
    /* the driver's, while !ready */
    uint32_t size;
    uint64_t descriptors, driver, device; /* physical addresses of table, available ring, used ring */
    bool ready;
    /* ours */
    uint16_t seen, used; /* free-running indices of the next available and the next used entry */
    uint32_t in_flight;  /* taken and not given back */
};

struct virtio {
    const struct bus *bus;
    const struct virtio_model *model;
    void *self; /* the model's, for its callbacks */
    unsigned vector;
    uint32_t status, interrupt_status;
    uint32_t device_features_page, driver_features_page, selected;
    uint64_t driver_features;
    struct virtio_queue queues[VIRTIO_QUEUES_MAX];
};

struct virtio_segment {
    uint64_t address; /* physical, unchecked until it is used */
    uint32_t bytes;
};

/* A request: `readable` segments to read from, then `writable` ones to write to. A copy: the driver cannot change it.
 */
struct virtio_chain {
    uint16_t head;
    unsigned readable, writable;
    uint64_t readable_bytes, writable_bytes;
    struct virtio_segment segment[VIRTIO_QUEUE_SIZE_MAX];
};

/* `model` and `bus` stay the caller's and outlive the device. */
void virtio_init(struct virtio *virtio, const struct bus *bus, unsigned vector, const struct virtio_model *model,
                 void *self);
struct bus_device virtio_device(struct virtio *virtio);

/* The next available request. false: there is none, or the device is (now) broken. */
bool virtio_take(struct virtio *virtio, unsigned queue, struct virtio_chain *chain);
/* Returns a request with `written` bytes of its writable part filled, and interrupts unless the driver asked not to. */
void virtio_give(struct virtio *virtio, unsigned queue, const struct virtio_chain *chain, uint32_t written);
/* Moves bytes out of the readable or into the writable part, from `offset`. false: it is shorter, or a segment is
 * not RAM (what came before has been moved). */
bool virtio_gather(struct virtio *virtio, const struct virtio_chain *chain, uint64_t offset, void *to, uint64_t bytes);
bool virtio_scatter(struct virtio *virtio, const struct virtio_chain *chain, uint64_t offset, const void *from,
                    uint64_t bytes);
/* The driver broke the protocol. */
void virtio_break(struct virtio *virtio);
/* Driver ready and device not broken. */
bool virtio_live(const struct virtio *virtio);

#endif
