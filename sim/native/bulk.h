/* SPDX-License-Identifier: MIT
 *
 * sim/native/bulk.h: many elements of a REP at once: see bulk.c.
 */
#ifndef RINGSIDE_SIM_BULK_H
#define RINGSIDE_SIM_BULK_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/execute/engine.h"

struct cpu;

enum { BULK_SHIFT = 4, BULK_MIN = 1 << BULK_SHIFT }; /* elements; fewer are sooner made by the engine */

/* What a REP block may have made in bulk. */
enum bulk { BULK_NONE, BULK_MOVES, BULK_STORES };

/* For a CPU of the count model, from now on; unless bulk_check() said no. */
void bulk_open(struct cpu *cpu);
/* The CPU is at a REP block with BULK_MIN elements or more to come, and the engine is about to make one of them. Makes
 * some, not the last, and moves its registers on. Returns how many. */
uint64_t bulk_make(struct cpu *cpu);
/* Looks on a scratch engine, in ring 0 without paging, at code of 16 bytes at `code` and a word at `data`. false: the
 * engine's state is another one, and nothing is made in bulk: slower, not wrong. */
bool bulk_check(struct engine *engine, uint64_t code, uint64_t data);
/* For tests: elements made so far. */
uint64_t bulk_count(void);

#endif
