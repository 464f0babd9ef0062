/* SPDX-License-Identifier: MIT
 *
 * sim/native/lookup.h: where the engine goes on behind an indirect jump: see lookup.c. For the whole process, because
 * the engine's functions are.
 */
#ifndef RINGSIDE_SIM_LOOKUP_H
#define RINGSIDE_SIM_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <unicorn/unicorn.h>

/* Another engine runs now. Is the table to be used for it? It is off at first, and stays off until lookup_check() found
 * that it is told of every change. */
void lookup_use(bool on);
/* Runs snippets of ring 0 at `code` in a scratch engine without paging. false: this Unicorn does not call what it
 * should, and the table stays off: slower, not wrong. */
bool lookup_check(uc_engine *uc, uint64_t code);
/* An engine is open; is closed: another may have its address. */
void lookup_opened(void);
void lookup_closed(void);

/* For tests. */
struct lookup_counts {
    uint64_t asked;     /* the engine's own look-up */
    uint64_t kept;      /* entries written */
    uint64_t sites;     /* places that got a stub */
    uint64_t told;      /* of changes; */
    uint64_t forgotten; /* those that ended what there was */
};

struct lookup_counts lookup_counts(void);

#endif
