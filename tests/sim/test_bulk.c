/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_bulk.c: the count model's REP MOVS and STOS, many elements at once (sim/native/bulk.c), do what they
 * do one by one: random ones, with faults, aliases and overlaps, in both rings, in twin machines; and those that must
 * not be made at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sim/native/bulk.h"
#include "tests/sim/guest.h"
#include "tests/sim/random.h"

#define ROUTINES GUEST_USER /* of 16 bytes; at ROUTINE_FRAME for ring 0 */
#define ROUTINE_FRAME 0x300000
#define WINDOW (GUEST_USER + WINDOW_FRAME) /* so that 32 bits of it lead to the same memory, at ring 0 */
#define WINDOW_PAGES 13
#define WINDOW_FRAME 0x310000
#define FLAG_DF 0x400ul
#define FLAG_AC 0x40000ul
#define DEVICE 0xfee00000
#define CASES 400
#define CASE_BYTES 64
#define STACK_FRAME 0x301000
#define FUNCTION_FRAME 0x302000
#define SOURCE 0x303000
#define TARGET 0x304000

/* What a case is made of, and after it what is left of it. */
struct string_case {
    uint64_t routine, rcx, rsi, rdi, rax, rflags, cs, ss;
};

_Static_assert(sizeof(struct string_case) == CASE_BYTES, "the snippet's steps");

/* With WP and SMAP. PARAM: 0 cases, 64 … the cases. R14 the case. Each ends with an interrupt or a fault, whose handler
 * goes to `ended`. */
/* clang-format off: it sets a snippet word by word */
SNIPPET(run_cases,
        "mov rax, cr0; bts rax, 16; mov cr0, rax; mov rax, cr4; bts rax, 21; mov cr4, rax; xor r14, r14;"
        "lea rax, [rip + ended]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(
            GUEST_CONTROL) " + 8], rsp;"
                           "again_case: mov r13, r14; shl r13, 6; add r13, " AT(
                               GUEST_PARAM) " + 64;"
                                            "push [r13 + 56]; push " AT(
                                                STACK_FRAME) " + 0x800; push [r13 + 40]; push [r13 + 48]; push [r13];"
                                                             "mov rcx, [r13 + 8]; mov rsi, [r13 + 16]; mov rdi, [r13 + "
                                                             "24]; mov rax, [r13 + 32]; iretq;"
                                                             "ended: cld; mov [r13 + 8], rcx; mov [r13 + 16], rsi; mov "
                                                             "[r13 + 24], rdi;"
                                                             "inc r14; cmp r14, [" AT(
                                                                 GUEST_PARAM) "]; jb again_case; xor eax, eax; ret");

/* RCX RSI RDI RAX are set, PARAM + 32 … 56. */
SNIPPET(string_moves, "mov rcx, [" AT(GUEST_PARAM) " + 32]; mov rsi, [" AT(GUEST_PARAM) " + 40]; mov rdi, [" AT(
                          GUEST_PARAM) " + 48];"
                                       "rep movsb; mov [" AT(GUEST_PARAM) " + 32], rcx; mov [" AT(
                                           GUEST_PARAM) " + 40], rsi;"
                                                        "mov [" AT(GUEST_PARAM) " + 48], rdi; xor eax, eax; ret");

/* The same, one element at a trap. */
SNIPPET(stepped_moves,
        "mov rcx, [" AT(GUEST_PARAM) " + 32]; mov rsi, [" AT(GUEST_PARAM) " + 40]; mov rdi, [" AT(
            GUEST_PARAM) " + 48];"
                         "pushfq; bts dword ptr [rsp], 8; popfq; rep movsb; pushfq; btr dword ptr [rsp], 8; popfq;"
                         "mov [" AT(GUEST_PARAM) " + 32], rcx; xor eax, eax; ret");

/* A function is called, and another one copied over it, in turn. */
SNIPPET(
    function_moves,
    "mov ebx, " AT(FUNCTION_FRAME) "; xor r8d, r8d; mov edx, 20; 1: mov esi, " AT(
        SOURCE) "; 2: mov edi, ebx; mov ecx, 100;"
                "rep movsb; xor eax, eax; call rbx; add r8, rax; mov eax, r8d; shl r8, 1; xor r8, rax; add esi, 156;"
                "cmp esi, " AT(SOURCE) " + 512; jb 2b; dec edx; jnz 1b; mov [" AT(
                    GUEST_PARAM) " + 32], r8; xor eax, eax; ret");
/* clang-format on */

static void open_model(struct guest *guest, enum machine_accesses how)
{
    guest_open(guest, "skylake");
    guest->model = MODEL_COUNT;
    guest->accesses = how;
}

/* ---- random ones ---- */

static const struct {
    uint8_t bytes[4];
    unsigned count, element;
    bool in_bulk;
} routines[] = {
    {{0xf3, 0xa4}, 2, 1, true},        {{0xf3, 0xa5}, 2, 4, true},        {{0xf3, 0x48, 0xa5}, 3, 8, true},
    {{0xf3, 0xaa}, 2, 1, true},        {{0xf3, 0xab}, 2, 4, true},        {{0xf3, 0x48, 0xab}, 3, 8, true},
    {{0x66, 0xf3, 0xa5}, 3, 2, false}, {{0xf3, 0x66, 0xab}, 3, 2, false}, {{0xf2, 0xa4}, 2, 1, false},
    {{0xf3, 0x67, 0xa4}, 3, 1, false}, {{0xf3, 0xa6}, 2, 1, false},       {{0xf3, 0xac}, 2, 1, false},
    {{0xf3, 0x65, 0xa4}, 3, 1, false}, {{0xf3, 0xae}, 2, 1, false},       {{0xf2, 0xa5}, 2, 4, false},
    {{0x66, 0xf2, 0xa5}, 3, 2, false},
};
#define ROUTINE_COUNT (sizeof routines / sizeof routines[0])

static uint64_t random_address(struct random *random)
{
    const uint64_t page = WINDOW + random_below(random, WINDOW_PAGES) * 4096ull;

    switch (random_below(random, 4)) {
    case 0:
        return page + 4096 - random_below(random, 80);
    case 1:
        return page + random_below(random, 4096);
    default:
        return page + random_below(random, 512) * 8;
    }
}

static void random_case(struct random *random, struct string_case *c)
{
    const unsigned routine = random_below(random, ROUTINE_COUNT);
    const bool user = random_below(random, 2);

    *c = (struct string_case){.routine = (user ? ROUTINES : ROUTINE_FRAME) + routine * 16ull,
                              .rcx = random_below(random, random_below(random, 3) ? 60 : 9000),
                              .rsi = random_address(random),
                              .rdi = random_address(random),
                              .rax = random_next(random),
                              .rflags =
                                  2 | (random_below(random, 8) ? 0 : FLAG_DF) | (random_below(random, 3) ? FLAG_AC : 0),
                              .cs = user ? GUEST_USER_CS : GUEST_KERNEL_CS,
                              .ss = user ? GUEST_USER_SS : GUEST_KERNEL_SS};
    if (!random_below(random, 4)) /* an overlap */
        c->rdi = c->rsi + random_below(random, 40) - 20;
}

/* Plain pages, but 4 and 5 are for ring 0; one to read; one that is not there; page 1 once more; a device to read. */
static void map_window(struct guest *guest)
{
    enum { RING_0 = 4, READ = 9, ABSENT = 10, ALIAS = 11, LAPIC = 12 };

    for (uint64_t i = 0; i < WINDOW_PAGES; i++) {
        const uint64_t write = i == READ || i == LAPIC ? 0 : PAGE_W, user = i / 2 == RING_0 / 2 ? 0 : PAGE_U;
        const uint64_t frame = i == LAPIC ? DEVICE : WINDOW_FRAME + (i == ALIAS ? 1 : i) * 4096;

        guest_map(guest, WINDOW + i * 4096, frame, PAGE_4K, i == ABSENT ? 0 : PAGE_P | write | user);
    }
}

static void open_random(struct guest *guest, uint64_t seed, enum machine_accesses how)
{
    struct random random = {seed};

    open_model(guest, how);
    guest_map(guest, ROUTINES, ROUTINE_FRAME, PAGE_4K, PAGE_ALL);
    map_window(guest);
    for (unsigned i = 0; i < ROUTINE_COUNT; i++) {
        uint8_t *at = guest_memory(guest, ROUTINE_FRAME + i * 16ull);

        memcpy(at, routines[i].bytes, routines[i].count);
        memcpy(at + routines[i].count, "\xcd\x80", 2);
    }
    for (uint64_t at = 0; at < WINDOW_PAGES * 4096; at += 8)
        guest_put(guest, WINDOW_FRAME + at, random_next(&random));
    guest_put(guest, GUEST_PARAM, CASES);
    for (uint64_t i = 0; i < CASES; i++)
        random_case(&random, guest_memory(guest, GUEST_PARAM + 64 + i * CASE_BYTES));
}

static void assert_same_words(const struct guest *a, const struct guest *b, uint64_t from, uint64_t bytes)
{
    for (uint64_t at = from; at < from + bytes; at += 8)
        assert_int_equal(guest_word(a, at), guest_word(b, at));
}

static void assert_same_counters(const struct guest *a, const struct guest *b)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        assert_int_equal(guest_counter(a, (enum counter)i), guest_counter(b, (enum counter)i));
}

/* Elements of instructions that may be made at once: those of the cases that are over. */
static uint64_t elements(struct guest *guest)
{
    const struct string_case *c = guest_memory(guest, GUEST_PARAM + 64); /* of the image, which the run left alone */
    uint64_t sum = 0;

    for (uint64_t i = 0; i < CASES; i++)
        if (routines[c[i].routine % 4096 / 16].in_bulk && !(c[i].rflags & FLAG_DF))
            sum += c[i].rcx - guest_word(guest, GUEST_PARAM + 64 + i * CASE_BYTES + 8);
    return sum;
}

static void test_random(void **state)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        const uint64_t before = bulk_count();
        struct guest at_once, one_by_one;
        uint64_t made;

        open_random(&one_by_one, seed, ACCESSES_HOOKED);
        guest_must_run(&one_by_one, run_cases, run_cases_end, 0);
        assert_int_equal(bulk_count(), before);
        open_random(&at_once, seed, ACCESSES_PLANNED);
        guest_must_run(&at_once, run_cases, run_cases_end, 0);
        made = bulk_count() - before;
        assert_in_range(made, elements(&at_once) * 3 / 4, elements(&at_once));
        assert_same_words(&one_by_one, &at_once, GUEST_PARAM, 64 + CASES * CASE_BYTES);
        assert_same_words(&one_by_one, &at_once, WINDOW_FRAME, WINDOW_PAGES * 4096);
        assert_same_words(&one_by_one, &at_once, GUEST_LOG, CASES * sizeof(struct guest_record));
        assert_same_counters(&one_by_one, &at_once);
        guest_close(&one_by_one);
        guest_close(&at_once);
    }
}

static uint64_t instructions_for(unsigned routine, uint64_t elements, enum machine_model model)
{
    struct string_case *c;
    struct guest guest;
    uint64_t instructions;

    open_random(&guest, 1, ACCESSES_PLANNED);
    guest.model = model;
    guest_put(&guest, GUEST_PARAM, 1);
    c = guest_memory(&guest, GUEST_PARAM + 64);
    *c = (struct string_case){
        ROUTINE_FRAME + routine * 16ull, elements, SOURCE, TARGET, 0, 2, GUEST_KERNEL_CS, GUEST_KERNEL_SS};
    guest_must_run(&guest, run_cases, run_cases_end, 0);
    assert_int_equal(guest_logged(&guest), 1);
    instructions = guest_counter(&guest, COUNTER_instructions);
    guest_close(&guest);
    return instructions;
}

/* However many elements, in both models. (What is compared and scanned here is equal: zeroes.) */
static void test_one_instruction(void **state)
{
    for (unsigned i = 0; i < 2 * ROUTINE_COUNT; i++) {
        const enum machine_model model = i % 2 ? MODEL_COUNT : MODEL_TIMING;

        assert_int_equal(instructions_for(i / 2, 70, model), instructions_for(i / 2, 3, model));
    }
}

/* ---- one of each kind ---- */

/* Elements made at once; the snippet's memory is in `guest`. */
static uint64_t run_moves(struct guest *guest, const uint8_t *code, const uint8_t *end, uint64_t from, uint64_t to)
{
    const uint64_t before = bulk_count();

    guest_put(guest, GUEST_PARAM + 32, 3000);
    guest_put(guest, GUEST_PARAM + 40, from);
    guest_put(guest, GUEST_PARAM + 48, to);
    for (uint64_t i = 0; i < 8192; i++)
        *(uint8_t *)guest_memory(guest, SOURCE + i) = (uint8_t)(i * 7 % 251);
    guest_must_run(guest, code, end, 0);
    assert_int_equal(guest_word(guest, GUEST_PARAM + 32), 0);
    return bulk_count() - before;
}

/* A page at a time, all but few elements, and never with the memory hook. */
static void test_is_used(void **state)
{
    static const enum machine_accesses accesses[] = {ACCESSES_PLANNED, ACCESSES_HOOKED};

    for (unsigned i = 0; i < 2; i++) {
        struct guest guest;
        uint64_t made;

        open_model(&guest, accesses[i]);
        made = run_moves(&guest, string_moves, string_moves_end, SOURCE + 100, TARGET + 2000);
        if (accesses[i] == ACCESSES_PLANNED)
            assert_in_range(made, 2980, 2999);
        else
            assert_int_equal(made, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 40), SOURCE + 3100);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 48), TARGET + 5000);
        for (uint64_t at = 0; at + 8 <= 3000; at++)
            assert_int_equal(guest_word(&guest, TARGET + 2000 + at), guest_word(&guest, SOURCE + 100 + at));
        guest_close(&guest);
    }
}

static void test_timing_model(void **state)
{
    struct guest guest;

    open_model(&guest, ACCESSES_PLANNED);
    guest.model = MODEL_TIMING;
    assert_int_equal(run_moves(&guest, string_moves, string_moves_end, SOURCE, TARGET), 0);
    guest_close(&guest);
}

/* With TF, each element has its #DB: and none is made at once. */
static void test_single_steps(void **state)
{
    struct guest guest;

    open_model(&guest, ACCESSES_PLANNED);
    assert_int_equal(run_moves(&guest, stepped_moves, stepped_moves_end, SOURCE, TARGET), 0);
    assert_in_range(guest_logged(&guest), 3000, 3010);
    guest_close(&guest);
}

/* What the engine has translated is not stored to behind its back. */
static void test_code(void **state)
{
    struct guest guest;
    uint64_t expected = 0;

    open_model(&guest, ACCESSES_PLANNED);
    for (uint64_t i = 0; i < 2; i++) {
        uint8_t *function = guest_memory(&guest, SOURCE + i * 256);

        memset(function, 0x90, 256);
        memcpy(function + 60, i ? "\xb0\x05\xc3" : "\xb0\x03\xc3", 3); /* mov al, 5 or 3; ret */
    }
    guest_must_run(&guest, function_moves, function_moves_end, 0);
    for (unsigned i = 0; i < 40; i++) {
        expected += i % 2 ? 5 : 3;
        expected = expected << 1 ^ (uint32_t)expected;
    }
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 32), expected);
    guest_close(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),       cmocka_unit_test(test_one_instruction), cmocka_unit_test(test_is_used),
        cmocka_unit_test(test_timing_model), cmocka_unit_test(test_single_steps),    cmocka_unit_test(test_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
