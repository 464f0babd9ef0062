/* SPDX-License-Identifier: MIT
 *
 * sim/plan/system.c: instructions with memory operands of many parts: descriptor tables, the states of x87 and SSE.
 */
#include "sim/plan/build.h"

static void do_task_register(struct plan_builder *b, const cs_insn *insn)
{
    const struct plan_symbol table = {VALUE_GDT, 0};
    struct plan_symbol selector = plan_selector(b, insn, &insn->detail->x86.operands[0]);
    struct plan_symbol offset = plan_compute(b, STEP_AND, selector, symbol_constant(0xfff8));
    struct plan_address a;

    plan_descriptor(b, selector);
    if (!symbol_known(offset) || insn->id != X86_INS_LTR)
        return;
    a = plan_sum(table, offset);
    a.disp += 8;
    plan_access(b, STEP_READ, &a, 8);
    a.disp -= 4;
    plan_access(b, STEP_WRITE, &a, 4); /* busy */
}

/* LSS, LFS, LGS: an offset, of at most 32 bits in the engine; behind it a selector. */
static void do_far_pointer(struct plan_builder *b, const cs_insn *insn, unsigned segment)
{
    const cs_x86_op *to = &insn->detail->x86.operands[0];
    const unsigned bytes = to->size == 2 ? 2 : 4;
    struct plan_address a;

    if (!b->gdt_known)
        plan_sync(b);
    a = plan_address(b, insn, &insn->detail->x86.operands[1]);
    plan_access(b, STEP_READ, &a, bytes);
    a.disp += bytes;
    plan_load_segment(b, segment, plan_load(b, &a, 2, false));
    plan_set_register(b, to->reg, symbol_unknown);
}

static void do_table(struct plan_builder *b, const cs_insn *insn, enum plan_kind kind)
{
    struct plan_address a = plan_address(b, insn, &insn->detail->x86.operands[0]);

    plan_access(b, kind, &a, 2);
    a.disp += 2;
    plan_access(b, kind, &a, 8);
}

/* FXSAVE, FXRSTOR: 512 bytes, of which these are used, in the engine's order; a line of 32 bytes is touched at least
 * once for each. */
static void do_fx(struct plan_builder *b, const cs_insn *insn, enum plan_kind kind)
{
    struct plan_address a = plan_address(b, insn, &insn->detail->x86.operands[0]);
    const int64_t start = a.disp;

    plan_access(b, kind, &a, 24);
    for (int64_t at = 0x20; at < 0xa0; at += 16) {
        a.disp = start + at;
        plan_access(b, kind, &a, 16);
    }
    a.disp = start + 0x18;
    plan_access(b, kind, &a, 8);
    for (int64_t at = 0xa0; at < 0x1a0; at += 16) {
        a.disp = start + at;
        plan_access(b, kind, &a, 16);
    }
}

/* FLDENV, FNSTENV: seven words; FRSTOR, FNSAVE: and eight registers of ten bytes. */
static void do_environment(struct plan_builder *b, const cs_insn *insn, enum plan_kind kind, bool registers)
{
    struct plan_address a = plan_address(b, insn, &insn->detail->x86.operands[0]);
    const cs_x86 *x = &insn->detail->x86;

    plan_access(b, kind, &a, x->prefix[2] == 0x66 ? 14 : 28);
    a.disp += x->rex & 8 ? 56 : x->prefix[2] == 0x66 ? 14 : 28; /* with REX.W the engine leaves a gap */
    for (int i = 0; registers && i < 8; i++, a.disp += 10)
        plan_access(b, kind, &a, 10);
}

bool plan_system(struct plan_builder *b, const cs_insn *insn)
{
    switch (insn->id) {
    case X86_INS_LGDT:
        b->gdt_known = false;
        do_table(b, insn, STEP_READ);
        return true;
    case X86_INS_LIDT:
        do_table(b, insn, STEP_READ);
        return true;
    case X86_INS_SGDT:
    case X86_INS_SIDT:
        do_table(b, insn, STEP_WRITE);
        return true;
    case X86_INS_LTR:
    case X86_INS_LLDT:
        do_task_register(b, insn);
        return true;
    case X86_INS_LAR:
    case X86_INS_LSL:
        plan_descriptor(b, plan_selector(b, insn, &insn->detail->x86.operands[1]));
        plan_set_register(b, insn->detail->x86.operands[0].reg, symbol_unknown);
        return true;
    case X86_INS_LSS:
        do_far_pointer(b, insn, X86_REG_SS);
        return true;
    case X86_INS_LFS:
        do_far_pointer(b, insn, X86_REG_FS);
        return true;
    case X86_INS_LGS:
        do_far_pointer(b, insn, X86_REG_GS);
        return true;
    case X86_INS_FLDENV:
    case X86_INS_FRSTOR:
        do_environment(b, insn, STEP_READ, insn->id == X86_INS_FRSTOR);
        return true;
    case X86_INS_FNSTENV:
    case X86_INS_FNSAVE:
        do_environment(b, insn, STEP_WRITE, insn->id == X86_INS_FNSAVE);
        return true;
    case X86_INS_FXSAVE:
    case X86_INS_FXSAVE64:
        do_fx(b, insn, STEP_WRITE);
        return true;
    case X86_INS_FXRSTOR:
    case X86_INS_FXRSTOR64:
        do_fx(b, insn, STEP_READ);
        return true;
    default:
        return false;
    }
}
