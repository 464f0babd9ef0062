/* SPDX-License-Identifier: MIT
 *
 * sim/native/write.h: a routine being written, for the files of sim/native: instructions.c (what an instruction looks
 * like), steps.c (the steps of a plan), listing.c (a plan that is listed), routine.c (all of it).
 */
#ifndef RINGSIDE_SIM_NATIVE_WRITE_H
#define RINGSIDE_SIM_NATIVE_WRITE_H

#include "sim/inside.h"

enum {
    STEPS_MAX = NATIVE_STEPS_MAX,
    LINES_MAX = 3,  /* of code */
    PAIRS_MAX = 48, /* of a store and a load behind it */
    JUMPS_MAX = 8 + 4 * STEPS_MAX + 2 * PAIRS_MAX,
    TO_HOOK = STEPS_MAX,
    ASIDES_MAX = 2 + LINES_MAX,
};

#define LISTED 0x80000000u /* in EDX, with the number of the first access that is not at the front */

enum reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11 };

/* The routine being written. */
struct writer {
    struct cpu *cpu;
    const struct block *block;
    uint64_t pc;
    uint8_t *at, *end; /* end: of the part that usually runs */
    struct jump {
        uint8_t *at; /* a 32-bit displacement */
        unsigned to; /* TO_HOOK, or the number of the step with which the list begins */
    } jump[JUMPS_MAX];
    unsigned jump_count, to;
    struct aside {            /* a part behind the routine that calls one of ours */
        uint8_t *from, *back; /* a 32-bit displacement that jumps there; where it goes on */
        const void *function;
        uint64_t argument;
        bool can_refuse;
    } aside[ASIDES_MAX];
    unsigned aside_count;
    const struct plan_step *store[STEPS_MAX]; /* those so far */
    unsigned store_count;
    bool keeps_stores; /* a load comes after a store */
    bool kernel;       /* its stores may go to page tables */
    unsigned step;     /* number of the one being written */
};

/* ---- instructions.c ---- */

enum opcode {
    ADD = 0x01,
    OR = 0x09,
    AND = 0x21,
    SUB = 0x29,
    XOR = 0x31,
    CMP = 0x3b,
    STORE = 0x89,
    LOAD = 0x8b,
    LEA = 0x8d
};

enum shift { SHL = 4, SHR = 5, SAR = 7 };
enum condition { AE = 0x83, E = 0x84, NE = 0x85, NS = 0x89 };

void put8(struct writer *w, unsigned byte);
void put32(struct writer *w, uint32_t word);
/* op reg, [base + disp]; base is not RSP. Opcodes are of one byte, or 0x0f and another: 0x0fxx. */
void put_memory(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg base, int32_t disp);
/* op reg, [base + (index << scale) + disp]; index is not RSP */
void put_indexed(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg base, enum reg index,
                 unsigned scale, int32_t disp);
/* op rm, reg */
void put_registers(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg rm);
void put_move(struct writer *w, enum reg to, enum reg from);
void put_move32(struct writer *w, enum reg to, enum reg from);
void put_constant(struct writer *w, enum reg to, uint64_t value);
void put_shift(struct writer *w, bool wide, enum shift op, enum reg reg, unsigned by);
void put_and32(struct writer *w, enum reg reg, uint32_t mask);
void put_jump(struct writer *w, const uint8_t *target);
/* A jump, if the flags say so. Returns its displacement, for land(): it goes to here. */
uint8_t *put_jump_if(struct writer *w, enum condition condition);
void land(const struct writer *w, uint8_t *displacement);
/* To the hook, or wherever w->to says. */
void put_slow_if(struct writer *w, enum condition condition);
/* Calls function(cpu, argument, pc), and goes on here, or if it returns false and can, to the hook. */
void put_aside_if(struct writer *w, enum condition condition, const void *function, uint64_t argument, bool can_refuse);

/* ---- steps.c ---- */

static inline bool is_access(const struct plan_step *s)
{
    return s->kind <= STEP_LOAD_SIGNED;
}

int32_t of_cpu(const struct cpu *cpu, const void *field); /* its offset */
/* RAX = base + (index << scale) + disp */
void put_sum(struct writer *w, const struct plan_step *s);
/* The access to the address in RAX, of these bytes, is to one line at the front, which is in R10 then. */
void put_line_check(struct writer *w, unsigned bytes, bool write);
/* A store to the line in R10, for the loads behind it. */
void put_keep_store(struct writer *w, const struct plan_step *s);
/* A load from the address in RAX, of a word for an address. */
void put_load(struct writer *w, const struct plan_step *s);
void put_step(struct writer *w, const struct plan_step *s);
/* Returns the displacement of the jump over the steps. */
uint8_t *put_skip_zero(struct writer *w, const struct plan_step *s);

/* ---- listing.c ---- */

/* The plan once more, for jumps that go to a step. Goes on at `back`. */
void put_listing(struct writer *w, const struct block_plan *plan, const struct plan_step *steps, const uint8_t *back);
/* Before the routine returns: the list, if there is one, waits to be made. */
void put_list(struct writer *w, unsigned accesses);

/* ---- routine.c ---- */

bool can_decide(struct writer *w, const struct block_plan *plan, const struct plan_step *steps);
/* place 0: of an element of a REP */
void put_decision(struct writer *w, const struct block_plan *plan, const struct plan_step *steps, uint32_t place);
void go_behind(struct writer *w); /* what comes now runs rarely */

#endif
