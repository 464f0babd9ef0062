/* SPDX-License-Identifier: MIT
 *
 * sim/execute/in_place.h: the count model's block hook, written into the translated code (in_place.c); and what such code
 * and that of sim/native/ leave for the hook: the clock, and which block runs.
 */
#ifndef RINGSIDE_SIM_IN_PLACE_H
#define RINGSIDE_SIM_IN_PLACE_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct block;

/* A place in the engine's translated code where a block begins that counts itself. */
struct code_place {
    uint64_t pc;
    struct block *block;
    uint32_t size;
};

/* What the code there reads and writes: its first word is the CPU's clock, and the offsets are part of that code. */
struct in_place {
    uint64_t clock;         /* cycles since power on, halted ones included */
    uint64_t limit;         /* a block counts itself while clock < limit: attention, or 0 */
    uint32_t place;         /* number of the place that ran last; 0: the hook knows it */
    uint32_t pending;       /* timing model: there is a list of accesses, not yet made (access.c) */
    void (*call)(uint64_t); /* count model: the hook, for the rest */
};

/* A number for the block that runs, as it comes by here; 0: there are no more. */
uint32_t in_place_add(struct cpu *cpu);
/* The CPU's engine has just called the block hook for the plain block that the CPU now runs, and the call returns to
 * `behind`. From now on it counts itself there. Nothing happens if the call does not look as expected, or the block is
 * too long. */
void in_place_write(struct cpu *cpu, uint8_t *behind);
/* The hook was called from such a place with the address of struct in_place, and returns to `behind`. */
const struct code_place *in_place_of(const struct cpu *cpu, const uint8_t *behind);
/* All translations are gone. */
void in_place_forget(struct cpu *cpu);
/* How many there are: for tests. */
unsigned in_place_count(const struct cpu *cpu);
void in_place_close(struct cpu *cpu);

#endif
