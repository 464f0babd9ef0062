/* SPDX-License-Identifier: MIT
 *
 * sim/account/exits.c: see exits.h. Called on each change from CPL 3 to ring 0, while CR3 is still the guest's.
 */
#include "sim/account/exits.h"

#include <stdlib.h>
#include <string.h>

#include "sim/inside.h"

#define INSTRUCTION_MAX 15

static void add(struct exits *e, const char *name)
{
    size_t i = 0;

    while (i < e->count && i < EXIT_REASONS_MAX - 1 && strcmp(e->reason[i].name, name) != 0)
        i++;
    if (i == EXIT_REASONS_MAX - 1)
        name = "other";
    if (i == e->count) {
        e->count++;
        snprintf(e->reason[i].name, sizeof e->reason[i].name, "%s", name);
    }
    e->reason[i].count++;
}

/* The instruction at `rip`, which may end at the end of what is mapped; false: none. */
static bool instruction_name(struct cpu *cpu, uint64_t rip, char *name, size_t bytes)
{
    uint8_t code[INSTRUCTION_MAX];
    size_t n = 0;

    while (n < sizeof code && mmu_read(cpu, rip + n, code + n, 1))
        n++;
    return n && block_mnemonic(cpu->machine->blocks, code, n, name, bytes);
}

/* Intel SDM vol. 3A table 6-1. */
const char *exits_exception_name(unsigned vector)
{
    static const char *const names[32] = {
        [VECTOR_DE] = "divide error",
        [VECTOR_DB] = "debug",
        [2] = "nmi",
        [3] = "breakpoint",
        [4] = "overflow",
        [5] = "bound range",
        [VECTOR_UD] = "invalid opcode",
        [7] = "device not available",
        [VECTOR_DF] = "double fault",
        [VECTOR_TS] = "invalid tss",
        [VECTOR_NP] = "segment not present",
        [VECTOR_SS] = "stack fault",
        [VECTOR_GP] = "general protection",
        [VECTOR_PF] = "page fault",
        [16] = "x87 error",
        [17] = "alignment check",
        [18] = "machine check",
        [19] = "simd error",
    };

    return vector < 32 && names[vector] ? names[vector] : "exception";
}

static void leave(struct cpu *cpu, const char *reason)
{
    add(&cpu->machine->exits, reason);
    trace_exit(cpu, reason);
}

static bool is_a_guest(struct cpu *cpu)
{
    if (!account_guest(cpu)->guest)
        return false;
    count(cpu, COUNTER_vm_exits);
    return true;
}

void exits_syscall(struct cpu *cpu)
{
    if (!is_a_guest(cpu))
        return;
    leave(cpu, "syscall");
    if (account_guest(cpu)->kernel)
        count(cpu, COUNTER_hypercalls);
}

void exits_interrupt(struct cpu *cpu)
{
    if (is_a_guest(cpu))
        leave(cpu, "interrupt");
}

void exits_exception(struct cpu *cpu, unsigned vector, bool software, uint64_t rip)
{
    char name[sizeof cpu->machine->exits.reason[0].name];

    if (!is_a_guest(cpu))
        return;
    snprintf(name, sizeof name, "%s", software && vector != 3 ? "int n" : exits_exception_name(vector));
    if (!software && (vector == VECTOR_GP || vector == VECTOR_UD))
        instruction_name(cpu, rip, name, sizeof name);
    leave(cpu, name);
    if (vector == VECTOR_UD && account_guest(cpu)->kernel && strcmp(name, "vmcall") == 0)
        count(cpu, COUNTER_hypercalls);
}

static int by_count(const void *a, const void *b)
{
    const struct exit_reason *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

void exits_sort(struct exits *exits)
{
    qsort(exits->reason, exits->count, sizeof exits->reason[0], by_count);
}
