/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_kit.h: a kernel that survives itself, for test guests of the monitor. It boots on the machine
 * as well (abi/boot.h), so that the two can be compared.
 *
 * It stays on the boot page tables, where memory and devices are at their physical addresses. It has descriptor tables
 * of its own, and every exception and interrupt arrives on a stack of its own. kit_try() runs a function
 * and comes back from whatever it does to itself: an exception ends it, as does a SYSCALL, and everything that it may
 * have changed of the processor's state is put back.
 *
 * An image defines test_main(), which may return: the machine is switched off.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_VMM_KIT_H
#define RINGSIDE_TESTS_ARCH_IMAGES_VMM_KIT_H

/* Selectors, here and in vmm_entry.S. */
#define KIT_CS 0x08
#define KIT_SS 0x10
#define KIT_STAR_USER 0x1b
#define KIT_USER_SS 0x23
#define KIT_USER_CS 0x2b
#define KIT_TR 0x30

#define KIT_INTERRUPTS 4280 /* of struct kit; asserted in vmm_kit.c */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/boot.h"
#include "guest/print.h"
#include "tests/arch/images/vmm_outcome.h"

#define FIRST_INTERRUPT 0x20
#define PAGE 4096ul

#define P 1ul
#define W 2ul
#define U 4ul
#define ACCESSED 0x20ul
#define DIRTY 0x40ul
#define LARGE 0x80ul

struct gate {
    uint64_t low, high;
};

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
} __attribute__((packed));

struct pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

/* What arrived last; of a SYSCALL, only the vector. */
struct caught {
    uint64_t vector, error, rip, cs, rflags, rsp, ss, cr2;
};

struct kit {
    const struct boot_info *boot;
    uint64_t cr3; /* put back after each attempt */
    struct gate idt[256];
    uint64_t gdt[(KIT_TR >> 3) + 2];
    struct tss tss;
    volatile uint64_t interrupts[256]; /* how often each vector from FIRST_INTERRUPT on arrived */
    uint64_t next_frame;
};

extern struct kit kit;
extern struct caught kit_caught;
/* Interrupts end an attempt, as exceptions do; else they are counted, and it goes on. */
extern volatile uint8_t kit_interrupts_end;

void test_main(void);

/* RETURNED, CALLED, or the vector that ended it. An attempt may contain attempts. */
unsigned kit_try(void (*attempt)(uint64_t), uint64_t argument);
/* CPL 3 with all registers but these 0, and interrupts on. Inside an attempt: does not return. */
_Noreturn void kit_user(uint64_t rip, uint64_t rsp);

/* The stubs that exceptions enter by, 16 bytes each. */
extern char kit_stubs[];
struct gate kit_gate(uint64_t target, uint16_t selector, unsigned ist, unsigned type_and_dpl);
void kit_load_tables(void);
/* What an attempt may have changed of control registers, MSRs, descriptor tables, flags. */
void kit_restore(void);

/* A page of memory that nothing else uses, zeroed. Never given back; a test that wants more than there is ends. */
uint64_t kit_frame(void);
/* A root table that translates what the boot tables do. */
uint64_t kit_root(void);
/* 4 KiB at `address`, with tables that are open to all on the way. */
void kit_map(uint64_t root, uint64_t address, uint64_t entry);
/* The entry of a level (0: the page table's) for `address`. */
uint64_t *kit_entry(uint64_t root, uint64_t address, unsigned level);

/* A number in the settings, "KEY=123", or `otherwise`. */
uint64_t kit_setting(const char *key, uint64_t otherwise);

static inline uint32_t kit_read(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void kit_write(uint64_t address, uint32_t value)
{
    __asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

/* The APIC's timer: VECTOR_TIMER after so many cycles. */
void kit_timer(uint32_t cycles);
#endif

#endif
