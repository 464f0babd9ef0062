/* SPDX-License-Identifier: MIT
 *
 * sim/execute/settle.c: after a block: what its last instruction did to the modelled state. And after a fault in the
 * middle of one: giving back what was charged for the rest.
 */
#include "sim/inside.h"

#define slow __attribute__((noinline, cold))

void settle_drop_filters(struct cpu *cpu)
{
    cpu->data_page = UINT64_MAX;
    cpu->code_page = UINT64_MAX;
    front_clear(&cpu->front);
}

static void slow settle_cr3(struct cpu *cpu)
{
    uint64_t value = engine_get(&cpu->engine, UC_X86_REG_CR3);
    bool pcide = cpu->cr4 & CR4_PCIDE, keep = pcide && value >> 63;
    const struct cpu_model *model = &cpu->machine->model;

    trace_cr3(cpu);
    mmu_soft_flushed(cpu); /* by Unicorn */
    if (value >> 63) {
        value &= ~(1ul << 63);
        engine_set(&cpu->engine, UC_X86_REG_CR3, value);
    }
    settle_drop_filters(cpu);
    cpu->cr3 = value;
    cpu->pcid = pcide ? value & 0xfff : 0;
    count(cpu, COUNTER_cr3_writes);
    charge_timing(cpu, CAUSE_transition, keep ? model->cr3_write_noflush_cost : model->cr3_write_cost);
    if (!keep) {
        trace_flush(cpu, "mov cr3");
        count(cpu, COUNTER_tlb_flushes);
        if (pcide)
            tlb_flush_pcid(cpu->tlb, cpu->pcid);
        else
            tlb_flush_all(cpu->tlb, false);
    }
    account_enter(cpu);
}

static void slow settle_cr(struct cpu *cpu)
{
    uint64_t cr0 = cpu->cr0, cr4 = cpu->cr4;
    const uint64_t flushing = CR4_PGE | CR4_PCIDE | CR4_SMEP;

    deliver_reload(cpu);
    charge_timing(cpu, CAUSE_work, cpu->machine->model.cr_write_cost);
    cpu->pcid = cpu->cr4 & CR4_PCIDE ? cpu->cr3 & 0xfff : 0;
    mmu_flush_soft(cpu);
    settle_drop_filters(cpu);
    if ((cr4 ^ cpu->cr4) & flushing || (cr0 ^ cpu->cr0) & CR0_PG) {
        trace_flush(cpu, "mov cr");
        count(cpu, COUNTER_tlb_flushes);
        tlb_flush_all(cpu->tlb, true);
    }
}

static void slow settle_invlpg(struct cpu *cpu, const struct block *b)
{
    struct operand operands[OPERANDS_MAX];
    size_t n = operands_at(cpu, cpu->block_pc + block_last(b), operands);

    trace_flush(cpu, "invlpg");
    if (n > 0)
        tlb_flush_page(cpu->tlb, operands[0].address >> 12 & ((1ul << 52) - 1), cpu->pcid);
    if (!cpu->machine->timing) /* which has no TLB to ask for a page of code: it forgets all that it knows of them */
        mmu_soft_flushed(cpu);
    count(cpu, COUNTER_tlb_page_flushes);
    charge_timing(cpu, CAUSE_tlb, cpu->machine->model.invlpg_cost);
}

static void slow settle_special(struct cpu *cpu, const struct block *b)
{
    if (b->reloads)
        deliver_reload(cpu);
    switch ((enum special)b->special) {
    case SPECIAL_CR3:
        settle_cr3(cpu);
        break;
    case SPECIAL_CR:
        settle_cr(cpu);
        break;
    case SPECIAL_INVLPG:
        settle_invlpg(cpu, b);
        break;
    case SPECIAL_RETURN:
    case SPECIAL_SYSRET:
        deliver_return(cpu, cpu->block_pc + block_last(b), b->special == SPECIAL_SYSRET);
        break;
    case SPECIAL_SHADOW:
        cpu->shadow = true;
        break;
    case SPECIAL_FLAGS:
    case SPECIAL_RELOAD:
    case SPECIAL_REP:
    case SPECIAL_NONE:
        break;
    }
    if (lapic_pending(cpu->lapic) >= 0)
        attend(cpu); /* interrupts may be on now */
}

void settle_block(struct cpu *cpu)
{
    const struct block *b = cpu->block;

    access_finish(cpu);
    cpu->block = NULL;
    if (b->special == SPECIAL_REP && b->reloads)
        deliver_reload(cpu);
    if (b->special == SPECIAL_REP)
        rep_settle(cpu, b);
    else if (b->special)
        settle_special(cpu, b);
}

void settle_cancel(struct cpu *cpu, uint64_t rip)
{
    const struct block *b = cpu->block;
    uint8_t code[8192];
    uint32_t instructions, cost_256, swapgs;
    uint64_t cycles, transition;

    cpu->block = NULL;
    if (!b)
        return;
    access_make_before(cpu, rip, false);
    access_drop(cpu);
    if (b->reloads)
        deliver_reload(cpu);
    if (b->special == SPECIAL_REP && rip == cpu->rep_pc && !cpu->rep_first) {
        rep_suspend(cpu); /* in the middle of a run: it was counted, and goes on later */
        return;
    }
    cpu->rep_pc = 0;
    if (rip < cpu->block_pc || rip >= cpu->block_pc + b->size || !mmu_read(cpu, cpu->block_pc, code, b->size))
        return;
    decode_prefix(cpu->machine->decoder, code, b->size, cpu->block_pc, rip, &instructions, &cost_256, &swapgs);
    if (instructions >= b->instructions)
        return;
    retire(cpu, -(int64_t)(b->instructions - instructions));
    cost_256 = b->cost_256 - cost_256;
    cycles = (cost_256 >> 8) + (cpu->carry_256 < (cost_256 & 255));
    transition = (uint64_t)(b->swapgs - swapgs) * cpu->machine->model.swapgs_cost;
    if (cpu->machine->timing && cycles + transition <= cpu->now.clock) {
        cpu->carry_256 = (cpu->carry_256 - cost_256) & 255;
        cpu->now.clock -= cycles + transition;
        cpu->domain->cycles[b->cause] -= cycles;
        cpu->domain->cycles[CAUSE_transition] -= transition;
    }
}
