/* SPDX-License-Identifier: MIT
 *
 * guest/layout.h: selectors, the kernel half of every address space, and offsets that C and assembly share.
 *
 * Virtual memory of a kernel:
 *   0 … USER_TOP                     the program
 *   BOOT_DIRECT_MAP                  all of RAM and the device pages, 2 MiB pages, never executable
 *   STACKS_BASE                      kernel stacks, 4 KiB pages with an unmapped guard page below each
 *   BOOT_KERNEL_BASE                 the image: .entry .text (R X), .rodata (R), .data .percpu .bss (R W)
 *
 * The selectors are Linux's for user code and data, because programs can see them.
 */
#ifndef RINGSIDE_GUEST_LAYOUT_H
#define RINGSIDE_GUEST_LAYOUT_H

#include "abi/boot.h"

#define PAGE_BYTES 4096ul
#define USER_TOP 0x00007ffffffff000ul /* the last page below 2^47 is never mapped: SYSRET needs a canonical RIP */

#define STACKS_BASE 0xffffff0000000000ul
#define STACKS_MAX 1024
#define STACK_PAGES 4
#define STACK_SPAN ((STACK_PAGES + 1) * PAGE_BYTES)

#define KERNEL_CS 0x08
#define KERNEL_SS 0x10
#define STAR_USER 0x23 /* SYSRET: CS = this + 16, SS = this + 8 */
#define USER_SS 0x2b
#define USER_CS 0x33
#define TSS_SELECTOR 0x38

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
