/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace_hooks.h: where the machine tells its recording what happens.
 */
#ifndef RINGSIDE_SIM_TRACE_HOOKS_H
#define RINGSIDE_SIM_TRACE_HOOKS_H

#include "sim/cpu.h"

/* trace.c: the recording. What happens is about to happen on this CPU; all do nothing if nothing is recorded, but those
 * for blocks are only called if something is. */
bool trace_open(struct machine *m); /* false: no memory */
void trace_close(struct machine *m);
/* A file whose code may run, and its symbols as the machine knows them. */
void trace_image(struct machine *m, const char *name, const struct symbols *symbols, const void *elf, size_t bytes);
void trace_block_ends(struct cpu *cpu); /* before another one is charged */
void trace_block_begins(struct cpu *cpu, const struct block *b, uint64_t pc); /* it was charged */
void trace_leave(struct cpu *cpu); /* the domain is about to change, or another CPU to run */
void trace_enter(struct cpu *cpu); /* the domain has changed */
void trace_resume(struct cpu *cpu); /* this CPU runs again */
void trace_syscall(struct cpu *cpu);
void trace_exception(struct cpu *cpu, unsigned vector);
void trace_interrupt(struct cpu *cpu, unsigned vector);
void trace_exit(struct cpu *cpu, const char *reason); /* what was told last left a guest */
void trace_return(struct cpu *cpu, unsigned cpl);
void trace_user(struct cpu *cpu, bool other); /* user code resumes, in another space */
void trace_cr3(struct cpu *cpu);
void trace_flush(struct cpu *cpu, const char *what);
void trace_fault(struct cpu *cpu, const char *what);
void trace_region_begin(struct cpu *cpu); /* all sums are 0 */
void trace_finish(struct machine *m); /* the region or the run is over */

#endif
