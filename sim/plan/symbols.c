/* SPDX-License-Identifier: MIT
 *
 * sim/plan/symbols.c: what registers hold, as a value plus a constant; and the steps that compute what is neither.
 */
#include "sim/plan/build.h"

struct plan_step *plan_emit(struct plan_builder *b, enum plan_kind kind)
{
    struct plan_step *s = &b->steps[b->count++];

    *s = (struct plan_step){.kind = (uint8_t)kind, .base = VALUE_ZERO, .index = VALUE_ZERO, .at = b->at};
    return s;
}

static void take_anew(struct plan_builder *b)
{
    for (unsigned i = 0; i < VALUE_REGISTERS; i++)
        b->reg[i] = (struct plan_symbol){(uint8_t)i, 0};
    b->temporaries = VALUE_TEMPORARY;
    b->accesses = 0;
    b->stored = false;
    b->fs_known = b->gs_known = b->gdt_known = true;
}

void plan_begin(struct plan_builder *b, enum plan_trust trust)
{
    b->count = 0;
    b->trust = trust;
    b->synced = b->partial = false;
    b->fresh = true;
    b->at = 0;
    take_anew(b);
}

void plan_sync(struct plan_builder *b)
{
    if (b->fresh)
        return;
    plan_emit(b, STEP_SYNC);
    b->synced = b->fresh = true;
    take_anew(b);
}

struct plan_symbol plan_temporary(struct plan_builder *b, struct plan_step *s)
{
    if (b->temporaries == VALUES_MAX) {
        b->count--;
        return symbol_unknown;
    }
    s->dest = (uint8_t)b->temporaries++;
    return (struct plan_symbol){s->dest, 0};
}

/* base op value, of two symbols. */
struct plan_symbol plan_compute(struct plan_builder *b, enum plan_kind kind, struct plan_symbol left,
                                struct plan_symbol right)
{
    struct plan_step *s;

    if (!symbol_known(left) || !symbol_known(right))
        return symbol_unknown;
    if (left.add != 0 && kind != STEP_SUM && kind != STEP_DIFFERENCE) {
        s = plan_emit(b, STEP_SUM);
        s->base = left.value;
        s->disp = left.add;
        left = plan_temporary(b, s);
        if (!symbol_known(left))
            return symbol_unknown;
    }
    s = plan_emit(b, kind);
    s->base = left.value;
    s->index = right.value;
    s->disp = kind == STEP_SUM          ? symbol_plus(left, right.add).add
              : kind == STEP_DIFFERENCE ? symbol_plus(left, (int64_t) - (uint64_t)right.add).add
                                        : right.add;
    return plan_temporary(b, s);
}

struct plan_symbol plan_extend(struct plan_builder *b, struct plan_symbol value, unsigned bytes, bool sign)
{
    struct plan_step *s;

    if (!symbol_known(value) || bytes >= 8)
        return value;
    if (value.value == VALUE_ZERO) {
        unsigned drop = 64 - 8 * bytes;
        uint64_t high = (uint64_t)value.add << drop;

        return symbol_constant(sign ? (int64_t)high >> drop : (int64_t)(high >> drop));
    }
    s = plan_emit(b, sign ? STEP_SIGN_EXTEND : STEP_ZERO_EXTEND);
    s->base = value.value;
    s->disp = value.add;
    s->bytes = (uint8_t)bytes;
    return plan_temporary(b, s);
}

struct plan_symbol plan_add(struct plan_builder *b, struct plan_symbol left, struct plan_symbol right)
{
    if (!symbol_known(left) || !symbol_known(right))
        return symbol_unknown;
    if (right.value == VALUE_ZERO)
        return symbol_plus(left, right.add);
    if (left.value == VALUE_ZERO)
        return symbol_plus(right, left.add);
    return plan_compute(b, STEP_SUM, left, right);
}

struct plan_symbol plan_subtract(struct plan_builder *b, struct plan_symbol left, struct plan_symbol right)
{
    if (symbol_known(left) && right.value == VALUE_ZERO)
        return symbol_plus(left, (int64_t) - (uint64_t)right.add);
    return plan_compute(b, STEP_DIFFERENCE, left, right);
}

/* Its number, and its width; -1: no general register, or the second byte of one (*bytes is 0 then). */
static int general(unsigned reg, unsigned *bytes)
{
    static const struct {
        uint16_t r64, r32, r16, r8;
    } names[VALUE_REGISTERS] = {
        {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL},
        {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL},
        {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL},
        {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL},
        {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL},
        {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL},
        {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL},
        {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL},
        {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B},
        {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B},
        {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B},
        {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B},
        {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B},
        {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B},
        {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B},
        {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B},
    };
    static const uint16_t second_bytes[4] = {X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH};

    for (int i = 0; i < VALUE_REGISTERS; i++) {
        *bytes = reg == names[i].r64   ? 8
                 : reg == names[i].r32 ? 4
                 : reg == names[i].r16 ? 2
                 : reg == names[i].r8  ? 1
                                       : 0;
        if (*bytes)
            return i;
    }
    *bytes = 0;
    for (int i = 0; i < 4; i++)
        if (reg == second_bytes[i])
            return i;
    return -1;
}

void plan_forget(struct plan_builder *b, int reg)
{
    b->reg[reg] = symbol_unknown;
}

void plan_forget_all(struct plan_builder *b)
{
    for (int i = 0; i < VALUE_REGISTERS; i++)
        plan_forget(b, i);
    b->fs_known = b->gs_known = false;
}

void plan_set_register(struct plan_builder *b, unsigned reg, struct plan_symbol value)
{
    unsigned bytes;
    int number = general(reg, &bytes);

    if (number >= 0)
        b->reg[number] = bytes == 8 ? value : bytes == 4 ? plan_extend(b, value, 4, false) : symbol_unknown;
}

struct plan_symbol plan_get_register(struct plan_builder *b, unsigned reg)
{
    unsigned bytes;
    int number = general(reg, &bytes);

    return number < 0 || bytes == 0 ? symbol_unknown : plan_extend(b, b->reg[number], bytes, false);
}
