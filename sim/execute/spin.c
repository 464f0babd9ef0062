/* SPDX-License-Identifier: MIT
 *
 * sim/execute/spin.c: CPUs that do nothing any more: a jump to itself, and HLT with interrupts off.
 *
 * A block that is nothing but a jump to itself changes nothing but the clock, until an interrupt takes the CPU out of
 * it. So the hook of one turn makes all turns up to the next moment at which the hook would look up from its work
 * (`attention`): instructions and cycles are those of as many turns, to the 1/256 cycle.
 *
 * A CPU that hears nothing stays there for ever, and when every CPU does, so does the machine: that is a crash of
 * its kernel, and the run ends at once instead of at its time limit. A program's endless loop is no crash of the kernel:
 * if the run has a limit, that ends it. A device's write that changes the very jump is not thought of.
 */
#include "sim/inside.h"

static bool spins(const struct cpu *cpu)
{
    return cpu->block && cpu->block->event == BLOCK_EVENT_SPIN;
}

/* Nothing of its own will take it out of there. */
static bool is_stuck(const struct cpu *cpu)
{
    if (!cpu->halted && !spins(cpu))
        return false;
    return cpu->deaf || (lapic_pending(cpu->lapic) < 0 && lapic_next_timer(cpu->lapic) == LAPIC_NEVER);
}

bool spin_is_for_ever(const struct machine *m)
{
    bool hears = false, may_start = false; /* an interrupt of a device or of another CPU, a start-up message */

    for (unsigned i = 0; i < m->cpu_count; i++) {
        const struct cpu *cpu = &m->cpus[i];

        if (cpu->started && !is_stuck(cpu))
            return false;
        hears |= cpu->started && !cpu->deaf;
        may_start |= !cpu->started;
    }
    return event_next(m) == UINT64_MAX || (!hears && !may_start);
}

/* Turns until the clock has reached `until`, as many charges of the block's cost; 0: it never would. */
static uint64_t turns_until(const struct cpu *cpu, const struct block *b, uint64_t until)
{
    uint64_t missing = until - cpu->now.clock;

    if (!cpu->machine->timing)
        return missing;
    if (b->cost_256 == 0)
        return 0;
    return ((missing << 8) - cpu->carry_256 + b->cost_256 - 1) / b->cost_256;
}

void spin_forward(struct cpu *cpu, const struct block *b)
{
    uint64_t flags = engine_get(&cpu->engine, UC_X86_REG_RFLAGS), turns;

    if (flags & FLAG_TF) /* each turn traps */
        return;
    cpu->deaf = !(flags & FLAG_IF);
    if (spin_is_for_ever(cpu->machine) && !(cpu->cpl == 3 && cpu->machine->config.time_limit_cycles)) {
        run_crash(cpu, "a jump to itself with interrupts %s: nothing can end it",
                  cpu->deaf ? "off" : "on, and none can come");
        return;
    }
    if (cpu->now.clock >= cpu->attention)
        return;
    turns = turns_until(cpu, b, cpu->attention);
    retire(cpu, (int64_t)turns);
    if (!cpu->machine->timing)
        return;
    turns = turns * b->cost_256 + cpu->carry_256;
    charge(cpu, b->cause, turns >> 8);
    cpu->carry_256 = turns & 255;
}
