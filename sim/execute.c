/* SPDX-License-Identifier: MIT
 *
 * sim/execute.c: the block hook and the memory hook: where instructions become counts
 * and cycles. The rules stand in cpu.h. These two functions are the simulator's speed;
 * everything rare is in functions of its own marked `slow`.
 */
#include <stdio.h>
#include <string.h>

#include "sim/cpu.h"

#define slow __attribute__((noinline, cold))

static void count_cache(struct cpu *cpu, enum cache_port port, struct cache_result r)
{
    if (r.missed_l1)
        count(cpu, port == CACHE_CODE ? COUNTER_l1i_misses : COUNTER_l1d_misses);
    if (r.missed_l2)
        count(cpu, COUNTER_l2_misses);
    if (r.missed_l3)
        count(cpu, COUNTER_l3_misses);
}

static void cache_line(struct cpu *cpu, enum cache_port port, uint64_t physical, bool write, enum cause cause)
{
    struct cache_result r = cache_access(cpu->machine->caches, cpu->index, port, physical, write);

    count_cache(cpu, port, r);
    charge(cpu, cause, r.cycles);
}

void execute_data_access(struct cpu *cpu, uint64_t physical, unsigned bytes, bool write, enum cause miss_cause)
{
    const unsigned line = cpu->machine->model.l1d.line;

    if (!cpu->machine->timing)
        return;
    cache_line(cpu, CACHE_DATA, physical, write, miss_cause);
    if ((physical & (line - 1)) + bytes > line)
        cache_line(cpu, CACHE_DATA, physical + bytes - 1, write, miss_cause);
}

/* ---- data ---- */

/* Old and new value of a page-table entry that is being stored: does the soft TLB have to forget anything? Not for a
 * first mapping: what was not present was never cached. */
static bool slow store_changes_mapping(struct cpu *cpu, uint64_t physical, unsigned bytes, uint64_t value)
{
    uint64_t old = ram_word(cpu->machine, physical & ~7ul), changed;

    if (bytes != 8 || physical & 7)
        return true;
    changed = old ^ value;
    return old & 1 && changed & ~0xe00ul; /* bits 9…11 are the kernel's own */
}

static void slow store_to_special_page(struct cpu *cpu, uint64_t physical, unsigned bytes, uint64_t value)
{
    struct machine *m = cpu->machine;

    if (!store_changes_mapping(cpu, physical, bytes, value))
        return;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        m->cpus[i].flush_soft = true;
        m->cpus[i].attention = 0;
    }
}

static void slow data_page_walk(struct cpu *cpu, uint64_t page, bool write)
{
    struct translation t;
    uint32_t error;

    cpu->data_dirty = mmu_translate(cpu, page << 12, write ? ACCESS_WRITE : ACCESS_READ, true, &t, &error) &&
                      t.flags & TRANSLATION_DIRTY;
}

/* Not the page of the access before: look it up, counted. */
static void data_page(struct cpu *cpu, uint64_t page, bool write)
{
    const struct translation *t = tlb_recent(cpu->tlb, TLB_DATA, page & ((1ul << 52) - 1), cpu->pcid);

    if (t && (!write || t->flags & TRANSLATION_DIRTY))
        cpu->data_dirty = t->flags & TRANSLATION_DIRTY;
    else
        data_page_walk(cpu, page, write);
    cpu->data_page = page;
    cpu->data_epoch = *cpu->tlb_epoch;
}

static void slow data_line(struct cpu *cpu, uint64_t physical, bool write)
{
    cache_line(cpu, CACHE_DATA, physical, write, CAUSE_cache);
}

static void slow device_access(struct cpu *cpu)
{
    charge_timing(cpu, CAUSE_device, cpu->machine->model.mmio_cost);
}

static inline uint64_t virtual_page(const struct cpu *cpu, uint64_t address)
{
    unsigned slot = (unsigned)(address >> SLOT_SHIFT);
    uint64_t physical = address & SLOT_OFFSET_MASK;

    if (slot >= SLOT_REVERSE)
        return cpu->reverse[slot - SLOT_REVERSE][physical >> 12].page;
    return (physical + (slot == SLOT_DIRECT ? BOOT_DIRECT_MAP : slot == SLOT_KERNEL ? BOOT_KERNEL_BASE : 0)) >> 12;
}

static void on_memory(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct cpu *cpu = user;
    struct machine *m = cpu->machine;
    uint64_t physical = address & SLOT_OFFSET_MASK, line;
    bool write = type == UC_MEM_WRITE;
    uint64_t page;

    if (physical >= m->ram_bytes) {
        device_access(cpu);
        return;
    }
    page = virtual_page(cpu, address);
    if (cpu->data_page != page || cpu->data_epoch != *cpu->tlb_epoch || (write && !cpu->data_dirty))
        data_page(cpu, page, write);
    line = physical >> 6;
    if ((write ? cpu->filter_write : cpu->filter_read)[line & cpu->filter_data_mask] != line)
        data_line(cpu, physical, write);
    if ((physical & 63) + (unsigned)size > 64 && (physical & 4095) + (unsigned)size <= 4096)
        data_line(cpu, physical + (unsigned)size - 1, write);
    if (write && m->page_flags[physical >> 12] & PAGE_IS_TABLE)
        store_to_special_page(cpu, physical, (unsigned)size, (uint64_t)value);
}

/* ---- instructions ---- */

static uint64_t slow code_page(struct cpu *cpu, uint64_t page)
{
    struct translation t;
    uint32_t error;
    bool ok;

    if (cpu->machine->timing)
        ok = mmu_translate(cpu, page << 12, ACCESS_FETCH, cpu->cpl != 3, &t, &error);
    else
        ok = mmu_peek(cpu, page << 12, &t);
    cpu->code_page = page;
    cpu->code_frame = ok ? translation_address(&t, page << 12) >> 12 : 0;
    cpu->code_epoch = cpu->machine->timing ? *cpu->tlb_epoch : cpu->soft_epoch;
    return cpu->code_frame;
}

static inline uint64_t code_frame(struct cpu *cpu, uint64_t page)
{
    uint64_t epoch = cpu->machine->timing ? *cpu->tlb_epoch : cpu->soft_epoch;

    if (cpu->code_page == page && cpu->code_epoch == epoch)
        return cpu->code_frame;
    return code_page(cpu, page);
}

static inline void code_lines(struct cpu *cpu, uint64_t physical, uint32_t size)
{
    for (uint64_t line = physical >> 6, last = (physical + size - 1) >> 6; line <= last; line++)
        if (cpu->filter_code[line & cpu->filter_code_mask] != line)
            cache_line(cpu, CACHE_CODE, line << 6, false, CAUSE_cache);
}

static struct block_place place_of(const struct cpu *cpu, uint64_t pc)
{
    const struct machine *m = cpu->machine;
    unsigned role = symbols_role(pc >> 63 ? m->kernel_symbols : cpu->domain->symbols, pc);
    struct block_place place = {.cause = CAUSE_work};

    if (role & ROLE_COPY)
        place = (struct block_place){CAUSE_copy, role & ROLE_ENTRY ? BLOCK_EVENT_COPY : BLOCK_EVENT_NONE, true};
    else if (role & ROLE_MESSAGE)
        place.event = role & ROLE_ENTRY ? BLOCK_EVENT_MESSAGE : BLOCK_EVENT_NONE;
    else if (role & ROLE_SCHEDULE)
        place.cause = CAUSE_schedule;
    else if (role & ROLE_EMULATION)
        place.cause = CAUSE_emulation;
    return place;
}

static const struct block *slow decode(struct cpu *cpu, uint64_t pc, uint32_t size, uint64_t physical)
{
    struct machine *m = cpu->machine;
    uint8_t code[8192];
    struct block_place place = place_of(cpu, pc);

    size = size > sizeof code ? sizeof code : size;
    if (!mmu_read(cpu, pc, code, size))
        memset(code, 0x90, size);
    return block_decode(m->blocks, physical, code, size, pc, &place);
}

static void slow block_event(struct cpu *cpu, const struct block *b)
{
    uint64_t bytes;

    if (b->event == BLOCK_EVENT_MESSAGE && cpu->cpl == 0)
        count(cpu, COUNTER_messages);
    if (b->event != BLOCK_EVENT_COPY || cpu->in_copy_routine)
        return;
    bytes = engine_get(&cpu->engine, UC_X86_REG_RDX);
    if (bytes > 0 && bytes < 1ul << 40) {
        count(cpu, COUNTER_copies);
        count_n(cpu, COUNTER_bytes_copied, bytes);
    }
}

/* ---- REP string instructions: one instruction however many elements, also across interrupts ---- */

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

static void suspend_rep(struct cpu *cpu)
{
    struct suspended_rep *s = &cpu->suspended[cpu->suspended_next++ % SUSPENDED_REPS];

    *s = (struct suspended_rep){cpu->rep_pc, engine_get(&cpu->engine, UC_X86_REG_RCX),
                                engine_get(&cpu->engine, UC_X86_REG_RDI), cpu->cr3};
    cpu->rep_pc = 0;
}

static void rep_element(struct cpu *cpu, const struct block *b)
{
    uint32_t per_cycle = cpu->machine->model.rep_bytes_per_cycle;

    cpu->carry_256 += b->element * 256u / (per_cycle ? per_cycle : 1);
    charge_timing(cpu, b->is_copy ? CAUSE_copy : CAUSE_work, cpu->carry_256 >> 8);
    cpu->carry_256 &= 255;
    if (b->is_copy)
        count_n(cpu, COUNTER_bytes_copied, b->element);
}

static void rep_moved_first(struct cpu *cpu, const struct block *b)
{
    if (b->is_copy)
        count(cpu, COUNTER_copies);
    rep_element(cpu, b);
}

/* The engine's block for a REP tests RCX, moves one element, and jumps to itself: so it runs once more with RCX = 0 after
 * the last one. RCX = 0 after the first means that there was one, and it will run once more, or none, and it will not. */
static void slow rep_first(struct cpu *cpu, const struct block *b)
{
    cpu->rep_first = false;
    cpu->rep_left = engine_get(&cpu->engine, UC_X86_REG_RCX);
    cpu->rep_single = cpu->rep_left == 0;
    charge_timing(cpu, b->is_copy ? CAUSE_copy : CAUSE_work, cpu->machine->model.rep_startup);
    if (!cpu->rep_single)
        rep_moved_first(cpu, b);
}

static void settle_rep(struct cpu *cpu, const struct block *b)
{
    if (cpu->rep_first) {
        rep_first(cpu, b);
    } else if (cpu->rep_left > 0) {
        cpu->rep_left--;
        rep_element(cpu, b);
    }
}

static void rep_again(struct cpu *cpu, const struct block *b)
{
    if (!cpu->rep_single)
        return;
    cpu->rep_single = false;
    rep_moved_first(cpu, b);
}

static void slow rep_begin(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    bool resumed = b->instructions == 1 && resumes_suspended_rep(cpu, pc);

    cpu->rep_pc = pc + b->last;
    cpu->rep_first = !resumed;
    cpu->rep_single = false;
    if (!resumed)
        return;
    cpu->rep_left = engine_get(&cpu->engine, UC_X86_REG_RCX);
    cpu->domain->instructions--; /* it was counted when it began */
    cpu->machine->counters.value[COUNTER_instructions]--;
}

/* ---- settling ---- */

void execute_drop_filters(struct cpu *cpu)
{
    cpu->data_page = UINT64_MAX;
    cpu->code_page = UINT64_MAX;
}

static uint64_t read_register(void *ctx, unsigned reg);

static void slow settle_cr3(struct cpu *cpu)
{
    uint64_t value = engine_get(&cpu->engine, UC_X86_REG_CR3);
    bool pcide = cpu->cr4 & CR4_PCIDE, keep = pcide && value >> 63;
    const struct cpu_model *model = &cpu->machine->model;

    cpu->soft_epoch++; /* Unicorn dropped its soft TLB */
    if (value >> 63) {
        value &= ~(1ul << 63);
        engine_set(&cpu->engine, UC_X86_REG_CR3, value);
    }
    execute_drop_filters(cpu);
    cpu->cr3 = value;
    cpu->pcid = pcide ? value & 0xfff : 0;
    count(cpu, COUNTER_cr3_writes);
    charge_timing(cpu, CAUSE_transition, keep ? model->cr3_write_noflush_cost : model->cr3_write_cost);
    if (!keep) {
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
    execute_drop_filters(cpu);
    if ((cr4 ^ cpu->cr4) & flushing || (cr0 ^ cpu->cr0) & CR0_PG) {
        count(cpu, COUNTER_tlb_flushes);
        tlb_flush_all(cpu->tlb, true);
    }
}

static void slow settle_invlpg(struct cpu *cpu, const struct block *b)
{
    uint8_t code[16];
    struct operand operands[OPERANDS_MAX];
    uint64_t pc = cpu->block_pc + b->last;
    size_t n = 0, length = b->size - b->last;

    if (length <= sizeof code && mmu_read(cpu, pc, code, length))
        n = block_operands(cpu->machine->blocks, code, length, pc, read_register, cpu, operands);
    if (n > 0)
        tlb_flush_page(cpu->tlb, operands[0].address >> 12 & ((1ul << 52) - 1), cpu->pcid);
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
        deliver_return(cpu, cpu->block_pc + b->last, b->special == SPECIAL_SYSRET);
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
        cpu->attention = 0; /* interrupts may be on now */
}

void execute_settle(struct cpu *cpu)
{
    const struct block *b = cpu->block;

    cpu->block = NULL;
    if (b->special == SPECIAL_REP)
        settle_rep(cpu, b);
    else if (b->special)
        settle_special(cpu, b);
}

void execute_cancel(struct cpu *cpu, uint64_t rip)
{
    const struct block *b = cpu->block;
    uint8_t code[8192];
    uint32_t instructions, cost_256, transition;
    uint64_t cycles;

    cpu->block = NULL;
    if (!b)
        return;
    if (b->reloads)
        deliver_reload(cpu);
    if (b->special == SPECIAL_REP && rip == cpu->rep_pc && !cpu->rep_first) {
        suspend_rep(cpu); /* in the middle of a run: it was counted, and goes on later */
        return;
    }
    cpu->rep_pc = 0;
    if (rip < cpu->block_pc || rip >= cpu->block_pc + b->size || !mmu_read(cpu, cpu->block_pc, code, b->size))
        return;
    block_prefix(cpu->machine->blocks, code, b->size, cpu->block_pc, rip, &instructions, &cost_256, &transition);
    if (instructions >= b->instructions)
        return;
    cpu->domain->instructions -= b->instructions - instructions;
    cpu->machine->counters.value[COUNTER_instructions] -= b->instructions - instructions;
    /* What was charged beyond is given back to the carry first, so that cycles never go below what passed. */
    cycles = (b->cost_256 - cost_256) >> 8;
    if (cpu->machine->timing && cycles + b->transition - transition <= cpu->clock) {
        cpu->clock -= cycles + b->transition - transition;
        cpu->domain->cycles[b->cause] -= cycles;
        cpu->domain->cycles[CAUSE_transition] -= b->transition - transition;
    } else if (!cpu->machine->timing) {
        cpu->clock -= b->instructions - instructions;
    }
}

static void charge_block(struct cpu *cpu, const struct block *b)
{
    cpu->domain->instructions += b->instructions;
    cpu->machine->counters.value[COUNTER_instructions] += b->instructions;
    if (!cpu->machine->timing) {
        cpu->clock += b->instructions;
        return;
    }
    cpu->carry_256 += b->cost_256;
    charge(cpu, b->cause, cpu->carry_256 >> 8);
    cpu->carry_256 &= 255;
    if (b->transition)
        charge(cpu, CAUSE_transition, b->transition);
}

/* Interrupts, other CPUs' turns, flushes asked for. true: the block must not run now. */
static bool slow needs_attention(struct cpu *cpu)
{
    if (cpu->flush_soft)
        mmu_flush_soft(cpu);
    run_poll(cpu);
    run_yield(cpu);
    if (cpu->machine->ended || cpu->stale_code_count)
        return true;
    if (cpu->index == 0)
        event_run(cpu->machine, cpu->clock);
    lapic_tick(cpu->lapic, cpu->clock);
    run_set_attention(cpu);
    if (cpu->stale_code_count || cpu->machine->ended)
        return true;
    if (lapic_pending(cpu->lapic) < 0)
        return false;
    if (cpu->shadow) {
        cpu->attention = 0; /* ask again after this instruction */
        return false;
    }
    return engine_get(&cpu->engine, UC_X86_REG_RFLAGS) & FLAG_IF;
}

static void slow refresh_code_frame(struct cpu *cpu, uint64_t pc, uint32_t size)
{
    (void)code_page(cpu, (pc + size - 1) >> 12);
    (void)code_page(cpu, pc >> 12);
}

static void on_block(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    struct cpu *cpu = user;
    struct machine *m = cpu->machine;
    uint64_t physical;
    const struct block *b;

    if (cpu->block && cpu->block->special)
        execute_settle(cpu);
    if (cpu->clock >= cpu->attention && needs_attention(cpu)) {
        cpu->block = NULL;
        if (cpu->rep_pc == pc)
            suspend_rep(cpu);
        uc_emu_stop(uc);
        return;
    }
    cpu->shadow = false;
    if ((pc & (PAGE_BYTES - 1)) + size > PAGE_BYTES)
        refresh_code_frame(cpu, pc, size);
    physical = code_frame(cpu, pc >> 12) << 12 | (pc & (PAGE_BYTES - 1));
    b = block_find(m->blocks, physical, size);
    if (!b)
        b = decode(cpu, pc, size, physical);
    cpu->last_pc = cpu->block_pc;
    cpu->block = b;
    cpu->block_pc = pc;
    if (b->special == SPECIAL_REP) {
        if (cpu->rep_pc == pc && b->instructions == 1) {
            rep_again(cpu, b); /* the next element of the same instruction */
            return;
        }
        charge_block(cpu, b);
        rep_begin(cpu, b, pc);
    } else {
        cpu->rep_pc = 0;
        charge_block(cpu, b);
    }
    if (b->event)
        block_event(cpu, b);
    cpu->in_copy_routine = b->in_copy_routine;
    if (m->timing)
        code_lines(cpu, physical, size);
}

/* Capstone's register numbers and Unicorn's are two lists of the same names. */
#include <capstone/x86.h>
static uint64_t read_register(void *ctx, unsigned reg)
{
    struct cpu *cpu = ctx;

    switch (reg) {
#define REGISTER(name) \
    case X86_REG_##name: \
        return engine_get(&cpu->engine, UC_X86_REG_##name);
        REGISTER(RAX) REGISTER(RBX) REGISTER(RCX) REGISTER(RDX) REGISTER(RSI) REGISTER(RDI) REGISTER(RBP) REGISTER(RSP)
        REGISTER(R8) REGISTER(R9) REGISTER(R10) REGISTER(R11) REGISTER(R12) REGISTER(R13) REGISTER(R14) REGISTER(R15)
        REGISTER(EAX) REGISTER(EBX) REGISTER(ECX) REGISTER(EDX) REGISTER(ESI) REGISTER(EDI) REGISTER(EBP) REGISTER(ESP)
        REGISTER(R8D) REGISTER(R9D) REGISTER(R10D) REGISTER(R11D) REGISTER(R12D) REGISTER(R13D) REGISTER(R14D) REGISTER(R15D)
#undef REGISTER
    case X86_REG_FS:
        return engine_get(&cpu->engine, UC_X86_REG_FS_BASE);
    case X86_REG_GS:
        return engine_get(&cpu->engine, UC_X86_REG_GS_BASE);
    default:
        return 0;
    }
}

size_t execute_operands(struct cpu *cpu, uint64_t rip, struct operand out[OPERANDS_MAX])
{
    uint8_t code[15];
    size_t n = sizeof code;

    while (n > 0 && !mmu_read(cpu, rip, code, n))
        n--;
    return block_operands(cpu->machine->blocks, code, n, rip, read_register, cpu, out);
}

bool execute_install(struct cpu *cpu, char error[MACHINE_ERROR_MAX])
{
    uc_engine *uc = cpu->engine.uc;
    uc_hook hook;
    uc_err err = uc_hook_add(uc, &hook, UC_HOOK_BLOCK, (void *)on_block, cpu, 1, 0);

    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_TLB_FILL, (void *)mmu_fill, cpu, 1, 0);
    if (!err && cpu->machine->timing)
        err = uc_hook_add(uc, &hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)on_memory, cpu, 1, 0);
    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)probe_cpuid, cpu, 1, 0, UC_X86_INS_CPUID);
    if (err)
        snprintf(error, MACHINE_ERROR_MAX, "Unicorn refuses a hook: %s", uc_strerror(err));
    return !err;
}
