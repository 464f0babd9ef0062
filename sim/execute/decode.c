/* SPDX-License-Identifier: MIT
 *
 * sim/execute/decode.c: see decode.h. Capstone's versions differ in a few names, and it does not know of every operand
 * that an instruction has.
 */
#include "sim/execute/decode.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/native/bulk.h"

struct decoder {
    const struct cpu_model *model;
    csh capstone;
    cs_insn *insn;
};

struct decoder *decoder_create(const struct cpu_model *model)
{
    struct decoder *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->model = model;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &d->capstone) != CS_ERR_OK) {
        free(d);
        return NULL;
    }
    cs_option(d->capstone, CS_OPT_DETAIL, CS_OPT_ON);
    d->insn = cs_malloc(d->capstone);
    if (!d->insn) {
        decoder_destroy(d);
        return NULL;
    }
    return d;
}

void decoder_destroy(struct decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->insn)
        cs_free(decoder->insn, 1);
    cs_close(&decoder->capstone);
    free(decoder);
}

static bool is_mmu_register(unsigned reg)
{
    return reg >= X86_REG_CR0 && reg <= X86_REG_CR15;
}

static enum special special_move(const cs_x86 *x)
{
    const cs_x86_op *to = &x->operands[0];

    if (x->op_count < 1 || to->type != X86_OP_REG)
        return SPECIAL_NONE;
    if (to->reg == X86_REG_CR3)
        return SPECIAL_CR3;
    if (is_mmu_register(to->reg))
        return SPECIAL_CR;
    return to->reg == X86_REG_SS ? SPECIAL_SHADOW : SPECIAL_NONE;
}

static enum special special_of(const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;

    switch (insn->id) {
    case X86_INS_MOV:
        return special_move(x);
    case X86_INS_CLTS:
    case X86_INS_LMSW:
        return SPECIAL_CR;
    case X86_INS_INVLPG:
        return SPECIAL_INVLPG;
    case X86_INS_IRET:
    case X86_INS_IRETD:
    case X86_INS_IRETQ:
    case X86_INS_RETF:
    case X86_INS_RETFQ:
    case X86_INS_LJMP:
    case X86_INS_LCALL:
        return SPECIAL_RETURN;
    case X86_INS_SYSRET:
#if CS_API_MAJOR >= 5 /* Capstone 4 knows one instruction of either width */
    case X86_INS_SYSRETQ:
#endif
        return SPECIAL_SYSRET;
    case X86_INS_STI:
        return SPECIAL_SHADOW;
    case X86_INS_POPF:
    case X86_INS_POPFD:
    case X86_INS_POPFQ:
        return SPECIAL_FLAGS;
    default:
        return SPECIAL_NONE;
    }
}

/* Bytes of an element of a string instruction; 0: not one. */
static unsigned string_element(unsigned id, bool *moves)
{
    static const struct {
        unsigned id, bytes;
        bool moves;
    } strings[] = {
        {X86_INS_MOVSB, 1, true},  {X86_INS_MOVSW, 2, true},  {X86_INS_MOVSD, 4, true},  {X86_INS_MOVSQ, 8, true},
        {X86_INS_STOSB, 1, false}, {X86_INS_STOSW, 2, false}, {X86_INS_STOSD, 4, false}, {X86_INS_STOSQ, 8, false},
        {X86_INS_LODSB, 1, false}, {X86_INS_LODSW, 2, false}, {X86_INS_LODSD, 4, false}, {X86_INS_LODSQ, 8, false},
        {X86_INS_CMPSB, 1, false}, {X86_INS_CMPSW, 2, false}, {X86_INS_CMPSD, 4, false}, {X86_INS_CMPSQ, 8, false},
        {X86_INS_SCASB, 1, false}, {X86_INS_SCASW, 2, false}, {X86_INS_SCASD, 4, false}, {X86_INS_SCASQ, 8, false},
    };

    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (strings[i].id == id) {
            *moves = strings[i].moves;
            return strings[i].bytes;
        }
    return 0;
}

/* Of a string instruction, whose opcode is its last byte. Not by what Capstone says: MOVSD has lost its F2. */
static bool has_rep(const cs_insn *insn)
{
    for (unsigned at = 0; at + 1 < insn->size; at++)
        if (insn->bytes[at] == 0xf2 || insn->bytes[at] == 0xf3)
            return true;
    return false;
}

/* Cost beyond the base cost, in cycles; and SWAPGS, whose cost is a transition. */
static void extra_cost(const struct cpu_model *m, const cs_insn *insn, uint32_t *work, uint32_t *swapgs)
{
    switch (insn->id) {
    case X86_INS_SWAPGS:
        ++*swapgs;
        break;
    case X86_INS_RDMSR:
        *work += m->msr_read_cost;
        break;
    case X86_INS_WRMSR:
        *work += m->msr_write_cost;
        break;
    case X86_INS_LGDT:
    case X86_INS_LIDT:
        *work += m->lgdt_cost;
        break;
    case X86_INS_LTR:
        *work += m->ltr_cost;
        break;
    case X86_INS_FXSAVE:
    case X86_INS_FXSAVE64:
    case X86_INS_FXRSTOR:
    case X86_INS_FXRSTOR64:
        *work += m->fxsave_cost;
        break;
    default:
        break;
    }
    if (insn->detail->x86.prefix[0] == X86_PREFIX_LOCK)
        *work += m->lock_cost;
}

static bool reloads(const cs_insn *insn)
{
    return insn->id == X86_INS_WRMSR || insn->id == X86_INS_LGDT || insn->id == X86_INS_LIDT || insn->id == X86_INS_LTR;
}

/* REP and REX.W, but no other prefix. */
static enum bulk bulk_of(const uint8_t *bytes, size_t size)
{
    const unsigned opcode = bytes[size - 1] & ~1u;

    if (bytes[0] != 0xf3 || size > 3 || (size == 3 && bytes[1] != 0x48))
        return BULK_NONE;
    return opcode == 0xa4 ? BULK_MOVES : opcode == 0xaa ? BULK_STORES : BULK_NONE;
}

static void decode_last(struct block *b, const cs_insn *insn)
{
    bool moves = false;
    unsigned element;

    b->special = special_of(insn) & 15;
    if ((element = string_element(insn->id, &moves)) == 0 || !has_rep(insn))
        return;
    b->special = SPECIAL_REP;
    b->element_shift = (uint8_t)__builtin_ctz(element) & 3;
    b->is_copy = moves && !b->in_copy_routine;
    b->bulk = bulk_of(insn->bytes, insn->size) & 3;
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

/* JMP rel8 or rel32 to itself, and nothing else: what compilers and people write. */
static bool is_spin(const uint8_t *code, size_t size)
{
    return (size == 2 && memcmp(code, "\xeb\xfe", 2) == 0) ||
           (size == 5 && memcmp(code, "\xe9\xfb\xff\xff\xff", 5) == 0);
}

void decode_block(struct decoder *d, struct block *b, struct plan_builder *plan, const uint8_t *code, size_t left,
                  uint64_t pc)
{
    uint32_t work = 0, swapgs = 0, instructions = 0;
    const uint64_t start = pc;
    const bool in_page = (start & 4095) + b->size <= 4096;

    if (in_page && is_spin(code, left)) /* also where a routine began that is counted: it transfers nothing */
        b->event = BLOCK_EVENT_SPIN;

    if (plan)
        plan_begin(plan, TRUST_CHECKED);
    while (left > 0 && cs_disasm_iter(d->capstone, &code, &left, &pc, d->insn)) {
        instructions++;
        if (plan)
            plan_instruction(plan, d->insn, (uint16_t)(pc - d->insn->size - start));
        b->reloads |= reloads(d->insn);
        b->last_bytes = (uint8_t)d->insn->size;
        extra_cost(d->model, d->insn, &work, &swapgs);
        if (left == 0)
            decode_last(b, d->insn);
    }
    if (left > 0) { /* Capstone does not know it: one instruction, to the end */
        instructions++;
        b->last_bytes = (uint8_t)at_most((uint32_t)left, 255);
        if (plan)
            plan_unknown(plan);
    }
    if (b->reloads && b->special == SPECIAL_NONE)
        b->special = SPECIAL_RELOAD;
    b->instructions = (uint16_t)instructions;
    b->plain = !b->special && !b->event && !b->in_copy_routine && in_page;
    b->cost_256 = at_most(instructions * d->model->instruction_cost_256 + (work << 8), (1u << 24) - 1) & 0xffffff;
    b->swapgs = at_most(swapgs, 255) & 255;
}

void decode_plan(struct decoder *d, struct plan_builder *plan, enum plan_trust trust, const uint8_t *code, size_t left,
                 uint64_t pc)
{
    const uint8_t *start = code;

    plan_begin(plan, trust);
    while (left > 0 && cs_disasm_iter(d->capstone, &code, &left, &pc, d->insn))
        plan_instruction(plan, d->insn, (uint16_t)(code - start - d->insn->size));
    if (left > 0)
        plan_unknown(plan);
}

void decode_prefix(struct decoder *decoder, const uint8_t *code, uint32_t size, uint64_t pc, uint64_t rip,
                   uint32_t *instructions, uint32_t *cost_256, uint32_t *swapgs)
{
    uint32_t work = 0;
    size_t left = size;

    *instructions = 0;
    *swapgs = 0;
    while (pc < rip && left > 0 && cs_disasm_iter(decoder->capstone, &code, &left, &pc, decoder->insn)) {
        (*instructions)++;
        extra_cost(decoder->model, decoder->insn, &work, swapgs);
    }
    *cost_256 = *instructions * decoder->model->instruction_cost_256 + (work << 8);
}

unsigned decode_text(struct decoder *decoder, const uint8_t *code, size_t bytes, uint64_t pc, char *text,
                     size_t text_bytes)
{
    if (!cs_disasm_iter(decoder->capstone, &code, &bytes, &pc, decoder->insn))
        return 0;
    snprintf(text, text_bytes, "%s %s", decoder->insn->mnemonic, decoder->insn->op_str);
    return decoder->insn->size;
}

/* The control or debug register that it moves; NULL: none. */
static const char *system_register(csh capstone, const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;

    for (uint8_t i = 0; insn->id == X86_INS_MOV && i < x->op_count; i++)
        if (x->operands[i].type == X86_OP_REG &&
            (is_mmu_register(x->operands[i].reg) ||
             (x->operands[i].reg >= X86_REG_DR0 && x->operands[i].reg <= X86_REG_DR15)))
            return cs_reg_name(capstone, x->operands[i].reg);
    return NULL;
}

bool decode_mnemonic(struct decoder *decoder, const uint8_t *code, size_t bytes, char *text, size_t text_bytes)
{
    uint64_t pc = 0;
    const char *moved;

    if (!cs_disasm_iter(decoder->capstone, &code, &bytes, &pc, decoder->insn))
        return false;
    moved = system_register(decoder->capstone, decoder->insn);
    if (special_of(decoder->insn) == SPECIAL_SYSRET) /* Capstone's versions differ */
        snprintf(text, text_bytes, "sysret%s", decoder->insn->detail->x86.rex & 8 ? "q" : "");
    else
        snprintf(text, text_bytes, "%s%s%s", decoder->insn->mnemonic, moved ? " " : "", moved ? moved : "");
    return true;
}

/* The stack slot of PUSH, CALL, POP, RET and so on, and the elements of string instructions, are not operands to
 * Capstone or only partly: add what [RSP], [RSI], [RDI] they touch. */
static size_t implicit_operands(const cs_insn *insn, uint64_t (*reg)(void *, unsigned), void *ctx,
                                struct operand out[OPERANDS_MAX], size_t n)
{
    uint64_t rsp = reg(ctx, X86_REG_RSP);
    uint64_t enter = insn->id == X86_INS_ENTER ? 64 : 8;

    for (uint8_t i = 0; i < insn->detail->groups_count; i++)
        if (insn->detail->groups[i] == CS_GRP_CALL && n < OPERANDS_MAX)
            out[n++] = (struct operand){rsp - 8, 8, true};
    switch (insn->id) {
    case X86_INS_PUSH:
    case X86_INS_PUSHF:
    case X86_INS_PUSHFQ:
    case X86_INS_ENTER:
        out[n < OPERANDS_MAX ? n++ : n - 1] = (struct operand){rsp - enter, (uint32_t)enter, true};
        break;
    case X86_INS_POP:
    case X86_INS_POPF:
    case X86_INS_POPFQ:
    case X86_INS_RET:
        out[n < OPERANDS_MAX ? n++ : n - 1] = (struct operand){rsp, 8, false};
        break;
    case X86_INS_LEAVE:
        out[n < OPERANDS_MAX ? n++ : n - 1] = (struct operand){reg(ctx, X86_REG_RBP), 8, false};
        break;
    case X86_INS_IRET:
    case X86_INS_IRETD:
    case X86_INS_IRETQ:
    case X86_INS_RETF:
    case X86_INS_RETFQ:
        out[n < OPERANDS_MAX ? n++ : n - 1] = (struct operand){rsp, 40, false};
        break;
    default:
        break;
    }
    return n;
}

size_t decode_operands(struct decoder *decoder, const uint8_t *code, size_t bytes, uint64_t pc,
                       uint64_t (*read_register)(void *ctx, unsigned reg), void *ctx, struct operand out[OPERANDS_MAX])
{
    const cs_x86 *x;
    size_t n = 0;

    if (!cs_disasm_iter(decoder->capstone, &code, &bytes, &pc, decoder->insn))
        return 0;
    x = &decoder->insn->detail->x86;
    for (uint8_t i = 0; i < x->op_count && n < OPERANDS_MAX - 2; i++) {
        const cs_x86_op *op = &x->operands[i];
        uint64_t address;

        if (op->type != X86_OP_MEM)
            continue;
        address = (uint64_t)op->mem.disp;
        if (op->mem.base == X86_REG_RIP)
            address += pc; /* cs_disasm_iter has moved pc to the next instruction */
        else if (op->mem.base != X86_REG_INVALID)
            address += read_register(ctx, op->mem.base);
        if (op->mem.index != X86_REG_INVALID)
            address += read_register(ctx, op->mem.index) * (uint64_t)op->mem.scale;
        if (x->addr_size == 4)
            address = (uint32_t)address;
        if (op->mem.segment == X86_REG_FS || op->mem.segment == X86_REG_GS)
            address += read_register(ctx, op->mem.segment);
        /* BT and its kin with a register bit offset reach beyond; FXSAVE reports odd sizes: be generous. */
        out[n++] = (struct operand){address, op->size ? op->size : 8, (op->access & CS_AC_WRITE) != 0};
    }
    return implicit_operands(decoder->insn, read_register, ctx, out, n);
}
