/* SPDX-License-Identifier: MIT
 *
 * sim/plan/other.c: everything of which only the memory operand and the registers that it changes matter. What is not
 * listed is taken to change all registers, which costs a sync and is never wrong. Which operand is written is decided
 * by its place and by opcode: Capstone's versions differ in what they say of that.
 */
#include "sim/plan/build.h"

static bool is_jump(const cs_insn *insn)
{
    for (uint8_t i = 0; i < insn->detail->groups_count; i++)
        if (insn->detail->groups[i] == CS_GRP_JUMP)
            return true;
    return false;
}

static bool is_x87(const cs_x86 *x)
{
    return (x->opcode[0] & 0xf8) == 0xd8;
}

/* x87, MMX and SSE, by their places in the opcode maps: they change the general register that is their first operand,
 * or none. */
static bool is_vector(const cs_x86 *x)
{
    const uint8_t second = x->opcode[1];

    if (x->opcode[0] != 0x0f)
        return is_x87(x);
    if (second == 0x38)
        return x->opcode[2] < 0xf0;
    return second == 0x3a || (second >= 0x10 && second <= 0x17) || (second >= 0x28 && second <= 0x2f) ||
           (second >= 0x50 && second <= 0x7f) || second == 0xc2 || (second >= 0xc4 && second <= 0xc6) || second >= 0xd0;
}

/* A memory operand is written, by opcode and ModRM.reg (SDM vol. 2D, tables ). */
static bool stores_x87(const cs_x86 *x)
{
    static const uint8_t stores[8] = {0, 0xcc, 0, 0x8e, 0, 0xce, 0, 0xce}; /* d8…df: a bit for each value of reg */

    return is_x87(x) && stores[x->opcode[0] & 7] >> (x->modrm >> 3 & 7) & 1;
}

/* SETcc: 0f 90…9f. CMOVcc: 0f 40…4f. */
static bool is_set(const cs_x86 *x)
{
    return x->opcode[0] == 0x0f && (x->opcode[1] & 0xf0) == 0x90;
}

static bool is_conditional_move(const cs_x86 *x)
{
    return x->opcode[0] == 0x0f && (x->opcode[1] & 0xf0) == 0x40;
}

/* CVTPS2PD, CVTPS2PI, CVTDQ2PD, and PUNPCKLxx of MMX: the engine reads all that the other operand has. */
static unsigned vector_bytes(const cs_x86 *x, unsigned bytes)
{
    if (x->opcode[0] == 0xdf && (x->modrm >> 3 & 5) == 4) /* FBLD, FBSTP */
        return 10;
    if (x->opcode[0] != 0x0f)
        return bytes;
    if ((x->opcode[1] == 0x2c || x->opcode[1] == 0x2d) && bytes == 8 && !x->prefix[0])
        return 16;
    if ((x->opcode[1] == 0x5a || x->opcode[1] == 0xe6) && bytes == 8 && x->prefix[0] != X86_PREFIX_REPNE)
        return 16;
    return x->opcode[1] >= 0x60 && x->opcode[1] <= 0x62 && bytes == 4 ? 8 : bytes;
}

/* Memory and first operand of an instruction of which no more is followed. */
static void do_vector(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    const cs_x86_op *memory = plan_memory(x);
    bool write = memory == &x->operands[0] && (is_x87(x) ? stores_x87(x) : x->op_count > 1);

    if (memory) {
        struct plan_address a = plan_address(b, insn, memory);

        plan_access(b, write ? STEP_WRITE : STEP_READ, &a, vector_bytes(x, memory->size));
    }
    if (x->op_count > 0 && x->operands[0].type == X86_OP_REG)
        plan_set_register(b, x->operands[0].reg, symbol_unknown);
}

enum effect {
    NOTHING, /* no memory, no register */
    READS,   /* its memory operand; no register */
    FIRST,   /* reads memory; its first operand, a register, is changed; a first operand in memory is modified */
    WRITES,  /* its first operand */
    ANY,
};

static enum effect effect_of(const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;

    if (is_set(x))
        return WRITES;
    if (is_conditional_move(x))
        return FIRST;
    switch (insn->id) {
    case X86_INS_NOP:
    case X86_INS_ENDBR64:
    case X86_INS_PAUSE:
    case X86_INS_INVLPG:
    case X86_INS_CLFLUSH:
    case X86_INS_PREFETCH:
    case X86_INS_PREFETCHW:
    case X86_INS_PREFETCHNTA:
    case X86_INS_PREFETCHT0:
    case X86_INS_PREFETCHT1:
    case X86_INS_PREFETCHT2:
    case X86_INS_MFENCE:
    case X86_INS_LFENCE:
    case X86_INS_SFENCE:
    case X86_INS_CLI:
    case X86_INS_STI:
    case X86_INS_CLD:
    case X86_INS_STD:
    case X86_INS_CLC:
    case X86_INS_STC:
    case X86_INS_CMC:
    case X86_INS_CLAC:
    case X86_INS_STAC:
    case X86_INS_CLTS:
    case X86_INS_HLT:
    case X86_INS_UD2:
    case X86_INS_SYSCALL:
    case X86_INS_SYSRET:
    case X86_INS_INT:
    case X86_INS_INT3:
    case X86_INS_SAHF:
    case X86_INS_FNINIT:
    case X86_INS_EMMS:
        return NOTHING;
    case X86_INS_CMP:
    case X86_INS_TEST:
    case X86_INS_JMP:
    case X86_INS_VERR:
    case X86_INS_VERW:
    case X86_INS_LMSW:
    case X86_INS_LDMXCSR:
        return READS;
    case X86_INS_ADC:
    case X86_INS_SBB:
    case X86_INS_ROL:
    case X86_INS_ROR:
    case X86_INS_RCL:
    case X86_INS_RCR:
    case X86_INS_SHLD:
    case X86_INS_SHRD:
    case X86_INS_BSF:
    case X86_INS_BSR:
    case X86_INS_TZCNT:
    case X86_INS_LZCNT:
    case X86_INS_POPCNT:
    case X86_INS_BSWAP:
    case X86_INS_CRC32:
    case X86_INS_RDRAND:
    case X86_INS_RDSEED:
    case X86_INS_ANDN:
    case X86_INS_BLSR:
    case X86_INS_BLSI:
    case X86_INS_BLSMSK:
    case X86_INS_BEXTR:
    case X86_INS_RORX:
    case X86_INS_SHLX:
    case X86_INS_SHRX:
    case X86_INS_SARX:
        return FIRST;
    case X86_INS_MOVBE:
        return x->operands[0].type == X86_OP_MEM ? WRITES : FIRST;
    case X86_INS_MOVNTI:
    case X86_INS_SMSW:
    case X86_INS_STR:
    case X86_INS_SLDT:
    case X86_INS_STMXCSR:
        return WRITES;
    default:
        return is_jump(insn) ? READS : ANY;
    }
}

void plan_other(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    const cs_x86_op *memory = plan_memory(x);
    enum effect effect = effect_of(insn);
    struct plan_address a;

    if (effect == ANY && is_vector(x)) {
        do_vector(b, insn);
        return;
    }
    if (memory && effect != NOTHING) {
        a = plan_address(b, insn, memory);
        if (effect == WRITES)
            plan_access(b, STEP_WRITE, &a, memory->size);
        else if (effect == READS || memory != &x->operands[0])
            plan_access(b, STEP_READ, &a, memory->size);
        else
            plan_modify(b, &a, memory->size);
    }
    if ((effect == FIRST || effect == WRITES) && x->op_count > 0 && x->operands[0].type == X86_OP_REG)
        plan_set_register(b, x->operands[0].reg, symbol_unknown);
    if (effect == ANY)
        plan_forget_all(b);
}

/* Those that change registers which are no operands. true: it was one. */
bool plan_implicit(struct plan_builder *b, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;
    struct plan_address a;

    switch (insn->id) {
    case X86_INS_CDQE:
        b->reg[RAX] = plan_extend(b, b->reg[RAX], 4, true);
        return true;
    case X86_INS_CWDE:
    case X86_INS_CBW:
        plan_forget(b, RAX);
        return true;
    case X86_INS_LAHF:
        plan_forget(b, RAX);
        plan_forget(b, RSP); /* with REX the engine writes SPL */
        return true;
    case X86_INS_CQO:
    case X86_INS_CDQ:
    case X86_INS_CWD:
        plan_forget(b, RDX);
        return true;
    case X86_INS_MUL:
    case X86_INS_DIV:
    case X86_INS_IDIV:
        plan_read_operand(b, insn, &x->operands[0]);
        plan_forget(b, RAX);
        plan_forget(b, RDX);
        return true;
    case X86_INS_RDTSCP:
        plan_forget(b, RCX);
        /* fall through */
    case X86_INS_RDTSC:
    case X86_INS_RDMSR:
    case X86_INS_RDPMC:
    case X86_INS_XGETBV:
        plan_forget(b, RAX);
        plan_forget(b, RDX);
        return true;
    case X86_INS_IN:
        plan_forget(b, RAX);
        /* fall through */
    case X86_INS_OUT:
        plan_emit(b, STEP_BARRIER);
        b->accesses++;
        return true;
    case X86_INS_CPUID:
        plan_emit(b, STEP_BARRIER);
        b->accesses++;
        for (int i = RAX; i <= RBX; i++)
            plan_forget(b, i);
        return true;
    case X86_INS_WRMSR:
        b->fs_known = b->gs_known = false;
        return true;
    case X86_INS_SWAPGS:
        b->gs_known = false;
        return true;
    case X86_INS_XBEGIN: /* the engine takes it for MOV EAX */
        plan_forget(b, RAX);
        return true;
    case X86_INS_XLATB:
        if (!symbol_known(b->reg[RBX]) || !symbol_known(b->reg[RAX]))
            plan_sync(b);
        a = plan_sum(b->reg[RBX], plan_extend(b, b->reg[RAX], 1, false));
        if (address_known(&a))
            plan_access(b, STEP_READ, &a, 1);
        plan_forget(b, RAX);
        return true;
    case X86_INS_MASKMOVDQU:
    case X86_INS_MASKMOVQ: /* the bytes that the mask selects, if any */
        a = plan_at(b, RDI, 0);
        plan_access(b, STEP_WRITE, &a, insn->id == X86_INS_MASKMOVQ ? 8 : 16)->dest = 1;
        return true;
    case X86_INS_PCMPESTRI:
    case X86_INS_PCMPISTRI:
        do_vector(b, insn);
        plan_forget(b, RCX);
        return true;
    default:
        return false;
    }
}
