/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm_decode.c: the monitor's decoder (arch-vmm/decode.c) on the host, by bytes written by hand with
 * what they mean, each cut off at every length, and by random ones: none is read that may not be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/arch/decode_rig.h"

/* ---- the bytes that may be read end at a page that may not ---- */

#define PAGE 4096

static uint8_t *page_end(void)
{
    static uint8_t *end;

    if (!end) {
        uint8_t *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(pages, MAP_FAILED);
        end = pages + PAGE;
        assert_int_equal(mprotect(end, PAGE, PROT_NONE), 0);
    }
    return end;
}

/* decode() that cannot see more than `bytes`. */
static bool decode_only(const uint8_t *code, size_t bytes, struct decoded *out)
{
    uint8_t *at = page_end() - bytes;

    memcpy(at, code, bytes);
    return decode(at, bytes, out);
}

/* ---- by hand ---- */

#define NONE NO_REGISTER
#define AT(...) .has_memory = true, .memory = {.base = NONE, .index = NONE, .scale = 1, __VA_ARGS__}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
/* Lengths are those of the bytes. */
static const struct {
    const char *hex;
    struct decoded want;
} known[] = {
    {"fa", {.op = OP_CLI}},
    {"fb", {.op = OP_STI}},
    {"f4", {.op = OP_HLT}},
    {"66 f4", {.op = OP_HLT}},
    {"e4 80", {.op = OP_IN, .width = 1, .immediate_used = true, .immediate = 0x80}},
    {"e5 ff", {.op = OP_IN, .width = 4, .immediate_used = true, .immediate = 0xff}},
    {"66 e5 10", {.op = OP_IN, .width = 2, .immediate_used = true, .immediate = 0x10}},
    {"ec", {.op = OP_IN, .width = 1}},
    {"ed", {.op = OP_IN, .width = 4}},
    {"48 ed", {.op = OP_IN, .width = 4, .wide = true}},
    {"66 ed", {.op = OP_IN, .width = 2}},
    {"e6 80", {.op = OP_OUT, .width = 1, .immediate_used = true, .immediate = 0x80}},
    {"e7 7f", {.op = OP_OUT, .width = 4, .immediate_used = true, .immediate = 0x7f}},
    {"66 e7 7f", {.op = OP_OUT, .width = 2, .immediate_used = true, .immediate = 0x7f}},
    {"ee", {.op = OP_OUT, .width = 1}},
    {"ef", {.op = OP_OUT, .width = 4}},
    {"66 ef", {.op = OP_OUT, .width = 2}},
    {"6c", {.op = OP_INS, .width = 1, AT(.base = 7)}},
    {"f3 6d", {.op = OP_INS, .width = 4, .rep = true, AT(.base = 7)}},
    {"66 6d", {.op = OP_INS, .width = 2, AT(.base = 7)}},
    {"6e", {.op = OP_OUTS, .width = 1, AT(.base = 6)}},
    {"f3 64 6f", {.op = OP_OUTS, .width = 4, .rep = true, AT(.base = 6, .segment = SEGMENT_FS)}},
    {"cd 80", {.op = OP_INT, .immediate = 0x80}},
    {"cd ff", {.op = OP_INT, .immediate = 0xff}},
    {"cf", {.op = OP_IRET}},
    {"48 cf", {.op = OP_IRET, .wide = true}},
    {"66 48 cf", {.op = OP_IRET, .wide = true}},
    {"0f 07", {.op = OP_SYSRET}},
    {"48 0f 07", {.op = OP_SYSRET, .wide = true}},
    {"0f 01 f8", {.op = OP_SWAPGS}},
    {"0f 01 ca", {.op = OP_CLAC}},
    {"0f 01 cb", {.op = OP_STAC}},
    {"0f 06", {.op = OP_CLTS}},
    {"0f 01 10", {.op = OP_LGDT, .width = 10, AT(.base = 0)}},
    {"0f 01 15 78 56 34 12", {.op = OP_LGDT, .width = 10, AT(.rip_relative = true, .displacement = 0x12345678)}},
    {"0f 01 5c 24 f0", {.op = OP_LIDT, .width = 10, AT(.base = 4, .displacement = -16)}},
    {"0f 00 d0", {.op = OP_LLDT, .width = 2, .rm = 0}},
    {"0f 00 16", {.op = OP_LLDT, .width = 2, AT(.base = 6)}},
    {"41 0f 00 df", {.op = OP_LTR, .width = 2, .rm = 15}},
    {"0f 00 1f", {.op = OP_LTR, .width = 2, AT(.base = 7)}},
    {"0f 01 f1", {.op = OP_LMSW, .width = 2, .rm = 1}},
    {"0f 01 33", {.op = OP_LMSW, .width = 2, AT(.base = 3)}},
    {"0f 01 3f", {.op = OP_INVLPG, AT(.base = 7)}},
    {"65 67 0f 01 3c 18", {.op = OP_INVLPG, AT(.base = 0, .index = 3, .segment = SEGMENT_GS, .address32 = true)}},
    {"66 0f 38 82 0f", {.op = OP_INVPCID, .width = 16, .reg = 1, AT(.base = 7)}},
    {"66 44 0f 38 82 4c 24 08", {.op = OP_INVPCID, .width = 16, .reg = 9, AT(.base = 4, .displacement = 8)}},
    {"0f 32", {.op = OP_RDMSR}},
    {"0f 30", {.op = OP_WRMSR}},
    {"0f 33", {.op = OP_RDPMC}},
    {"0f 31", {.op = OP_RDTSC}},
    {"0f 01 f9", {.op = OP_RDTSCP}},
    {"0f 20 c0", {.op = OP_READ_CR, .reg = 0, .rm = 0}},
    {"0f 20 d7", {.op = OP_READ_CR, .reg = 2, .rm = 7}},
    {"45 0f 20 c7", {.op = OP_READ_CR, .reg = 8, .rm = 15}},
    {"0f 20 18", {.op = OP_READ_CR, .reg = 3, .rm = 0}}, /* the mode means nothing */
    {"0f 22 d8", {.op = OP_WRITE_CR, .reg = 3, .rm = 0}},
    {"0f 22 24", {.op = OP_WRITE_CR, .reg = 4, .rm = 4}}, /* … and no SIB follows */
    {"0f 22 c8", {.op = OP_WRITE_CR, .reg = 1, .rm = 0}},
    {"0f 21 f8", {.op = OP_READ_DR, .reg = 7, .rm = 0}},
    {"41 0f 23 c1", {.op = OP_WRITE_DR, .reg = 0, .rm = 9}},
    {"0f 08", {.op = OP_INVD}},
    {"0f 09", {.op = OP_WBINVD}},
    {"0f 0b", {.op = OP_UD}},
    /* loads */
    {"8a 07", {.op = OP_LOAD, .width = 1, .target = 1, .reg = 0, AT(.base = 7)}},
    {"8a 27", {.op = OP_LOAD, .width = 1, .target = 1, .reg = 4, .high_byte = true, AT(.base = 7)}},
    {"40 8a 27", {.op = OP_LOAD, .width = 1, .target = 1, .reg = 4, AT(.base = 7)}},
    {"f3 8b 07", {.op = OP_LOAD, .width = 4, .target = 4, AT(.base = 7)}}, /* repeats nothing */
    {"66 8b 07", {.op = OP_LOAD, .width = 2, .target = 2, AT(.base = 7)}},
    {"8b 07", {.op = OP_LOAD, .width = 4, .target = 4, AT(.base = 7)}},
    {"66 48 8b 07", {.op = OP_LOAD, .width = 8, .target = 8, .wide = true, AT(.base = 7)}},
    {"48 66 8b 07", {.op = OP_LOAD, .width = 2, .target = 2, AT(.base = 7)}}, /* a REX that is ignored */
    {"48 44 8b 07", {.op = OP_LOAD, .width = 4, .target = 4, .reg = 8, AT(.base = 7)}},
    {"4e 8b 84 e5 00 00 00 80",
     {.op = OP_LOAD, .width = 8, .target = 8, .wide = true, .reg = 8,
      AT(.base = 5, .index = 12, .scale = 8, .displacement = INT32_MIN)}},
    {"8b 04 25 ff ff ff 7f", {.op = OP_LOAD, .width = 4, .target = 4, AT(.displacement = INT32_MAX)}},
    {"41 8b 04 25 ff ff ff ff", {.op = OP_LOAD, .width = 4, .target = 4, AT(.displacement = -1)}}, /* not R13 */
    {"41 8b 05 01 00 00 00", {.op = OP_LOAD, .width = 4, .target = 4, AT(.rip_relative = true, .displacement = 1)}},
    {"41 8b 45 00", {.op = OP_LOAD, .width = 4, .target = 4, AT(.base = 13)}},
    {"a0 88 77 66 55 44 33 22 11", {.op = OP_LOAD, .width = 1, .target = 1, AT(.displacement = 0x1122334455667788)}},
    {"65 48 a1 10 00 00 00 00 00 00 80",
     {.op = OP_LOAD, .width = 8, .target = 8, .wide = true,
      AT(.segment = SEGMENT_GS, .displacement = (int64_t)0x8000000000000010)}},
    {"67 a1 f0 ff ff ff", {.op = OP_LOAD, .width = 4, .target = 4, AT(.address32 = true, .displacement = 0xfffffff0)}},
    {"0f b6 07", {.op = OP_LOAD, .width = 1, .target = 4, AT(.base = 7)}},
    {"0f b6 27", {.op = OP_LOAD, .width = 1, .target = 4, .reg = 4, AT(.base = 7)}}, /* ESP */
    {"66 0f b6 07", {.op = OP_LOAD, .width = 1, .target = 2, AT(.base = 7)}},
    {"48 0f b7 07", {.op = OP_LOAD, .width = 2, .target = 8, .wide = true, AT(.base = 7)}},
    {"66 0f be 07", {.op = OP_LOAD, .width = 1, .target = 2, .sign = true, AT(.base = 7)}},
    {"0f bf 07", {.op = OP_LOAD, .width = 2, .target = 4, .sign = true, AT(.base = 7)}},
    {"63 07", {.op = OP_LOAD, .width = 4, .target = 4, .sign = true, AT(.base = 7)}},
    {"48 63 07", {.op = OP_LOAD, .width = 4, .target = 8, .sign = true, .wide = true, AT(.base = 7)}},
    /* stores */
    {"88 0a", {.op = OP_STORE, .width = 1, .reg = 1, AT(.base = 2)}},
    {"88 3a", {.op = OP_STORE, .width = 1, .reg = 7, .high_byte = true, AT(.base = 2)}},
    {"40 88 3a", {.op = OP_STORE, .width = 1, .reg = 7, AT(.base = 2)}},
    {"66 89 0a", {.op = OP_STORE, .width = 2, .reg = 1, AT(.base = 2)}},
    {"64 44 89 4a 01", {.op = OP_STORE, .width = 4, .reg = 9, AT(.base = 2, .segment = SEGMENT_FS, .displacement = 1)}},
    {"64 64 89 0a", {.op = OP_STORE, .width = 4, .reg = 1, AT(.base = 2, .segment = SEGMENT_FS)}},
    {"2e 36 3e 26 89 0a", {.op = OP_STORE, .width = 4, .reg = 1, AT(.base = 2)}},
    {"48 89 0a", {.op = OP_STORE, .width = 8, .wide = true, .reg = 1, AT(.base = 2)}},
    {"c6 02 80", {.op = OP_STORE, .width = 1, .immediate_used = true, .immediate = -128, AT(.base = 2)}},
    {"66 c7 02 fe ff", {.op = OP_STORE, .width = 2, .immediate_used = true, .immediate = -2, AT(.base = 2)}},
    {"c7 42 f8 78 56 34 12",
     {.op = OP_STORE, .width = 4, .immediate_used = true, .immediate = 0x12345678, AT(.base = 2, .displacement = -8)}},
    {"48 c7 04 0a 00 00 00 80",
     {.op = OP_STORE, .width = 8, .wide = true, .immediate_used = true, .immediate = INT32_MIN,
      AT(.base = 2, .index = 1)}},
    {"a2 ff ff ff ff ff ff ff ff", {.op = OP_STORE, .width = 1, AT(.displacement = -1)}},
    {"66 a3 01 00 00 00 00 00 00 00", {.op = OP_STORE, .width = 2, AT(.displacement = 1)}},
    {"2e 2e 2e 2e 48 c7 80 00 00 00 00 00 00 00 00", /* 15 bytes */
     {.op = OP_STORE, .width = 8, .wide = true, .immediate_used = true, AT(.base = 0)}},
    {"aa", {.op = OP_STORE_STRING, .width = 1, AT(.base = 7)}},
    {"64 aa", {.op = OP_STORE_STRING, .width = 1, AT(.base = 7)}},
    {"f3 48 ab", {.op = OP_STORE_STRING, .width = 8, .rep = true, .wide = true, AT(.base = 7)}},
    {"f2 66 ab", {.op = OP_STORE_STRING, .width = 2, .rep = true, AT(.base = 7)}},
    {"67 ab", {.op = OP_STORE_STRING, .width = 4, AT(.base = 7, .address32 = true)}},
    {"a4", {.op = OP_MOVE_STRING, .width = 1, AT(.base = 6)}},
    {"f3 65 48 a5", {.op = OP_MOVE_STRING, .width = 8, .rep = true, .wide = true, AT(.base = 6, .segment = SEGMENT_GS)}},
    {"66 a5", {.op = OP_MOVE_STRING, .width = 2, AT(.base = 6)}},
    {"a5", {.op = OP_MOVE_STRING, .width = 4, AT(.base = 6)}},
};
#pragma GCC diagnostic pop

static void known_by_hand(void **state)
{
    for (size_t i = 0; i < COUNT(known); i++) {
        uint8_t code[LONGEST];
        size_t bytes = put_hex(code, known[i].hex);
        struct decoded got, want = known[i].want;

        want.length = (uint8_t)bytes;
        if (!decode_only(code, bytes, &got))
            fail_at(code, bytes, "is refused");
        if (!decoded_same(&got, &want)) {
            decoded_print("got ", &got);
            decoded_print("want", &want);
            fail_at(code, bytes, "is wrong");
        }
        for (size_t less = 0; less < bytes; less++)
            if (decode_only(code, less, &got) || got.op != OP_NONE || got.length != 0)
                fail_at(code, less, "is cut off but decodes");
    }
}

/* Whatever follows. */
static const char *const refused[] = {
    "90", "cc", "f1", "c3", "9c", "9d", "0f 05", "0f a2", "50", "eb fe", "ff 10", "ff 18", "cb", "8e d0", "8c 00", "87 07",
    /* LOCK */
    "f0 fa", "f0 89 07", "f0 0f 22 c0", "f0 0f 20 c0", "f0 ab", "f0 0f 0b",
    /* registers only, or what is something else with them */
    "88 c0", "89 c0", "8a c0", "8b c0", "c6 c0 00", "c7 c0 00 00 00 00", "0f b6 c0", "0f bf c0", "63 c0",
    "c6 f8 00", "c7 f8 00 00 00 00", "66 0f 38 82 c0", "0f 01 d0", "0f 01 d8", "0f 01 fa", "0f 01 c8", "0f 01 d1",
    /* other members of groups */
    "c6 08 00", "c7 08 00 00 00 00", "0f 00 00", "0f 00 08", "0f 00 20", "0f 01 00", "0f 01 08", "0f 01 20", "0f 01 28",
    /* other instructions with a prefix, or without one */
    "f3 0f 09", "66 0f 01 ca", "f2 0f 01 ca", "f3 0f 01 ca", "66 0f 01 cb", "f3 0f 01 f8", "66 0f 01 f9", "0f 38 82 07",
    "f3 0f 38 82 07", "66 f2 0f 38 82 07", "66 0f 38 81 07", "66 0f 38 80 07",
    /* 16 bits */
    "66 cf", "66 63 07",
    /* two segments */
    "64 65 8b 07", "65 64 8b 07", "64 2e 8b 07", "3e 65 8b 07",
    /* VEX, EVEX, XOP, REX only */
    "c5 f8 77", "c4 e1 78 77", "62 f1 7c 48 28 07", "8f e8 78 10 c0", "48 48 48 48 48 48 48 48 48 48 48 48 48 48 48",
    "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66",
};

static void refused_by_hand(void **state)
{
    for (size_t i = 0; i < COUNT(refused); i++) {
        uint8_t code[2 * LONGEST] = {0};
        struct decoded got;
        size_t bytes = put_hex(code, refused[i]);

        if (decode(code, LONGEST, &got) || got.op != OP_NONE)
            fail_at(code, bytes, "decodes");
    }
}

/* 15 bytes fit, 16 do not, though they could be read. */
static void longest(void **state)
{
    uint8_t code[32];
    struct decoded got;

    for (size_t prefixes = 0; prefixes < 20; prefixes++) {
        memset(code, 0x2e, prefixes);
        put_hex(code + prefixes, "c7 84 08 04 00 00 00 05 00 00 00");
        assert_int_equal(decode(code, sizeof code, &got), prefixes + 11 <= LONGEST);
        assert_int_equal(got.length, prefixes + 11 <= LONGEST ? prefixes + 11 : 0);
    }
}

static void addresses(void **state)
{
    static const struct {
        const char *hex;
        uint64_t want;
    } cases[] = {
        {"8b 07", 0x7000000000000007},
        {"8b 47 f9", 0x7000000000000000},
        {"64 8b 07", 0x7000000000000007 + 0xf500000000},
        {"65 8b 07", 0x7000000000000007 + 0x6500000000},
        {"8b 04 3e", 0xd00000000000000d},                         /* RSI + RDI */
        {"8b 04 fe", 0xe00000000000003e},    /* RSI + 8 * RDI, cut to 64 bits */
        {"8b 04 25 00 00 00 80", 0xffffffff80000000},
        {"67 8b 04 25 00 00 00 80", 0x80000000},
        {"65 67 8b 04 25 00 00 00 80", 0x6580000000},
        {"67 8b 47 f8", 0xffffffff},                              /* EDI - 8 */
        {"8b 05 00 ff ff ff", 0x400f00},
        {"67 8b 05 01 f0 bf ff", 1},                              /* EIP */
        {"65 a1 08 00 00 00 00 00 00 00", 0x6500000008},
        {"43 8b 44 bc 10", 0x8000000000000058},
        {"aa", 0x7000000000000007},
        {"65 a4", 0x6000000000000006 + 0x6500000000},
        {"67 a4", 6},
    };
    uint64_t registers[16];

    for (uint64_t i = 0; i < 16; i++)
        registers[i] = i << 60 | i;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t code[LONGEST];
        struct decoded d;
        uint64_t got;

        assert_true(decode(code, put_hex(code, cases[i].hex), &d));
        got = decoded_address(&d, registers, 0x401000, 0xf500000000, 0x6500000000);
        if (got != cases[i].want)
            fail_msg("%s: %#lx, not %#lx", cases[i].hex, (unsigned long)got, (unsigned long)cases[i].want);
    }
}

/* ---- random bytes ---- */

/* A million of them: what is seen of an instruction is enough for it, or it is refused. */
static void random_bytes(void **state)
{
    struct random random = {1};
    unsigned known_ones = 0;

    for (unsigned i = 0; i < 1000000; i++) {
        size_t bytes = random_below(&random, LONGEST + 1);
        struct decoded whole, part;
        uint8_t code[LONGEST];
        bool fits;

        random_code(&random, code);
        fits = decode_only(code, LONGEST, &whole) && whole.length <= bytes;
        known_ones += whole.op != OP_NONE;
        if (decode_only(code, bytes, &part) != fits || (fits ? !decoded_same(&part, &whole) : part.op != OP_NONE))
            fail_at(code, bytes, "differs from what begins with it");
    }
    print_message("%u of a million known\n", known_ones);
    assert_true(known_ones > 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_by_hand), cmocka_unit_test(refused_by_hand), cmocka_unit_test(longest),
        cmocka_unit_test(addresses),     cmocka_unit_test(random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
