/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace.h: a recording of a run: what happened, in order, and which code its cycles went to.
 *
 * A machine records if machine_config.trace asks for it, and is the same machine: no figure changes. The recording is
 * of the measured region (of several, the last), or of the whole run if there was none. After machine_run it is read
 * here; it lives as long as the machine.
 *
 * Rules:
 *  - An event begins a stretch of its CPU that lasts until that CPU's next event. A transition's own cost is its
 *    stretch; the code that runs then is a stretch of kind TRACE_RUN. So figures of all stretches add up to the
 *    region's counters, exactly, and those of all accounts do too.
 *  - An account is one basic block (as the engine cuts them) in a domain while a call was in progress. What a block's
 *    instructions cost is known of the block, not of each instruction.
 *  - `call` is the call that brought the CPU there: the last SYSCALL of a program (or jump into a library OS) on that
 *    CPU, or the exception or interrupt; "user" is a program's own code. Servers and kernels work for the call that
 *    they were entered with. One that takes up again what it put off works for whatever entered it this time.
 *  - A lane is a domain. Where a library OS shares a program's domain its code has a lane of its own.
 */
#ifndef RINGSIDE_SIM_TRACE_H
#define RINGSIDE_SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/account/counters.h"

struct machine;

enum trace_mode {
    TRACE_OFF,
    TRACE_EVENTS,
    TRACE_FUNCTIONS, /* and a TRACE_RUN event wherever another function goes on: for few operations */
};

enum trace_kind {
    TRACE_RUN,       /* code goes on */
    TRACE_CALL,      /* a program jumps into the library OS in its domain */
    TRACE_SYSCALL,   /* SYSCALL */
    TRACE_RETURN,    /* IRET, SYSRET, far RET; or a library OS's jump back to its program */
    TRACE_EXCEPTION, /* through the IDT, INT n too */
    TRACE_INTERRUPT,
    TRACE_VM_EXIT,   /* any of the three above, if it left a guest */
    TRACE_CR3,       /* MOV CR3 */
    TRACE_FLUSH,     /* of a TLB or of one page of it; takes no time: its cost is its instruction's */
    TRACE_COPY,      /* a REP MOVS or a routine of abi/copy_routines.def, until it ends */
    TRACE_MESSAGE,   /* a routine of abi/message_routines.def, until it ends */
    TRACE_SWITCH,    /* user code resumes in another address space; takes no time */
    TRACE_FAULT,     /* an injected fault hits; takes no time */
    TRACE_LOST,      /* the rest was too much to keep: one stretch a CPU */
    TRACE_KINDS,
};

extern const char *const trace_kind_names[TRACE_KINDS];

/* What a stretch or an account has: cycles by cause, and counts. */
enum trace_figure {
    FIGURE_CAUSES = CAUSE_COUNT,
    FIGURE_INSTRUCTIONS = CAUSE_COUNT,
    FIGURE_DTLB_MISSES,
    FIGURE_ITLB_MISSES,
    FIGURE_L1D_MISSES,
    FIGURE_COPIES,
    FIGURE_BYTES_COPIED,
    FIGURE_MODE_SWITCHES,
    FIGURE_CONTEXT_SWITCHES,
    FIGURE_COUNT,
};

struct trace_figures {
    uint64_t value[FIGURE_COUNT];
};

/* The sum of its causes. */
uint64_t trace_cycles(const struct trace_figures *figures);

/* Text is by number: trace_text(). 0 is "". */
struct trace_event {
    enum trace_kind kind;
    uint8_t cpu;
    uint32_t lane, to_lane; /* where it began, and where its CPU was when it ended: another one for transitions */
    uint32_t call;          /* text: what was in progress when it ended */
    uint32_t name;          /* text: the call's name, the exception's, the exit's reason, the routine's; an injected
                             * fault in words */
    uint32_t function;      /* text: where it happened; of TRACE_RUN, what ran first */
    uint64_t at;            /* its CPU's clock */
    uint64_t from, to;      /* TRACE_COPY: addresses of the first byte */
    uint64_t skipped;       /* TRACE_LOST: how many events */
    struct trace_figures figures;
};

struct trace_account {
    uint32_t lane, call; /* call: text */
    uint64_t pc;
    uint32_t bytes;
    const struct trace_image *image; /* NULL: whose code it is, is not known */
    uint32_t function;               /* text: of its first instruction */
    struct trace_figures figures;
};

/* The file that code came from. */
struct trace_image {
    char name[32]; /* "kernel", or the module's or program's */
    const struct symbols *symbols;
    void *elf;
    size_t bytes;
};

struct trace_lane {
    uint32_t domain;
    bool library;
    const struct trace_image *image; /* the library's */
};

struct trace_result {
    const struct trace_event *events; /* of all CPUs, in the order in which they were recorded: by time for each CPU */
    size_t event_count;
    const struct trace_lane *lanes; /* in the order of first appearance */
    size_t lane_count;
    const struct trace_account *accounts;
    size_t account_count;
    bool region;       /* a measured region was seen */
    bool failed;       /* no memory on the host: it is not complete */
    uint64_t began_at; /* the clock of the CPU on which the region began */
};

/* NULL if the machine was not asked to record. */
const struct trace_result *machine_trace(struct machine *machine);
const char *trace_text(struct machine *machine, uint32_t text);
/* The domain's name, or the library's; and its ring. */
const char *trace_lane_name(struct machine *machine, uint32_t lane);
unsigned trace_lane_ring(struct machine *machine, uint32_t lane);

#endif
