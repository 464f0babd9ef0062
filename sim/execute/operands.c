/* SPDX-License-Identifier: MIT
 *
 * sim/execute/operands.c: the memory operands of an instruction, evaluated with a CPU's registers: for the exact CR2 of
 * a page fault and the address of INVLPG. Capstone's register numbers and Unicorn's are two lists of the same names.
 */
#include <capstone/x86.h>

#include "sim/inside.h"

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

size_t operands_at(struct cpu *cpu, uint64_t rip, struct operand out[OPERANDS_MAX])
{
    uint8_t code[15];
    size_t n = sizeof code;

    while (n > 0 && !mmu_read(cpu, rip, code, n))
        n--;
    return block_operands(cpu->machine->blocks, code, n, rip, read_register, cpu, out);
}
