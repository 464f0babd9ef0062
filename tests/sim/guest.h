/* SPDX-License-Identifier: MIT
 *
 * tests/sim/guest.h: a kernel of a few instructions, for testing the machine by snippets.
 *
 * guest_open() makes a memory image: code, GDT, IDT, TSSs, page tables. The test adds mappings, data and a snippet of
 * machine code, then guest_run() boots it on a real machine. Each CPU that starts sets itself up and calls the snippet;
 * when CPU 0 returns from it the machine is switched off with AL of RAX as its exit status. Afterwards the test reads RAM.
 *
 * All of physical memory below 4 GiB is mapped at its own address for ring 0 only. Whatever arrives through the IDT is
 * appended to a log of struct guest_record. Then, if the CONTROL block has a resume address, the handler goes on there
 * (ring 0, interrupts off, resume stack); else it returns to where it came from, after EOI for vectors from 0x20 on; but
 * an exception below 0x20 other than #DB, #BP and #OF without a resume address ends the run with status GUEST_LOST.
 * SYSCALL enters at a stub that stores RCX, R11, RSP and CS in CONTROL and goes to the resume address.
 */
#ifndef RINGSIDE_TESTS_SIM_GUEST_H
#define RINGSIDE_TESTS_SIM_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/machine.h"

/* Physical memory. No suffixes: the assembler reads them too. */
#define GUEST_BASE 0x80000    /* the kit's code; entry of all CPUs */
#define GUEST_STUBS 0x82000   /* one of 16 bytes for each vector */
#define GUEST_TEST 0x84000    /* the snippet, up to 48 KiB */
#define GUEST_GDT 0x90000
#define GUEST_IDT 0x91000
#define GUEST_TSS 0x92000     /* 128 bytes for each CPU */
#define GUEST_CONTROL 0x93000
#define GUEST_STACKS 0xa0000  /* 8 KiB for each CPU: its top is the end */
#define GUEST_ISTS 0xb0000    /* IST n of CPU 0 has its top at + n * 4096 */
#define GUEST_PARAM 0x100000  /* 1 MiB for the test */
#define GUEST_LOG 0x200000    /* GUEST_LOG_MAX records, then it wraps */
#define GUEST_TABLES 0x2c0000 /* page tables, up to 64 */
#define GUEST_FREE 0x300000   /* frames for the test, up to GUEST_END */
#define GUEST_END 0x400000
#define GUEST_LOG_MAX 12288

/* CONTROL: offsets of 8-byte words. */
#define GUEST_RESUME_RIP 0
#define GUEST_RESUME_RSP 8
#define GUEST_LOG_COUNT 16
#define GUEST_SYSCALL_RCX 24
#define GUEST_SYSCALL_R11 32
#define GUEST_SYSCALL_RSP 40
#define GUEST_SYSCALL_CS 48

#define GUEST_KERNEL_CS 0x08
#define GUEST_KERNEL_SS 0x10
#define GUEST_USER_SS 0x23
#define GUEST_USER_CS 0x2b
#define GUEST_TSS_SELECTOR 0x30
#define GUEST_LOST 99

#define GUEST_USER 0x8000000000 /* where tests map user pages: PML4 entry 1 */

#define GUEST_STRING_(x) #x
#define GUEST_STRING(x) GUEST_STRING_(x)
#define AT(x) GUEST_STRING(x)

/* SNIPPET(name, "mov eax, 1; ret"): position-independent machine code in Intel syntax, as bytes name … name_end. */
#define SNIPPET(name, text)                                                                                            \
    __asm__(".pushsection .rodata\n.intel_syntax noprefix\n" #name ":\n" text "\n" #name "_end:\n"                     \
            ".att_syntax prefix\n.popsection\n");                                                                      \
    extern const uint8_t name[], name##_end[]

struct guest_record {
    uint64_t vector, error, rip, cs, rflags, rsp, cr2;
    uint64_t frame; /* address of the frame's RIP; SS in bits 48…63 */
};

/* A symbol of the image: a function, or with `object` a table. */
struct guest_symbol {
    const char *name;
    uint64_t value, size;
    bool object;
};

#define GUEST_SYMBOLS_MAX 16

struct guest {
    uint8_t *image; /* of GUEST_BASE … GUEST_END */
    uint64_t table_end;
    struct cpu_model cpu;
    unsigned cpus, guests;
    enum machine_model model;
    enum machine_accesses accesses;
    uint64_t ram_bytes, time_limit;
    struct guest_symbol symbols[GUEST_SYMBOLS_MAX];
    size_t symbol_count;
    const char *module; /* a boot module of this name with the same content and symbols; NULL: none. Wants 16 MiB of RAM */
    const struct fault_spec *faults;
    size_t fault_count;
    enum trace_mode trace;
    struct machine *machine; /* after guest_run */
    char log[4096];          /* what it wrote to the debug port */
};

enum page_bits {
    PAGE_P = 1,
    PAGE_W = 2,
    PAGE_U = 4,
    PAGE_A = 32,
    PAGE_D = 64,
    PAGE_PS = 128,
    PAGE_G = 256,
};
#define PAGE_NX (1ull << 63)
#define PAGE_ALL (PAGE_P | PAGE_W | PAGE_U)

/* One CPU of sim/cpus/`cpu`.ini, timing model. The test may change cpus, model, accesses, ram_bytes, time_limit before guest_run. */
void guest_open(struct guest *guest, const char *cpu);
void guest_close(struct guest *guest);

/* A physical address of the image, for the test to fill before the run. */
void *guest_memory(struct guest *guest, uint64_t physical);
void guest_put(struct guest *guest, uint64_t physical, uint64_t word);
void guest_code(struct guest *guest, uint64_t physical, const uint8_t *code, const uint8_t *end);
/* Maps a page of `size` with these bits; tables on the way get PAGE_ALL. Returns the entry's physical address. */
uint64_t guest_map(struct guest *guest, uint64_t virtual, uint64_t physical, enum page_size size, uint64_t bits);
/* Physical address of the entry of `level` (0 PTE … 3 PML4E) on the way to `virtual`; it must exist. */
uint64_t guest_entry(struct guest *guest, uint64_t virtual, unsigned level);
/* IDT gate: type 14 interrupt, 15 trap. guest_open made all of type 14, DPL 3 for 0x80 … 0xef and 3, else 0. */
void guest_gate(struct guest *guest, unsigned vector, uint64_t target, uint16_t selector, unsigned ist, unsigned type,
                unsigned dpl, bool present);

/* Names a place in the image. */
void guest_symbol(struct guest *guest, const char *name, uint64_t value, uint64_t size, bool object);

/* Boots it with this snippet. */
enum machine_end guest_run(struct guest *guest, const uint8_t *test, const uint8_t *test_end);
/* The same, and it must switch off with this status; else the machine's report is printed and the test fails. */
void guest_must_run(struct guest *guest, const uint8_t *test, const uint8_t *test_end, int status);

/* After the run. */
uint64_t guest_word(const struct guest *guest, uint64_t physical);
uint64_t guest_logged(const struct guest *guest); /* records */
struct guest_record guest_record(const struct guest *guest, uint64_t index);
uint64_t guest_counter(const struct guest *guest, enum counter counter);

#endif
