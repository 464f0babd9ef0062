/* SPDX-License-Identifier: MIT
 *
 * sim/inside.h: the parts of a machine, for each other: included by sim/ only. Each folder says what it does for the
 * rest.
 */
#ifndef RINGSIDE_SIM_INSIDE_H
#define RINGSIDE_SIM_INSIDE_H

#include "sim/account/account.h"
#include "sim/cpu.h"
#include "sim/devices/board.h"
#include "sim/execute/execute.h"
#include "sim/memory/memory.h"
#include "sim/trace/trace_hooks.h"

/* events.c */
bool event_at(struct machine *m, uint64_t when, void (*fire)(void *self), void *self);
void event_run(struct machine *m, uint64_t now);
uint64_t event_next(const struct machine *m); /* UINT64_MAX: none */

/* run.c: the loop of a CPU, and the scheduler of the fibers */
enum machine_end run_all(struct machine *m);
void run_yield(struct cpu *cpu);
/* A page that was translated changes: all engines forget its translations before their next block. */
void run_drop_code(struct machine *m, uint64_t frame);
/* This engine makes its translations of a page anew before its next block. */
void run_translate_again(struct cpu *cpu, uint64_t frame);
void run_poll(struct cpu *cpu); /* time limit, stop from outside, progress */
void run_set_attention(struct cpu *cpu);
void run_end(struct machine *m, enum machine_end end);
void run_crash(struct cpu *cpu, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool run_start_cpu(struct cpu *cpu, uint64_t entry, char error[MACHINE_ERROR_MAX]);

/* inject.c: faults in services */
bool inject_open(struct machine *m); /* false: no memory */
void inject_close(struct machine *m);
/* An image was loaded: a module, for ring 3 of the domain of this name; NULL: the kernel. */
void inject_image(struct machine *m, const char *domain, const void *elf, size_t bytes);
/* The block at pc is about to run, and was charged. Only called if there is a struct inject. */
void inject_block(struct cpu *cpu, uint64_t pc);
void inject_died(struct cpu *cpu, const char *domain, uint64_t cause);
void inject_back(struct cpu *cpu, const char *domain, uint64_t calls_failed, const char *lost);
void inject_finish(struct machine *m); /* warnings and results */
void inject_report(const struct machine *m, FILE *out);

/* saved.c: the monitor's OUT to PORT_SAVE. Nothing happens if nobody asked for it, or what it names is not in RAM. */
void saved_request(struct cpu *cpu, uint32_t frame);

#endif
