/* SPDX-License-Identifier: MIT
 *
 * abi/boot.h: what a kernel image finds when the machine starts it.
 *
 * CPU 0 starts at the ELF entry point of the image in 64-bit mode, CPL 0,
 * interrupts off, paging on with the boot page tables: physical 0…4 GiB mapped
 * at virtual 0, at BOOT_DIRECT_MAP and (the first 1 GiB) at BOOT_KERNEL_BASE,
 * by 2 MiB pages, writable, executable, supervisor. A GDT is loaded with a
 * 64-bit code segment 0x08 and a data segment 0x10; IDT and TSS are empty. RDI
 * holds the physical address of struct boot_info. RSP is the top of a one-page
 * boot stack. Segments of the image are loaded at their p_paddr.
 *
 * CR0 = PE|MP|ET|NE|WP|AM|PG, CR4 = PAE|OSFXSR|OSXMMEXCPT|TSD, EFER = LME|LMA|NXE|SCE.
 *
 * Other CPUs wait for INIT–SIPI–SIPI; the SIPI vector V starts them at the 64-bit
 * address V << 12 in the same state (a simplification: no real mode), RDI the same,
 * RSP 0.
 */
#ifndef RINGSIDE_ABI_BOOT_H
#define RINGSIDE_ABI_BOOT_H

#define BOOT_MAGIC 0x3130544f4f425352ul /* "RSBOOT01" */
#define BOOT_DIRECT_MAP 0xffff800000000000ul
#define BOOT_KERNEL_BASE 0xffffffff80000000ul
#define BOOT_MODULES_MAX 16
#define BOOT_TEXT_MAX 4096

/* Of a machine for `guests` virtual machines: what it has besides their memory, for the monitor. */
#define BOOT_GUESTS_MAX 8
#define BOOT_MONITOR_RAM(guests) ((16ul << 20) + (guests) * (16ul << 20))

#ifndef __ASSEMBLER__
#include <stdint.h>

/* A further image (a server) that the machine put into RAM, as a whole ELF file. */
struct boot_module {
    char name[32];
    uint64_t address; /* physical, page aligned */
    uint64_t size;    /* bytes */
};

struct boot_info {
    uint64_t magic;
    uint64_t ram_bytes;
    uint64_t free_start; /* physical; all RAM from here to free_end is free. Below it: images, this, boot tables */
    uint64_t clock_hz;
    uint64_t wall_ns; /* CLOCK_REALTIME at power on, ns since 1970: the same in every run */
    uint64_t seed;    /* for getrandom */
    uint64_t disk_bytes; /* of all slices */
    uint32_t cpus;
    uint32_t tty_mask;  /* bit n: descriptor n of the first program is a terminal */
    uint32_t tty_rows, tty_columns;
    uint32_t argc;      /* of the first program */
    uint32_t envc;
    uint32_t module_count;
    uint32_t disk_slices; /* at least 1: so many disks of equal size, one behind the other, with the same files at first */
    struct boot_module modules[BOOT_MODULES_MAX];
    char settings[512];        /* "pcid=on pti=off", from --set */
    char text[BOOT_TEXT_MAX];  /* path of the first program, then argc arguments, envc variables, each NUL-terminated */
    char cwd[256];             /* working directory of the first program */
    uint64_t free_end;         /* physical; from here to ram_bytes: the memory of guests, one behind the other */
    uint64_t guest_ram_bytes;  /* of each: a multiple of 2 MiB, as is free_end then; 0 without guests */
    uint64_t save_at_ns;       /* a monitor saves its guest then (abi/save.h); 0: it does not */
    uint32_t guests;           /* virtual machines that a monitor is to run; 0: this kernel is no monitor */
};
#endif

#endif
