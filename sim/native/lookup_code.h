/* SPDX-License-Identifier: MIT
 *
 * sim/native/lookup_code.h: the host code of a look-up: see lookup_code.c.
 */
#ifndef RINGSIDE_SIM_LOOKUP_CODE_H
#define RINGSIDE_SIM_LOOKUP_CODE_H

#include <stdint.h>

enum {
    ENTRY_BITS = 12,
    ENTRIES = 1 << ENTRY_BITS,
    EPOCH_SHIFT = 48,      /* above an address of user space */
    EFLAGS_MASK = 0x73100, /* TF IOPL RF VM AC: cpu_get_tb_cpu_state() */
};

#define NO_STATE UINT64_MAX

struct lookup_entry {
    uint64_t pc;
    uint64_t code; /* and its epoch, from bit 48; 0: none */
};

/* What the code reads. */
struct lookup_table {
    uint64_t flags, epoch; /* of the state the engine is in; NO_STATE and 0: not known */
    struct lookup_entry entry[ENTRIES];
};

/* What it calls if it does not know: both get the engine's state, and return where to go on. */
void lookup_code_open(const struct lookup_table *table, void *(*ask)(const uint8_t *env),
                      const void *(*ask_for_site)(const uint8_t *env, uint32_t number));
/* The engine called `called` for a look-up of `pc`, and the call returns to `from`: the next time, it does not. Returns
 * how many sites that made: 0 or 1. */
unsigned lookup_code_patch(uint8_t *from, const void *called, uint64_t pc);
/* A site's code, in this epoch. */
void lookup_code_fill(uint32_t number, uint64_t epoch, const void *code);
/* Epochs begin anew. */
void lookup_code_forget(void);
/* There is no translated code: all sites are free. */
void lookup_code_drop(void);

#endif
