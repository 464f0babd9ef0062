/* SPDX-License-Identifier: MIT
 *
 * sim/plan/plan.h: what memory a block will touch, as a function of the registers with which it begins.
 *
 * A memory hook of the engine costs more than all that the timing model does with an access. But nearly all addresses
 * of a block follow from its first registers: [rsp + 8] after two PUSHes is rsp - 8 then. So a block is read once,
 * symbolically: each general register is a value plus a constant; each memory operand becomes a step of the block's
 * plan. At run time the block hook walks the plan with the registers (access.c) and knows every access before it is
 * made.
 *
 * Values are numbers: the sixteen registers as they were, a few bases, and temporaries that steps compute: sums,
 * shifts, and words that the block loads to use them as an address. Steps that no address needs are left out. Where an
 * address depends on something that is not followed (flags, a partial register, SSE), the plan has a STEP_SYNC before
 * the instruction: there the engine must stop by and the registers are taken anew.
 *
 * Whether a loaded word is the word that is in memory when the block begins depends on the stores before it. How far
 * it is trusted says enum plan_trust; the caller begins with the first, and plans again when it found it wrong.
 *
 * The order of a plan's accesses is the engine's. Sizes are the operand's: the cache model only asks whether it crosses
 * a line.
 */
#ifndef RINGSIDE_SIM_PLAN_H
#define RINGSIDE_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of values; below 16: the general registers in the processor's order (RAX RCX RDX RBX RSP RBP RSI RDI R8…). */
enum plan_value {
    VALUE_REGISTERS = 16,
    VALUE_ZERO = VALUE_REGISTERS,
    VALUE_PC, /* the block's first byte */
    VALUE_FS, /* segment bases */
    VALUE_GS,
    VALUE_GDT,
    VALUE_TEMPORARY, /* the first */
    VALUES_MAX = 96,
};

enum plan_kind {
    /* accesses to [base + (index << scale) + disp], of `bytes` */
    STEP_READ,
    STEP_WRITE,
    STEP_LOAD,        /* a read whose word, extended by zeros, is value `dest` */
    STEP_LOAD_SIGNED, /* by its sign */
    STEP_DESCRIPTOR, /* a read of 8 bytes at GDT + (base & 0xfff8), unless it is null, of an LDT, or beyond the limit */
    /* dest := */
    STEP_SUM,        /* base + (index << scale) + disp */
    STEP_DIFFERENCE, /* base - index + disp */
    STEP_AND,        /* base op (index + disp) */
    STEP_OR,
    STEP_XOR,
    STEP_PRODUCT,
    STEP_SHL, /* base shifted by disp */
    STEP_SHR,
    STEP_SAR,
    STEP_ZERO_EXTEND, /* the low `bytes` of base + disp */
    STEP_SIGN_EXTEND,
    /* */
    STEP_SKIP_ZERO, /* base + disp is 0, in `bytes` bytes: the next `dest` steps are not made */
    STEP_SYNC,      /* nothing below is known before the instruction at `at` is reached */
    STEP_BARRIER,   /* IN, OUT, CPUID: a hook of ours runs there */
};

#define PLAN_ADDRESS_32 0x80 /* in scale: an address of 32 bits */

struct plan_step {
    uint8_t kind, base, index, scale;
    uint8_t dest, bytes;
    uint16_t at; /* offset of its instruction in the block */
    int64_t disp;
};

enum plan_trust {
    TRUST_CHECKED,       /* a load is what is in memory now: the caller must see whether a store before it overlaps */
    TRUST_BEFORE_STORES, /* only if no store comes before it in the block */
    TRUST_NOTHING,
};

#define PLAN_STEPS_MAX 8192
#define PLAN_ACCESSES_MAX 1024 /* accesses and barriers between two STEP_SYNCs */

struct plan_builder {
    struct plan_step steps[PLAN_STEPS_MAX];
    size_t count;
    enum plan_trust trust;
    unsigned temporaries; /* the next free value */
    unsigned accesses;    /* since the last sync */
    bool stored;          /* since the last sync */
    bool synced;
    bool partial; /* an instruction was not understood: it and what follows it in the block are missing */
    bool gs_known, fs_known, gdt_known;
    struct plan_symbol {
        uint8_t value; /* VALUE_UNKNOWN (build.h): none */
        int64_t add;
    } reg[VALUE_REGISTERS];
    uint16_t at;
    bool fresh; /* this instruction has its sync already */
};

struct cs_insn;

void plan_begin(struct plan_builder *b, enum plan_trust trust);
/* The next instruction, at offset `at` of the block. */
void plan_instruction(struct plan_builder *b, const struct cs_insn *insn, uint16_t at);
/* A string instruction with F2 or F3 before it: Capstone takes F2 A5 for part of a name. */
bool plan_repeats(const struct cs_insn *insn);
/* One that the decoder does not know. */
void plan_unknown(struct plan_builder *b);
/* Drops what no access needs. *syncs: some step is a STEP_SYNC. How many steps b->steps has. */
size_t plan_end(struct plan_builder *b, bool *syncs);

#endif
