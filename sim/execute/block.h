/* SPDX-License-Identifier: MIT
 *
 * sim/execute/block.h: what a translated block is made of, decoded once.
 *
 * Keyed by the physical address of its first byte and its size, because the same
 * text is in many address spaces. Everything the block hook needs is in one
 * descriptor of 32 bytes; a block remembers which two came after it last, so that
 * the hash is rarely asked.
 */
#ifndef RINGSIDE_SIM_BLOCK_H
#define RINGSIDE_SIM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/cpu_model.h"

/* At most so many are known at once, by numbers from 1. */
#define BLOCKS_MAX (1u << 16)

/* What the last instruction does that the model must know of. */
enum special {
    SPECIAL_NONE,
    SPECIAL_REP,     /* REP string instruction: may run again */
    SPECIAL_CR3,     /* MOV CR3 */
    SPECIAL_CR,      /* MOV CR0, CR4, CR8; CLTS; LMSW */
    SPECIAL_INVLPG,
    SPECIAL_RELOAD,  /* nothing but `reloads` */
    SPECIAL_RETURN,  /* IRET, far return: the CPL may change */
    SPECIAL_SYSRET,
    SPECIAL_SHADOW,  /* STI, MOV SS, POP SS: one instruction without interrupts */
    SPECIAL_FLAGS,   /* POPF: interrupts may be on now */
};

enum block_event {
    BLOCK_EVENT_NONE,
    BLOCK_EVENT_COPY,    /* first block of a copy routine */
    BLOCK_EVENT_MESSAGE, /* an activation of a message transfer routine */
    BLOCK_EVENT_SHADOW,  /* an activation of a routine that writes a shadow page table */
    BLOCK_EVENT_LIBRARY, /* an entry of a library OS: which, says the machine */
    BLOCK_EVENT_SPIN,    /* nothing but a jump to itself: spin.c */
};

struct block {
    uint64_t key;          /* where it last ran: block_key() */
    uint32_t address;      /* physical */
    uint32_t cost_256 : 24; /* base cost of all instructions in 1/256 cycles */
    uint32_t swapgs : 8;   /* how many of them: each costs a transition */
    uint32_t next[2];      /* numbers of the two blocks that last followed it: a guess, to be verified */
    uint16_t size;         /* bytes; 0: dropped */
    uint16_t instructions;
    uint8_t special : 4;   /* enum special */
    uint8_t event : 3;     /* enum block_event */
    uint8_t cause;         /* enum cause of its base cost */
    uint8_t last_bytes;    /* of the last instruction */
    uint8_t is_copy : 1;   /* REP MOVS outside a copy routine */
    uint8_t in_copy_routine : 1;
    uint8_t reloads : 1;   /* some instruction of it is WRMSR, LGDT, LIDT or LTR: reload the mirrored state */
    uint8_t plain : 1;     /* nothing special, and within one page: the hook's short way */
    uint8_t element_shift : 2; /* REP: an element has 1 << this bytes */
};

_Static_assert(sizeof(struct block) == 32, "two descriptors a cache line");

/* Offset of the last instruction. */
static inline uint32_t block_last(const struct block *b)
{
    return (uint32_t)b->size - b->last_bytes;
}

static inline uint32_t block_element(const struct block *b)
{
    return 1u << b->element_shift;
}

/* A virtual address (48 bits) under an epoch of one CPU's mappings (16 bits; block_forget_keys when they wrap). */
static inline uint64_t block_key(uint64_t pc, uint32_t epoch)
{
    return pc << 16 | (epoch & 0xffff);
}

struct block_table;

/* NULL without memory. */
struct block_table *block_table_create(const struct cpu_model *model);
void block_table_destroy(struct block_table *table);
/* Forgets all. */
void block_table_clear(struct block_table *table);

/* Forgets the blocks that start in a physical page, or in the one before and reach into it. */
void block_drop_page(struct block_table *table, uint64_t frame);

/* What the symbols say of a place in the code. */
struct block_place {
    uint8_t cause, event, in_copy_routine;
};

void block_forget_keys(struct block_table *table);
/* All of them, for `next`: number 0 is nobody and follows itself. Stays where it is. */
struct block *block_all(struct block_table *table);

/* The descriptor for the block of `size` bytes at physical `address`; NULL if it has not been decoded. `before`: the block
 * that ran before it, or NULL; it learns what followed. */
struct block *block_find(struct block_table *table, struct block *before, uint64_t address, uint32_t size);
/* Decodes it: `code` is its bytes, `pc` its virtual address. Never NULL; valid until the next clear or decode. */
struct block *block_decode(struct block_table *table, uint64_t address, const uint8_t *code, uint32_t size, uint64_t pc,
                           const struct block_place *place);
/* Of the `size` bytes of code at pc: how many instructions start before `rip`, their cost, and how many are SWAPGS. */
void block_prefix(struct block_table *table, const uint8_t *code, uint32_t size, uint64_t pc, uint64_t rip,
                  uint32_t *instructions, uint32_t *cost_256, uint32_t *swapgs);

/* One memory operand of an instruction, for CR2 and INVLPG. */
struct operand {
    uint64_t address;
    uint32_t bytes;
    bool write;
};
#define OPERANDS_MAX 6
/* Decodes the instruction in `code` at `pc` and evaluates its memory operands, implicit ones too. `read_register`
 * gives a register's value by its Capstone number (segment bases: X86_REG_FS, X86_REG_GS). Returns how many. */
size_t block_operands(struct block_table *table, const uint8_t *code, size_t bytes, uint64_t pc,
                      uint64_t (*read_register)(void *ctx, unsigned reg), void *ctx, struct operand out[OPERANDS_MAX]);
/* Which instruction it is: its mnemonic, of moves to and from control and debug registers with the register ("mov cr3").
 * false: it cannot be decoded. */
bool block_mnemonic(struct block_table *table, const uint8_t *code, size_t bytes, char *text, size_t text_bytes);
/* The instruction as text and its length, for reports; 0 if it cannot be decoded. */
unsigned block_disassemble(struct block_table *table, const uint8_t *code, size_t bytes, uint64_t pc, char *text, size_t text_bytes);

#endif
