/* SPDX-License-Identifier: MIT
 *
 * sim/account/report.c: what a person needs after a crash: why, registers, the instruction,
 * a symbolised backtrace, the page walk of the faulting address, the last transitions.
 */
#include <inttypes.h>
#include <stdio.h>

#include "sim/inside.h"

enum { BACKTRACE_MAX = 24 };

static const struct symbols *symbols_at(const struct cpu *cpu, uint64_t pc)
{
    return cpu->cpl == 0 && pc >> 63 ? cpu->machine->kernel_symbols : cpu->domain ? cpu->domain->symbols : NULL;
}

static void print_place(const struct cpu *cpu, uint64_t pc, FILE *out)
{
    uint64_t offset = 0;
    const char *name = symbols_name(symbols_at(cpu, pc), pc, &offset);

    fprintf(out, "0x%016" PRIx64, pc);
    if (name)
        fprintf(out, " %s+%#" PRIx64, name, offset);
}

static void print_registers(const struct cpu *cpu, FILE *out)
{
    static const struct {
        const char *name;
        int reg;
    } registers[] = {
        {"RIP", UC_X86_REG_RIP}, {"RSP", UC_X86_REG_RSP}, {"RBP", UC_X86_REG_RBP}, {"RFL", UC_X86_REG_RFLAGS},
        {"RAX", UC_X86_REG_RAX}, {"RBX", UC_X86_REG_RBX}, {"RCX", UC_X86_REG_RCX}, {"RDX", UC_X86_REG_RDX},
        {"RSI", UC_X86_REG_RSI}, {"RDI", UC_X86_REG_RDI}, {"R8 ", UC_X86_REG_R8},  {"R9 ", UC_X86_REG_R9},
        {"R10", UC_X86_REG_R10}, {"R11", UC_X86_REG_R11}, {"R12", UC_X86_REG_R12}, {"R13", UC_X86_REG_R13},
        {"R14", UC_X86_REG_R14}, {"R15", UC_X86_REG_R15}, {"CR0", UC_X86_REG_CR0}, {"CR2", UC_X86_REG_CR2},
        {"CR3", UC_X86_REG_CR3}, {"CR4", UC_X86_REG_CR4}, {"CS ", UC_X86_REG_CS},  {"SS ", UC_X86_REG_SS},
    };

    for (size_t i = 0; i < sizeof registers / sizeof registers[0]; i++)
        fprintf(out, "%s %016" PRIx64 "%s", registers[i].name, engine_get(&cpu->engine, registers[i].reg),
                i % 4 == 3 ? "\n" : "  ");
}

static void print_instruction(const struct cpu *cpu, uint64_t rip, FILE *out)
{
    uint8_t code[15];
    char text[96];
    size_t n = sizeof code;

    while (n > 0 && !mmu_read(cpu, rip, code, n))
        n--;
    fprintf(out, "at ");
    print_place(cpu, rip, out);
    if (n && block_disassemble(cpu->machine->blocks, code, n, rip, text, sizeof text))
        fprintf(out, ": %s\n", text);
    else
        fprintf(out, ": %s\n", n ? "not an instruction" : "not mapped");
}

static void print_backtrace(const struct cpu *cpu, FILE *out)
{
    uint64_t frame = engine_get(&cpu->engine, UC_X86_REG_RBP), words[2];

    fprintf(out, "backtrace\n  ");
    print_place(cpu, engine_get(&cpu->engine, UC_X86_REG_RIP), out);
    for (unsigned i = 0; i < BACKTRACE_MAX && mmu_read(cpu, frame, words, sizeof words) && words[1]; i++) {
        fprintf(out, "\n  ");
        print_place(cpu, words[1], out);
        if (words[0] <= frame)
            break;
        frame = words[0];
    }
    fprintf(out, "\n");
}

static void print_transition(const struct cpu *cpu, const struct transition *t, FILE *out)
{
    static const char *const names[] = {"syscall", "exception", "interrupt", "return", "cr3"};

    fprintf(out, "  %12" PRIu64 "  %-9s %u→%u  ", t->cycles, names[t->kind], t->from_cpl, t->to_cpl);
    print_place(cpu, t->from_rip, out);
    fprintf(out, " → ");
    print_place(cpu, t->to_rip, out);
    if (t->kind == TRANSITION_SYSCALL)
        fprintf(out, "  call %" PRIu64, t->detail);
    else if (t->kind == TRANSITION_EXCEPTION)
        fprintf(out, "  vector %u, error code %#" PRIx64, t->vector, t->detail);
    else if (t->kind == TRANSITION_INTERRUPT)
        fprintf(out, "  vector %#x", t->vector);
    fprintf(out, "\n");
}

static void print_transitions(const struct cpu *cpu, FILE *out)
{
    uint64_t first = cpu->transition_count > TRANSITIONS_KEPT ? cpu->transition_count - TRANSITIONS_KEPT : 0;

    fprintf(out, "last transitions: clock, kind, CPL, from → to\n");
    for (uint64_t i = first; i < cpu->transition_count; i++)
        print_transition(cpu, &cpu->transitions[i % TRANSITIONS_KEPT], out);
}

void machine_report(struct machine *m, FILE *out)
{
    const struct cpu *cpu = m->crashed ? m->crashed : &m->cpus[m->current];
    uint64_t cr2 = m->crash_address ? m->crash_address : engine_get(&cpu->engine, UC_X86_REG_CR2);

    fprintf(out, "CPU %u, ring %u, domain %s: %s\n", cpu->index, cpu->cpl, cpu->domain ? cpu->domain->name : "none",
            m->crash_reason[0] ? m->crash_reason : "still running");
    inject_report(m, out);
    print_registers(cpu, out);
    print_instruction(cpu, engine_get(&cpu->engine, UC_X86_REG_RIP), out);
    print_backtrace(cpu, out);
    mmu_describe_walk(cpu, cr2, out);
    print_transitions(cpu, out);
}
