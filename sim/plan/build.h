/* SPDX-License-Identifier: MIT
 *
 * sim/plan/build.h: what the files of sim/plan/ have in common.
 *
 *   symbols.c   what registers hold; steps that compute
 *   operands.c  addresses, and steps that access
 *   follow.c  strings.c  stack.c  system.c  other.c   what instructions do, by kind
 */
#ifndef RINGSIDE_SIM_PLAN_BUILD_H
#define RINGSIDE_SIM_PLAN_BUILD_H

#include <capstone/capstone.h>

#include "sim/plan/plan.h"

#define VALUE_UNKNOWN 0xff

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

static const struct plan_symbol symbol_unknown = {VALUE_UNKNOWN, 0};

static inline bool symbol_known(struct plan_symbol s)
{
    return s.value != VALUE_UNKNOWN;
}

static inline struct plan_symbol symbol_constant(int64_t value)
{
    return (struct plan_symbol){VALUE_ZERO, value};
}

static inline struct plan_symbol symbol_plus(struct plan_symbol s, int64_t add)
{
    s.add = (int64_t)((uint64_t)s.add + (uint64_t)add);
    return s;
}

/* ---- symbols.c ---- */

struct plan_step *plan_emit(struct plan_builder *b, enum plan_kind kind);
/* A STEP_SYNC before this instruction, unless it has one; all registers are known. Comes before its first access. */
void plan_sync(struct plan_builder *b);
/* The value that the step, emitted last, computes. None is left: unknown, and the step is gone. */
struct plan_symbol plan_temporary(struct plan_builder *b, struct plan_step *s);
struct plan_symbol plan_compute(struct plan_builder *b, enum plan_kind kind, struct plan_symbol left,
                                struct plan_symbol right);
struct plan_symbol plan_extend(struct plan_builder *b, struct plan_symbol value, unsigned bytes, bool sign);
struct plan_symbol plan_add(struct plan_builder *b, struct plan_symbol left, struct plan_symbol right);
struct plan_symbol plan_subtract(struct plan_builder *b, struct plan_symbol left, struct plan_symbol right);

/* By Capstone's numbers; values are zero-extended. Writing a part of a register makes all of it unknown, but for the
 * low half. */
void plan_set_register(struct plan_builder *b, unsigned reg, struct plan_symbol value);
struct plan_symbol plan_get_register(struct plan_builder *b, unsigned reg);
/* By the processor's. */
void plan_forget(struct plan_builder *b, int reg);
void plan_forget_all(struct plan_builder *b);

/* ---- operands.c ---- */

struct plan_address {
    struct plan_symbol base, index; /* one of them unknown: it is */
    uint8_t scale;                  /* a shift, PLAN_ADDRESS_32 */
    int64_t disp;
};

static inline bool address_known(const struct plan_address *a)
{
    return symbol_known(a->base) && symbol_known(a->index);
}

const cs_x86_op *plan_memory(const cs_x86 *x); /* the first memory operand; NULL: none */
struct plan_symbol plan_segment_base(const struct plan_builder *b, unsigned segment);
struct plan_address plan_follow_address(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op,
                                        bool with_segment);
/* The same after a sync if need be. What is not known even then (FS with an address of 32 bits) is taken for 0. */
struct plan_address plan_address(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op);
struct plan_address plan_at(struct plan_builder *b, int reg,
                            int64_t disp); /* [register + disp], after a sync if need be */
struct plan_address plan_sum(struct plan_symbol base, struct plan_symbol index);
struct plan_step *plan_access(struct plan_builder *b, enum plan_kind kind, const struct plan_address *a,
                              unsigned bytes);
void plan_modify(struct plan_builder *b, const struct plan_address *a, unsigned bytes); /* a read and a write */
/* A read, and its word as far as it is trusted. */
struct plan_symbol plan_load(struct plan_builder *b, const struct plan_address *a, unsigned bytes, bool sign);
/* An operand's value. Memory is read. */
struct plan_symbol plan_read_operand(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op);

/* ---- instructions: true if it was one of theirs ---- */

bool plan_string(struct plan_builder *b, const cs_insn *insn); /* strings.c */
bool plan_stack(struct plan_builder *b, const cs_insn *insn);  /* stack.c */
bool plan_implicit(struct plan_builder *b,
                   const cs_insn *insn);                       /* other.c: they change registers that are no operands */
bool plan_system(struct plan_builder *b, const cs_insn *insn); /* system.c */
void plan_plain(struct plan_builder *b, const cs_insn *insn);  /* follow.c */
void plan_other(struct plan_builder *b, const cs_insn *insn);  /* other.c: none of these */

/* stack.c: loading a segment register reads its descriptor */
void plan_descriptor(struct plan_builder *b, struct plan_symbol selector);
bool plan_is_segment(unsigned reg);
void plan_load_segment(struct plan_builder *b, unsigned reg, struct plan_symbol selector);
/* A selector in a register or in memory; after a sync if the register is not known. */
struct plan_symbol plan_selector(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op);

#endif
