/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_queue.h: the hostile kernel's driver of virtio devices (vmm_devices.c), which checks nothing.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_VMM_QUEUE_H
#define RINGSIDE_TESTS_ARCH_IMAGES_VMM_QUEUE_H

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "tests/arch/images/vmm_hostile.h"

#define DISK MMIO_VIRTIO_BLK
#define CONSOLE MMIO_VIRTIO_CONSOLE
#define SIZE 128
#define SECTOR 512ul
#define MS 4000000ul /* cycles, about */
#define RECEIVE 0
#define TRANSMIT 1

/* The only one that is in use. */
extern struct queue {
    uint64_t device, at; /* descriptors at `at`, available ring a page behind, used ring two */
    volatile struct vring_desc *descriptor;
    volatile struct vring_avail *available;
    volatile struct vring_used *used;
} queue;

uint64_t now(void); /* cycles */
uint32_t random32(void);
/* Resets the device and sets this queue of it up, with SIZE descriptors and nothing in it. */
void start(uint64_t device, unsigned number);
/* A descriptor; a chain that begins with it is available; the device is told. */
void describe(unsigned n, uint64_t address, uint64_t bytes, uint16_t flags, unsigned next);
void post(unsigned head);
void notify(unsigned number);
/* So many requests of so many segments that the machine's disk has no room for others'. */
void fill_disk(unsigned requests, unsigned segments);

#endif
