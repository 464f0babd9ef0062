/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm_decode_all.c: the monitor's decoder (arch-vmm/decode.c) beside Capstone (decode_oracle.c), for
 * every opcode with every prefix, ModRM and SIB that matters, for random bytes, and for the monolithic kernel: what one of
 * the two takes for an instruction that can trap, the other one does, and all fields agree. Where they do not on
 * purpose, why_refused() says why.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libelf.h>

#include "tests/arch/decode_oracle.h"
#include "tests/arch/decode_rig.h"

#define KERNEL "build/images/monolithic/kernel.elf"
#define CODE_BYTES 32 /* room to look behind 15 prefixes */

/* Prefixes and opcode, read in another way than decode() does. */
struct parts {
    bool operand16, repeat, wide;
    unsigned segments; /* kinds */
    uint8_t opcode[3];
};

static struct parts parts_of(const uint8_t *code)
{
    static const char legacy[] = "\x66\x67\xf0\xf2\xf3\x64\x65\x2e\x36\x3e\x26";
    struct parts p = {0};
    bool fs = false, gs = false, other = false;

    for (; (*code & 0xf0) == 0x40 || memchr(legacy, *code, sizeof legacy - 1); code++) {
        p.operand16 |= *code == 0x66;
        p.repeat |= *code == 0xf2 || *code == 0xf3;
        fs |= *code == 0x64;
        gs |= *code == 0x65;
        other |= (*code & 0xe7) == 0x26;
        p.wide = (*code & 0xf8) == 0x48;
    }
    p.segments = fs + gs + other;
    memcpy(p.opcode, code, 3);
    return p;
}

/* Capstone knows it, and it is refused on purpose. */
enum why { MISTAKE, SEGMENTS, BITS16, OTHER_0F01, OTHER_0F09, OTHER_0F38, REASONS };

static enum why why_refused(const uint8_t *code)
{
    struct parts p = parts_of(code);
    unsigned opcode = p.opcode[0] == 0x0f ? 0x0f00 | p.opcode[1] : p.opcode[0];

    if (p.segments > 1)
        return SEGMENTS; /* FS or GS beside another one */
    if ((opcode == 0xcf || opcode == 0x63) && p.operand16 && !p.wide)
        return BITS16; /* see decode.h */
    if (opcode == 0x0f01 && p.opcode[2] >= 0xc0 && (p.repeat || p.operand16))
        return OTHER_0F01; /* ERETS, ERETU, SEAMRET, MCOMMIT … */
    if (opcode == 0x0f09 && p.repeat)
        return OTHER_0F09; /* WBNOINVD */
    if (opcode == 0x0f38 && (p.repeat || !p.operand16))
        return OTHER_0F38; /* of some INVPCID without 66 is enough for Capstone */
    return MISTAKE;
}

/* How often which was seen. */
struct tally {
    unsigned compared, known[OP_LAST + 1], refused[REASONS];
};

/* Returns whether either knows it. `code` has LONGEST bytes and may be read beyond. */
static bool compare(struct oracle *o, const uint8_t *code, struct tally *t)
{
    struct decoded want, got;
    bool by_capstone = oracle_decode(o, code, &want), by_us = decode(code, LONGEST, &got);
    enum why why = by_capstone && !by_us ? why_refused(code) : MISTAKE;

    t->compared++;
    t->known[got.op]++;
    t->refused[why]++;
    if (why == MISTAKE && (by_us != by_capstone || (by_us && !decoded_same(&got, &want)))) {
        decoded_print("decode  ", &got);
        if (by_capstone)
            decoded_print("Capstone", &want);
        fail_at(code, LONGEST, by_capstone ? "differs" : "is nothing to Capstone");
    }
    return by_us || by_capstone;
}

static const char *const maps[] = {"", "0f", "0f 38", "0f 3a"};
static const char *const prefixes[] = {
    "",      "66",    "67",    "f2",    "f3",    "f0",    "2e",    "64",       "65",    "66 67", "66 f3",
    "f2 66", "f2 f3", "65 67", "66 64", "64 65", "36 65", "64 64", "67 f3 66", "48 66", "4f 65", "f0 f3",
};
#define FEW_PREFIXES 5
static const char *const rexes[] = {"", "40", "41", "42", "44", "48", "4f"};
static const uint8_t sibs[] = {0x00, 0x04, 0x05, 0x20, 0x24, 0x25, 0x28, 0x2d, 0x65, 0xa4, 0xe5, 0x7c, 0xff};

/* The instruction at `code` gets this ModRM, each SIB if it has one, and bytes that can be told from each other behind. */
static bool compare_operands(struct oracle *o, uint8_t *code, size_t at, unsigned modrm, struct tally *t)
{
    static const uint8_t behind[] = {0xf1, 0xe2, 0xd3, 0xc4, 0xb5, 0xa6, 0x97, 0x88, 0x79, 0x6a, 0x5b, 0x4c};
    size_t count = (modrm & 7) == 4 && modrm < 0xc0 ? COUNT(sibs) : 1;
    bool known_by_any = false;

    code[at] = (uint8_t)modrm;
    memcpy(code + at + 2, behind, sizeof behind);
    for (size_t i = 0; i < count; i++) {
        code[at + 1] = sibs[i];
        known_by_any |= compare(o, code, t);
    }
    return known_by_any;
}

static bool compare_opcode(struct oracle *o, size_t map, unsigned opcode, size_t prefix_count, size_t rex_count,
                           struct tally *t)
{
    bool known_by_any = false;
    uint8_t code[CODE_BYTES];

    for (size_t p = 0; p < prefix_count; p++)
        for (size_t r = 0; r < rex_count; r++) {
            size_t at = put_hex(code, prefixes[p]);

            at += put_hex(code + at, rexes[r]);
            at += put_hex(code + at, maps[map]);
            code[at++] = (uint8_t)opcode;
            for (unsigned modrm = 0; modrm < 256; modrm++)
                known_by_any |= compare_operands(o, code, at, modrm, t);
        }
    return known_by_any;
}

static bool is_prefix_or_escape(unsigned byte)
{
    static const uint8_t prefix_or_escape[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26, 0x0f};

    return (byte & 0xf0) == 0x40 || memchr(prefix_or_escape, (int)byte, sizeof prefix_or_escape);
}

/* Every opcode with few prefixes, and what any of the two knows of that with all prefixes. */
static void every_encoding(void **state)
{
    struct oracle o = oracle_open();
    struct tally t = {0};

    for (size_t map = 0; map < COUNT(maps); map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            if ((map || !is_prefix_or_escape(opcode)) && compare_opcode(&o, map, opcode, FEW_PREFIXES, 1, &t))
                compare_opcode(&o, map, opcode, COUNT(prefixes), COUNT(rexes), &t);
    print_message("%u compared, %u of them unknown\n", t.compared, t.known[OP_NONE]);
    for (unsigned op = 0; op <= OP_LAST; op++)
        assert_true(t.known[op] > 0);
    for (unsigned why = MISTAKE + 1; why < REASONS; why++)
        assert_true(t.refused[why] > 0);
    oracle_close(&o);
}

static void random_bytes(void **state)
{
    struct oracle o = oracle_open();
    struct random random = {2};
    struct tally t = {0};

    for (unsigned i = 0; i < 1000000; i++) {
        uint8_t code[CODE_BYTES] = {0};

        random_code(&random, code);
        compare(&o, code, &t);
    }
    print_message("%u compared, %u of them unknown\n", t.compared, t.known[OP_NONE]);
    assert_true(t.compared - t.known[OP_NONE] > 50000);
    oracle_close(&o);
}

/* ---- the guest that there is ---- */

static void compare_section(struct oracle *o, const uint8_t *code, size_t bytes, unsigned *privileged)
{
    uint64_t address = 0;

    while (bytes >= LONGEST) { /* a few at the end are left out: they would have to be copied */
        struct tally t = {0};
        uint8_t padded[CODE_BYTES] = {0};

        memcpy(padded, code, LONGEST);
        compare(o, padded, &t);
        if (!cs_disasm_iter(o->cs, &code, &bytes, &address, o->in)) {
            code++, bytes--;
            continue;
        }
        if (!cs_insn_group(o->cs, o->in, X86_GRP_PRIVILEGE))
            continue;
        ++*privileged;
        if (t.known[OP_NONE])
            fail_msg("%#lx: %s %s is unknown", (unsigned long)o->in->address, o->in->mnemonic, o->in->op_str);
    }
}

/* Every privileged instruction of the monolithic kernel is known. */
static void the_guest_kernel(void **state)
{
    struct oracle o = oracle_open();
    int fd = open(KERNEL, O_RDONLY);
    Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ, NULL);
    unsigned privileged = 0;

    if (!elf)
        fail_msg("%s cannot be read; `make build` makes it", KERNEL);
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        const Elf64_Shdr *header = elf64_getshdr(section);
        const Elf_Data *data = elf_getdata(section, NULL);

        if (header->sh_type == SHT_PROGBITS && header->sh_flags & SHF_EXECINSTR)
            compare_section(&o, data->d_buf, data->d_size, &privileged);
    }
    print_message("%u privileged instructions\n", privileged);
    assert_true(privileged > 20);
    elf_end(elf);
    close(fd);
    oracle_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(the_guest_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
