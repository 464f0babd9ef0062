/* SPDX-License-Identifier: MIT
 *
 * sim/devices/board.c: what hangs on the machine's buses: the register window, I/O ports, the
 * local APICs and the way an interrupt takes to a CPU.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/devices.h"
#include "sim/inside.h"

/* The page behind the devices stands for physical memory where nothing is. */
#define WINDOW_BYTES (MMIO_END - MMIO_BASE + PAGE_BYTES)

/* ---- the register window ---- */

static struct bus_device *device_at(struct machine *m, uint64_t offset)
{
    uint64_t page = offset / PAGE_BYTES;

    return page < sizeof m->devices / sizeof m->devices[0] ? &m->devices[page] : NULL;
}

/* Unicorn splits an access of 8 bytes into two of 4, the low one first. */
static uint64_t read_clock(struct cpu *cpu, uint64_t offset)
{
    uint64_t at = offset & ~7ul, value = at == CLOCK_CYCLES ? cpu->now.clock : at == CLOCK_HZ ? cpu->machine->model.hz : 0;

    return value >> (offset & 7) * 8;
}

static uint64_t on_read(uc_engine *uc, uint64_t offset, unsigned width, void *user)
{
    struct cpu *cpu = user;
    uint64_t address = MMIO_BASE + offset, within = offset & (PAGE_BYTES - 1);
    struct bus_device *device = device_at(cpu->machine, offset);

    (void)uc;
    in_place_take(cpu);
    access_reached_device(cpu, address);
    if (!cpu->machine->timing && !(offset & 4)) /* the timing model charged it in the memory hook */
        pass_time(cpu, 1);
    if ((address & PAGE_MASK) == MMIO_LAPIC)
        return lapic_read(cpu->lapic, within, cpu->now.clock);
    if ((address & PAGE_MASK) == MMIO_CLOCK)
        return read_clock(cpu, within);
    if (device && device->read)
        return device->read(device->self, within, width);
    return address >= MMIO_END ? UINT64_MAX : 0;
}

static void on_write(uc_engine *uc, uint64_t offset, unsigned width, uint64_t value, void *user)
{
    struct cpu *cpu = user;
    uint64_t address = MMIO_BASE + offset, within = offset & (PAGE_BYTES - 1);
    struct bus_device *device = device_at(cpu->machine, offset);

    (void)uc;
    in_place_take(cpu);
    access_reached_device(cpu, address);
    if ((address & PAGE_MASK) == MMIO_LAPIC)
        lapic_write(cpu->lapic, within, (uint32_t)value, cpu->now.clock);
    else if (device && device->write)
        device->write(device->self, within, width, value);
    run_set_attention(cpu);
    if (lapic_pending(cpu->lapic) >= 0)
        attend(cpu);
}

/* ---- interrupts ---- */

static void wake(struct cpu *cpu)
{
    attend(cpu);
}

static void bus_interrupt(void *ctx, unsigned vector)
{
    struct machine *m = ctx;

    lapic_raise(m->cpus[0].lapic, vector);
    wake(&m->cpus[0]);
}

struct ipi {
    struct cpu *target;
    enum lapic_delivery delivery;
    uint8_t vector;
};

static void ipi_arrives(void *self)
{
    struct ipi *ipi = self;
    char error[MACHINE_ERROR_MAX];

    if (ipi->delivery == LAPIC_FIXED || ipi->delivery == LAPIC_LOWEST)
        lapic_raise(ipi->target->lapic, ipi->vector);
    else if (ipi->delivery == LAPIC_SIPI && !ipi->target->started)
        run_start_cpu(ipi->target, (uint64_t)ipi->vector << 12, error);
    wake(ipi->target);
    free(ipi);
}

static void send_ipi(void *ctx, const struct lapic_ipi *message)
{
    struct cpu *cpu = ctx;
    struct machine *m = cpu->machine;
    const struct lapic *lapics[MACHINE_CPUS_MAX];
    uint32_t targets;

    for (unsigned i = 0; i < m->cpu_count; i++)
        lapics[i] = m->cpus[i].lapic;
    targets = lapic_destinations(lapics, m->cpu_count, message);
    charge_timing(cpu, CAUSE_device, m->model.ipi_cost);
    for (unsigned i = 0; i < m->cpu_count; i++) {
        struct ipi *ipi = targets >> i & 1 ? malloc(sizeof *ipi) : NULL;

        if (!ipi)
            continue;
        count(cpu, COUNTER_ipis);
        *ipi = (struct ipi){&m->cpus[i], message->delivery, message->vector};
        if (!event_at(m, cpu->now.clock + m->model.ipi_latency, ipi_arrives, ipi))
            free(ipi);
    }
}

/* ---- ports ---- */

static void log_character(struct machine *m, char c)
{
    if (c != '\n')
        m->log_line[m->log_used++] = c;
    if (c != '\n' && m->log_used < sizeof m->log_line - 1)
        return;
    m->log_line[m->log_used] = 0;
    m->log_used = 0;
    if (m->config.log)
        m->config.log(m->config.ctx, m->log_line);
}

static unsigned prefix_bytes(const uint8_t *code, unsigned length)
{
    static const char prefixes[] = "\x66\x67\xf0\xf2\xf3\x26\x2e\x36\x3e\x64\x65";
    unsigned at = 0;

    while (at + 1 < length && ((code[at] && strchr(prefixes, code[at])) || (code[at] & 0xf0) == 0x40))
        at++;
    return at;
}

/* Is this an IN, OUT, INS or OUTS? Prefixes and opcode; `length` from the decoder. */
static bool is_port_instruction(const uint8_t *code, unsigned length)
{
    unsigned at = prefix_bytes(code, length);

    return (code[at] & 0xfc) == 0x6c || (code[at] & 0xf4) == 0xe4;
}

/* RDRAND, RDSEED, RDPID. CPUID says that there are none of them, and the engine would ask the host. */
static bool is_random_number(const uint8_t *code, unsigned length)
{
    unsigned at = prefix_bytes(code, length);

    return at + 2 < length && code[at] == 0x0f && code[at + 1] == 0xc7 && (code[at + 2] & 0xf0) == 0xf0;
}

/* A code hook on one address: there the engine's RIP and flags are exact, and it can stop before the instruction. */
static void on_guarded(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    struct cpu *cpu = user;
    uint8_t code[15];

    in_place_take(cpu);
    if (size > sizeof code || !mmu_read(cpu, address, code, size))
        return;
    if (cpu->cpl > (cpu->user_flags & FLAG_IOPL) >> 12 && is_port_instruction(code, size))
        cpu->refused = VECTOR_GP;
    else if (is_random_number(code, size))
        cpu->refused = VECTOR_UD;
    else
        return; /* another address space has something else here */
    cpu->refused_at = address;
    uc_emu_stop(uc);
}

/* All guards are taken: forget them, and all translations; blocks that run again are guarded again. */
static void drop_guards(struct machine *m)
{
    for (unsigned i = 0; i < m->port_guard_count; i++) {
        block_drop_page(m->blocks, m->port_guards[i].frame);
        for (unsigned c = 0; c < m->cpu_count; c++)
            uc_hook_del(m->cpus[c].engine.uc, m->port_guards[i].hooks[c]);
    }
    for (unsigned c = 0; c < m->cpu_count; c++) {
        m->cpus[c].stale_all_code = true;
        attend(&m->cpus[c]);
    }
    m->port_guard_count = 0;
}

static bool guard_instruction(struct machine *m, uint64_t pc, uint64_t frame)
{
    struct port_guard *guard;

    for (unsigned i = 0; i < m->port_guard_count; i++)
        if (m->port_guards[i].pc == pc)
            return false;
    if (m->port_guard_count == PORT_GUARDS)
        drop_guards(m);
    guard = &m->port_guards[m->port_guard_count++];
    guard->pc = pc;
    guard->frame = frame;
    for (unsigned i = 0; i < m->cpu_count; i++)
        uc_hook_add(m->cpus[i].engine.uc, &guard->hooks[i], UC_HOOK_CODE, (void *)on_guarded, &m->cpus[i], pc, pc);
    return true;
}

bool board_guard_instructions(struct cpu *cpu, uint64_t pc, uint64_t physical, const uint8_t *code, uint32_t size)
{
    bool fresh = false;
    char text[64];

    if (cpu->cpl != 3 && !memmem(code, size, "\x0f\xc7", 2))
        return false;
    for (uint32_t at = 0, length; at < size; at += length) {
        length = decode_text(cpu->machine->decoder, code + at, size - at, pc + at, text, sizeof text);
        if (length == 0)
            length = 1; /* Capstone does not know it: a guard within an instruction never fires */
        if ((cpu->cpl == 3 && is_port_instruction(code + at, length)) || is_random_number(code + at, length))
            fresh |= guard_instruction(cpu->machine, pc + at, physical >> 12);
    }
    if (fresh)
        run_drop_code(cpu->machine, physical >> 12);
    return fresh;
}

/* What IN, OUT, INS, OUTS change. */
static const int port_registers[PORT_REGISTERS] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RSI, UC_X86_REG_RDI};

/* Start of the instruction of the current block that ends at `behind`. */
static uint64_t instruction_before(struct cpu *cpu, uint64_t behind)
{
    uint64_t pc = cpu->block ? cpu->block_pc : behind;
    uint8_t code[15];
    char text[64];

    for (;;) {
        size_t bytes = behind - pc < sizeof code ? behind - pc : sizeof code;
        unsigned length = mmu_read(cpu, pc, code, bytes) ? decode_text(cpu->machine->decoder, code, bytes, pc, text, sizeof text) : 0;

        if (length == 0 || pc + length >= behind)
            return pc;
        pc += length;
    }
}

bool board_refuse_port(struct cpu *cpu)
{
    uint64_t behind = engine_get(&cpu->engine, UC_X86_REG_RIP);

    if (!cpu->refused_port.valid)
        return false;
    cpu->refused_port.valid = false;
    engine_set(&cpu->engine, UC_X86_REG_DR0, BOARD_NO_PORT);
    engine_set(&cpu->engine, UC_X86_REG_RIP, instruction_before(cpu, behind));
    for (unsigned i = 0; i < PORT_REGISTERS; i++)
        engine_set(&cpu->engine, port_registers[i], cpu->refused_port.registers[i]);
    return true;
}

/* SDM vol. 1 §19.5: IOPL; there is no I/O bitmap, so below IOPL all ports are refused. */
static bool port_allowed(struct cpu *cpu, uint32_t port)
{
    if (cpu->cpl == 0 || cpu->cpl <= (cpu->user_flags & FLAG_IOPL) >> 12)
        return true;
    for (unsigned i = 0; i < PORT_REGISTERS; i++)
        cpu->refused_port.registers[i] = engine_get(&cpu->engine, port_registers[i]);
    cpu->refused_port.valid = true;
    engine_set(&cpu->engine, UC_X86_REG_DR0, port); /* an I/O breakpoint stops the block behind the instruction */
    return false;
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *user)
{
    struct cpu *cpu = user;

    (void)uc;
    (void)size;
    in_place_take(cpu);
    access_reached_barrier(cpu);
    if (port_allowed(cpu, port))
        charge_timing(cpu, CAUSE_device, cpu->machine->model.port_cost);
    return UINT32_MAX;
}

static void power(struct cpu *cpu, uint32_t value)
{
    cpu->machine->result.exit_status = value & 0xff;
    if (value & POWER_PANIC)
        run_crash(cpu, "the kernel panicked");
    else
        run_end(cpu->machine, END_POWER_OFF);
    uc_emu_stop(cpu->engine.uc);
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *user)
{
    struct cpu *cpu = user;

    (void)uc;
    (void)size;
    in_place_take(cpu);
    access_reached_barrier(cpu);
    if (!port_allowed(cpu, port))
        return;
    charge_timing(cpu, CAUSE_device, cpu->machine->model.port_cost);
    if (port == PORT_DEBUG)
        log_character(cpu->machine, (char)value);
    else if (port == PORT_POWER)
        power(cpu, value);
    else if (port == PORT_SAVE)
        saved_request(cpu, value);
}

/* ---- the bus that devices see ---- */

static bool bus_dma_read(void *ctx, uint64_t address, void *to, size_t bytes)
{
    return ram_dma_read(ctx, address, to, bytes);
}

static bool bus_dma_write(void *ctx, uint64_t address, const void *from, size_t bytes)
{
    return ram_dma_write(ctx, address, from, bytes);
}

static uint64_t bus_now(void *ctx)
{
    struct machine *m = ctx;

    return m->cpus[m->current].now.clock;
}

static void bus_at(void *ctx, uint64_t when, void (*fire)(void *self), void *self)
{
    event_at(ctx, when, fire, self);
}

static bool make_console(struct machine *m, struct virtio_console **out, uint64_t address, unsigned vector,
                         const struct console_streams *streams)
{
    *out = virtio_console_create(&m->bus, vector, streams);
    if (*out)
        m->devices[(address - MMIO_BASE) / PAGE_BYTES] = virtio_console_device(*out);
    return *out != NULL;
}

bool board_open(struct machine *m, char error[MACHINE_ERROR_MAX])
{
    const struct machine_config *c = &m->config;
    bool ok;

    m->bus = (struct bus){m, bus_dma_read, bus_dma_write, bus_now, bus_at, bus_interrupt, m->model.hz};
    ok = make_console(m, &m->console, MMIO_VIRTIO_CONSOLE, VECTOR_VIRTIO_CONSOLE, &c->console) &&
         make_console(m, &m->stderr_console, MMIO_VIRTIO_STDERR, VECTOR_VIRTIO_STDERR, &c->stderr_console);
    if (ok && c->disk) {
        m->blk = virtio_blk_create(&m->bus, &m->model, VECTOR_VIRTIO_BLK, c->disk, c->disk_bytes);
        ok = m->blk != NULL;
        if (ok)
            m->devices[(MMIO_VIRTIO_BLK - MMIO_BASE) / PAGE_BYTES] = virtio_blk_device(m->blk);
    }
    if (!ok)
        snprintf(error, MACHINE_ERROR_MAX, "no memory on the host for the devices");
    return ok;
}

void board_close(struct machine *m)
{
    if (m->blk)
        virtio_blk_destroy(m->blk);
    if (m->console)
        virtio_console_destroy(m->console);
    if (m->stderr_console)
        virtio_console_destroy(m->stderr_console);
    for (size_t i = 0; i < m->event_count; i++)
        if (m->events[i].fire == ipi_arrives)
            free(m->events[i].self);
    free(m->events);
}

bool board_attach(struct cpu *cpu, char error[MACHINE_ERROR_MAX])
{
    uc_engine *uc = cpu->engine.uc;
    uc_hook hook;
    uc_err err = uc_mmio_map(uc, MMIO_BASE, WINDOW_BYTES, on_read, cpu, on_write, cpu);

    lapic_create(cpu->lapic, cpu->index, send_ipi, cpu);
    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_in, cpu, 1, 0, UC_X86_INS_IN);
    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_out, cpu, 1, 0, UC_X86_INS_OUT);
    if (err)
        snprintf(error, MACHINE_ERROR_MAX, "Unicorn cannot attach the devices: %s", uc_strerror(err));
    return !err;
}
