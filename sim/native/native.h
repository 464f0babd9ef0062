/* SPDX-License-Identifier: MIT
 *
 * sim/native/native.h: the timing model's block hook as host code, for blocks that change nothing but the clock: see
 * native.c.
 */
#ifndef RINGSIDE_SIM_NATIVE_H
#define RINGSIDE_SIM_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/execute/block.h"

struct cpu;

#define NATIVE_STEPS_MAX 24 /* of a plan that is written out */

/* Host code of one CPU's blocks. */
struct native {
    uint8_t *code;            /* NULL: none yet */
    size_t used, used_behind; /* its two halves: what usually runs; the rest */
    uint8_t heat[BLOCKS_MAX]; /* by number: how often the engine called the hook for it */
};

/* The engine has called `hook` for the plain block that the CPU now runs, and the call returns to `behind`. The block
 * gets warmer; once it is hot, that call goes to code of its own. Nothing happens if the call does not look as
 * expected; a block whose accesses this cannot check gets code that passes its descriptor on. */
void native_warm(struct cpu *cpu, void *hook, uint8_t *behind);
/* What its routines call. The code page of the block at `pc`, which is not at the front: now it is, if a first-level
 * entry has it and leads to the block. false: the hook must look. And a line of code that is not at the front. */
bool native_code_page(struct cpu *cpu, const struct block *b, uint64_t pc);
void native_code_line(struct cpu *cpu, uint64_t line);
/* Some routine passes a block's descriptor on. */
bool native_holds_blocks(const struct cpu *cpu);
/* All translations are gone. */
void native_forget(struct cpu *cpu);
void native_close(struct cpu *cpu);

#endif
