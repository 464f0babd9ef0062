/* SPDX-License-Identifier: MIT
 *
 * sim/machine.h: the simulated computer as a value: make it, load images, run it, read what it counted.
 *
 * Lifecycle: machine_create → machine_load (kernel first, then modules) →
 * machine_run → machine_result / machine_report → machine_destroy. Two machines
 * may live in one process; no state is shared. Not thread safe: one thread a machine.
 */
#ifndef RINGSIDE_SIM_MACHINE_H
#define RINGSIDE_SIM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/account/counters.h"
#include "sim/account/exits.h"
#include "sim/cpu_model.h"
#include "sim/devices/virtio_blk.h"
#include "sim/devices/virtio_console.h"
#include "sim/inject.h"
#include "sim/trace/trace.h"

#define MACHINE_CPUS_MAX 8
#define MACHINE_ERROR_MAX 512
#define MACHINE_WARNINGS_MAX 64

enum machine_model { MODEL_TIMING, MODEL_COUNT };

/* How the timing model gets to know data accesses (sim/execute/access.c). */
enum machine_accesses {
    ACCESSES_PLANNED,  /* from the registers, before each block; blocks that change nothing by host code (native.c) */
    ACCESSES_LISTED,   /* all of them listed */
    ACCESSES_HOOKED,   /* from the engine's memory hook: slow; the oracle of the first */
    ACCESSES_VERIFIED, /* hooked, and a crash where a plan says something else: a test */
};

struct machine_config {
    const struct cpu_model *cpu;
    unsigned cpus;             /* 1…MACHINE_CPUS_MAX */
    enum machine_model model;
    uint64_t ram_bytes;        /* 0: 128 MiB; a multiple of 2 MiB, at most 3 GiB */
    unsigned guests;           /* ram_bytes for each of these, and BOOT_MONITOR_RAM; at most BOOT_GUESTS_MAX; 0: none */
    void *disk;                /* the caller's; NULL: no disk */
    uint64_t disk_bytes;
    unsigned disk_slices;      /* the kernel is told that so many equal parts are disks of their own (sim/files/disk.h); 0: 1 */
    struct console_streams console, stderr_console;
    uint64_t time_limit_cycles; /* 0: none */
    uint64_t seed, wall_ns;
    uint32_t tty_mask, tty_rows, tty_columns;
    const char *settings;      /* "pcid=on pti=off" or NULL */
    const char *const *argv;   /* first program: argv[0] is its path in the guest; NULL-terminated; may be NULL */
    const char *const *envp;
    const char *cwd;           /* NULL: "/" */
    uint64_t save_at_ns;       /* simulated: when a monitor is to hand its guest over (abi/save.h); 0: never */
    const struct fault_spec *faults; /* to inject; copied */
    size_t fault_count;              /* at most FAULTS_MAX */
    enum machine_accesses accesses;
    enum trace_mode trace;     /* what is recorded: sim/trace/trace.h; the timing model only */
    /* kernel log (PORT_DEBUG), one line at a time, no newline; NULL: dropped */
    void (*log)(void *ctx, const char *line);
    /* now and then during a run; simulated cycles and instructions so far. NULL: none */
    void (*progress)(void *ctx, uint64_t cycles, uint64_t instructions);
    void *ctx;
};

enum machine_end {
    END_POWER_OFF,  /* the kernel switched off; exit status in the result */
    END_CRASH,      /* panic, triple fault, or a state no CPU can be in: machine_report says what */
    END_TIME_LIMIT,
    END_STOPPED,    /* machine_stop */
    END_SAVED,      /* a monitor handed its guest over: sim/saved.h */
};

struct machine;

/* NULL with one line in `error` when the host cannot (wrong Unicorn, no memory) or the configuration is bad. */
struct machine *machine_create(const struct machine_config *config, char error[MACHINE_ERROR_MAX]);
void machine_destroy(struct machine *machine);

/* Loads a kernel image (ELF64, static) at its physical addresses; the first one loaded is booted. -1 and `error`. */
int machine_load_kernel(struct machine *machine, const char *path, char error[MACHINE_ERROR_MAX]);
/* Puts a whole ELF file into RAM as a boot module, and its symbols into the symboliser. */
int machine_load_module(struct machine *machine, const char *path, const char *name, char error[MACHINE_ERROR_MAX]);
/* The same for bytes that are no ELF file. `what`: for the error. */
int machine_load_data(struct machine *machine, const void *data, size_t bytes, const char *name, const char *what,
                      char error[MACHINE_ERROR_MAX]);
/* Symbols of a program, for reports and copy routines: used for domains of this name. Not an error if there are none. */
void machine_add_symbols(struct machine *machine, const char *domain, const void *elf, size_t bytes);

enum machine_end machine_run(struct machine *machine);
/* From a signal handler or another thread: machine_run returns END_STOPPED soon. */
void machine_stop(struct machine *machine);

struct domain_result {
    char name[32];
    unsigned ring;
    uint64_t space; /* small number: order of first appearance; 0 for a ring that is in every space */
    uint64_t cycles, instructions;
};

/* What a kernel said of memory that it had back from those it had lent it to (PROBE_REVOKED). */
struct revocation_result {
    uint64_t visible, visible_frames; /* given back when asked */
    uint64_t forced, forced_frames;   /* taken: not all was given in time */
};

struct machine_result {
    int exit_status;         /* of the first program; valid after END_POWER_OFF */
    bool region;             /* a measured region was seen: counters are of the region, else of the whole run */
    bool not_applicable;     /* the program said that this architecture lacks what it measures */
    uint64_t ops;            /* of the region; 0 without */
    struct counters counters;
    uint64_t causes[CAUSE_COUNT]; /* cycles; they add up to counters.value[COUNTER_cycles] */
    struct domain_result *domains; /* the machine's; order of first appearance */
    size_t domain_count;
    const struct exit_reason *exits; /* VM exits by reason; the machine's; the most frequent first */
    size_t exit_count;
    char (*warnings)[160];
    size_t warning_count;
    struct fault_result *faults; /* the machine's; in the order asked for */
    size_t fault_count;
    struct revocation_result revocations; /* of the whole run */
    uint64_t free_frames_before, free_frames_after; /* PROBE_FREE_FRAMES; 0 if never said */
    uint64_t total_instructions; /* of the whole run, for MIPS */
    uint64_t total_cycles;
    uint64_t boot_cycles, boot_host_ns; /* until PROBE_BOOTED; host time: for `make bench` only */
};

/* Valid until the next machine_run or machine_destroy. */
const struct machine_result *machine_result(struct machine *machine);

/* Why it crashed, for people: registers, symbolised backtrace, page walk of the faulting address, the last 16
 * transitions. */
void machine_report(struct machine *machine, FILE *out);

#endif
