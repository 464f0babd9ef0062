/* SPDX-License-Identifier: MIT
 *
 * sim/plan/operands.c: memory operands: their addresses, as far as registers are known, and the steps that access them.
 */
#include "sim/plan/build.h"

const cs_x86_op *plan_memory(const cs_x86 *x)
{
    for (uint8_t i = 0; i < x->op_count; i++)
        if (x->operands[i].type == X86_OP_MEM)
            return &x->operands[i];
    return NULL;
}

struct plan_symbol plan_segment_base(const struct plan_builder *b, unsigned segment)
{
    if (segment == X86_REG_FS)
        return b->fs_known ? (struct plan_symbol){VALUE_FS, 0} : symbol_unknown;
    if (segment == X86_REG_GS)
        return b->gs_known ? (struct plan_symbol){VALUE_GS, 0} : symbol_unknown;
    return symbol_constant(0);
}

struct plan_address plan_follow_address(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op,
                                        bool with_segment)
{
    const cs_x86 *x = &insn->detail->x86;
    struct plan_address a = {.base = symbol_constant(0), .index = symbol_constant(0), .disp = op->mem.disp};
    struct plan_symbol segment = with_segment ? plan_segment_base(b, op->mem.segment) : symbol_constant(0);

    if (op->mem.base == X86_REG_RIP)
        a.base = (struct plan_symbol){VALUE_PC, b->at + insn->size};
    else if (op->mem.base != X86_REG_INVALID)
        a.base = plan_get_register(b, op->mem.base);
    if (op->mem.index != X86_REG_INVALID && op->mem.index != X86_REG_RIZ && op->mem.index != X86_REG_EIZ)
        a.index = plan_get_register(b, op->mem.index);
    a.scale = (uint8_t)__builtin_ctz(op->mem.scale > 0 ? (unsigned)op->mem.scale : 1);
    if (segment.value != VALUE_ZERO && x->addr_size == 4) {
        a.base = symbol_unknown; /* the sum is cut before the segment's base is added */
    } else if (segment.value != VALUE_ZERO) {
        a.base = plan_add(b, a.base, segment);
    }
    if (x->addr_size == 4)
        a.scale |= PLAN_ADDRESS_32;
    if (symbol_known(a.base) && symbol_known(a.index)) {
        a.disp = (int64_t)((uint64_t)a.disp + (uint64_t)a.base.add + ((uint64_t)a.index.add << (a.scale & 7)));
        a.base.add = a.index.add = 0;
    }
    return a;
}

/* The address, after a sync if need be. Rare ones (FS with an address of 32 bits) are not known even then: as if at 0.
 */
struct plan_address plan_address(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op)
{
    struct plan_address a = plan_follow_address(b, insn, op, true);

    if (!address_known(&a)) {
        plan_sync(b);
        a = plan_follow_address(b, insn, op, true);
    }
    if (!address_known(&a))
        a.base = a.index = symbol_constant(0);
    return a;
}

struct plan_address plan_at(struct plan_builder *b, int reg, int64_t disp)
{
    if (!symbol_known(b->reg[reg]))
        plan_sync(b);
    return (struct plan_address){{b->reg[reg].value, 0}, symbol_constant(0), 0, symbol_plus(b->reg[reg], disp).add};
}

struct plan_address plan_sum(struct plan_symbol base, struct plan_symbol index)
{
    return (struct plan_address){{base.value, 0}, {index.value, 0}, 0, symbol_plus(base, index.add).add};
}

struct plan_step *plan_access(struct plan_builder *b, enum plan_kind kind, const struct plan_address *a, unsigned bytes)
{
    struct plan_step *s = plan_emit(b, kind);

    s->base = a->base.value;
    s->index = a->index.value;
    s->scale = a->scale;
    s->disp = a->disp;
    s->bytes = (uint8_t)(bytes == 0 ? 8 : bytes);
    b->accesses++;
    if (kind == STEP_WRITE)
        b->stored = true;
    return s;
}

void plan_modify(struct plan_builder *b, const struct plan_address *a, unsigned bytes)
{
    plan_access(b, STEP_READ, a, bytes);
    plan_access(b, STEP_WRITE, a, bytes);
}

/* A read whose word may be used. */
struct plan_symbol plan_load(struct plan_builder *b, const struct plan_address *a, unsigned bytes, bool sign)
{
    bool trusted = b->trust == TRUST_NOTHING ? false : b->trust == TRUST_BEFORE_STORES || b->synced ? !b->stored : true;

    if (!trusted || (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || b->temporaries == VALUES_MAX) {
        plan_access(b, STEP_READ, a, bytes);
        return symbol_unknown;
    }
    return plan_temporary(b, plan_access(b, sign ? STEP_LOAD_SIGNED : STEP_LOAD, a, bytes));
}

/* Its value, zero-extended. Memory is read. */
struct plan_symbol plan_read_operand(struct plan_builder *b, const cs_insn *insn, const cs_x86_op *op)
{
    struct plan_address a;

    if (op->type == X86_OP_IMM)
        return symbol_constant(op->imm);
    if (op->type == X86_OP_REG)
        return plan_get_register(b, op->reg);
    if (op->type != X86_OP_MEM)
        return symbol_unknown;
    a = plan_address(b, insn, op);
    return plan_load(b, &a, op->size, false);
}
