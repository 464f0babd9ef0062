/* SPDX-License-Identifier: MIT
 *
 * sim/execute/access.h: the accesses of the block that runs, known before they are made: see access.c.
 */
#ifndef RINGSIDE_SIM_ACCESS_H
#define RINGSIDE_SIM_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/execute/engine.h"
#include "sim/plan/plan.h"

struct cpu;
struct block;
struct block_plan;

#define NO_SYNC UINT32_MAX
#define SOFT_PAGES 512
#define SYNC_HOOKS_MAX 512
#define DEVICE_PAGES 64

struct made_access {
    uint64_t address; /* virtual */
    uint64_t old;     /* the word that a store to a paging structure replaces */
    uint16_t at;      /* offset of its instruction in the block */
    uint8_t bytes;    /* 0: a barrier */
    bool write, has_old;
    bool maybe; /* verify: perhaps it is not made */
};

struct accesses {
    bool on;              /* else the memory hook makes them */
    bool verify;          /* the memory hook makes them, and they are compared with the list */
    bool cut;             /* the list ends where a word is missing that a fault is expected to fetch */
    unsigned next, count; /* those below `next` were made */
    unsigned seen;        /* verify: those below it were seen */
    uint32_t sync;        /* the step at which the list ends; NO_SYNC: with the block */
    struct engine_registers registers;
    uint64_t value[VALUES_MAX]; /* enum plan_value */
    uint64_t gdt_limit;
    struct made_access made[PLAN_ACCESSES_MAX + 64];
    struct soft_page { /* a guess at what the engine's soft TLB holds, by virtual page */
        uint64_t page, frame;
        uint32_t epoch;
    } pages[SOFT_PAGES], devices[DEVICE_PAGES]; /* devices: by physical page */
    struct guarded { /* a hash: instructions with a sync, and where they lie; physical UINT64_MAX: there is a hook */
        uint64_t pc, physical;
    } * guarded;
    size_t guarded_room, guarded_count;
    unsigned hooks;
};

/* false and `error` (MACHINE_ERROR_MAX): the host cannot. */
bool access_open(struct cpu *cpu, char *error);
void access_close(struct cpu *cpu);

/* The plan that m->plan holds is this block's. false: no memory, the run has ended. */
bool access_set_plan(struct cpu *cpu, const struct block *b, bool *syncs);
/* Before a block first runs at `pc`. false: it must be translated again, which was asked for. */
bool access_ready(struct cpu *cpu, const struct block *b, uint64_t pc);
/* The block is about to run: lists its accesses. false: as access_ready. */
/* bool access_begin(struct cpu *cpu, struct block *b, uint64_t pc): execute.h */
/* It has run: makes what is left. */
/* void access_finish(struct cpu *cpu): execute.h */
/* It stopped before the instruction at `rip`: makes those of the instructions before it; and that one's reads. */
void access_make_before(struct cpu *cpu, uint64_t rip, bool its_reads);
void access_drop(struct cpu *cpu); /* the rest will not be made */

/* The engine asks for a translation of this page, in the middle of a block. */
void access_before_fill(struct cpu *cpu, uint64_t page, bool write);
/* And got this one. */
void access_page_filled(struct cpu *cpu, uint64_t address, uint64_t physical);
/* It calls a device for an access to this physical address. */
void access_reached_device(struct cpu *cpu, uint64_t physical);
/* IN, OUT or CPUID. */
void access_reached_barrier(struct cpu *cpu);
/* The memory hook saw an access. */
void access_verify(struct cpu *cpu, uint64_t address, unsigned bytes, bool write);
/* The virtual page under which this device was last used. */
uint64_t access_device_page(const struct cpu *cpu, uint64_t physical);
uint64_t access_device_address(struct cpu *cpu, uint64_t physical); /* virtual; 0: no access of the list */

/* Among the files of access*.c: */

enum walk_end {
    WALKED,
    DISTRUSTED, /* it loads a word for an address that a store before it changes */
    DEVICE,     /* or one that lies in a device */
};

/* Lists the accesses of the steps from `from` on, to the plan's end or its next sync. */
enum walk_end access_walk(struct cpu *cpu, const struct block_plan *plan, uint32_t from);
void access_take_registers(struct cpu *cpu, uint64_t pc);
void access_make_all(struct cpu *cpu);
/* With less trust than it has; else nothing. */
void access_plan_again(struct cpu *cpu, struct block *b, uint64_t pc, enum plan_trust trust);
/* access_sync.c: as access_ready, of a block with syncs */
bool access_arm(struct cpu *cpu, const struct block *b, uint64_t pc);
/* access_verify.c: the block, or its part before a sync, was executed to its end */
void access_verify_end(struct cpu *cpu);
/* Physical address of `address`, as the engine's soft TLB has it; UINT64_MAX: not mapped. */
uint64_t access_physical(struct cpu *cpu, uint64_t address);

bool access_begin_plan(struct cpu *cpu, struct block *b, const struct block_plan *plan, uint64_t pc);
void access_finish_list(struct cpu *cpu);

#endif
