/* SPDX-License-Identifier: MIT
 *
 * sim/execute/execute.c: the block hook: where instructions become counts and cycles. The rules
 * stand in cpu.h. With the lists of accesses (access.c) this is the simulator's speed; everything
 * rare is in functions of its own marked `slow`.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "sim/inside.h"
#include "sim/native/bulk.h"

#define slow __attribute__((noinline, cold))

static uint64_t slow code_page_walk(struct cpu *cpu, uint64_t page)
{
    struct translation t;
    uint32_t error;
    bool ok = cpu->machine->timing ? mmu_translate(cpu, page << 12, ACCESS_FETCH, UNCHECKED, &t, &error)
                                   : mmu_peek(cpu, page << 12, &t);

    if (cpu->machine->timing && ok && !tlb_has_first(cpu->tlb, TLB_CODE, (enum page_size)t.size))
        cpu->code_page = UINT64_MAX; /* it is looked up for each block */
    return ok ? translation_address(&t, page << 12) >> 12 : 0;
}

/* Not the page of the block before. The timing model looks it up, counted; the count model remembers what it walked. */
static uint64_t code_page(struct cpu *cpu, uint64_t page)
{
    unsigned slot = page % CODE_MAP;
    const struct translation *t;

    cpu->code_page = page;
    if (cpu->machine->timing) {
        t = tlb_recent(cpu->tlb, TLB_CODE, page & ((1ul << 52) - 1), cpu->pcid);
        cpu->code_frame = t ? t->frame + (page - t->page) : code_page_walk(cpu, page);
        cpu->code_epoch = *cpu->tlb_epoch;
        return cpu->code_frame;
    }
    if (cpu->code_map[slot].page != page || cpu->code_map[slot].epoch != cpu->soft_epoch) {
        cpu->code_map[slot].page = page;
        cpu->code_map[slot].frame = code_page_walk(cpu, page);
        cpu->code_map[slot].epoch = cpu->soft_epoch;
    }
    cpu->code_frame = cpu->code_map[slot].frame;
    cpu->code_epoch = cpu->soft_epoch;
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
            data_cache_line(cpu, CACHE_CODE, line << 6, false, CAUSE_cache);
}

/* Index of the entry of a library OS there, or LIBRARY_ENTRIES. */
static unsigned library_entry(const struct cpu *cpu, uint64_t pc)
{
    unsigned i = 0;

    while (i < LIBRARY_ENTRIES && (cpu->cpl != 3 || cpu->machine->library_entry[i].pc != pc))
        i++;
    return i;
}

static struct block_place place_of(const struct cpu *cpu, uint64_t pc, uint32_t size)
{
    const struct symbols *symbols = cpu->domain->symbols;
    unsigned role = symbols_role(symbols, pc);
    struct block_place place = {.cause = CAUSE_work};

    if (role & ROLE_COPY)
        place = (struct block_place){CAUSE_copy, role & ROLE_ENTRY ? BLOCK_EVENT_COPY : BLOCK_EVENT_NONE, true};
    else if (symbols_enters(symbols, pc, size, ROLE_MESSAGE))
        place.event = BLOCK_EVENT_MESSAGE;
    else if (symbols_enters(symbols, pc, size, ROLE_SHADOW_WRITE))
        place.event = BLOCK_EVENT_SHADOW;
    else if (library_entry(cpu, pc) < LIBRARY_ENTRIES)
        place.event = BLOCK_EVENT_LIBRARY;
    if (role & ROLE_SCHEDULE)
        place.cause = CAUSE_schedule;
    else if (role & ROLE_EMULATION)
        place.cause = CAUSE_emulation;
    else if (role & ROLE_SHADOW)
        place.cause = CAUSE_shadow;
    return place;
}

/* A debug register is about to be written. The engine would drop the very code that runs, and crash. Only our boot stub
 * may (cpu.h, BOARD_DR7): there are no breakpoints then. */
static bool slow writes_debug_register(struct cpu *cpu, uint64_t pc, const uint8_t *code, uint32_t size)
{
    char text[64];

    if (cpu->cpl != 0 || !memmem(code, size, "\x0f\x23", 2) || (pc >= BOARD_STUB && pc < BOARD_GDT))
        return false;
    for (uint32_t at = 0, length; at < size; at += length) {
        length = decode_text(cpu->machine->decoder, code + at, size - at, pc + at, text, sizeof text);
        if (length && !strncmp(text, "mov dr", 6))
            return true;
        length = length ? length : 1;
    }
    return false;
}

/* A full code buffer is emptied by the engine in the middle of its work, and then it now and then jumps to what was
 * there. So it is emptied before. An instruction takes some hundred bytes there; code that keeps changing itself fills
 * it. */
static void count_translation(struct machine *m, const struct block *b)
{
    for (unsigned i = 0; i < m->cpu_count; i++) { /* each engine translates for itself, perhaps later */
        struct cpu *cpu = &m->cpus[i];

        cpu->translated += 512 + (uint64_t)b->instructions * 256;
        if (cpu->translated < ENGINE_CODE_BUFFER / 2 || !cpu->started)
            continue;
        cpu->stale_all_code = true;
        attend(cpu);
    }
}

/* Blocks that count themselves hold descriptors: they go with them. */
static void forget_blocks(struct machine *m)
{
    block_table_clear(m->blocks);
    for (unsigned i = 0; i < m->cpu_count; i++) {
        if (!native_holds_blocks(&m->cpus[i]) && m->cpus[i].place_count == 0)
            continue;
        m->cpus[i].stale_all_code = true;
        attend(&m->cpus[i]);
    }
}

/* NULL: not yet; the engine must stop and translate it again. */
static struct block *slow decode(struct cpu *cpu, uint64_t pc, uint32_t size, uint64_t physical)
{
    struct machine *m = cpu->machine;
    uint8_t code[8192];
    struct block_place place = place_of(cpu, pc, size);
    struct block *b;
    bool syncs;

    size = size > sizeof code ? sizeof code : size;
    if (!mmu_read(cpu, pc, code, size))
        memset(code, 0x90, size);
    if (board_guard_instructions(cpu, pc, physical, code, size))
        return NULL;
    if (writes_debug_register(cpu, pc, code, size)) {
        run_crash(cpu, "the kernel writes a debug register; this machine has none");
        return NULL;
    }
    if (block_table_full(m->blocks))
        forget_blocks(m);
    b = block_add(m->blocks, physical, size, &place);
    decode_block(m->decoder, b, cpu->access->on ? m->plan : NULL, code, size, pc);
    if (cpu->access->on && !access_set_plan(cpu, b, &syncs))
        return NULL;
    count_translation(m, b);
    return b;
}

static void slow block_event(struct cpu *cpu, const struct block *b)
{
    uint64_t bytes;

    if (b->event == BLOCK_EVENT_SPIN)
        spin_forward(cpu, b);
    if (b->event == BLOCK_EVENT_MESSAGE && cpu->cpl == 0)
        count(cpu, COUNTER_messages);
    if (b->event == BLOCK_EVENT_SHADOW && cpu->cpl == 0)
        count(cpu, COUNTER_shadow_updates);
    if (b->event == BLOCK_EVENT_LIBRARY && library_entry(cpu, cpu->block_pc) < LIBRARY_ENTRIES)
        count(cpu, cpu->machine->library_entry[library_entry(cpu, cpu->block_pc)].counter);
    if (b->event != BLOCK_EVENT_COPY || cpu->in_copy_routine)
        return;
    bytes = engine_get(&cpu->engine, UC_X86_REG_RDX);
    if (bytes > 0 && bytes < 1ul << 40) {
        count(cpu, COUNTER_copies);
        count_n(cpu, COUNTER_bytes_copied, bytes);
    }
}

static inline void charge_block(struct cpu *cpu, const struct block *b)
{
    retire(cpu, b->instructions);
    if (!cpu->machine->timing)
        return;
    cpu->carry_256 += b->cost_256;
    charge(cpu, b->cause, cpu->carry_256 >> 8);
    cpu->carry_256 &= 255;
    if (b->swapgs)
        charge(cpu, CAUSE_transition, (uint64_t)b->swapgs * cpu->machine->model.swapgs_cost);
}

/* Interrupts, other CPUs' turns, flushes asked for. true: the block must not run now. */
static bool slow needs_attention(struct cpu *cpu)
{
    if (cpu->flush_soft)
        mmu_flush_soft(cpu);
    run_poll(cpu);
    run_yield(cpu);
    if (cpu->flush_soft) /* another CPU changed a table in its turn */
        mmu_flush_soft(cpu);
    if (cpu->machine->ended || cpu->stale_code_count || cpu->stale_all_code)
        return true;
    if (cpu->index == 0)
        event_run(cpu->machine, cpu->now.clock);
    lapic_tick(cpu->lapic, cpu->now.clock);
    run_set_attention(cpu);
    if (cpu->stale_code_count || cpu->stale_all_code || cpu->machine->ended)
        return true;
    if (lapic_pending(cpu->lapic) < 0)
        return false;
    if (cpu->shadow) {
        attend(cpu); /* ask again after this instruction */
        return false;
    }
    return engine_get(&cpu->engine, UC_X86_REG_RFLAGS) & FLAG_IF;
}

static void slow refresh_code_frame(struct cpu *cpu, uint64_t pc, uint32_t size)
{
    (void)code_page(cpu, (pc + size - 1) >> 12);
    (void)code_page(cpu, pc >> 12);
}

/* The engine leaves it at its start. */
static void slow stop_before(struct cpu *cpu, uint64_t pc)
{
    cpu->block = NULL;
    access_drop(cpu);
    engine_set(&cpu->engine, UC_X86_REG_RIP, pc); /* a chained block has not stored it */
    uc_emu_stop(cpu->engine.uc);
}

/* Any block. */
static void slow_block(struct cpu *cpu, uint64_t pc, uint32_t size)
{
    struct machine *m = cpu->machine;
    uint64_t physical;
    struct block *b;

    if (cpu->block && cpu->block->special)
        settle_block(cpu);
    if (cpu->now.clock >= cpu->attention && needs_attention(cpu)) {
        if (cpu->rep_pc == pc)
            rep_suspend(cpu);
        stop_before(cpu, pc);
        return;
    }
    cpu->shadow = false;
    if ((pc & (PAGE_BYTES - 1)) + size > PAGE_BYTES)
        refresh_code_frame(cpu, pc, size);
    physical = code_frame(cpu, pc >> 12) << 12 | (pc & (PAGE_BYTES - 1));
    b = block_find(m->blocks, cpu->before, physical, size);
    if (!b)
        b = decode(cpu, pc, size, physical);
    if (!b || !access_ready(cpu, b, pc)) {
        stop_before(cpu, pc);
        return;
    }
    if (b->special == SPECIAL_RETURN && cpu->cpl == 3)
        mmu_before_far_transfer(cpu, b->instructions == 1);
    b->key = block_key(pc, cpu->key_epoch);
    if (!access_begin(cpu, b, pc)) {
        stop_before(cpu, pc);
        return;
    }
    cpu->block = cpu->before = b;
    cpu->block_pc = pc;
    if (b->special == SPECIAL_REP) {
        if (cpu->rep_pc == pc && b->instructions == 1) {
            rep_again(cpu, b); /* the next element of the same instruction */
            rep_bulk(cpu, b);
            return;
        }
        charge_block(cpu, b);
        rep_begin(cpu, b, pc);
    } else {
        cpu->rep_pc = 0;
        charge_block(cpu, b);
    }
    if (m->timing)
        code_lines(cpu, physical, size);
    if (b->event)
        block_event(cpu, b);
    cpu->in_copy_routine = b->in_copy_routine;
}

/* The plain block that is guessed, or that the one before expects to come next, if it is this one and nothing else has
 * to be done. What needs settling is never plain. */
static inline struct block *expected(const struct cpu *cpu, struct block *guess, uint64_t pc, uint32_t size)
{
    const struct block *before = cpu->before;
    uint64_t key = block_key(pc, cpu->key_epoch);
    struct block *b = guess ? guess : &cpu->blocks[before->next[0]];

    if (b->key != key)
        b = &cpu->blocks[before->next[1]];
    return b->key == key && b->plain && before->plain && b->size == size && cpu->now.clock < cpu->attention ? b : NULL;
}

/* The next element of a REP that runs. */
static inline bool again(struct cpu *cpu, uint64_t pc)
{
    return cpu->rep_pc == pc && cpu->rep_left > 0 && !cpu->rep_first && cpu->block && cpu->now.clock < cpu->attention;
}

static void count_block(struct cpu *cpu, uint64_t pc, uint32_t size)
{
    struct block *b;

    in_place_take(cpu);
    cpu->now.limit = 0;
    if (again(cpu, pc)) {
        rep_settle(cpu, cpu->block);
        rep_bulk(cpu, cpu->block);
        return;
    }
    b = expected(cpu, NULL, pc, size);
    if (b) {
        cpu->block = cpu->before = b;
        cpu->block_pc = pc;
        cpu->now.clock += b->instructions;
    } else {
        slow_block(cpu, pc, size);
    }
    if (cpu->block && cpu->block->plain)
        cpu->now.limit = cpu->attention;
}

static void on_block_counted(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    (void)uc;
    count_block(user, pc, size);
}

/* The engine's call: the next time, the block may count itself. */
static void on_block_first_counted(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    struct cpu *cpu = user;

    count_block(cpu, pc, size);
    if (!cpu->block || cpu->block_pc != pc || cpu->block->size != size)
        return;
    if (cpu->block->plain)
        in_place_write(cpu, __builtin_return_address(0));
    else if (cpu->block->special == SPECIAL_REP && uc == cpu->engine.uc)
        native_warm(cpu, (void *)on_block_first_counted, __builtin_return_address(0));
}

/* From a block that counts itself, but cannot now. */
static void on_block_in_place(uint64_t now)
{
    struct cpu *cpu = (struct cpu *)(uintptr_t)(now - offsetof(struct cpu, now));
    const struct code_place *place = in_place_of(cpu, __builtin_return_address(0));

    count_block(cpu, place->pc, place->size);
}

static void time_block(struct cpu *cpu, struct block *guess, uint64_t pc, uint32_t size)
{
    struct block *b;

    if (again(cpu, pc)) {
        rep_settle(cpu, cpu->block);
        access_begin(cpu, cpu->block, pc);
        return;
    }
    b = expected(cpu, guess, pc, size);
    if (!b || pc >> 12 != cpu->code_page || cpu->code_epoch != *cpu->tlb_epoch ||
        b->address >> 12 != cpu->code_frame) {
        slow_block(cpu, pc, size);
        return;
    }
    if (!access_begin(cpu, b, pc)) {
        stop_before(cpu, pc);
        return;
    }
    cpu->block = cpu->before = b;
    cpu->block_pc = pc;
    charge_block(cpu, b);
    code_lines(cpu, b->address, size);
}

static void on_block_timed(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    (void)uc;
    access_finish(user);
    time_block(user, NULL, pc, size);
}

/* The engine's call; `uc`: its handle, or from a routine of the block the descriptor (native.c). */
static void on_block_warm(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    struct cpu *cpu = user;
    bool called = uc == cpu->engine.uc;

    in_place_take(cpu);
    access_finish(cpu);
    cpu->now.limit = 0;
    time_block(cpu, called ? NULL : (struct block *)(void *)uc, pc, size);
    if (!cpu->block || cpu->block_pc != pc || cpu->block->size != size)
        return;
    if (called && cpu->access->on)
        native_warm(cpu, (void *)on_block_warm, __builtin_return_address(0));
    if (cpu->block->plain)
        cpu->now.limit = cpu->attention;
}

/* With faults to inject: either of the above, and if the block runs, its part in them. An element of a REP is no block.
 */
static void on_block_injected(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    struct cpu *cpu = user;
    bool element = cpu->rep_pc == pc;

    if (cpu->machine->timing)
        on_block_timed(uc, pc, size, cpu);
    else
        on_block_counted(uc, pc, size, cpu);
    if (!element && cpu->block && cpu->block_pc == pc)
        inject_block(cpu, pc);
}

/* Recording: any of the above, between taking what the block before has cost and finding whose this one is. */
static void on_block_traced(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    struct cpu *cpu = user;
    bool element = again(cpu, pc);

    access_finish(cpu);
    if (!element) {
        if (cpu->block && cpu->block->special)
            settle_block(cpu);
        trace_block_ends(cpu);
    }
    if (cpu->machine->inject)
        on_block_injected(uc, pc, size, cpu);
    else
        on_block_timed(uc, pc, size, cpu);
    if (!element && cpu->block && cpu->block_pc == pc)
        trace_block_begins(cpu, cpu->block, pc);
}

static void *block_hook(const struct machine *m)
{
    if (m->trace)
        return (void *)on_block_traced;
    if (m->inject)
        return (void *)on_block_injected;
    if (m->timing)
        return m->config.accesses == ACCESSES_PLANNED ? (void *)on_block_warm : (void *)on_block_timed;
    return m->config.accesses == ACCESSES_HOOKED ? (void *)on_block_counted : (void *)on_block_first_counted;
}

uc_err execute_hook_memory(struct cpu *cpu)
{
    uc_hook hook;

    return uc_hook_add(cpu->engine.uc, &hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)data_hook, cpu, 1, 0);
}

bool execute_install(struct cpu *cpu, char error[MACHINE_ERROR_MAX])
{
    uc_engine *uc = cpu->engine.uc;
    uc_hook hook;
    uc_err err;

    cpu->now.call = on_block_in_place;
    if (!cpu->machine->timing && cpu->machine->config.accesses != ACCESSES_HOOKED)
        bulk_open(cpu);
    err = uc_hook_add(uc, &hook, UC_HOOK_BLOCK, block_hook(cpu->machine), cpu, 1, 0);

    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_TLB_FILL, (void *)mmu_fill, cpu, 1, 0);
    if (!err && cpu->machine->timing && (!cpu->access->on || cpu->access->verify))
        err = execute_hook_memory(cpu);
    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)probe_cpuid, cpu, 1, 0, UC_X86_INS_CPUID);
    if (err)
        snprintf(error, MACHINE_ERROR_MAX, "Unicorn refuses a hook: %s", uc_strerror(err));
    return !err;
}
