/* SPDX-License-Identifier: MIT
 *
 * sim/execute/rep.c: REP string instructions: one instruction however many elements, also across interrupts; and the
 * copies that REP MOVS makes.
 *
 * The engine's block for a REP tests RCX, moves one element, and jumps to itself: so it runs once more with RCX = 0
 * after the last one. RCX = 0 after the first means that there was one, and it will run once more, or none, and it will
 * not.
 */
#include "sim/inside.h"
#include "sim/native/bulk.h"

#define slow __attribute__((noinline, cold))

static bool slow resumes_suspended_rep(struct cpu *cpu, uint64_t pc)
{
    uint64_t rcx = engine_get(&cpu->engine, UC_X86_REG_RCX), rdi = engine_get(&cpu->engine, UC_X86_REG_RDI);

    for (unsigned i = 0; i < SUSPENDED_REPS; i++) {
        struct suspended_rep *s = &cpu->suspended[i];

        if (s->pc == pc && s->rcx == rcx && s->rdi == rdi && s->cr3 == cpu->cr3) {
            s->pc = 0;
            return true;
        }
    }
    return false;
}

void rep_suspend(struct cpu *cpu)
{
    struct suspended_rep *s = &cpu->suspended[cpu->suspended_next++ % SUSPENDED_REPS];

    *s = (struct suspended_rep){cpu->rep_pc, engine_get(&cpu->engine, UC_X86_REG_RCX),
                                engine_get(&cpu->engine, UC_X86_REG_RDI), cpu->cr3};
    cpu->rep_pc = 0;
}

/* Within a routine of a cause (block.cause), a copy routine among them, a REP is part of that. */
enum cause rep_cause(const struct block *b)
{
    return b->is_copy ? CAUSE_copy : (enum cause)b->cause;
}

static void rep_element(struct cpu *cpu, const struct block *b)
{
    if (cpu->machine->timing) {
        cpu->carry_256 += cpu->rep_cost_256;
        charge(cpu, rep_cause(b), cpu->carry_256 >> 8);
        cpu->carry_256 &= 255;
    }
    if (b->is_copy)
        count_n(cpu, COUNTER_bytes_copied, block_element(b));
}

static void rep_moved_first(struct cpu *cpu, const struct block *b)
{
    if (b->is_copy)
        count(cpu, COUNTER_copies);
    rep_element(cpu, b);
}

static void slow rep_first(struct cpu *cpu, const struct block *b)
{
    cpu->rep_first = false;
    cpu->rep_left = engine_get(&cpu->engine, UC_X86_REG_RCX);
    cpu->rep_single = cpu->rep_left == 0;
    charge_timing(cpu, rep_cause(b), cpu->machine->model.rep_startup);
    if (!cpu->rep_single)
        rep_moved_first(cpu, b);
}

void rep_settle(struct cpu *cpu, const struct block *b)
{
    if (cpu->rep_first) {
        rep_first(cpu, b);
    } else if (cpu->rep_left > 0) {
        cpu->rep_left--;
        rep_element(cpu, b);
    }
}

void rep_bulk(struct cpu *cpu, const struct block *b)
{
    uint64_t made;

    if (!cpu->bulk || cpu->rep_first || cpu->rep_left < BULK_MIN)
        return;
    made = bulk_make(cpu);
    cpu->rep_left -= made;
    if (b->is_copy)
        count_n(cpu, COUNTER_bytes_copied, made * block_element(b));
}

void rep_again(struct cpu *cpu, const struct block *b)
{
    if (!cpu->rep_single)
        return;
    cpu->rep_single = false;
    rep_moved_first(cpu, b);
}

void rep_begin(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    bool resumed = b->instructions == 1 && resumes_suspended_rep(cpu, pc);
    uint32_t per_cycle = cpu->machine->model.rep_bytes_per_cycle;

    cpu->rep_cost_256 = block_element(b) * 256u / (per_cycle ? per_cycle : 1);
    cpu->rep_pc = pc + block_last(b);
    cpu->rep_first = !resumed;
    cpu->rep_single = false;
    if (!resumed)
        return;
    cpu->rep_left = engine_get(&cpu->engine, UC_X86_REG_RCX);
    retire(cpu, -1); /* it was counted when it began */
}
