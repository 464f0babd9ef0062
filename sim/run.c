/* SPDX-License-Identifier: MIT
 *
 * sim/run.c: the loop of a CPU, and turns between CPUs.
 *
 * Each CPU is a fiber (ucontext). The scheduler always runs the CPU whose clock is
 * lowest; a CPU gives way inside its block hook when it is QUANTUM cycles ahead of the
 * slowest other one. No host thread takes part, so every run is the same.
 *
 * The loop: deliver what is due, start the engine, see why it stopped: a page fault
 * (the fill callback refused), an interrupt (the block hook stopped it), HLT, or the end.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/devices.h"
#include "sim/native/lookup.h"
#include "sim/inside.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define FIBER_LEAVE(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define FIBER_ENTER(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define FIBER_LEAVE(save, bottom, size) ((void)0)
#define FIBER_ENTER(save, bottom, size) ((void)0)
#endif

enum {
    QUANTUM = 1000,         /* cycles a CPU may be ahead of the slowest */
    FIBER_STACK = 1 << 20,
    POLL_CYCLES = 20000000, /* how long until a stop from outside is noticed */
};

/* ---- ends ---- */

void run_end(struct machine *m, enum machine_end end)
{
    if (m->ended)
        return;
    m->ended = true;
    m->end = end;
    for (unsigned i = 0; i < m->cpu_count; i++)
        attend(&m->cpus[i]);
}

void run_crash(struct cpu *cpu, const char *format, ...)
{
    struct machine *m = cpu->machine;
    va_list args;

    if (m->ended)
        return;
    va_start(args, format);
    vsnprintf(m->crash_reason, sizeof m->crash_reason, format, args);
    va_end(args);
    m->crashed = cpu;
    run_end(m, END_CRASH);
}

/* ---- turns ---- */

/* When this CPU has something to do: its clock, or for a halted one the time that wakes it. */
static uint64_t wake_time(const struct cpu *cpu)
{
    uint64_t timer = lapic_next_timer(cpu->lapic), event = cpu->index == 0 ? event_next(cpu->machine) : UINT64_MAX;
    uint64_t next = timer < event ? timer : event;

    if (cpu->halted && cpu->deaf)
        return event == UINT64_MAX || event > cpu->now.clock ? event : cpu->now.clock;
    if (!cpu->halted || lapic_pending(cpu->lapic) >= 0)
        return cpu->now.clock;
    return next == UINT64_MAX || next > cpu->now.clock ? next : cpu->now.clock;
}

static struct cpu *slowest(struct machine *m, const struct cpu *but)
{
    struct cpu *best = NULL;

    for (unsigned i = 0; i < m->cpu_count; i++) {
        struct cpu *cpu = &m->cpus[i];

        if (cpu != but && cpu->started && (!best || wake_time(cpu) < wake_time(best)))
            best = cpu;
    }
    return best;
}

static void to_scheduler(struct cpu *cpu)
{
    trace_leave(cpu);
    FIBER_LEAVE(&cpu->asan_fake_stack, cpu->machine->asan_scheduler_bottom, cpu->machine->asan_scheduler_bytes);
    swapcontext(&cpu->fiber, &cpu->machine->scheduler);
    FIBER_ENTER(cpu->asan_fake_stack, &cpu->machine->asan_scheduler_bottom, &cpu->machine->asan_scheduler_bytes);
    trace_resume(cpu);
}

void run_yield(struct cpu *cpu)
{
    const struct cpu *other = cpu->machine->cpu_count > 1 ? slowest(cpu->machine, cpu) : NULL;

    if (other && wake_time(other) != UINT64_MAX && cpu->now.clock > wake_time(other) + QUANTUM)
        to_scheduler(cpu);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void run_set_attention(struct cpu *cpu)
{
    const struct machine *m = cpu->machine;
    uint64_t at = least(cpu->now.clock + POLL_CYCLES, lapic_next_timer(cpu->lapic));

    if (cpu->index == 0)
        at = least(at, event_next(m));
    if (m->config.time_limit_cycles)
        at = least(at, m->config.time_limit_cycles);
    if (m->cpu_count > 1)
        at = least(at, cpu->now.clock + QUANTUM);
    cpu->attention = m->ended || cpu->flush_soft || cpu->stale_code_count || cpu->stale_all_code ? 0 : at;
    cpu->now.limit = 0;
}

static void poll_outside(struct cpu *cpu)
{
    struct machine *m = cpu->machine;

    if (m->stop_wanted)
        run_end(m, END_STOPPED);
    if (m->config.time_limit_cycles && cpu->now.clock >= m->config.time_limit_cycles)
        run_end(m, END_TIME_LIMIT);
    if (m->config.progress && cpu->now.clock >= m->next_progress) {
        m->next_progress = cpu->now.clock + POLL_CYCLES;
        m->config.progress(m->config.ctx, cpu->now.clock, m->total_instructions + account_instructions(m));
    }
}

void run_poll(struct cpu *cpu)
{
    poll_outside(cpu);
}

/* ---- what stopped the engine ---- */

static void drop_stale_code(struct cpu *cpu)
{
    uc_engine *uc = cpu->engine.uc;

    cpu->dropping_code = true;
    for (unsigned i = 0; i < cpu->stale_code_count; i++) {
        uint64_t window = DROP_WINDOW + cpu->stale_code[i] * PAGE_BYTES;

        uc_ctl_remove_cache(uc, window, window + PAGE_BYTES);
    }
    cpu->dropping_code = false;
    cpu->stale_code_count = 0;
    if (cpu->stale_all_code) {
        uc_ctl_flush_tb(uc);
        cpu->translated = 0;
        in_place_forget(cpu);
        native_forget(cpu);
    }
    cpu->stale_all_code = false;
    mmu_flush_soft(cpu);
    cpu->code_page = UINT64_MAX;
}

void run_translate_again(struct cpu *cpu, uint64_t frame)
{
    unsigned i = 0;

    while (i < cpu->stale_code_count && cpu->stale_code[i] != frame)
        i++;
    if (i == STALE_CODE_PAGES)
        cpu->stale_all_code = true;
    else if (i == cpu->stale_code_count)
        cpu->stale_code[cpu->stale_code_count++] = frame;
    attend(cpu);
}

void run_drop_code(struct machine *m, uint64_t frame)
{
    m->page_flags[frame] &= (uint8_t)~PAGE_IS_CODE;
    block_drop_page(m->blocks, frame);
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            run_translate_again(&m->cpus[i], frame);
}

/* The exact address: of the operands of the instruction at RIP, the one that touches the page. */
static uint64_t fault_address(struct cpu *cpu, uint64_t rip)
{
    uint64_t page = cpu->fault.page;
    struct operand operands[OPERANDS_MAX];
    size_t n;

    if (cpu->fault.fetch)
        return (rip & PAGE_MASK) == page ? rip : page;
    n = operands_at(cpu, rip, operands);
    for (size_t i = 0; i < n; i++) {
        uint64_t first = operands[i].address, last = first + operands[i].bytes - 1;

        if (last >= page && first < page + PAGE_BYTES)
            return first > page ? first : page;
    }
    return page;
}

static void handle_fault(struct cpu *cpu)
{
    uint64_t rip = engine_get(&cpu->engine, UC_X86_REG_RIP);

    cpu->fault.valid = false;
    if (cpu->fault.canonical)
        deliver_page_fault(cpu, fault_address(cpu, rip), cpu->fault.error);
    else
        deliver_exception(cpu, VECTOR_GP, 0, false);
}

static void refused_instruction(struct cpu *cpu)
{
    unsigned vector = cpu->refused;

    cpu->refused = 0;
    engine_set(&cpu->engine, UC_X86_REG_RIP, cpu->refused_at);
    deliver_exception(cpu, vector, 0, false);
}

/* It could not translate the block at RIP: something in it is no instruction. */
static void engine_aborted(struct cpu *cpu)
{
    if (cpu->block)
        settle_block(cpu);
    engine_take_exception(&cpu->engine);
    deliver_exception(cpu, VECTOR_UD, 0, false);
}

static void engine_stopped(struct cpu *cpu, uc_err err)
{
    if (cpu->refused)
        refused_instruction(cpu);
    else if (cpu->machine->ended)
        cpu->block = NULL;
    else if (err == UC_ERR_EXCEPTION && cpu->fault.valid)
        handle_fault(cpu);
    else if (err == UC_ERR_OK && cpu->block) {
        settle_block(cpu);
        cpu->halted = true; /* HLT is the only instruction that stops it */
        cpu->deaf = !(engine_get(&cpu->engine, UC_X86_REG_RFLAGS) & FLAG_IF);
    } else if (err != UC_ERR_OK)
        run_crash(cpu, "the engine stopped: %s", uc_strerror(err));
}

/* ---- the loop ---- */

static void take_interrupt(struct cpu *cpu)
{
    int vector = lapic_pending(cpu->lapic);

    if (vector < 0 || cpu->shadow || !(engine_get(&cpu->engine, UC_X86_REG_RFLAGS) & FLAG_IF))
        return;
    lapic_accept(cpu->lapic, (unsigned)vector);
    if (cpu->halted)
        charge_timing(cpu, CAUSE_transition, cpu->machine->model.hlt_wake_cost);
    cpu->halted = false;
    deliver_interrupt(cpu, (unsigned)vector);
}

static void idle(struct cpu *cpu)
{
    struct machine *m = cpu->machine;
    uint64_t next = wake_time(cpu);
    const struct cpu *other = slowest(m, cpu);

    if (spin_is_for_ever(m)) {
        run_crash(cpu, "every CPU is halted and nothing can wake one: programs wait for each other, or a wake-up was lost");
        return;
    }
    if (other && wake_time(other) < next) {
        to_scheduler(cpu);
        return;
    }
    if (next > cpu->now.clock)
        pass_time(cpu, next - cpu->now.clock);
}

static void step(struct cpu *cpu)
{
    uc_err err;
    bool aborted;

    poll_outside(cpu);
    if (cpu->index == 0)
        event_run(cpu->machine, cpu->now.clock);
    lapic_tick(cpu->lapic, cpu->now.clock);
    if (cpu->machine->ended)
        return;
    take_interrupt(cpu);
    if (cpu->machine->ended)
        return;
    if (cpu->halted) {
        idle(cpu);
        return;
    }
    if (cpu->stale_code_count || cpu->stale_all_code)
        drop_stale_code(cpu);
    run_set_attention(cpu);
    err = guard_start(&cpu->guard, cpu->engine.uc, engine_get(&cpu->engine, UC_X86_REG_RIP), &aborted);
    in_place_take(cpu);
    if (aborted)
        engine_aborted(cpu);
    else
        engine_stopped(cpu, err);
}

static void fiber_main(unsigned low, unsigned high)
{
    struct cpu *cpu = (struct cpu *)((uintptr_t)high << 32 | low);

    FIBER_ENTER(NULL, &cpu->machine->asan_scheduler_bottom, &cpu->machine->asan_scheduler_bytes);
    trace_resume(cpu);
    while (!cpu->machine->ended)
        step(cpu);
    FIBER_LEAVE(NULL, cpu->machine->asan_scheduler_bottom, cpu->machine->asan_scheduler_bytes);
    setcontext(&cpu->machine->scheduler);
}

static bool make_fiber(struct cpu *cpu)
{
    uintptr_t self = (uintptr_t)cpu;

    cpu->stack_bytes = FIBER_STACK;
    cpu->stack = mmap(NULL, FIBER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (cpu->stack == MAP_FAILED) {
        cpu->stack = NULL;
        return false;
    }
    getcontext(&cpu->fiber);
    cpu->fiber.uc_stack.ss_sp = cpu->stack;
    cpu->fiber.uc_stack.ss_size = FIBER_STACK;
    cpu->fiber.uc_link = NULL;
    makecontext(&cpu->fiber, (void (*)(void))fiber_main, 2, (unsigned)self, (unsigned)(self >> 32));
    return true;
}

/* The boot stub: control registers, EFER, GDT, segments, then the entry, all by instructions, because only those update
 * the engine's hidden state. RBX CR3, RBP CR4, R8 CR0, ECX:EDX:EAX the EFER write, RSI the GDTR image, R9 the entry,
 * R10 DR0, R11 DR7. */
static const uint8_t boot_stub[] = {
    0x0f, 0x22, 0xdb,       /* mov cr3, rbx */
    0x0f, 0x22, 0xe5,       /* mov cr4, rbp */
    0x41, 0x0f, 0x22, 0xc0, /* mov cr0, r8 */
    0x0f, 0x30,             /* wrmsr */
    0x0f, 0x01, 0x16,       /* lgdt [rsi] */
    0x41, 0x0f, 0x23, 0xc2, /* mov dr0, r10 */
    0x41, 0x0f, 0x23, 0xfb, /* mov dr7, r11 */
    0x66, 0xb8, 0x10, 0x00, /* mov ax, 0x10 */
    0x8e, 0xd0, 0x8e, 0xd8, /* mov ss, ax; mov ds, ax */
    0x8e, 0xc0,             /* mov es, ax */
    0x6a, 0x08, 0x41, 0x51, /* push 8; push r9 */
    0x48, 0xcb,             /* retfq */
};

static void set_boot_registers(struct cpu *cpu, uint64_t entry)
{
    const struct {
        int reg;
        uint64_t value;
    } registers[] = {
        {UC_X86_REG_RBX, BOARD_TABLES},
        {UC_X86_REG_RBP, 0x620 | CR4_TSD}, /* PAE, OSFXSR, OSXMMEXCPT */
        {UC_X86_REG_R8, 0x80050033},       /* PG, AM, WP, NE, ET, MP, PE */
        {UC_X86_REG_RCX, MSR_EFER},
        {UC_X86_REG_RAX, 0xd01}, /* NXE, LMA, LME, SCE */
        {UC_X86_REG_RDX, 0},
        {UC_X86_REG_RSI, BOARD_GDTR},
        {UC_X86_REG_R9, entry},
        {UC_X86_REG_R10, BOARD_NO_PORT},
        {UC_X86_REG_R11, BOARD_DR7},
        {UC_X86_REG_RSP, BOARD_STACK_TOP - cpu->index * 256},
        {UC_X86_REG_RDI, BOARD_BOOT_INFO},
        {UC_X86_REG_RIP, BOARD_STUB},
        {UC_X86_REG_FPCW, 0x37f},
        {UC_X86_REG_MXCSR, 0x1f80},
        {UC_X86_REG_FPTAG, 0xffff},
    };

    for (size_t i = 0; i < sizeof registers / sizeof registers[0]; i++)
        engine_set(&cpu->engine, registers[i].reg, registers[i].value);
}

bool run_start_cpu(struct cpu *cpu, uint64_t entry, char error[MACHINE_ERROR_MAX])
{
    if (!make_fiber(cpu)) {
        snprintf(error, MACHINE_ERROR_MAX, "no memory on the host for a CPU's stack");
        return false;
    }
    memcpy(cpu->machine->ram + BOARD_STUB, boot_stub, sizeof boot_stub);
    set_boot_registers(cpu, entry);
    cpu->cr0 = CR0_PG | CR0_WP;
    cpu->cr3 = BOARD_TABLES;
    cpu->efer = EFER_NXE;
    cpu->cpl = 0;
    settle_drop_filters(cpu);
    account_enter(cpu);
    cpu->now.clock = cpu->domain_clock = cpu->machine->cpus[cpu->machine->current].now.clock;
    cpu->started = true;
    cpu->halted = false;
    run_set_attention(cpu);
    return true;
}

enum machine_end run_all(struct machine *m)
{
    void *fake_stack = NULL;
    struct sigaction old;

    guard_open(&old);
    while (!m->ended) {
        struct cpu *cpu = slowest(m, NULL);

        m->current = cpu->index;
        FIBER_LEAVE(&fake_stack, cpu->stack, cpu->stack_bytes);
        guard_select(&cpu->guard);
        lookup_use(!m->timing && m->config.accesses != ACCESSES_HOOKED);
        swapcontext(&m->scheduler, &cpu->fiber);
        FIBER_ENTER(fake_stack, NULL, NULL);
    }
    guard_close(&old);
    (void)fake_stack;
    return m->end;
}
