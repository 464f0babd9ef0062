/* SPDX-License-Identifier: MIT
 *
 * sim/execute/decode.h: what instructions are, by Capstone: what a block costs and does, for its descriptor, once; and
 * what one instruction touches and is called.
 */
#ifndef RINGSIDE_SIM_DECODE_H
#define RINGSIDE_SIM_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/cpu_model.h"
#include "sim/execute/block.h"

struct decoder;

/* NULL without memory. The model must live as long. */
struct decoder *decoder_create(const struct cpu_model *model);
void decoder_destroy(struct decoder *decoder);

/* Fills in what the block's bytes, `code` at virtual address `pc`, say. size, cause, event and in_copy_routine are
 * there. And begins the block's plan, in full trust, if there is one; the caller ends it (plan.h). */
void decode_block(struct decoder *decoder, struct block *b, struct plan_builder *plan, const uint8_t *code,
                  size_t bytes, uint64_t pc);
/* The plan alone. */
void decode_plan(struct decoder *decoder, struct plan_builder *plan, enum plan_trust trust, const uint8_t *code,
                 size_t bytes, uint64_t pc);
/* Of the `size` bytes of code at pc: how many instructions start before `rip`, their cost, and how many are SWAPGS. */
void decode_prefix(struct decoder *decoder, const uint8_t *code, uint32_t size, uint64_t pc, uint64_t rip,
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
size_t decode_operands(struct decoder *decoder, const uint8_t *code, size_t bytes, uint64_t pc,
                       uint64_t (*read_register)(void *ctx, unsigned reg), void *ctx, struct operand out[OPERANDS_MAX]);
/* Which instruction it is: its mnemonic, of moves to and from control and debug registers with the register ("mov
 * cr3"). false: it cannot be decoded. */
bool decode_mnemonic(struct decoder *decoder, const uint8_t *code, size_t bytes, char *text, size_t text_bytes);
/* The instruction as text and its length, for reports; 0 if it cannot be decoded. */
unsigned decode_text(struct decoder *decoder, const uint8_t *code, size_t bytes, uint64_t pc, char *text,
                     size_t text_bytes);

#endif
