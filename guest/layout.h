/* SPDX-License-Identifier: MIT
 *
 * guest/layout.h: selectors, the kernel half of every address space, and offsets that C and assembly share.
 *
 * Virtual memory of a kernel:
 *   0 … USER_TOP   the program
 *   DIRECT_MAP     all of RAM and the device pages, 2 MiB pages, never executable
 *   STACKS_BASE    kernel stacks, 4 KiB pages with an unmapped guard page below each
 *   KERNEL_BASE    the image: .entry .text (R X), .rodata (R), .data .percpu .bss (R W)
 *
 * The selectors are Linux's for user code and data, because programs can see them.
 *
 * A monitor shares each address space with a whole guest system, its kernel included, and loads the guest's descriptors
 * never: it must be where no guest is, in memory and in the GDT. So it has the same mechanism compiled once more with
 * LAYOUT_MONITOR. Its slots of the PML4 mirror those in which it is started (guest/boot.S).
 */
#ifndef RINGSIDE_GUEST_LAYOUT_H
#define RINGSIDE_GUEST_LAYOUT_H

#include "abi/boot.h"

#define PAGE_BYTES 4096ul
#define USER_TOP 0x00007ffffffff000ul /* the last page below 2^47 is never mapped: SYSRET needs a canonical RIP */

#ifdef LAYOUT_MONITOR
#define MONITOR_BEGIN 0xffffe00000000000ul /* PML4 slots 448 to 450 */
#define MONITOR_END 0xffffe18000000000ul
#define DIRECT_MAP MONITOR_BEGIN
#define STACKS_BASE 0xffffe08000000000ul
#define KERNEL_BASE 0xffffe17f80000000ul
#else
#define DIRECT_MAP BOOT_DIRECT_MAP
#define STACKS_BASE 0xffffff0000000000ul
#define KERNEL_BASE BOOT_KERNEL_BASE
#endif
#define STACKS_MAX 1024
#define STACK_PAGES 4
#define STACK_SPAN ((STACK_PAGES + 1) * PAGE_BYTES)

#ifdef LAYOUT_MONITOR
#define KERNEL_CS 0x48
#define KERNEL_SS 0x50
#define STAR_USER 0x53 /* SYSRET: CS = this + 16, SS = this + 8 */
#define USER_SS 0x5b
#define USER_CS 0x63
#define TSS_SELECTOR 0x68
#define GUEST_DATA 0x2b /* a selector for data that guests' programs may load: what USER_SS is to them */
#else
#define KERNEL_CS 0x08
#define KERNEL_SS 0x10
#define STAR_USER 0x23
#define USER_SS 0x2b
#define USER_CS 0x33
#define TSS_SELECTOR 0x38
#endif

#define CPUS_MAX 8
#define IST_DOUBLE_FAULT 1
#define VECTOR_DOUBLE_FAULT 8

/* struct cpu, by GS. Asserted in cpu.h. */
#define CPU_USER_RSP 8
#define CPU_KERNEL_RSP 16
#define CPU_KERNEL_CR3 24
#define CPU_USER_CR3 32
#define CPU_CR3_NOFLUSH 40
#define CPU_ENTRY_RSP 48
#define CPU_SCRATCH 56
#define CPU_FEATURES 64

/* struct cpu's features. */
#define FEATURE_SMAP 1
#define FEATURE_ERMS 2

#endif
