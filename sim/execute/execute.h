/* SPDX-License-Identifier: MIT
 *
 * sim/execute/execute.h: what happens while a block runs: the engine's hooks, what they charge, and the
 * ways into ring 0 and out.
 */
#ifndef RINGSIDE_SIM_EXECUTE_H
#define RINGSIDE_SIM_EXECUTE_H

#include "sim/cpu.h"

/* execute.c: the block hook */
bool execute_install(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);
uc_err execute_hook_memory(struct cpu *cpu); /* from now on: data_hook */

/* data.c: the memory hook, accesses of a list, and accesses that the machine itself makes (page walks, delivery) */
void data_hook(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user);
/* The same for accesses of a list (access.c), after the engine made them. */
void data_make(struct cpu *cpu, const struct made_access *a, const struct made_access *end);
void data_access(struct cpu *cpu, uint64_t physical, unsigned bytes, bool write, enum cause miss_cause);
void data_cache_line(struct cpu *cpu, enum cache_port port, uint64_t physical, bool write, enum cause cause);

/* in_place.c: the block that counted itself is the one that runs. Every callback of the engine begins with it. */
static inline void in_place_take(struct cpu *cpu)
{
    const struct code_place *p;

    if (cpu->now.place == 0)
        return;
    p = &cpu->places[cpu->now.place];
    cpu->now.place = 0;
    cpu->block = cpu->before = p->block;
    cpu->block_pc = p->pc;
}

/* access.c: inline for the block hook */
static inline void access_finish(struct cpu *cpu)
{
    if (cpu->now.pending)
        access_finish_list(cpu);
}

static inline bool access_begin(struct cpu *cpu, struct block *b, uint64_t pc)
{
    const struct block_plan *plan = &cpu->plans[b - cpu->blocks];

    return plan->count == 0 || !cpu->access->on || access_begin_plan(cpu, b, plan, pc);
}

/* rep.c: REP string instructions */
void rep_begin(struct cpu *cpu, const struct block *b, uint64_t pc);
void rep_again(struct cpu *cpu, const struct block *b); /* the engine comes by for the next element */
void rep_settle(struct cpu *cpu, const struct block *b);
void rep_bulk(struct cpu *cpu, const struct block *b); /* all but one of the elements that can be made at once */
enum cause rep_cause(const struct block *b); /* of its elements */
void rep_suspend(struct cpu *cpu); /* an interrupt or fault in the middle: remember the run */

/* settle.c: after a block */
void settle_block(struct cpu *cpu);
/* The current block stopped before the instruction at `rip`: give back what was charged beyond it. */
void settle_cancel(struct cpu *cpu, uint64_t rip);
void settle_drop_filters(struct cpu *cpu); /* another address space, or another PCID */

/* operands.c: the memory operands of the instruction at `rip` */
size_t operands_at(struct cpu *cpu, uint64_t rip, struct operand out[OPERANDS_MAX]);

/* deliver.c: ways into ring 0 */
void deliver_syscall(struct cpu *cpu, unsigned length);
unsigned deliver_syscall_length(struct cpu *cpu, uint64_t rip, bool *vex);
void deliver_exception(struct cpu *cpu, unsigned vector, uint32_t error, bool software);
void deliver_page_fault(struct cpu *cpu, uint64_t address, uint32_t error);
void deliver_interrupt(struct cpu *cpu, unsigned vector);
void deliver_return(struct cpu *cpu, uint64_t from_rip, bool sysret); /* settles IRETQ, SYSRET, RETF */
void deliver_reload(struct cpu *cpu); /* re-reads control registers, MSRs and tables from the engine */

/* trap.c: Unicorn's hooks for them */
bool trap_install(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);

/* spin.c: a jump to itself */
/* One turn of it was charged; charges all further ones that come before the hook's next `attention`, or ends the run.
 */
void spin_forward(struct cpu *cpu, const struct block *b);
/* Every CPU stands still, and nothing can change that. */
bool spin_is_for_ever(const struct machine *m);

#endif
