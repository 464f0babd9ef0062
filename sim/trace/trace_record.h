/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace_record.h: the inside of a recording, for sim/trace*.c only. The machine calls trace_event.c where
 * something happens and trace_block.c at each block; trace_account.c keeps the accounts of code.
 *
 * How cycles find their block and their stretch: every charge goes to the current domain's sums (charge() in cpu.h). A
 * CPU remembers at its `mark` what they were; the difference since is what the block that ran has cost. It is taken
 * before the next block is charged, before the domain changes and before another CPU runs. What is charged between a
 * change of the domain and the next block (the cost of a transition) waits in account 0 for that block.
 */
#ifndef RINGSIDE_SIM_TRACE_RECORD_H
#define RINGSIDE_SIM_TRACE_RECORD_H

#include "abi/calls.h"
#include "sim/inside.h"
#include "sim/trace/trace.h"
#include "sim/trace/trace_text.h"

/* As many events are kept; then the rest is one stretch. */
#define TRACE_EVENTS_MAX 250000u
#define TRACE_NESTING 8

/* Block number → the account where it ran last: a guess, to be verified. */
struct trace_slot {
    uint64_t pc;
    uint32_t domain, call, account, bytes;
};

enum trace_busy { BUSY_NOTHING, BUSY_TRANSITION, BUSY_COPY, BUSY_MESSAGE, BUSY_REP };

struct trace_cpu {
    struct trace_figures mark, stretch_mark; /* the sums of the current domain, then */
    uint64_t mark_clock;
    struct trace_figures waiting; /* for the next block */
    bool waits;
    uint32_t account; /* of the block that runs; 0: none, `waiting` is */
    uint64_t event;   /* the stretch that lasts: its number + 1; 0: none */
    enum trace_busy busy; /* the stretch ends with the first block that is not part of it */
    uint64_t rep_pc;      /* BUSY_REP */
    uint32_t routine;     /* BUSY_MESSAGE: text */
    uint32_t lane, call;
    uint32_t function; /* text: of `account` */
    uint32_t nested_call[TRACE_NESTING]; /* interrupts of ring 0: what goes on behind them */
    unsigned nesting;
    uint32_t user_lane; /* of the last user code, + 1 */
};

/* What is known of a domain, by its number. */
struct trace_domain {
    uint32_t lane[2]; /* + 1; of the domain itself and of the library in it */
    uint32_t call;    /* a server's or a library's, which an interrupt has interrupted; 0: none */
};

struct trace {
    enum trace_mode mode;
    bool frozen; /* the region has ended */
    bool failed;
    struct trace_result result;

    struct trace_event *events;
    size_t event_count, event_room;
    uint64_t lost_event[MACHINE_CPUS_MAX]; /* number + 1 */

    struct trace_account *accounts; /* 0 is nobody's */
    uint32_t *hash;
    size_t account_count, account_room;
    struct trace_slot *slots; /* by block number */

    struct trace_lane *lanes;
    size_t lane_count, lane_room;
    struct trace_domain *domains;
    size_t domain_room;

    struct trace_image images[BOOT_MODULES_MAX + 8];
    size_t image_count;
    struct texts texts;
    bool library; /* there is code of a library in programs' domains */
    uint32_t user, interrupt, system; /* texts */
    uint32_t call_text[CALL_TABLE_SIZE];
    struct trace_cpu cpu[MACHINE_CPUS_MAX];
};

static inline struct trace_cpu *trace_of(struct cpu *cpu)
{
    return &cpu->machine->trace->cpu[cpu->index];
}

static inline bool trace_is_off(const struct machine *m)
{
    return !m->trace || m->trace->frozen;
}

/* trace_block.c */
void trace_close_block(struct cpu *cpu); /* the block that ran has cost what was charged since the mark, which is now */
void trace_close_stretch(struct trace *t, struct trace_cpu *c); /* the stretch so far, up to the mark */
void trace_set_marks(struct cpu *cpu);

/* trace_event.c */
/* A stretch begins at the mark. NULL: it is not kept. */
struct trace_event *trace_begin(struct cpu *cpu, enum trace_kind kind, uint32_t name);
uint32_t trace_call_text(struct trace *t, uint64_t number);

/* trace_account.c */
bool accounts_open(struct trace *t); /* false: no memory */
void accounts_close(struct trace *t);
void accounts_clear(struct trace *t); /* the figures */
/* 0: there is none. */
uint32_t account_find(struct trace *t, uint32_t lane, uint32_t call, uint64_t pc, uint32_t bytes);
uint32_t account_make(struct trace *t, uint32_t lane, uint32_t call, uint64_t pc, uint32_t bytes,
                      const struct trace_image *image);
/* Whose code stands at pc in the current domain, NULL: not known. `library`: a library OS's in a program's domain. */
const struct trace_image *account_image(struct cpu *cpu, uint64_t pc, uint32_t bytes, bool *library);
struct trace_domain *account_domain(struct cpu *cpu);
uint32_t account_lane(struct cpu *cpu, bool library);
/* The current domain is a program's, not a server's, a kernel's or a guest's kernel's. */
bool account_is_program(const struct cpu *cpu);

static inline void figures_add(struct trace_figures *to, const struct trace_figures *now,
                               const struct trace_figures *then)
{
    for (unsigned i = 0; i < FIGURE_COUNT; i++)
        to->value[i] += now->value[i] - then->value[i];
}

#endif
