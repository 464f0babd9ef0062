/* SPDX-License-Identifier: MIT
 *
 * sim/execute/trap.c: Unicorn's hooks for SYSCALL, SYSENTER, exceptions and unknown instructions, and the
 * two instructions that the machine executes in their stead: RDTSC at CPL 3 (CR4.TSD is
 * set, so it faults here; answered from the cycle clock) and INVPCID (Unicorn lacks it).
 */
#include <stdio.h>
#include <string.h>

#include "sim/inside.h"

static void finish_hook(struct cpu *cpu)
{
    if (cpu->machine->ended)
        uc_emu_stop(cpu->engine.uc);
}

static void on_syscall(uc_engine *uc, void *user)
{
    struct cpu *cpu = user;
    uint64_t rip;
    unsigned length;
    bool vex;

    (void)uc;
    in_place_take(cpu);
    access_finish(cpu);
    if (cpu->block && cpu->block->reloads)
        deliver_reload(cpu); /* a WRMSR before it in the same block */
    length = deliver_syscall_length(cpu, engine_get(&cpu->engine, UC_X86_REG_RIP), &vex);
    if (cpu->efer & EFER_SCE && !vex) {
        deliver_syscall(cpu, length);
        return;
    }
    deliver_exception(cpu, 6, 0, false);
    rip = engine_get(&cpu->engine, UC_X86_REG_RIP); /* the engine adds the length after this hook */
    engine_set(&cpu->engine, UC_X86_REG_RIP, rip - length);
    finish_hook(cpu);
}

/* Bytes of the SYSENTER at the end of the block. (The decoder may not know all of the block's instructions.) */
static unsigned sysenter_length(struct cpu *cpu, const struct block *b)
{
    uint8_t code[15];
    unsigned bytes = b->last_bytes, at = 0;

    if (bytes < 2 || bytes > sizeof code || !mmu_read(cpu, cpu->block_pc + block_last(b), code, bytes))
        return 2;
    while (at < bytes - 2 && code[at] != 0x0f)
        at++;
    return at == bytes - 2 && code[at] == 0x0f && code[at + 1] == 0x34 ? bytes : 2;
}

/* No kernel here sets IA32_SYSENTER_CS: #GP(0) (SDM vol. 2B, SYSENTER). The engine has not stored RIP, and adds to it after
 * this hook; but the instruction ends its block. */
static void on_sysenter(uc_engine *uc, void *user)
{
    struct cpu *cpu = user;

    in_place_take(cpu);
    cpu->refused = VECTOR_GP;
    cpu->refused_at = cpu->block_pc + cpu->block->size - sysenter_length(cpu, cpu->block);
    uc_emu_stop(uc);
}

/* The block stops here; this instruction was executed by the machine. */
static void skip_instruction(struct cpu *cpu, uint64_t rip, unsigned bytes, enum cause cause, uint32_t cycles)
{
    settle_cancel(cpu, rip);
    retire(cpu, 1);
    charge_timing(cpu, cause, cycles);
    engine_set(&cpu->engine, UC_X86_REG_RIP, rip + bytes);
}

/* RDTSC: 0f 31. RDTSCP: 0f 01 f9. */
static bool emulate_rdtsc(struct cpu *cpu, uint64_t rip)
{
    uint8_t code[3] = {0};
    bool rdtsc, rdtscp;

    if (cpu->cpl != 3 || !(cpu->cr4 & CR4_TSD) || !mmu_read(cpu, rip, code, 2))
        return false;
    rdtsc = code[0] == 0x0f && code[1] == 0x31;
    rdtscp = code[0] == 0x0f && code[1] == 0x01 && mmu_read(cpu, rip, code, 3) && code[2] == 0xf9;
    if (!rdtsc && !rdtscp)
        return false;
    skip_instruction(cpu, rip, rdtsc ? 2 : 3, CAUSE_work, cpu->machine->model.rdtsc_cost);
    engine_set(&cpu->engine, UC_X86_REG_RAX, (uint32_t)cpu->now.clock);
    engine_set(&cpu->engine, UC_X86_REG_RDX, cpu->now.clock >> 32);
    if (rdtscp)
        engine_set(&cpu->engine, UC_X86_REG_RCX, cpu->index);
    return true;
}

static const int general_registers[16] = {
    UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
    UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
    UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
};

static void invpcid(struct cpu *cpu, uint64_t type, const uint64_t descriptor[2])
{
    bool one_page = type == 0;

    tlb_invpcid(cpu->tlb, (unsigned)type, descriptor[1] >> 12 & ((1ul << 52) - 1), descriptor[0] & 0xfff);
    mmu_flush_soft(cpu);
    settle_drop_filters(cpu);
    count(cpu, one_page ? COUNTER_tlb_page_flushes : COUNTER_tlb_flushes);
}

/* INVPCID r64, m128: 66 [REX] 0f 38 82 /r. Offset of its ModRM byte; 0: it is something else. */
static unsigned invpcid_modrm(const uint8_t code[15])
{
    unsigned at = (code[1] & 0xf0) == 0x40 ? 2 : 1;

    return code[0] == 0x66 && code[at] == 0x0f && code[at + 1] == 0x38 && code[at + 2] == 0x82 ? at + 3 : 0;
}

/* SDM vol. 2A: what raises #GP(0). */
static bool invpcid_refused(const struct cpu *cpu, uint64_t type, const uint64_t descriptor[2])
{
    bool canonical = (uint64_t)((int64_t)(descriptor[1] << 16) >> 16) == descriptor[1];

    return type > 3 || descriptor[0] >> 12 || (type == 0 && !canonical) ||
           (type < 2 && descriptor[0] && !(cpu->cr4 & CR4_PCIDE));
}

/* Unicorn lacks the instruction and raises #UD at RIP. false: it is something else; else it was executed (*vector is
 * NO_VECTOR), or *vector must be raised. */
#define NO_VECTOR 0xffffu
static bool emulate_invpcid(struct cpu *cpu, uint64_t rip, uint32_t *vector)
{
    uint8_t code[15] = {0};
    struct operand operands[OPERANDS_MAX];
    uint64_t descriptor[2], type;
    unsigned modrm;
    char text[64];

    if (!mmu_read(cpu, rip, code, 9) || !(modrm = invpcid_modrm(code)) || operands_at(cpu, rip, operands) == 0)
        return false;
    *vector = VECTOR_GP;
    type = engine_get(&cpu->engine, general_registers[(code[modrm] >> 3 & 7) | (modrm == 5 && code[1] & 4 ? 8 : 0)]);
    if (cpu->cpl != 0)
        return true;
    if (!mmu_read(cpu, operands[0].address, descriptor, sizeof descriptor)) {
        *vector = NO_VECTOR;
        deliver_page_fault(cpu, operands[0].address, 0);
        return true;
    }
    if (invpcid_refused(cpu, type, descriptor))
        return true;
    mmu_read(cpu, rip, code, sizeof code);
    trace_flush(cpu, "invpcid");
    skip_instruction(cpu, rip, decode_text(cpu->machine->decoder, code, sizeof code, rip, text, sizeof text), CAUSE_tlb,
                     cpu->machine->model.invpcid_cost);
    invpcid(cpu, type, descriptor);
    *vector = NO_VECTOR;
    return true;
}

/* A single step traps behind its instruction (SDM vol. 3B §18.3.1.4), which is then the last of its block; the next
 * block's hook has not seen what it did. SYSRET with TF set in R11 traps at once, as if the SYSCALL had been stepped over.
 * Elements of a REP are settle_cancel's. */
static void settle_stepped(struct cpu *cpu)
{
    const struct block *b = cpu->block;

    if (!b || !b->special || b->special == SPECIAL_REP)
        return;
    settle_block(cpu);
    cpu->shadow = false;
}

static void on_exception(uc_engine *uc, uint32_t vector, void *user)
{
    struct cpu *cpu = user;
    struct engine_exception e = engine_take_exception(&cpu->engine);
    uint64_t rip = engine_get(&cpu->engine, UC_X86_REG_RIP);

    (void)uc;
    in_place_take(cpu);
    if (vector == VECTOR_DB && board_refuse_port(cpu))
        vector = VECTOR_GP, rip = engine_get(&cpu->engine, UC_X86_REG_RIP), e = (struct engine_exception){0};
    if (vector == VECTOR_GP && !e.is_int && emulate_rdtsc(cpu, rip))
        return;
    if (cpu->block)
        access_make_before(cpu, rip, true);
    if (vector == VECTOR_DB && !e.is_int)
        settle_stepped(cpu);
    if (vector == 6 && !e.is_int && emulate_invpcid(cpu, rip, &vector) && vector == NO_VECTOR) {
        finish_hook(cpu);
        return;
    }
    deliver_exception(cpu, vector & 0xff, e.error_code, e.is_int);
    finish_hook(cpu);
}

/* #UD then comes to on_exception as vector 6. */
static bool on_invalid(uc_engine *uc, void *user)
{
    (void)uc;
    (void)user;
    return true;
}

bool trap_install(struct cpu *cpu, char error[MACHINE_ERROR_MAX])
{
    uc_engine *uc = cpu->engine.uc;
    uc_hook hook;
    uc_err err = uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_syscall, cpu, 1, 0, UC_X86_INS_SYSCALL);

    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_sysenter, cpu, 1, 0, UC_X86_INS_SYSENTER);
    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_exception, cpu, 1, 0);
    if (!err)
        err = uc_hook_add(uc, &hook, UC_HOOK_INSN_INVALID, (void *)on_invalid, cpu, 1, 0);
    if (err)
        snprintf(error, MACHINE_ERROR_MAX, "Unicorn refuses a hook: %s", uc_strerror(err));
    return !err;
}
