/* SPDX-License-Identifier: MIT
 *
 * sim/plan/strings.c: string instructions. One with a REP is one element: the engine's block comes again for the next.
 */
#include <string.h>

#include "sim/plan/build.h"

enum string_kind { NO_STRING, MOVES, STORES, LOADS, COMPARES, SCANS, INPUTS, OUTPUTS };

static enum string_kind string_kind(const cs_insn *insn, unsigned *bytes)
{
    static const struct {
        unsigned id;
        uint8_t kind, bytes;
    } strings[] = {
        {X86_INS_MOVSB, MOVES, 1},    {X86_INS_MOVSW, MOVES, 2},    {X86_INS_MOVSD, MOVES, 4},
        {X86_INS_MOVSQ, MOVES, 8},    {X86_INS_STOSB, STORES, 1},   {X86_INS_STOSW, STORES, 2},
        {X86_INS_STOSD, STORES, 4},   {X86_INS_STOSQ, STORES, 8},   {X86_INS_LODSB, LOADS, 1},
        {X86_INS_LODSW, LOADS, 2},    {X86_INS_LODSD, LOADS, 4},    {X86_INS_LODSQ, LOADS, 8},
        {X86_INS_CMPSB, COMPARES, 1}, {X86_INS_CMPSW, COMPARES, 2}, {X86_INS_CMPSD, COMPARES, 4},
        {X86_INS_CMPSQ, COMPARES, 8}, {X86_INS_SCASB, SCANS, 1},    {X86_INS_SCASW, SCANS, 2},
        {X86_INS_SCASD, SCANS, 4},    {X86_INS_SCASQ, SCANS, 8},    {X86_INS_INSB, INPUTS, 1},
        {X86_INS_INSW, INPUTS, 2},    {X86_INS_INSD, INPUTS, 4},    {X86_INS_OUTSB, OUTPUTS, 1},
        {X86_INS_OUTSW, OUTPUTS, 2},  {X86_INS_OUTSD, OUTPUTS, 4},
    };
    const uint8_t *opcode = insn->detail->x86.opcode;

    if (opcode[0] == 0x0f) /* MOVSD and CMPSD of SSE have the same names */
        return NO_STRING;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (strings[i].id == insn->id) {
            *bytes = strings[i].bytes;
            return (enum string_kind)strings[i].kind;
        }
    return NO_STRING;
}

bool plan_repeats(const struct cs_insn *insn)
{
    for (uint16_t i = 0; i < insn->size; i++) {
        uint8_t byte = insn->bytes[i];

        if (byte == 0xf2 || byte == 0xf3)
            return true;
        if (!memchr("\x66\x67\x26\x2e\x36\x3e\x64\x65\xf0", byte, 9) && (byte & 0xf0) != 0x40)
            return false;
    }
    return false;
}

static struct plan_address string_address(struct plan_builder *b, const cs_insn *insn, int reg)
{
    const cs_x86 *x = &insn->detail->x86;
    struct plan_symbol base = b->reg[reg];
    struct plan_address a;

    for (uint8_t i = 0; reg == RSI && i < x->op_count; i++)
        if (x->operands[i].type == X86_OP_MEM &&
            (x->operands[i].mem.base == X86_REG_RSI || x->operands[i].mem.base == X86_REG_ESI))
            base = plan_add(b, base, plan_segment_base(b, x->operands[i].mem.segment));
    a = (struct plan_address){{base.value, 0}, symbol_constant(0), 0, base.add};
    if (x->addr_size == 4)
        a.scale |= PLAN_ADDRESS_32;
    return a;
}

static void do_string(struct plan_builder *b, const cs_insn *insn, enum string_kind kind, unsigned bytes)
{
    const cs_x86 *x = &insn->detail->x86;
    bool rep = plan_repeats(insn);
    struct plan_step *skip = NULL;
    struct plan_address source, destination;
    size_t first;

    if (!symbol_known(b->reg[RCX]) || !symbol_known(b->reg[RSI]) || !symbol_known(b->reg[RDI]) || !b->fs_known ||
        !b->gs_known)
        plan_sync(b);
    source = string_address(b, insn, RSI);
    destination = string_address(b, insn, RDI);
    if (rep) {
        skip = plan_emit(b, STEP_SKIP_ZERO);
        skip->base = b->reg[RCX].value;
        skip->disp = b->reg[RCX].add;
        skip->bytes = x->addr_size == 4 ? 4 : 8;
    }
    first = b->count;
    if (kind == INPUTS)
        plan_access(b, STEP_WRITE, &destination, bytes); /* the engine makes sure first that it can */
    if (kind == COMPARES || kind == SCANS)
        plan_access(b, STEP_READ, &destination, bytes);
    if (kind == MOVES || kind == LOADS || kind == COMPARES || kind == OUTPUTS)
        plan_access(b, STEP_READ, &source, bytes);
    if (kind == INPUTS || kind == OUTPUTS)
        plan_emit(b, STEP_BARRIER);
    if (kind == MOVES || kind == STORES || kind == INPUTS)
        plan_access(b, STEP_WRITE, &destination, bytes);
    if (skip)
        skip->dest = (uint8_t)(b->count - first);
    plan_forget(b, RCX);
    plan_forget(b, RSI);
    plan_forget(b, RDI);
    if (kind == LOADS)
        plan_forget(b, RAX);
}

bool plan_string(struct plan_builder *b, const cs_insn *insn)
{
    unsigned bytes;
    enum string_kind kind = string_kind(insn, &bytes);

    if (kind != NO_STRING)
        do_string(b, insn, kind, bytes);
    return kind != NO_STRING;
}
