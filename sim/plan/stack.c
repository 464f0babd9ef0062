/* SPDX-License-Identifier: MIT
 *
 * sim/plan/stack.c: instructions that push and pop; among them those that load a segment register, and with it a
 * descriptor.
 */
#include "sim/plan/build.h"

static void push(struct plan_builder *b, unsigned bytes)
{
    struct plan_address a = plan_at(b, RSP, -(int64_t)bytes);

    plan_access(b, STEP_WRITE, &a, bytes);
    b->reg[RSP] = symbol_plus(b->reg[RSP], -(int64_t)bytes);
}

static struct plan_symbol pop(struct plan_builder *b, unsigned bytes)
{
    struct plan_address a = plan_at(b, RSP, 0);
    struct plan_symbol value = plan_load(b, &a, bytes, false);

    b->reg[RSP] = symbol_plus(b->reg[RSP], bytes);
    return value;
}

static unsigned stack_bytes(const cs_x86 *x)
{
    return x->prefix[2] == 0x66 && !(x->rex & 8) ? 2 : 8;
}

static void do_push(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;

    if (!symbol_known(b->reg[RSP]))
        plan_sync(b);
    if (x->op_count > 0 && x->operands[0].type == X86_OP_MEM)
        plan_read_operand(b, insn, &x->operands[0]);
    push(b, stack_bytes(x));
}

void plan_descriptor(struct plan_builder *b, struct plan_symbol selector)
{
    struct plan_step *s;

    if (!symbol_known(selector))
        return;
    s = plan_emit(b, STEP_DESCRIPTOR);
    s->base = selector.value;
    s->disp = selector.add;
    s->bytes = 8;
    b->accesses++;
}

bool plan_is_segment(unsigned reg)
{
    return reg == X86_REG_CS || reg == X86_REG_DS || reg == X86_REG_ES || reg == X86_REG_SS || reg == X86_REG_FS ||
           reg == X86_REG_GS;
}

void plan_load_segment(struct plan_builder *b, unsigned reg, struct plan_symbol selector)
{
    plan_descriptor(b, selector);
    if (reg == X86_REG_FS)
        b->fs_known = false;
    if (reg == X86_REG_GS)
        b->gs_known = false;
}

/* A selector in a register or in memory; after a sync if the register is not known. */
struct plan_symbol plan_selector(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op)
{
    struct plan_symbol value;

    if (!b->gdt_known)
        plan_sync(b);
    value = plan_read_operand(b, insn, op);

    if (!symbol_known(value) && op->type == X86_OP_REG) {
        plan_sync(b);
        value = plan_read_operand(b, insn, op);
    }
    return value;
}

static void do_pop(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    struct plan_symbol value;

    if (x->op_count > 0 && x->operands[0].type == X86_OP_MEM)
        plan_address(b, insn, &x->operands[0]); /* a sync comes before the first access */
    value = pop(b, stack_bytes(x));
    if (x->op_count == 0)
        return;
    if (x->operands[0].type == X86_OP_MEM) {
        struct plan_address a = plan_address(b, insn, &x->operands[0]);

        plan_access(b, STEP_WRITE, &a, stack_bytes(x));
    } else if (plan_is_segment(x->operands[0].reg)) {
        plan_load_segment(b, x->operands[0].reg, value);
    } else {
        plan_set_register(b, x->operands[0].reg, value);
    }
}

static unsigned far_bytes(const cs_x86 *x)
{
    return x->rex & 8 ? 8 : x->prefix[2] == 0x66 ? 2 : 4;
}

static void do_return_far(struct plan_builder *b, const cs_insn *insn, bool interrupt)
{
    const unsigned bytes = far_bytes(&insn->detail->x86);
    const enum plan_trust trust = b->trust;
    struct plan_symbol cs, ss;

    if (!b->gdt_known || trust != TRUST_CHECKED ||
        (b->stored && b->synced)) { /* the block may have written the frame */
        plan_sync(b);
        b->trust = TRUST_BEFORE_STORES;
    }
    pop(b, bytes);
    cs = pop(b, bytes);
    if (interrupt)
        pop(b, bytes);
    plan_descriptor(b, cs);
    if (interrupt) {
        pop(b, bytes);
        ss = pop(b, bytes);
        plan_descriptor(b, ss);
    }
    b->trust = trust;
}

/* With `level` frame pointers, as the engine copies them (SDM vol. 2A, ENTER). */
static void do_enter(struct plan_builder *b, unsigned level, int64_t locals, unsigned bytes)
{
    struct plan_address from, to;
    struct plan_symbol frame;

    if (!symbol_known(b->reg[RBP]))
        plan_sync(b);
    push(b, bytes);
    frame = b->reg[RSP];
    for (unsigned i = 1; i < level; i++) {
        from = plan_at(b, RBP, -(int64_t)(bytes * i));
        plan_access(b, STEP_READ, &from, bytes);
        to = plan_at(b, RSP, -(int64_t)(bytes * i));
        plan_access(b, STEP_WRITE, &to, bytes);
    }
    to = plan_at(b, RSP, -(int64_t)(bytes * level));
    if (level)
        plan_access(b, STEP_WRITE, &to, bytes);
    b->reg[RBP] = bytes == 8 ? frame : symbol_unknown;
    b->reg[RSP] = symbol_plus(frame, -(int64_t)(bytes * level) - locals);
}

bool plan_stack(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    struct plan_address a;

    switch (insn->id) {
    case X86_INS_PUSH:
    case X86_INS_PUSHF:
    case X86_INS_PUSHFQ:
        do_push(b, insn);
        return true;
    case X86_INS_POP:
    case X86_INS_POPF:
    case X86_INS_POPFQ:
        do_pop(b, insn);
        return true;
    case X86_INS_CALL:
        if (!symbol_known(b->reg[RSP]))
            plan_sync(b);
        if (x->op_count > 0 && x->operands[0].type == X86_OP_MEM)
            plan_read_operand(b, insn, &x->operands[0]);
        push(b, 8);
        return true;
    case X86_INS_RET:
        pop(b, stack_bytes(x));
        return true;
    case X86_INS_LEAVE:
        a = plan_at(b, RBP, 0);
        b->reg[RSP] = symbol_plus(b->reg[RBP], stack_bytes(x));
        b->reg[RBP] = plan_load(b, &a, stack_bytes(x), false);
        if (stack_bytes(x) != 8)
            plan_forget(b, RBP);
        return true;
    case X86_INS_ENTER:
        do_enter(b, (unsigned)x->operands[1].imm & 31, x->operands[0].imm, stack_bytes(x));
        return true;
    case X86_INS_IRET:
    case X86_INS_IRETD:
    case X86_INS_IRETQ:
        do_return_far(b, insn, true);
        return true;
    case X86_INS_RETF:
    case X86_INS_RETFQ:
        do_return_far(b, insn, false);
        return true;
    default:
        return false;
    }
}
