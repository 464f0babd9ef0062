/* SPDX-License-Identifier: MIT
 *
 * sim/plan/follow.c: the instructions whose results are followed, because addresses are made of them: moves, LEA,
 * arithmetic; and those of their kind that are only known to change a register.
 */
#include "sim/plan/build.h"

static void do_move(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86_op *to = &insn->detail->x86.operands[0], *from = &insn->detail->x86.operands[1];

    if (to->type == X86_OP_MEM) {
        struct plan_address a = plan_address(b, insn, to);

        plan_access(b, STEP_WRITE, &a, to->size);
    } else if (plan_is_segment(to->reg)) {
        plan_load_segment(b, to->reg, plan_selector(b, insn, from));
    } else {
        plan_set_register(b, to->reg, plan_read_operand(b, insn, from));
    }
}

static void do_extend(struct plan_builder *b, const cs_insn *insn, bool sign)
{
    const cs_x86_op *to = &insn->detail->x86.operands[0], *from = &insn->detail->x86.operands[1];

    if (from->type == X86_OP_MEM) {
        struct plan_address a = plan_address(b, insn, from);

        plan_set_register(b, to->reg, plan_load(b, &a, from->size, sign));
    } else {
        plan_set_register(b, to->reg, plan_extend(b, plan_get_register(b, from->reg), from->size, sign));
    }
}

/* The address itself, in 64 bits. */
static struct plan_symbol address_value(struct plan_builder *b, const struct plan_address *a)
{
    struct plan_step *s;

    if (!address_known(a))
        return symbol_unknown;
    if (a->index.value == VALUE_ZERO)
        return symbol_plus(a->base, a->disp);
    s = plan_emit(b, STEP_SUM);
    s->base = a->base.value;
    s->index = a->index.value;
    s->scale = a->scale & 7;
    s->disp = a->disp;
    return plan_temporary(b, s);
}

static void do_lea(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    struct plan_address a = plan_follow_address(b, insn, &x->operands[1], false);
    struct plan_symbol sum = address_value(b, &a);

    if (a.scale & PLAN_ADDRESS_32)
        sum = plan_extend(b, sum, 4, false);
    plan_set_register(b, x->operands[0].reg, sum);
}

/* The second operand may be a register that is wider than what is shifted; only constants are followed. */
static struct plan_symbol shifted(struct plan_builder *b, enum plan_kind kind, const cs_x86_op *value,
                                  const cs_x86_op *by)
{
    struct plan_symbol from = plan_get_register(b, value->reg);

    if (by->type != X86_OP_IMM || value->size < 4)
        return symbol_unknown;
    if (kind == STEP_SAR)
        from = plan_extend(b, from, value->size, true);
    return plan_compute(b, kind, from, symbol_constant(by->imm & (value->size == 8 ? 63 : 31)));
}

static struct plan_symbol combined(struct plan_builder *b, unsigned id, struct plan_symbol left,
                                   struct plan_symbol right)
{
    switch (id) {
    case X86_INS_ADD:
        return plan_add(b, left, right);
    case X86_INS_SUB:
        return plan_subtract(b, left, right);
    case X86_INS_AND:
        return plan_compute(b, STEP_AND, left, right);
    case X86_INS_OR:
        return plan_compute(b, STEP_OR, left, right);
    case X86_INS_XOR:
        return plan_compute(b, STEP_XOR, left, right);
    case X86_INS_IMUL:
        return plan_compute(b, STEP_PRODUCT, left, right);
    default:
        return symbol_unknown;
    }
}

static void do_arithmetic(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86_op *to = &insn->detail->x86.operands[0], *from = &insn->detail->x86.operands[1];
    bool same = from->type == X86_OP_REG && to->type == X86_OP_REG && from->reg == to->reg;
    struct plan_symbol right;

    if (to->type == X86_OP_MEM) {
        struct plan_address a = plan_address(b, insn, to);

        plan_modify(b, &a, to->size);
        return;
    }
    if (same && (insn->id == X86_INS_XOR || insn->id == X86_INS_SUB)) {
        plan_set_register(b, to->reg, symbol_constant(0));
        return;
    }
    right = plan_read_operand(b, insn, from); /* a sync of its address comes first */
    plan_set_register(b, to->reg, combined(b, insn->id, plan_get_register(b, to->reg), right));
}

static void do_shift(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    enum plan_kind kind = insn->id == X86_INS_SHR ? STEP_SHR : insn->id == X86_INS_SAR ? STEP_SAR : STEP_SHL;
    const cs_x86_op one = {.type = X86_OP_IMM, .imm = 1};

    if (x->operands[0].type == X86_OP_MEM) {
        struct plan_address a = plan_address(b, insn, &x->operands[0]);

        plan_modify(b, &a, x->operands[0].size);
        return;
    }
    plan_set_register(b, x->operands[0].reg,
                      shifted(b, kind, &x->operands[0], x->op_count > 1 ? &x->operands[1] : &one));
}

/* NEG, NOT, INC, DEC */
static void do_single(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86_op *op = &insn->detail->x86.operands[0];
    struct plan_symbol value;

    if (op->type == X86_OP_MEM) {
        struct plan_address a = plan_address(b, insn, op);

        plan_modify(b, &a, op->size);
        return;
    }
    value = plan_get_register(b, op->reg);
    if (!symbol_known(value))
        ;
    else if (insn->id == X86_INS_INC || insn->id == X86_INS_DEC)
        value = symbol_plus(value, insn->id == X86_INS_INC ? 1 : -1);
    else
        value = plan_subtract(b, symbol_constant(insn->id == X86_INS_NOT ? -1 : 0), value);
    plan_set_register(b, op->reg, value);
}

static void do_imul(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;

    if (x->op_count == 2) {
        do_arithmetic(b, insn);
    } else if (x->op_count == 3) {
        plan_set_register(b, x->operands[0].reg,
                          plan_compute(b, STEP_PRODUCT, plan_read_operand(b, insn, &x->operands[1]),
                                       symbol_constant(x->operands[2].imm)));
    } else {
        plan_read_operand(b, insn, &x->operands[0]);
        plan_forget(b, RAX);
        plan_forget(b, RDX);
    }
}

static void do_exchange(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    const cs_x86_op *memory = plan_memory(x);
    struct plan_symbol first = symbol_unknown, second = symbol_unknown;

    if (memory) {
        struct plan_address a = plan_address(b, insn, memory);

        plan_modify(b, &a, memory->size);
    } else if (insn->id == X86_INS_XCHG && x->operands[0].size == x->operands[1].size && x->operands[0].size >= 4) {
        first = plan_get_register(b, x->operands[0].reg);
        second = plan_get_register(b, x->operands[1].reg);
    }
    for (uint8_t i = 0; i < x->op_count; i++)
        if (x->operands[i].type == X86_OP_REG)
            plan_set_register(b, x->operands[i].reg, i ? first : second);
    if (insn->id == X86_INS_CMPXCHG || insn->id == X86_INS_CMPXCHG8B || insn->id == X86_INS_CMPXCHG16B)
        plan_forget(b, RAX);
    if (insn->id == X86_INS_CMPXCHG8B || insn->id == X86_INS_CMPXCHG16B)
        plan_forget(b, RDX);
}

/* BT and its kin: a register's bit number reaches beyond the operand (SDM vol. 2A, BT). */
static void do_bit(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    const cs_x86_op *op = &x->operands[0];
    unsigned shift = (unsigned)__builtin_ctz(op->size ? op->size : 8);
    struct plan_address a;

    if (op->type != X86_OP_MEM) {
        if (insn->id != X86_INS_BT)
            plan_set_register(b, op->reg, symbol_unknown);
        return;
    }
    if (x->operands[1].type == X86_OP_REG && !symbol_known(plan_get_register(b, x->operands[1].reg)))
        plan_sync(b);
    a = plan_address(b, insn, op);
    if (x->operands[1].type == X86_OP_REG) {
        struct plan_symbol bit = plan_extend(b, plan_get_register(b, x->operands[1].reg), op->size, true);
        struct plan_symbol offset = plan_compute(
            b, STEP_SHL, plan_compute(b, STEP_SAR, bit, symbol_constant(3 + (int)shift)), symbol_constant((int)shift));
        struct plan_symbol base = plan_add(b, address_value(b, &a), offset);

        if (symbol_known(base))
            a = (struct plan_address){{base.value, 0}, symbol_constant(0), a.scale & PLAN_ADDRESS_32, base.add};
    }
    plan_access(b, STEP_READ, &a, op->size);
    if (insn->id != X86_INS_BT)
        plan_access(b, STEP_WRITE, &a, op->size);
}

void plan_plain(struct plan_builder *b, const cs_insn *insn)
{
    switch (insn->id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS:
        do_move(b, insn);
        break;
    case X86_INS_MOVZX:
        do_extend(b, insn, false);
        break;
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD:
        do_extend(b, insn, true);
        break;
    case X86_INS_LEA:
        do_lea(b, insn);
        break;
    case X86_INS_ADD:
    case X86_INS_SUB:
    case X86_INS_AND:
    case X86_INS_OR:
    case X86_INS_XOR:
        do_arithmetic(b, insn);
        break;
    case X86_INS_SHL:
    case X86_INS_SAL:
    case X86_INS_SHR:
    case X86_INS_SAR:
        do_shift(b, insn);
        break;
    case X86_INS_INC:
    case X86_INS_DEC:
    case X86_INS_NEG:
    case X86_INS_NOT:
        do_single(b, insn);
        break;
    case X86_INS_IMUL:
        do_imul(b, insn);
        break;
    case X86_INS_XCHG:
    case X86_INS_XADD:
    case X86_INS_CMPXCHG:
    case X86_INS_CMPXCHG8B:
    case X86_INS_CMPXCHG16B:
        do_exchange(b, insn);
        break;
    case X86_INS_BT:
    case X86_INS_BTS:
    case X86_INS_BTR:
    case X86_INS_BTC:
        do_bit(b, insn);
        break;
    default:
        plan_other(b, insn);
    }
}
