/* SPDX-License-Identifier: MIT
 *
 * tests/arch/decode_oracle.c: what Capstone says of the instructions that arch-vmm/decode.h lists, in its words.
 *
 * Written from Capstone's mnemonics and operands alone: opcodes are not looked at. The order of prefixes means nothing
 * to processors but something to Capstone 4 (it forgets a 66 or F0 before F2 or F3, and INVPCID with a 66 before 67):
 * it gets them in the order that it understands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/arch/decode_oracle.h"
#include "tests/arch/decode_rig.h"

/* How Capstone calls registers of 1, 2, 4 and 8 bytes. */
static const x86_reg registers_by_size[4][16] = {
    {X86_REG_AL, X86_REG_CL, X86_REG_DL, X86_REG_BL, X86_REG_SPL, X86_REG_BPL, X86_REG_SIL, X86_REG_DIL, X86_REG_R8B,
     X86_REG_R9B, X86_REG_R10B, X86_REG_R11B, X86_REG_R12B, X86_REG_R13B, X86_REG_R14B, X86_REG_R15B},
    {X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX, X86_REG_SP, X86_REG_BP, X86_REG_SI, X86_REG_DI, X86_REG_R8W,
     X86_REG_R9W, X86_REG_R10W, X86_REG_R11W, X86_REG_R12W, X86_REG_R13W, X86_REG_R14W, X86_REG_R15W},
    {X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX, X86_REG_ESP, X86_REG_EBP, X86_REG_ESI, X86_REG_EDI,
     X86_REG_R8D, X86_REG_R9D, X86_REG_R10D, X86_REG_R11D, X86_REG_R12D, X86_REG_R13D, X86_REG_R14D, X86_REG_R15D},
    {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX, X86_REG_RSP, X86_REG_RBP, X86_REG_RSI, X86_REG_RDI, X86_REG_R8,
     X86_REG_R9, X86_REG_R10, X86_REG_R11, X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15},
};
static const x86_reg high_bytes[4] = {X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH};

/* The number of a general register; *size its bytes, 0: it is none. High bytes are 4 … 7. */
static uint8_t number_of(x86_reg reg, uint8_t *size)
{
    *size = 1;
    for (uint8_t i = 0; i < 4; i++)
        if (high_bytes[i] == reg)
            return i + 4;
    for (unsigned log = 0; log < 4; log++)
        for (uint8_t i = 0; i < 16; i++)
            if (registers_by_size[log][i] == reg) {
                *size = (uint8_t)(1 << log);
                return i;
            }
    *size = 0;
    return NO_REGISTER;
}

static bool is_high_byte(x86_reg reg)
{
    return reg == X86_REG_AH || reg == X86_REG_CH || reg == X86_REG_DH || reg == X86_REG_BH;
}

static uint8_t address_register(x86_reg reg)
{
    uint8_t size;

    return number_of(reg, &size); /* RIP, RIZ: none */
}

static void want_memory(const cs_x86 *x, const x86_op_mem *m, struct decoded *want)
{
    want->has_memory = true;
    want->memory = (struct memory_operand){
        .segment = m->segment == X86_REG_FS ? SEGMENT_FS : m->segment == X86_REG_GS ? SEGMENT_GS : SEGMENT_NONE,
        .base = address_register(m->base),
        .index = address_register(m->index),
        .scale = (uint8_t)m->scale,
        .rip_relative = m->base == X86_REG_RIP || m->base == X86_REG_EIP,
        .address32 = x->addr_size == 4,
        .displacement = m->disp,
    };
}

static void want_register(x86_reg reg, struct decoded *want)
{
    uint8_t size;

    want->reg = number_of(reg, &size);
    want->high_byte = is_high_byte(reg);
}

static int64_t sign_extended(int64_t value, unsigned bytes)
{
    return (int64_t)((uint64_t)value << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

/* MOV and its like between memory and a general register, or an immediate. */
static enum vmm_op want_move(const cs_insn *in, struct decoded *want)
{
    const cs_x86_op *to = &in->detail->x86.operands[0], *from = to + 1;
    uint8_t size;

    if (to->type == X86_OP_MEM && from->type == X86_OP_IMM) {
        want->immediate_used = true;
        want->immediate = sign_extended(from->imm, from->size);
        want->width = to->size;
        want_memory(&in->detail->x86, &to->mem, want);
        return OP_STORE;
    }
    if (to->type == X86_OP_MEM && number_of(from->reg, &want->width) != NO_REGISTER) {
        want_register(from->reg, want);
        want_memory(&in->detail->x86, &to->mem, want);
        return OP_STORE;
    }
    if (from->type == X86_OP_MEM && number_of(to->reg, &size) != NO_REGISTER) {
        want_register(to->reg, want);
        want->width = from->size;
        want->target = size;
        want->sign = in->id == X86_INS_MOVSX || in->id == X86_INS_MOVSXD;
        want_memory(&in->detail->x86, &from->mem, want);
        return OP_LOAD;
    }
    return OP_NONE;
}

static bool in_range(x86_reg reg, x86_reg first, x86_reg last)
{
    return reg >= first && reg <= last;
}

static enum vmm_op want_control(const cs_insn *in, struct decoded *want)
{
    const cs_x86_op *op = in->detail->x86.operands;

    for (unsigned writes = 0; writes < 2; writes++) {
        x86_reg special = op[!writes].reg;
        bool cr = in_range(special, X86_REG_CR0, X86_REG_CR15);

        if (op[0].type != X86_OP_REG || op[1].type != X86_OP_REG ||
            !(cr || in_range(special, X86_REG_DR0, X86_REG_DR15)))
            continue;
        want->reg = (uint8_t)(special - (cr ? X86_REG_CR0 : X86_REG_DR0));
        want->rm = address_register(op[writes].reg);
        return cr ? writes ? OP_WRITE_CR : OP_READ_CR : writes ? OP_WRITE_DR : OP_READ_DR;
    }
    return OP_NONE;
}

static enum vmm_op want_port(const cs_insn *in, enum vmm_op op, struct decoded *want)
{
    const cs_x86_op *ops = in->detail->x86.operands, *port = &ops[op == OP_IN], *data = &ops[op == OP_OUT];

    want->width = data->size;
    want->immediate_used = port->type == X86_OP_IMM;
    if (want->immediate_used)
        want->immediate = port->imm;
    return op;
}

/* One operand, r/m. */
static enum vmm_op want_rm(const cs_insn *in, enum vmm_op op, struct decoded *want)
{
    const cs_x86_op *rm = in->detail->x86.operands;

    want->width = op == OP_INVLPG ? 0 : rm->size;
    if (rm->type == X86_OP_MEM)
        want_memory(&in->detail->x86, &rm->mem, want);
    else
        want->rm = address_register(rm->reg);
    return op;
}

static enum vmm_op want_invpcid(const cs_insn *in, enum vmm_op op, struct decoded *want)
{
    const cs_x86_op *ops = in->detail->x86.operands;

    want_register(ops[0].reg, want);
    want->width = ops[1].size;
    want_memory(&in->detail->x86, &ops[1].mem, want);
    return op;
}

/* `memory` is the operand that a segment override holds for, if there are two. */
static enum vmm_op want_string(const cs_insn *in, enum vmm_op op, struct decoded *want)
{
    const cs_x86 *x = &in->detail->x86;
    const cs_x86_op *at = &x->operands[op == OP_MOVE_STRING || op == OP_OUTS];

    if (x->op_count < 2 || at->type != X86_OP_MEM || (op == OP_MOVE_STRING && x->operands[0].type != X86_OP_MEM))
        return OP_NONE; /* MOVSD of SSE */
    want->width = at->size;
    want->rep = x->prefix[0] == X86_PREFIX_REP || x->prefix[0] == X86_PREFIX_REPNE;
    want_memory(x, &at->mem, want);
    return op;
}

static enum vmm_op want_int(const cs_insn *in, enum vmm_op op, struct decoded *want)
{
    want->immediate = in->detail->x86.operands[0].imm;
    return op;
}

static enum vmm_op want_mov(const cs_insn *in, enum vmm_op op, struct decoded *want)
{
    enum vmm_op control = want_control(in, want);

    return control == OP_NONE ? want_move(in, want) : control;
}

static const struct {
    unsigned id;
    enum vmm_op op;
    enum vmm_op (*want)(const cs_insn *in, enum vmm_op op, struct decoded *want); /* NULL: no operands */
} mnemonics[] = {
    {X86_INS_CLI, OP_CLI, NULL},
    {X86_INS_STI, OP_STI, NULL},
    {X86_INS_HLT, OP_HLT, NULL},
    {X86_INS_IN, OP_IN, want_port},
    {X86_INS_OUT, OP_OUT, want_port},
    {X86_INS_INSB, OP_INS, want_string},
    {X86_INS_INSW, OP_INS, want_string},
    {X86_INS_INSD, OP_INS, want_string},
    {X86_INS_OUTSB, OP_OUTS, want_string},
    {X86_INS_OUTSW, OP_OUTS, want_string},
    {X86_INS_OUTSD, OP_OUTS, want_string},
    {X86_INS_INT, OP_INT, want_int},
    {X86_INS_IRET, OP_IRET, NULL},
    {X86_INS_IRETD, OP_IRET, NULL},
    {X86_INS_IRETQ, OP_IRET, NULL},
    {X86_INS_SYSRET, OP_SYSRET, NULL},
#if CS_API_MAJOR >= 5 /* Capstone 4 knows one instruction of either width */
    {X86_INS_SYSRETQ, OP_SYSRET, NULL},
#endif
    {X86_INS_SWAPGS, OP_SWAPGS, NULL},
    {X86_INS_CLAC, OP_CLAC, NULL},
    {X86_INS_STAC, OP_STAC, NULL},
    {X86_INS_CLTS, OP_CLTS, NULL},
    {X86_INS_LGDT, OP_LGDT, want_rm},
    {X86_INS_LIDT, OP_LIDT, want_rm},
    {X86_INS_LLDT, OP_LLDT, want_rm},
    {X86_INS_LTR, OP_LTR, want_rm},
    {X86_INS_LMSW, OP_LMSW, want_rm},
    {X86_INS_INVLPG, OP_INVLPG, want_rm},
    {X86_INS_INVPCID, OP_INVPCID, want_invpcid},
    {X86_INS_RDMSR, OP_RDMSR, NULL},
    {X86_INS_WRMSR, OP_WRMSR, NULL},
    {X86_INS_RDPMC, OP_RDPMC, NULL},
    {X86_INS_RDTSC, OP_RDTSC, NULL},
    {X86_INS_RDTSCP, OP_RDTSCP, NULL},
    {X86_INS_INVD, OP_INVD, NULL},
    {X86_INS_WBINVD, OP_WBINVD, NULL},
    {X86_INS_UD2, OP_UD, NULL},
    {X86_INS_MOV, OP_NONE, want_mov},
    {X86_INS_MOVABS, OP_NONE, want_mov},
    {X86_INS_MOVZX, OP_NONE, want_mov},
    {X86_INS_MOVSX, OP_NONE, want_mov},
    {X86_INS_MOVSXD, OP_NONE, want_mov},
    {X86_INS_STOSB, OP_STORE_STRING, want_string},
    {X86_INS_STOSW, OP_STORE_STRING, want_string},
    {X86_INS_STOSD, OP_STORE_STRING, want_string},
    {X86_INS_STOSQ, OP_STORE_STRING, want_string},
    {X86_INS_MOVSB, OP_MOVE_STRING, want_string},
    {X86_INS_MOVSW, OP_MOVE_STRING, want_string},
    {X86_INS_MOVSD, OP_MOVE_STRING, want_string},
    {X86_INS_MOVSQ, OP_MOVE_STRING, want_string},
};

/* Where Capstone 4 is wrong by the manuals: MOVSXD without REX.W loads 32 bits; of 66 and REX.W at a port, 66 is
 * ignored; F2 before MOVSD is REP. */
static void correct(const cs_insn *in, struct decoded *want)
{
    bool at_port = want->op == OP_IN || want->op == OP_OUT || want->op == OP_INS || want->op == OP_OUTS;

    if (in->id == X86_INS_MOVSXD && !want->wide)
        want->target = 4;
    if (at_port && want->wide && want->width == 2)
        want->width = 4;
    if (in->id == X86_INS_MOVSD)
        want->rep |= memchr(in->bytes, 0xf2, in->size) != NULL;
}

/* What decode() should say; false: nothing. */
static bool want_from(const cs_insn *in, struct decoded *want)
{
    memset(want, 0, sizeof *want);
    for (size_t i = 0; i < COUNT(mnemonics); i++) {
        if (mnemonics[i].id != in->id)
            continue;
        want->op = mnemonics[i].want ? mnemonics[i].want(in, mnemonics[i].op, want) : mnemonics[i].op;
        want->length = (uint8_t)in->size;
        want->wide = in->detail->x86.rex & 8;
        correct(in, want);
        return want->op != OP_NONE;
    }
    return false;
}

struct oracle oracle_open(void)
{
    struct oracle o;

    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &o.cs), CS_ERR_OK);
    assert_int_equal(cs_option(o.cs, CS_OPT_DETAIL, CS_OPT_ON), CS_ERR_OK);
    o.in = cs_malloc(o.cs);
    return o;
}

void oracle_close(struct oracle *o)
{
    cs_free(o->in, 1);
    cs_close(&o->cs);
}

/* Where prefixes have to stand for Capstone; 0: no prefix. */
static unsigned rank(uint8_t byte)
{
    switch (byte) {
    case 0x40 ... 0x4f: return 1; /* that are ignored, as a legacy prefix follows */
    case 0xf2: case 0xf3: return 2;
    case 0x67: case 0x64: case 0x65: case 0x2e: case 0x36: case 0x3e: case 0x26: return 3;
    case 0x66: return 4;
    case 0xf0: return 5;
    default: return 0;
    }
}

/* Leaves a REX before the opcode, and the order of equals. */
static void sort_prefixes(uint8_t *code, size_t bytes)
{
    size_t count = 0;

    while (count < bytes && rank(code[count]))
        count++;
    if (count > 0 && rank(code[count - 1]) == 1)
        count--;
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && rank(code[k - 1]) > rank(code[k]); k--) {
            uint8_t byte = code[k];

            code[k] = code[k - 1];
            code[k - 1] = byte;
        }
}

/* Capstone 5 knows MOVSXD (63 /r) only with REX.W: it gets one. True if that made the code longer; *wide: it was there. */
static bool widen_movsxd(uint8_t code[LONGEST + 1], bool *wide)
{
    size_t opcode = 0;

    while (opcode < LONGEST && rank(code[opcode]))
        opcode++;
    if (code[opcode] != 0x63)
        return false;
    if (opcode && rank(code[opcode - 1]) == 1) {
        *wide = code[opcode - 1] & 8;
        code[opcode - 1] |= 8;
        return false;
    }
    *wide = false;
    memmove(code + opcode + 1, code + opcode, LONGEST - opcode);
    code[opcode] = 0x48;
    return true;
}

bool oracle_decode(struct oracle *o, const uint8_t code[LONGEST], struct decoded *out)
{
    uint8_t sorted[LONGEST + 1] = {0};
    const uint8_t *at = sorted;
    size_t left = LONGEST;
    uint64_t address = 0x1000;
    bool wide = true, longer = false;

    memcpy(sorted, code, LONGEST);
    sort_prefixes(sorted, LONGEST);
    if (CS_API_MAJOR >= 5)
        longer = widen_movsxd(sorted, &wide);
    if (!cs_disasm_iter(o->cs, &at, &left, &address, o->in) || !want_from(o->in, out))
        return false;
    out->length -= longer;
    out->wide &= wide;
    if (!wide)
        out->target = 4;
    return true;
}
