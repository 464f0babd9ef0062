/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_lookup.c: where the engine goes on behind an indirect jump, and behind a direct one to another page.
 * The table of sim/native/lookup.c is used, and its sites are; and what they say changes with the address space, the
 * CPU and the privilege level. Code that changes is in test_code.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sim/native/lookup.h"
#include "tests/sim/guest.h"

#define FUNCTION 0xffffffff80000000    /* mov eax, imm32; ret: at a kernel's address, which fits in 32 bits */
#define TRAMPOLINE (FUNCTION + 0x5000) /* calls it */
#define LOADER (TRAMPOLINE + 16)       /* the same behind MOV CR3, RAX */
#define OTHER_TABLES (2 * GUEST_USER)  /* what another address space has in the place of the last 512 GiB: */
#define OTHER (OTHER_TABLES + FUNCTION % GUEST_USER) /* the same, in another frame, */
#define OTHER_TRAMPOLINE (OTHER_TABLES + TRAMPOLINE % GUEST_USER)
#define USER_FUNCTION GUEST_USER
#define FRAME 0x300000
#define OTHER_FRAME 0x301000
#define OTHER_ROOT 0x302000
#define TRAMPOLINE_FRAME 0x304000
#define P(offset) "[" AT(GUEST_PARAM) " + " #offset "]"

static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
static const enum machine_accesses accesses[] = {ACCESSES_PLANNED, ACCESSES_HOOKED};

static void put_function(struct guest *guest, uint64_t frame, uint8_t answer)
{
    const uint8_t function[] = {0xb8, answer, 0, 0, 0, 0xc3};

    memcpy(guest_memory(guest, frame), function, sizeof function);
}

/* PARAM: 0 CPUs, 8 finished, 64 and 72 the roots, 128 … a sum for each CPU, 264 the function. */
static void set_up(struct guest *guest, enum machine_model model, enum machine_accesses how, bool direct)
{
    static const uint8_t trampoline[] = {0xe8, 0xfb, 0xaf, 0xff, 0xff, 0xc3}; /* call FUNCTION; ret */
    static const uint8_t loader[] = {0x0f, 0x22, 0xd8, 0xe8, 0xe8, 0xaf, 0xff, 0xff, 0xc3};
    const uint64_t *root;
    uint64_t *other_root;

    guest_open(guest, "skylake");
    guest->model = model;
    guest->accesses = how;
    guest_map(guest, FUNCTION, FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, USER_FUNCTION, FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, OTHER, OTHER_FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, TRAMPOLINE, TRAMPOLINE_FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, OTHER_TRAMPOLINE, TRAMPOLINE_FRAME, PAGE_4K, PAGE_ALL);
    put_function(guest, FRAME, 1);
    put_function(guest, OTHER_FRAME, 100);
    memcpy(guest_memory(guest, TRAMPOLINE_FRAME), trampoline, sizeof trampoline);
    memcpy(guest_memory(guest, TRAMPOLINE_FRAME + 16), loader, sizeof loader);
    root = guest_memory(guest, guest_entry(guest, 0, 3) & ~4095ull);
    other_root = guest_memory(guest, OTHER_ROOT);
    memcpy(other_root, root, 4096);
    other_root[511] = root[2];
    guest_put(guest, GUEST_PARAM, 1);
    guest_put(guest, GUEST_PARAM + 64, guest_entry(guest, 0, 3) & ~4095ull);
    guest_put(guest, GUEST_PARAM + 72, OTHER_ROOT);
    guest_put(guest, GUEST_PARAM + 264, direct ? TRAMPOLINE : FUNCTION);
}

/* clang-format off: it sets a snippet word by word */
SNIPPET(calls, "mov rbx, " P(264) "; xor r8d, r8d; mov ecx, 10000; 1: call rbx; add r8, rax; dec ecx; jnz 1b;"
                                  "mov " P(128) ", r8; xor eax, eax; ret");
/* clang-format on */

/* In the count model alone, and not where every access is hooked. */
static void test_is_used(void **state)
{
    for (unsigned i = 0; i < 8; i++) {
        const bool expected = models[i / 2 % 2] == MODEL_COUNT && accesses[i % 2] == ACCESSES_PLANNED, direct = i / 4;
        const struct lookup_counts before = lookup_counts();
        struct lookup_counts now;
        struct guest guest;

        set_up(&guest, models[i / 2 % 2], accesses[i % 2], direct);
        guest_must_run(&guest, calls, calls_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 128), 10000);
        now = lookup_counts();
        if (expected) {
            assert_in_range(now.asked - before.asked, 1, 1000); /* of 20,000 or 40,000 */
            assert_in_range(now.kept - before.kept, 1, 1000);
        } else {
            assert_true(now.asked - before.asked >= (direct ? 40000 : 20000));
            assert_int_equal(now.kept, before.kept);
        }
        assert_true(now.sites - before.sites >= (expected && direct));
        assert_true(now.sites - before.sites < 20);
        guest_close(&guest);
    }
}

/* clang-format off */
SNIPPET(spaces,
        "mov rbx, " P(264) "; mov r12, " P(64) "; mov r13, " P(72) "; xor r8d, r8d; mov ecx, 100;"
        "1: mov cr3, r12; call rbx; add r8, rax; call rbx; add r8, rax; mov cr3, r13; call rbx; add r8, rax;"
        "dec ecx; jnz 1b; mov cr3, r12; mov " P(128) ", r8; xor eax, eax; ret");
/* clang-format on */

/* clang-format off */
SNIPPET(loads,
        "mov rbx, " P(264) "; mov r12, " P(64) "; mov r13, " P(72) "; xor r8d, r8d; mov ecx, 100;"
        "1: mov rax, r12; call rbx; add r8, rax; mov rax, r13; call rbx; add r8, rax;"
        "dec ecx; jnz 1b; mov cr3, r12; mov " P(128) ", r8; xor eax, eax; ret");
/* clang-format on */

/* The first thing in each address space is a direct call. */
static void test_direct_first(void **state)
{
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;

        set_up(&guest, models[m], ACCESSES_PLANNED, true);
        guest_put(&guest, GUEST_PARAM + 264, LOADER);
        guest_must_run(&guest, loads, loads_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 128), 100 * (1 + 100));
        guest_close(&guest);
    }
}

static void test_address_spaces(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct guest guest;

        set_up(&guest, models[i % 2], ACCESSES_PLANNED, i / 2);
        guest_must_run(&guest, spaces, spaces_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 128), 100 * (1 + 1 + 100));
        guest_close(&guest);
    }
}

/* CPU 0 wakes the other; each has its own address space, and the CPUs take turns. */
/* clang-format off */
SNIPPET(cpus,
        "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff; test r15d, r15d; jnz 5f;"
        "mov dword ptr [rdi + 0x300], 0xc4500; mov dword ptr [rdi + 0x300], 0xc4680;"
        "5: mov r12, [r15 * 8 + " AT(GUEST_PARAM) " + 64]; mov cr3, r12; mov rbx, " P(264) "; xor r8d, r8d;"
        "mov ecx, 20000; 1: call rbx; add r8, rax; dec ecx; jnz 1b;"
        "mov [r15 * 8 + " AT(GUEST_PARAM) " + 128], r8; lock inc qword ptr " P(8) "; test r15d, r15d; jz 6f; ret;"
        "6: mov rax, " P(0) "; 4: pause; cmp " P(8) ", rax; jb 4b; xor eax, eax; ret");
/* clang-format on */

static void test_cpus(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct guest guest;

        set_up(&guest, models[i % 2], ACCESSES_PLANNED, i / 2);
        guest.cpus = 2;
        guest_put(&guest, GUEST_PARAM, 2);
        guest_must_run(&guest, cpus, cpus_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 128), 20000);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 136), 2000000);
        guest_close(&guest);
    }
}

/* RDX the page for INVLPG, RBX the function. */
/* clang-format off */
SNIPPET(pages,
        "mov rdx, " P(256) "; mov rbx, " P(264) "; mov ecx, 100; 1: call rbx; invlpg [rdx]; dec ecx; jnz 1b;"
        "xor eax, eax; ret");
/* clang-format on */

/* How often all was forgotten. */
static uint64_t forgotten_for(uint64_t page, uint64_t function)
{
    const uint64_t before = lookup_counts().forgotten;
    struct guest guest;
    uint64_t forgotten;

    set_up(&guest, MODEL_COUNT, ACCESSES_PLANNED, false);
    guest_map(&guest, FUNCTION + 0x1000, FRAME + 0x3000, PAGE_4K, PAGE_ALL);
    memcpy(guest_memory(&guest, FRAME + 0xffd), "\xb8\x01\x00", 3);  /* mov eax, 1 … */
    memcpy(guest_memory(&guest, FRAME + 0x3000), "\x00\x00\xc3", 3); /* … ; ret */
    guest_put(&guest, GUEST_PARAM + 256, page);
    guest_put(&guest, GUEST_PARAM + 264, function);
    guest_must_run(&guest, pages, pages_end, 0);
    forgotten = lookup_counts().forgotten - before;
    guest_close(&guest);
    return forgotten;
}

/* INVLPG ends what is known of a page of code, and of code that begins in the page before, and nothing else. */
static void test_pages(void **state)
{
    const uint64_t always = forgotten_for(FUNCTION + 0x6000, FUNCTION);

    assert_in_range(always, 1, 90);
    assert_true(forgotten_for(FUNCTION, FUNCTION) >= always + 90);
    assert_true(forgotten_for(FUNCTION + 0x1000, FUNCTION + 0xffd) >= always + 90);
    assert_true(forgotten_for(FUNCTION + 0x1000, FUNCTION) >= always + 90);
    assert_int_equal(forgotten_for(OTHER, FUNCTION), always);
}

/* RDI the function's entry, R12 and R13 what it is in turn. */
/* clang-format off */
SNIPPET(remaps,
        "mov rbx, " P(264) "; mov rdx, " P(256) "; mov rdi, " P(272) "; mov r12, " P(280) "; mov r13, " P(288) "; xor r8d, r8d;"
        "mov ecx, 100; 1: mov [rdi], r12; invlpg [rdx]; call rbx; add r8, rax; call rbx; add r8, rax;"
        "mov [rdi], r13; invlpg [rdx]; call rbx; add r8, rax; dec ecx; jnz 1b; mov " P(128) ", r8; xor eax, eax; ret");
/* clang-format on */

static void test_remapped(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct guest guest;

        set_up(&guest, models[i % 2], ACCESSES_PLANNED, i / 2);
        guest_put(&guest, GUEST_PARAM + 256, FUNCTION);
        guest_put(&guest, GUEST_PARAM + 272, guest_entry(&guest, FUNCTION, 0));
        guest_put(&guest, GUEST_PARAM + 280, FRAME | PAGE_ALL);
        guest_put(&guest, GUEST_PARAM + 288, OTHER_FRAME | PAGE_ALL);
        guest_must_run(&guest, remaps, remaps_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 128), 100 * (1 + 1 + 100));
        guest_close(&guest);
    }
}

#define RESUME "lea rax, [rip + 9f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"

/* What ring 0 may do, ring 3 may not, at the same address: the function reads CR2. SMEP off. */
/* clang-format off */
SNIPPET(rings,
        RESUME "mov rax, cr4; btr rax, 20; mov cr4, rax; movabs rbx, " AT(GUEST_USER) "; mov ecx, 50; 1: call rbx;"
        "dec ecx; jnz 1b; push " AT(GUEST_USER_SS) "; push 0; push 2; push " AT(GUEST_USER_CS) "; lea rax, [rbx + 0x100];"
        "push rax; iretq; 9: xor eax, eax; ret");
/* clang-format on */

static void test_rings(void **state)
{
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;
        struct guest_record r;

        set_up(&guest, models[m], ACCESSES_PLANNED, false);
        memcpy(guest_memory(&guest, FRAME), "\x0f\x20\xd0\xc3", 4); /* mov rax, cr2; ret */
        memcpy(guest_memory(&guest, FRAME + 0x100), "\xff\xe3", 2); /* jmp rbx */
        guest_must_run(&guest, rings, rings_end, 0);
        assert_int_equal(guest_logged(&guest), 1);
        r = guest_record(&guest, 0);
        assert_int_equal(r.vector, 13);
        assert_int_equal(r.cs, GUEST_USER_CS);
        assert_int_equal(r.rip, USER_FUNCTION);
        guest_close(&guest);
    }
}

/* An address that differs from a known one in its upper bits alone is another address. */
/* clang-format off */
SNIPPET(far_away,
        RESUME "movabs rbx, " AT(GUEST_USER) "; mov ecx, 50; 1: call rbx; dec ecx; jnz 1b; btc rbx, 60; call rbx;"
        "mov eax, 1; ret; 9: xor eax, eax; ret");
/* clang-format on */

static void test_upper_bits(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct guest guest;

        set_up(&guest, models[i / 2], accesses[i % 2], false);
        guest_must_run(&guest, far_away, far_away_end, 0);
        assert_int_equal(guest_logged(&guest), 1);
        guest_close(&guest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_used), cmocka_unit_test(test_address_spaces), cmocka_unit_test(test_direct_first),
        cmocka_unit_test(test_cpus),    cmocka_unit_test(test_pages),          cmocka_unit_test(test_remapped),
        cmocka_unit_test(test_rings),   cmocka_unit_test(test_upper_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
