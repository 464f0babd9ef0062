/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/patch_decode.c: how long an x86-64 instruction is, and where control goes from it.
 *
 * Lengths only, by the opcode maps of the manual (Intel SDM volume 2, appendix A; AMD APM volume 3, appendix A). A map
 * is 16 rows of 16 letters, one for each opcode:
 *
 *     .  nothing follows          M  ModRM                 m  ModRM, imm8       w  ModRM, imm16/32
 *     b  imm8                     z  imm16/32              q  imm16/32/64       o  address of 8 bytes
 *     h  imm16                    e  imm16, imm8           g  ModRM, imm8 if it is TEST      G  same, imm16/32
 *     j  rel8                     r  rel32                 -  not taken apart here: the decoder refuses
 *
 * Refused are what no compiler emits for programs (I/O, far transfers, system instructions), what has another length on
 * AMD than on Intel (66 before a relative branch), and EVEX: who asks treats a refusal as "may be anything".
 */
#include "arch-exo/lib/patch_decode.h"

#define LONGEST 15 /* bytes of an instruction */

static const char one_byte[] = "MMMMbz--MMMMbz--" /* 0F is the escape */
                               "MMMMbz--MMMMbz--"
                               "MMMMbz--MMMMbz--"
                               "MMMMbz--MMMMbz--"
                               "----------------" /* REX */
                               "................"
                               "---M----zwbm----"
                               "jjjjjjjjjjjjjjjj"
                               "mw-mMMMMMMMMMMMM"
                               "..........-....."
                               "oooo....bz......"
                               "bbbbbbbbqqqqqqqq"
                               "mmh.--mwe.------"
                               "MMMM---.MMMMMMMM"
                               "jjjj----rr-j----"
                               "----..gG..--..MM";

static const char two_byte[] = "MMMM-.-----.-M--"
                               "MMMMMMMMMMMMMMMM"
                               "--------MMMMMMMM"
                               "-.--------------" /* 38 and 3A are escapes */
                               "MMMMMMMMMMMMMMMM"
                               "MMMMMMMMMMMMMMMM"
                               "MMMMMMMMMMMMMMMM"
                               "mmmmMMM.----MMMM"
                               "rrrrrrrrrrrrrrrr"
                               "MMMMMMMMMMMMMMMM"
                               "...MmM--..-MmMMM"
                               "MMMMMMMMM-mMMMMM"
                               "MMmMmmmM........"
                               "MMMMMMMMMMMMMMMM"
                               "MMMMMMMMMMMMMMMM"
                               "MMMMMMMMMMMMMMM-";

_Static_assert(sizeof one_byte == 257 && sizeof two_byte == 257, "a letter for each opcode");

/* An instruction that is being read. */
struct reader {
    const uint8_t *code;
    size_t count, at;
    bool operand16, address32, wide; /* 66, 67, REX.W */
    bool repeated;                   /* F2 or F3 */
    unsigned map;                    /* 0: one byte; 1: 0F; 2: 0F 38; 3: 0F 3A */
    uint8_t opcode, modrm;
};

static int next_byte(struct reader *r)
{
    return r->at < r->count && r->at < LONGEST ? r->code[r->at++] : -1;
}

static bool is_prefix(int byte)
{
    return byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x2e ||
           byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 || byte == 0x65;
}

/* Legacy prefixes, then REX: returns the first byte behind them. */
static int read_prefixes(struct reader *r)
{
    int byte = next_byte(r);

    for (; is_prefix(byte); byte = next_byte(r)) {
        r->operand16 |= byte == 0x66;
        r->address32 |= byte == 0x67;
        r->repeated |= byte == 0xf2 || byte == 0xf3;
    }
    if (byte >= 0x40 && byte <= 0x4f) {
        r->wide = byte & 8;
        byte = next_byte(r);
    }
    return byte;
}

/* VEX: what REX, 66, F2 and F3 would say is inside; `first` is C4 or C5. The letter of its opcode. */
static char read_vex(struct reader *r, int first)
{
    int payload = next_byte(r), opcode;
    char letter;

    r->map = first == 0xc5 ? 1 : (unsigned)payload & 0x1f;
    if (first == 0xc4)
        next_byte(r);
    opcode = next_byte(r);
    if (opcode < 0 || r->map < 1 || r->map > 3 || r->operand16 || r->repeated)
        return '-';
    r->opcode = (uint8_t)opcode;
    letter = r->map == 1 ? two_byte[opcode] : r->map == 2 ? 'M' : 'm';
    return letter == 'r' || (letter == '.' && opcode != 0x77) ? 'M' : letter;
}

static char read_opcode(struct reader *r)
{
    int byte = read_prefixes(r);

    if (byte == 0xc4 || byte == 0xc5)
        return r->wide ? '-' : read_vex(r, byte);
    if (byte == 0x0f) {
        r->map = 1;
        byte = next_byte(r);
        if (byte == 0x38 || byte == 0x3a) {
            r->map = byte == 0x38 ? 2 : 3;
            byte = next_byte(r);
        }
    }
    if (byte < 0)
        return '-';
    r->opcode = (uint8_t)byte;
    return r->map == 0 ? one_byte[byte] : r->map == 1 ? two_byte[byte] : r->map == 2 ? 'M' : 'm';
}

/* ModRM with SIB and displacement. */
static bool read_modrm(struct reader *r)
{
    int modrm = next_byte(r), mode = modrm >> 6, base = modrm & 7, sib;

    if (modrm < 0)
        return false;
    r->modrm = (uint8_t)modrm;
    if (mode == 3)
        return true;
    if (base == 4) {
        sib = next_byte(r);
        if (sib < 0)
            return false;
        base = (sib & 7) == 5 && mode == 0 ? 5 : 4;
    }
    r->at += mode == 1 ? 1 : mode == 2 || base == 5 ? 4 : 0;
    return true;
}

static size_t immediate_bytes(const struct reader *r, char letter)
{
    size_t full = r->operand16 && !r->wide ? 2 : 4;
    bool test = (r->modrm & 0x30) == 0;

    switch (letter) {
    case 'm': case 'b': case 'j': return 1;
    case 'h': return 2;
    case 'e': return 3;
    case 'w': case 'z': return full;
    case 'r': return 4;
    case 'q': return r->wide ? 8 : full;
    case 'o': return r->address32 ? 4 : 8;
    case 'g': return test ? 1 : 0;
    case 'G': return test ? full : 0;
    default: return 0;
    }
}

/* FE and FF are groups; 8F, C6 and C7 have members that are something else: XOP, XABORT, XBEGIN. */
static bool known_member(const struct reader *r)
{
    unsigned member = r->modrm >> 3 & 7;

    if (r->map)
        return true;
    if (r->opcode == 0xff)
        return member != 3 && member != 5 && member != 7;
    return (r->opcode != 0xfe || member < 2) &&
           ((r->opcode != 0x8f && r->opcode != 0xc6 && r->opcode != 0xc7) || member == 0);
}

static enum flow flow_one_byte(const struct reader *r, char letter)
{
    if (r->opcode == 0xe8)
        return FLOW_CALL;
    if (r->opcode == 0xe9 || r->opcode == 0xeb)
        return FLOW_JUMP;
    if (letter == 'j')
        return FLOW_BRANCH;
    if (r->opcode == 0xc2 || r->opcode == 0xc3)
        return FLOW_RETURN;
    if (r->opcode == 0xf4)
        return FLOW_STOP;
    if (r->opcode == 0xff && (r->modrm >> 3 & 7) == 2)
        return FLOW_CALL_FAR;
    return r->opcode == 0xff && (r->modrm >> 3 & 7) == 4 ? FLOW_JUMP_FAR : FLOW_NEXT;
}

static enum flow flow_of(const struct reader *r, char letter)
{
    if (r->map == 0)
        return flow_one_byte(r, letter);
    if (letter == 'r')
        return FLOW_BRANCH;
    if (r->map != 1 || letter != '.')
        return FLOW_NEXT;
    return r->opcode == 0x05 ? FLOW_SYSCALL : r->opcode == 0x0b ? FLOW_STOP : FLOW_NEXT;
}

static int32_t read_displacement(const uint8_t *end, char letter)
{
    int32_t displacement = 0;

    if (letter == 'j')
        return (int8_t)end[-1];
    if (letter == 'r')
        __builtin_memcpy(&displacement, end - 4, 4);
    return displacement;
}

bool decode(const uint8_t *code, size_t count, struct instruction *out)
{
    struct reader r = {.code = code, .count = count};
    char letter = read_opcode(&r);
    bool has_modrm = letter == 'M' || letter == 'm' || letter == 'w' || letter == 'g' || letter == 'G';
    bool relative = letter == 'j' || letter == 'r';

    if (letter == '-' || (relative && (r.operand16 || r.address32)))
        return false;
    if (has_modrm && (!read_modrm(&r) || !known_member(&r)))
        return false;
    r.at += immediate_bytes(&r, letter);
    if (r.at > count || r.at > LONGEST)
        return false;
    out->length = (uint8_t)r.at;
    out->flow = flow_of(&r, letter);
    out->displacement = read_displacement(code + r.at, letter);
    return true;
}

size_t decode_nop(const uint8_t *code, size_t count)
{
    struct instruction in;
    size_t at = 0;

    while (at < count && (code[at] == 0x66 || code[at] == 0x2e))
        at++;
    if (at < count && code[at] == 0x90 && (at == 0 || code[0] == 0x66))
        return at + 1 <= LONGEST ? at + 1 : 0;
    if (count - at < 3 || code[at] != 0x0f || code[at + 1] != 0x1f || code[at + 2] & 0x38)
        return 0;
    return decode(code, count, &in) ? in.length : 0;
}
