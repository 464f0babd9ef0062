/* SPDX-License-Identifier: MIT
 *
 * abi/devices.h: the machine's physical memory map, ports and interrupt vectors.
 *
 * RAM starts at physical 0 and is contiguous. Devices sit above 3.5 GiB, one
 * 4 KiB page each, so that a page table can hand a device to one domain.
 */
#ifndef RINGSIDE_ABI_DEVICES_H
#define RINGSIDE_ABI_DEVICES_H

#define MMIO_BASE 0xfe000000ul
#define MMIO_VIRTIO_BLK 0xfe000000ul     /* virtio-mmio (VIRTIO 1.1 §4.2, version 2), device id 2 */
#define MMIO_VIRTIO_CONSOLE 0xfe001000ul /* virtio console, device id 3: standard input and output */
#define MMIO_VIRTIO_STDERR 0xfe002000ul  /* virtio console, device id 3: standard error (transmit only) */
#define MMIO_VIRTIO_NET 0xfe003000ul     /* reserved */
#define MMIO_CLOCK 0xfe010000ul          /* see CLOCK_* */
#define MMIO_LAPIC 0xfee00000ul          /* local APIC, xAPIC layout (Intel SDM vol. 3A ch. 10) */
#define MMIO_END 0xfef00000ul

/* Clock device: 64-bit registers, read only. */
#define CLOCK_CYCLES 0x00 /* the CPU's cycle clock since power on */
#define CLOCK_HZ 0x08     /* cycles in a second */

/* Interrupt vectors. Devices interrupt CPU 0 by message (edge). */
#define VECTOR_TIMER 0x20 /* chosen by the kernel in the LVT; this is the convention */
#define VECTOR_VIRTIO_BLK 0x30
#define VECTOR_VIRTIO_CONSOLE 0x31
#define VECTOR_VIRTIO_STDERR 0x32
#define VECTOR_VIRTIO_NET 0x33
#define VECTOR_IPI 0xf0
#define VECTOR_SPURIOUS 0xff

/* I/O ports. */
#define PORT_DEBUG 0xe9 /* OUT byte: one character of the kernel's log (Bochs convention) */
#define PORT_POWER 0xf4 /* OUT 16 bits: low 8 exit status; POWER_PANIC: the kernel crashed */
#define POWER_PANIC 0x100

#endif
