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

#include "sim/plan/plan.h"

/* At most so many are known at once, by numbers from 1. */
#define BLOCKS_MAX (1u << 16)

/* What the last instruction does that the model must know of. */
enum special {
    SPECIAL_NONE,
    SPECIAL_REP, /* REP string instruction: may run again */
    SPECIAL_CR3, /* MOV CR3 */
    SPECIAL_CR,  /* MOV CR0, CR4, CR8; CLTS; LMSW */
    SPECIAL_INVLPG,
    SPECIAL_RELOAD, /* nothing but `reloads` */
    SPECIAL_RETURN, /* IRET, far return: the CPL may change */
    SPECIAL_SYSRET,
    SPECIAL_SHADOW, /* STI, MOV SS, POP SS: one instruction without interrupts */
    SPECIAL_FLAGS,  /* POPF: interrupts may be on now */
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
    uint64_t key;           /* where it last ran: block_key() */
    uint32_t address;       /* physical; UINT32_MAX: dropped */
    uint32_t cost_256 : 24; /* base cost of all instructions in 1/256 cycles */
    uint32_t swapgs : 8;    /* how many of them: each costs a transition */
    uint32_t next[2];       /* numbers of the two blocks that last followed it: a guess, to be verified */
    uint16_t size;          /* bytes */
    uint16_t instructions;
    uint8_t special : 4; /* enum special */
    uint8_t event : 3;   /* enum block_event */
    uint8_t cause;       /* enum cause of its base cost */
    uint8_t last_bytes;  /* of the last instruction */
    uint8_t is_copy : 1; /* REP MOVS outside a copy routine */
    uint8_t in_copy_routine : 1;
    uint8_t reloads : 1;       /* some instruction of it is WRMSR, LGDT, LIDT or LTR: reload the mirrored state */
    uint8_t plain : 1;         /* nothing special, and within one page: the hook's short way */
    uint8_t element_shift : 2; /* REP: an element has 1 << this bytes */
    uint8_t bulk : 2;          /* REP: enum bulk */
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
struct block_table *block_table_create(void);
void block_table_destroy(struct block_table *table);
/* Forgets all. */
void block_table_clear(struct block_table *table);
/* There is no room for another one. */
bool block_table_full(const struct block_table *table);

/* Forgets the blocks that start in a physical page, or in the one before and reach into it. */
void block_drop_page(struct block_table *table, uint64_t frame);

/* What the symbols say of a place in the code. */
struct block_place {
    uint8_t cause, event, in_copy_routine;
};

void block_forget_keys(struct block_table *table);
/* All of them, for `next`: number 0 is nobody and follows itself. Stays where it is. */
struct block *block_all(struct block_table *table);

/* The descriptor for the block of `size` bytes at physical `address`; NULL if it has not been decoded. `before`: the
 * block that ran before it, or NULL; it learns what followed. */
struct block *block_find(struct block_table *table, struct block *before, uint64_t address, uint32_t size);
/* What it touches. `steps` are valid until the next block_set_plan or clear. */
struct block_plan {
    uint32_t first; /* of the table's steps */
    uint16_t count;
    uint8_t trust : 6;   /* enum plan_trust with which it was made */
    uint8_t partial : 1; /* it ends where an instruction was not understood */
    uint8_t syncs : 1;   /* it has a STEP_SYNC */
};
const struct block_plan *block_plan(const struct block_table *table, const struct block *b);
const struct plan_step *block_steps(const struct block_table *table);
/* false: no memory. Its earlier plan's steps stay taken until the table is cleared. */
bool block_set_plan(struct block_table *table, const struct block *b, const struct plan_builder *plan, size_t count,
                    bool syncs);

/* A new descriptor for it, yet to be decoded (decode.h). Never NULL; valid until the next clear or addition. */
struct block *block_add(struct block_table *table, uint64_t address, uint32_t size, const struct block_place *place);

#endif
