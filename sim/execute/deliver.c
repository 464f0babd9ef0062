/* SPDX-License-Identifier: MIT
 *
 * sim/execute/deliver.c: the ways into ring 0: SYSCALL, exceptions, interrupts; and settling the
 * ways out. As Intel SDM vol. 3A chapter 6 (64-bit mode: §6.14) and vol. 2 (SYSCALL) say.
 *
 * Simplifications, each harmless to a kernel that does not look for it: gates must be
 * 64-bit interrupt or trap gates to a DPL-0 code segment of the GDT; no task gates, no
 * conforming segments; the pushed RFLAGS has RF clear; debug registers do not exist.
 */
#include <inttypes.h>
#include <string.h>

#include "abi/devices.h"
#include "sim/inside.h"

struct frame {
    unsigned vector;
    bool has_error;
    uint32_t error;
    bool software; /* INT n, INT3, INTO: the gate's DPL is checked */
    uint64_t rip, rsp, rflags;
    uint64_t restart_rip; /* of the instruction: for INT n, whose RIP is behind it */
    uint16_t cs, ss;
    enum transition_kind kind;
};

/* A fault while delivering: what it is. vector 0xffff: none. */
struct trouble {
    unsigned vector;
    uint32_t error;
    uint64_t address;
};
#define NO_TROUBLE 0xffffu

static void record(struct cpu *cpu, enum transition_kind kind, uint8_t from_cpl, uint16_t vector, uint64_t from_rip,
                   uint64_t to_rip, uint64_t detail)
{
    struct transition *t = &cpu->transitions[cpu->transition_count++ % TRANSITIONS_KEPT];

    *t = (struct transition){kind, from_cpl, cpu->cpl, vector, from_rip, to_rip, cpu->now.clock, detail};
}

static void change_cpl(struct cpu *cpu, uint8_t cpl)
{
    if (cpu->cpl == cpl)
        return;
    cpu->cpl = cpl;
    count(cpu, COUNTER_mode_switches);
    account_enter(cpu);
    if (cpl == 3)
        account_user_resumes(cpu);
}

void deliver_reload(struct cpu *cpu)
{
    uc_x86_mmr gdtr, idtr, tr;

    cpu->cr0 = engine_get(&cpu->engine, UC_X86_REG_CR0);
    cpu->cr4 = engine_get(&cpu->engine, UC_X86_REG_CR4);
    cpu->cr3 = engine_get(&cpu->engine, UC_X86_REG_CR3);
    cpu->efer = engine_msr(&cpu->engine, MSR_EFER);
    cpu->star = engine_msr(&cpu->engine, MSR_STAR);
    cpu->lstar = engine_msr(&cpu->engine, MSR_LSTAR);
    cpu->fmask = engine_msr(&cpu->engine, MSR_FMASK);
    uc_reg_read(cpu->engine.uc, UC_X86_REG_GDTR, &gdtr);
    uc_reg_read(cpu->engine.uc, UC_X86_REG_IDTR, &idtr);
    uc_reg_read(cpu->engine.uc, UC_X86_REG_TR, &tr);
    cpu->table_base[TABLE_GDT] = gdtr.base;
    cpu->table_limit[TABLE_GDT] = gdtr.limit;
    cpu->table_base[TABLE_IDT] = idtr.base;
    cpu->table_limit[TABLE_IDT] = idtr.limit;
    cpu->table_base[TABLE_TSS] = tr.base;
    cpu->table_limit[TABLE_TSS] = tr.limit;
}

/* ---- supervisor memory during delivery ---- */

static bool access_word(struct cpu *cpu, uint64_t address, uint64_t *value, bool write, struct trouble *trouble)
{
    struct translation t;
    uint32_t error;
    uint64_t physical;

    if (trouble->vector != NO_TROUBLE)
        return false;
    if (!mmu_translate(cpu, address, write ? ACCESS_WRITE : ACCESS_READ, AS_SUPERVISOR, &t, &error)) {
        *trouble = (struct trouble){VECTOR_PF, error, address};
        return false;
    }
    physical = translation_address(&t, address);
    if (physical + 8 > cpu->machine->ram_bytes) {
        *trouble = (struct trouble){VECTOR_PF, 0, address};
        return false;
    }
    data_access(cpu, physical, 8, write, CAUSE_cache);
    if (write)
        memcpy(cpu->machine->ram + physical, value, 8);
    else
        memcpy(value, cpu->machine->ram + physical, 8);
    return true;
}

static uint64_t read_word(struct cpu *cpu, uint64_t address, struct trouble *trouble)
{
    uint64_t value = 0;

    access_word(cpu, address, &value, false, trouble);
    return value;
}

/* ---- through the IDT ---- */

struct gate {
    uint64_t target;
    uint16_t selector;
    unsigned ist, type, dpl;
    bool present;
};

static struct gate read_gate(struct cpu *cpu, unsigned vector, struct trouble *trouble)
{
    uint64_t at = cpu->table_base[TABLE_IDT] + vector * 16ul;
    uint64_t low = read_word(cpu, at, trouble), high = read_word(cpu, at + 8, trouble);

    return (struct gate){.target = (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32,
                         .selector = (uint16_t)(low >> 16),
                         .ist = low >> 32 & 7,
                         .type = low >> 40 & 15,
                         .dpl = low >> 45 & 3,
                         .present = low >> 47 & 1};
}

/* SDM 6.12, 6.13: the error code of a bad gate names it. */
static void check_gate(struct cpu *cpu, const struct frame *f, const struct gate *g, struct trouble *trouble)
{
    uint32_t error = f->vector << 3 | 2 | (f->software ? 0 : 1);

    if (trouble->vector != NO_TROUBLE)
        return;
    if (g->type != 14 && g->type != 15)
        *trouble = (struct trouble){VECTOR_GP, error, 0};
    else if (f->software && g->dpl < cpu->cpl)
        *trouble = (struct trouble){VECTOR_GP, error & ~1u, 0};
    else if (!g->present)
        *trouble = (struct trouble){VECTOR_NP, error, 0};
}

static void check_code_segment(struct cpu *cpu, uint16_t selector, bool external, struct trouble *trouble)
{
    uint64_t descriptor;

    if (trouble->vector != NO_TROUBLE)
        return;
    if ((selector & ~3u) == 0 || (selector | 7u) > cpu->table_limit[TABLE_GDT]) {
        *trouble = (struct trouble){VECTOR_GP, (selector & 0xfffcu) | external, 0};
        return;
    }
    descriptor = read_word(cpu, cpu->table_base[TABLE_GDT] + (selector & 0xfff8u), trouble);
    if (trouble->vector != NO_TROUBLE)
        return;
    if ((descriptor >> 43 & 3) != 3 || (descriptor >> 45 & 3) != 0 || !(descriptor >> 53 & 1))
        *trouble = (struct trouble){VECTOR_GP, (selector & 0xfffcu) | external, 0};
    else if (!(descriptor >> 47 & 1))
        *trouble = (struct trouble){VECTOR_NP, (selector & 0xfffcu) | external, 0};
}

static uint64_t entry_stack(struct cpu *cpu, const struct frame *f, const struct gate *g, struct trouble *trouble)
{
    uint64_t tss = cpu->table_base[TABLE_TSS];

    if (g->ist) /* TSS offset 36: IST1 (SDM 7.7) */
        return read_word(cpu, tss + 36 + (g->ist - 1) * 8ul, trouble);
    if (cpu->cpl != 0)
        return read_word(cpu, tss + 4, trouble); /* RSP0 */
    return f->rsp;
}

static void push(struct cpu *cpu, uint64_t *rsp, uint64_t value, struct trouble *trouble)
{
    *rsp -= 8;
    access_word(cpu, *rsp, &value, true, trouble);
}

static uint64_t push_frame(struct cpu *cpu, const struct frame *f, uint64_t rsp, struct trouble *trouble)
{
    rsp &= ~15ul;
    push(cpu, &rsp, f->ss, trouble);
    push(cpu, &rsp, f->rsp, trouble);
    push(cpu, &rsp, f->rflags, trouble);
    push(cpu, &rsp, f->cs, trouble);
    push(cpu, &rsp, f->rip, trouble);
    if (f->has_error)
        push(cpu, &rsp, f->error, trouble);
    return rsp;
}

static void count_exit(struct cpu *cpu, const struct frame *f)
{
    if (f->kind == TRANSITION_INTERRUPT)
        exits_interrupt(cpu);
    else
        exits_exception(cpu, f->vector, f->software, f->restart_rip);
}

/* One attempt. Nothing of the CPU has changed when it reports trouble. */
static struct trouble try_deliver(struct cpu *cpu, const struct frame *f)
{
    struct trouble trouble = {.vector = NO_TROUBLE};
    struct gate g = {0};
    uint64_t rsp;
    uint8_t from = cpu->cpl;

    if (f->vector * 16ul + 15 > cpu->table_limit[TABLE_IDT])
        return (struct trouble){VECTOR_GP, f->vector << 3 | 2 | !f->software, 0};
    g = read_gate(cpu, f->vector, &trouble);
    check_gate(cpu, f, &g, &trouble);
    check_code_segment(cpu, g.selector, !f->software, &trouble);
    if (trouble.vector != NO_TROUBLE)
        return trouble;
    rsp = entry_stack(cpu, f, &g, &trouble);
    rsp = push_frame(cpu, f, rsp, &trouble);
    if (trouble.vector != NO_TROUBLE)
        return trouble;
    if (from == 3)
        count_exit(cpu, f);
    engine_enter_ring0(&cpu->engine, g.selector & 0xfffcu, from ? 0 : f->ss, g.target, rsp,
                       f->rflags & ~(uint64_t)(FLAG_TF | FLAG_NT | FLAG_RF | (g.type == 14 ? FLAG_IF : 0)));
    count(cpu, f->kind == TRANSITION_INTERRUPT ? COUNTER_interrupts : COUNTER_exceptions);
    change_cpl(cpu, 0);
    record(cpu, f->kind, from, (uint16_t)f->vector, f->rip, g.target, f->error);
    return trouble;
}

static bool contributory(unsigned vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

static bool has_error_code(unsigned vector)
{
    return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) || vector == 17 || vector == 21;
}

/* SDM table 6-5: does the second of two exceptions make a double fault? */
static bool makes_double_fault(unsigned first, unsigned second)
{
    if (first == VECTOR_PF)
        return second == VECTOR_PF || contributory(second);
    return contributory(first) && contributory(second);
}

static void become(struct frame *f, unsigned vector, uint32_t error)
{
    f->vector = vector;
    f->has_error = has_error_code(vector);
    f->error = error;
    f->software = false;
    f->kind = TRANSITION_EXCEPTION;
}

static void deliver(struct cpu *cpu, struct frame *f)
{
    bool in_double_fault = false;

    if (f->kind == TRANSITION_INTERRUPT)
        trace_interrupt(cpu, f->vector);
    else
        trace_exception(cpu, f->vector);
    for (;;) {
        struct trouble t = try_deliver(cpu, f);

        if (t.vector == NO_TROUBLE)
            return;
        if (t.vector == VECTOR_PF)
            engine_set_cr2(&cpu->engine, t.address);
        if (in_double_fault) {
            cpu->machine->crash_address = t.vector == VECTOR_PF ? t.address : 0;
            run_crash(cpu, "triple fault: exception %u while delivering a double fault", t.vector);
            return;
        }
        f->rip = f->restart_rip; /* a fault in delivering INT n is one of that instruction */
        if (f->kind == TRANSITION_EXCEPTION && !f->software &&
            (f->vector == VECTOR_DF || makes_double_fault(f->vector, t.vector)))
            t = (struct trouble){VECTOR_DF, 0, 0};
        in_double_fault = t.vector == VECTOR_DF;
        become(f, t.vector, t.error);
    }
}

/* RFLAGS, as far as they can be trusted. In the middle of a block the engine now and then shows an operand where the
 * arithmetic flags should be, in all bits. IOPL and IF of ring 3 are known (it cannot change them below IOPL 3); VM, VIF
 * and VIP never exist. What is left of the harm are arithmetic flags. */
static uint64_t current_flags(struct cpu *cpu)
{
    const uint64_t free_flags = 0x254dd5; /* CF PF AF ZF SF TF DF OF NT RF AC ID */
    uint64_t flags = engine_get(&cpu->engine, UC_X86_REG_RFLAGS);

    if (cpu->cpl != 3)
        return flags;
    if ((cpu->user_flags & FLAG_IOPL) == FLAG_IOPL)
        return (flags & (free_flags | FLAG_IF)) | FLAG_IOPL | 2;
    return (flags & free_flags) | cpu->user_flags | 2;
}

static struct frame current_frame(struct cpu *cpu)
{
    struct frame f = {0};

    f.rip = f.restart_rip = engine_get(&cpu->engine, UC_X86_REG_RIP);
    f.rsp = engine_get(&cpu->engine, UC_X86_REG_RSP);
    f.rflags = current_flags(cpu);
    f.cs = (uint16_t)engine_get(&cpu->engine, UC_X86_REG_CS);
    f.ss = (uint16_t)engine_get(&cpu->engine, UC_X86_REG_SS);
    return f;
}

void deliver_exception(struct cpu *cpu, unsigned vector, uint32_t error, bool software)
{
    const struct cpu_model *model = &cpu->machine->model;
    struct frame f;

    if (cpu->cpl == 0)
        engine_repair_flags(&cpu->engine);
    f = current_frame(cpu);

    if (software) /* it ends its block */
        f.restart_rip = cpu->block ? cpu->block_pc + block_last(cpu->block) : f.rip - 2;
    settle_cancel(cpu, software ? UINT64_MAX : f.rip);
    become(&f, vector, error);
    f.software = software;
    if (software)
        f.has_error = false; /* INT n never pushes one */
    deliver(cpu, &f);
    charge_timing(cpu, CAUSE_transition, software ? model->int_n_cost : model->exception_cost);
}

void deliver_page_fault(struct cpu *cpu, uint64_t address, uint32_t error)
{
    engine_set_cr2(&cpu->engine, address);
    deliver_exception(cpu, VECTOR_PF, error, false);
}

void deliver_interrupt(struct cpu *cpu, unsigned vector)
{
    struct frame f = current_frame(cpu);

    f.vector = vector;
    f.kind = TRANSITION_INTERRUPT;
    deliver(cpu, &f);
    charge_timing(cpu, CAUSE_transition, cpu->machine->model.interrupt_cost);
}

/* ---- SYSCALL and the ways out ---- */

/* Bytes of the SYSCALL at `rip`, which ends the current block: prefixes count, and may come from ring 3. *vex: it has a
 * VEX prefix, which the engine takes for the same instruction and a processor refuses. */
unsigned deliver_syscall_length(struct cpu *cpu, uint64_t rip, bool *vex)
{
    unsigned length = cpu->block ? cpu->block->last_bytes : 0, at = 0;
    uint8_t byte = 0;

    *vex = false;
    if (length == 2)
        return 2;
    while (at < 13 && mmu_read(cpu, rip + at, &byte, 1) && byte != 0x0f && byte != 0xc4 && byte != 0xc5)
        at++;
    *vex = byte != 0x0f;
    return at + (byte == 0xc4 ? 4 : byte == 0xc5 ? 3 : 2);
}

/* Called inside the SYSCALL hook: RIP is at the instruction, and the engine adds its length afterwards. */
void deliver_syscall(struct cpu *cpu, unsigned length)
{
    uint64_t rip = engine_get(&cpu->engine, UC_X86_REG_RIP), rsp = engine_get(&cpu->engine, UC_X86_REG_RSP);
    uint64_t rflags = current_flags(cpu);
    uint16_t cs = (uint16_t)(cpu->star >> 32 & 0xfffc);
    uint8_t from = cpu->cpl;

    cpu->block = NULL;
    trace_syscall(cpu);
    engine_set(&cpu->engine, UC_X86_REG_RCX, rip + length);
    engine_set(&cpu->engine, UC_X86_REG_R11, rflags & ~(uint64_t)FLAG_RF);
    engine_enter_ring0(&cpu->engine, cs, (uint16_t)(cs + 8), cpu->lstar - length, rsp,
                       rflags & ~cpu->fmask & ~(uint64_t)FLAG_RF);
    if (from == 3) {
        count(cpu, COUNTER_syscalls);
        exits_syscall(cpu);
    }
    change_cpl(cpu, 0);
    charge_timing(cpu, CAUSE_transition, cpu->machine->model.syscall_cost);
    record(cpu, TRANSITION_SYSCALL, from, 0, rip, cpu->lstar, engine_get(&cpu->engine, UC_X86_REG_RAX));
}

void deliver_return(struct cpu *cpu, uint64_t from_rip, bool sysret)
{
    const struct cpu_model *model = &cpu->machine->model;
    uint8_t from = cpu->cpl, cpl = engine_get(&cpu->engine, UC_X86_REG_CS) & 3;

    trace_return(cpu, cpl);
    if (cpl == 3)
        cpu->user_flags = engine_get(&cpu->engine, UC_X86_REG_RFLAGS) & (FLAG_IOPL | FLAG_IF);
    charge_timing(cpu, CAUSE_transition, sysret ? model->sysret_cost : model->iret_cost);
    change_cpl(cpu, cpl);
    record(cpu, TRANSITION_RETURN, from, 0, from_rip, engine_get(&cpu->engine, UC_X86_REG_RIP), 0);
}
