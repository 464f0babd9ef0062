/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/decode.c: the instructions of a guest that can trap, taken apart.
 *
 * Prefixes, opcode, ModRM with what it brings, immediate: read in that order, as the manuals define them (Intel SDM
 * volume 2, chapter 2 and appendix A; AMD APM volume 3, chapter 1 and appendix A). Tables of `struct form`, indexed by
 * opcode, say what an instruction is and what follows its opcode; a form that is not listed is unknown.
 *
 * Prefixes that an instruction has no use for are ignored, as processors do, unless it would be another instruction
 * with them (F3 0F 09 is WBNOINVD, F2 0F 01 CA is ERETS). CS, DS, ES and SS overrides mean nothing in 64-bit mode;
 * beside one of FS or GS they do to some decoders, the last one counting, so that is unknown.
 */
#include "arch-vmm/decode.h"

#define LONGEST 15 /* bytes of an instruction */

enum prefix {
    OPERAND16 = 1 << 0,
    ADDRESS32 = 1 << 1,
    REPEAT = 1 << 2, /* F2 or F3 */
    LOCK = 1 << 3,
    FS = 1 << 4,
    GS = 1 << 5,
    NULL_SEGMENT = 1 << 6,
};

static const uint8_t prefixes[256] = {
    [0x66] = OPERAND16,    [0x67] = ADDRESS32,    [0xf2] = REPEAT,       [0xf3] = REPEAT,
    [0xf0] = LOCK,         [0x64] = FS,           [0x65] = GS,           [0x2e] = NULL_SEGMENT,
    [0x36] = NULL_SEGMENT, [0x3e] = NULL_SEGMENT, [0x26] = NULL_SEGMENT,
};

enum { REX = 0x40, REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

/* ---- forms ---- */

/* Of a form: what follows the opcode, and how it is to be understood. */
enum {
    MODRM = 1 << 0,        /* a ModRM byte follows … */
    GROUP = 1 << 1,        /* … and chooses among several instructions */
    REG = 1 << 2,          /* its `reg` is an operand */
    MEMORY = 1 << 3,       /* its r/m is an operand, in memory */
    REGISTER = 1 << 4,     /* … or in a register; without MEMORY, whatever its mode says */
    OFFSET = 1 << 5,       /* an absolute address follows */
    PORT = 1 << 6,         /* an immediate byte follows, unsigned */
    VALUE = 1 << 7,        /* an immediate of the operand's width follows, of 4 bytes at most */
    FROM_RSI = 1 << 8,     /* string instructions: where `memory` is */
    TO_RDI = 1 << 9,
    EXTENDS = 1 << 10,     /* the register that is loaded is as wide as the operand size */
    SIGNED = 1 << 11,
    NEEDS_66 = 1 << 12,    /* it is another instruction without … */
    NO_66 = 1 << 13,       /* … or with that, even under REX.W */
    NO_16_BITS = 1 << 14,  /* refused in 16 bits */
    NO_REPEAT = 1 << 15,   /* it is another instruction under F2 or F3 */
};

#define NO_PREFIX (NO_66 | NO_REPEAT)
#define STRING (FROM_RSI | TO_RDI)

enum { FULL = 100, FULL_PORT }; /* as wide as the operand size: 2, 4, 8 bytes, at ports 2 or 4 */

struct form {
    uint8_t op;
    uint8_t width; /* bytes, FULL or FULL_PORT */
    uint32_t flags;
};

static const struct form one_byte[256] = {
    [0x63] = {OP_LOAD, 4, MODRM | REG | MEMORY | EXTENDS | SIGNED | NO_16_BITS},
    [0x6c] = {OP_INS, 1, TO_RDI},
    [0x6d] = {OP_INS, FULL_PORT, TO_RDI},
    [0x6e] = {OP_OUTS, 1, FROM_RSI},
    [0x6f] = {OP_OUTS, FULL_PORT, FROM_RSI},
    [0x88] = {OP_STORE, 1, MODRM | REG | MEMORY},
    [0x89] = {OP_STORE, FULL, MODRM | REG | MEMORY},
    [0x8a] = {OP_LOAD, 1, MODRM | REG | MEMORY},
    [0x8b] = {OP_LOAD, FULL, MODRM | REG | MEMORY},
    [0xa0] = {OP_LOAD, 1, OFFSET},
    [0xa1] = {OP_LOAD, FULL, OFFSET},
    [0xa2] = {OP_STORE, 1, OFFSET},
    [0xa3] = {OP_STORE, FULL, OFFSET},
    [0xa4] = {OP_MOVE_STRING, 1, FROM_RSI},
    [0xa5] = {OP_MOVE_STRING, FULL, FROM_RSI},
    [0xaa] = {OP_STORE_STRING, 1, TO_RDI},
    [0xab] = {OP_STORE_STRING, FULL, TO_RDI},
    [0xc6] = {OP_STORE, 1, MODRM | GROUP | MEMORY | VALUE},
    [0xc7] = {OP_STORE, FULL, MODRM | GROUP | MEMORY | VALUE},
    [0xcd] = {OP_INT, 0, PORT},
    [0xcf] = {OP_IRET, 0, NO_16_BITS},
    [0xe4] = {OP_IN, 1, PORT},
    [0xe5] = {OP_IN, FULL_PORT, PORT},
    [0xe6] = {OP_OUT, 1, PORT},
    [0xe7] = {OP_OUT, FULL_PORT, PORT},
    [0xec] = {OP_IN, 1, 0},
    [0xed] = {OP_IN, FULL_PORT, 0},
    [0xee] = {OP_OUT, 1, 0},
    [0xef] = {OP_OUT, FULL_PORT, 0},
    [0xf4] = {OP_HLT, 0, 0},
    [0xfa] = {OP_CLI, 0, 0},
    [0xfb] = {OP_STI, 0, 0},
};

/* 0F */
static const struct form two_byte[256] = {
    [0x00] = {OP_NONE, 0, MODRM | GROUP},
    [0x01] = {OP_NONE, 0, MODRM | GROUP},
    [0x06] = {OP_CLTS, 0, 0},
    [0x07] = {OP_SYSRET, 0, 0},
    [0x08] = {OP_INVD, 0, 0},
    [0x09] = {OP_WBINVD, 0, NO_REPEAT},
    [0x0b] = {OP_UD, 0, 0},
    [0x20] = {OP_READ_CR, 0, MODRM | REG | REGISTER},
    [0x21] = {OP_READ_DR, 0, MODRM | REG | REGISTER},
    [0x22] = {OP_WRITE_CR, 0, MODRM | REG | REGISTER},
    [0x23] = {OP_WRITE_DR, 0, MODRM | REG | REGISTER},
    [0x30] = {OP_WRMSR, 0, 0},
    [0x31] = {OP_RDTSC, 0, 0},
    [0x32] = {OP_RDMSR, 0, 0},
    [0x33] = {OP_RDPMC, 0, 0},
    [0xb6] = {OP_LOAD, 1, MODRM | REG | MEMORY | EXTENDS},
    [0xb7] = {OP_LOAD, 2, MODRM | REG | MEMORY | EXTENDS},
    [0xbe] = {OP_LOAD, 1, MODRM | REG | MEMORY | EXTENDS | SIGNED},
    [0xbf] = {OP_LOAD, 2, MODRM | REG | MEMORY | EXTENDS | SIGNED},
};

static const struct form unknown = {OP_NONE, 0, 0};
static const struct form invpcid = {OP_INVPCID, 16, MODRM | REG | MEMORY | NEEDS_66 | NO_REPEAT}; /* 0F 38 82 */

/* 0F 00 by ModRM.reg */
static const struct form group6[8] = {
    [2] = {OP_LLDT, 2, MEMORY | REGISTER},
    [3] = {OP_LTR, 2, MEMORY | REGISTER},
};

/* 0F 01 by ModRM.reg if in memory, else by the low six bits of ModRM */
static const struct form group7_memory[8] = {
    [2] = {OP_LGDT, 10, MEMORY},
    [3] = {OP_LIDT, 10, MEMORY},
    [6] = {OP_LMSW, 2, MEMORY},
    [7] = {OP_INVLPG, 0, MEMORY},
};
static const struct form group7_register[64] = {
    [0x0a] = {OP_CLAC, 0, NO_PREFIX},
    [0x0b] = {OP_STAC, 0, NO_PREFIX},
    [0x30 ... 0x37] = {OP_LMSW, 2, REGISTER},
    [0x38] = {OP_SWAPGS, 0, NO_PREFIX},
    [0x39] = {OP_RDTSCP, 0, NO_PREFIX},
};

/* ---- reading ---- */

/* An instruction that is being read. */
struct reader {
    const uint8_t *code;
    size_t bytes, at; /* at > bytes: it did not fit */
    unsigned prefixes;
    uint8_t rex; /* 0: none */
    uint8_t modrm;
};

/* 0 if there is none, and the reader knows. */
static uint8_t next_byte(struct reader *r)
{
    return r->at++ < r->bytes ? r->code[r->at - 1] : 0;
}

/* 1 … 8 bytes, sign-extended. */
static int64_t next_value(struct reader *r, unsigned bytes)
{
    unsigned unused = 64 - 8 * bytes;
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)next_byte(r) << (8 * i);
    return (int64_t)(value << unused) >> unused;
}

/* Returns the first byte of the opcode. A REX counts only right before that. */
static uint8_t read_prefixes(struct reader *r)
{
    uint8_t byte = next_byte(r);

    for (; prefixes[byte] || (byte & 0xf0) == REX; byte = next_byte(r)) {
        r->prefixes |= prefixes[byte];
        r->rex = prefixes[byte] ? 0 : byte;
    }
    return byte;
}

/* The instruction that ModRM chooses at `opcode`, of map 0F or of one byte. */
static const struct form *find_member(const struct reader *r, const struct form *group, uint8_t opcode)
{
    unsigned reg = r->modrm >> 3 & 7;

    if (group->op != OP_NONE) /* C6, C7: a MOV, or XABORT and XBEGIN */
        return reg == 0 ? group : &unknown;
    if (opcode == 0)
        return &group6[reg];
    return r->modrm >= 0xc0 ? &group7_register[r->modrm & 0x3f] : &group7_memory[reg];
}

/* Reads prefixes, opcode and ModRM. */
static const struct form *read_form(struct reader *r)
{
    uint8_t opcode = read_prefixes(r);
    const struct form *form = &one_byte[opcode];

    if (opcode == 0x0f) {
        opcode = next_byte(r);
        form = &two_byte[opcode];
        if (opcode == 0x38)
            form = next_byte(r) == 0x82 ? &invpcid : &unknown;
    }
    if (form->flags & MODRM)
        r->modrm = next_byte(r);
    return form->flags & GROUP ? find_member(r, form, opcode) : form;
}

/* Whether the prefixes leave the instruction what it is. */
static bool prefixes_allow(const struct reader *r, uint32_t flags)
{
    unsigned segments = r->prefixes & (FS | GS | NULL_SEGMENT);
    bool operand16 = r->prefixes & OPERAND16, several_segments = segments & (segments - 1);

    return !(r->prefixes & LOCK) && !several_segments && !(flags & NO_REPEAT && r->prefixes & REPEAT) &&
           !(flags & NO_66 && operand16) && !(flags & NEEDS_66 && !operand16) &&
           !(flags & NO_16_BITS && operand16 && !(r->rex & REX_W));
}

/* ---- operands ---- */

/* 8 … 15 if that bit of REX is set. */
static uint8_t extended(const struct reader *r, unsigned rex_bit, unsigned low)
{
    return (uint8_t)((low & 7) | (r->rex & rex_bit ? 8 : 0));
}

/* REX.W overrides 66. */
static uint8_t operand_size(const struct reader *r)
{
    return r->rex & REX_W ? 8 : r->prefixes & OPERAND16 ? 2 : 4;
}

static uint8_t width_of(const struct reader *r, const struct form *form)
{
    uint8_t size = operand_size(r);

    if (form->width == FULL_PORT)
        return size == 2 ? 2 : 4;
    return form->width == FULL ? size : form->width;
}

/* Returns the field of the base. */
static unsigned read_sib(struct reader *r, struct memory_operand *m)
{
    uint8_t sib = next_byte(r), index = extended(r, REX_X, sib >> 3);

    if (index != 4) { /* RSP is no index */
        m->index = index;
        m->scale = (uint8_t)(1 << (sib >> 6));
    }
    return sib & 7;
}

static void read_modrm_memory(struct reader *r, struct memory_operand *m)
{
    unsigned mode = r->modrm >> 6, base = r->modrm & 7;
    bool sib = base == 4;

    if (sib)
        base = read_sib(r, m);
    if (mode == 0 && base == 5)
        m->rip_relative = !sib;
    else
        m->base = extended(r, REX_B, base);
    if (mode == 1)
        m->displacement = next_value(r, 1);
    else if (mode == 2 || m->base == NO_REGISTER)
        m->displacement = next_value(r, 4);
}

/* OFFSET: of 8 bytes, or of 4 that are not sign-extended. */
static int64_t read_offset(struct reader *r)
{
    return r->prefixes & ADDRESS32 ? next_value(r, 4) & 0xffffffff : next_value(r, 8);
}

static void read_memory(struct reader *r, uint32_t flags, struct memory_operand *m)
{
    m->base = m->index = NO_REGISTER;
    m->scale = 1;
    m->address32 = r->prefixes & ADDRESS32;
    m->segment = r->prefixes & FS ? SEGMENT_FS : r->prefixes & GS ? SEGMENT_GS : SEGMENT_NONE;
    if (flags & TO_RDI) {
        m->base = 7;
        m->segment = SEGMENT_NONE;
    } else if (flags & FROM_RSI) {
        m->base = 6;
    } else if (flags & OFFSET) {
        m->displacement = read_offset(r);
    } else {
        read_modrm_memory(r, m);
    }
}

/* The operand that is in memory or in register `rm`. False: it is in a register and must not be. */
static bool read_rm(struct reader *r, uint32_t flags, struct decoded *out)
{
    if (flags & (STRING | OFFSET) || (flags & MEMORY && r->modrm < 0xc0)) {
        out->has_memory = true;
        read_memory(r, flags, &out->memory);
        return true;
    }
    if (flags & REGISTER)
        out->rm = extended(r, REX_B, r->modrm);
    return !(flags & MEMORY) || flags & REGISTER;
}

static void read_immediate(struct reader *r, const struct form *form, struct decoded *out)
{
    if (form->flags & PORT)
        out->immediate = next_byte(r);
    if (form->flags & VALUE)
        out->immediate = next_value(r, out->width < 4 ? out->width : 4);
    out->immediate_used = form->flags & (PORT | VALUE) && form->op != OP_INT;
}

static void describe(const struct reader *r, const struct form *form, struct decoded *out)
{
    bool moves = form->op == OP_LOAD || form->op == OP_STORE;

    out->op = form->op;
    out->width = width_of(r, form);
    out->wide = r->rex & REX_W;
    out->rep = form->flags & STRING && r->prefixes & REPEAT;
    out->sign = form->flags & SIGNED;
    if (form->flags & REG)
        out->reg = extended(r, REX_R, r->modrm >> 3);
    if (form->op == OP_LOAD)
        out->target = form->flags & EXTENDS ? operand_size(r) : out->width;
    out->high_byte = moves && !(form->flags & EXTENDS) && out->width == 1 && !r->rex && out->reg >= 4;
}

bool decode(const uint8_t *code, size_t bytes, struct decoded *out)
{
    struct reader r = {.code = code, .bytes = bytes < LONGEST ? bytes : LONGEST};
    struct decoded found = {0};
    const struct form *form = read_form(&r);

    *out = found;
    if (form->op == OP_NONE || !prefixes_allow(&r, form->flags))
        return false;
    describe(&r, form, &found);
    if (!read_rm(&r, form->flags, &found))
        return false;
    read_immediate(&r, form, &found);
    if (r.at > r.bytes)
        return false;
    found.length = (uint8_t)r.at;
    *out = found;
    return true;
}

uint64_t decoded_address(const struct decoded *d, const uint64_t registers[16], uint64_t next_rip, uint64_t fs_base,
                         uint64_t gs_base)
{
    const struct memory_operand *m = &d->memory;
    uint64_t address = (uint64_t)m->displacement;

    if (m->rip_relative)
        address += next_rip;
    if (m->base != NO_REGISTER)
        address += registers[m->base];
    if (m->index != NO_REGISTER)
        address += registers[m->index] * m->scale;
    if (m->address32)
        address &= 0xffffffff;
    return address + (m->segment == SEGMENT_FS ? fs_base : m->segment == SEGMENT_GS ? gs_base : 0);
}
