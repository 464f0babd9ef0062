/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_spin.c: a jump to itself is made in one go, and is the same as if each turn were executed; CPUs that
 * nothing can wake end the run.
 *
 * The machine knows such a jump by its bytes. With a segment prefix, which means nothing, it does not: so the same
 * snippet with either is the same program for the guest, and the two runs must agree in everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "abi/devices.h"
#include "tests/sim/guest.h"
#include "tests/sim/random.h"

#define CLOCK 0xfe010000
_Static_assert(CLOCK == MMIO_CLOCK, "the assembler takes no suffix");

#define P(offset) "[" AT(GUEST_PARAM) " + " #offset "]"
#define APIC_ON "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff; mov dword ptr [rdi + 0x3e0], 0xb;"
#define WAKE_OTHERS "test r15d, r15d; jnz 5f; mov dword ptr [rdi + 0x300], 0xc4500; mov dword ptr [rdi + 0x300], 0xc4680; 5:"
#define TIMER(mode_and_vector, count) "mov dword ptr [rdi + 0x320], " #mode_and_vector "; mov dword ptr [rdi + 0x380], " #count ";"
#define SPIN ".byte 0xeb, 0xfe, 0x90;"
#define TURN ".byte 0x2e, 0xeb, 0xfd;"
#define LONG_SPIN ".byte 0xe9, 0xfb, 0xff, 0xff, 0xff, 0x90;"
#define LONG_TURN ".byte 0x2e, 0xe9, 0xfa, 0xff, 0xff, 0xff;"
#define BOTH(name, before, after)                                                                                      \
    SNIPPET(name##_fast, before SPIN after);                                                                           \
    SNIPPET(name##_slow, before TURN after)

/* PARAM: 0 how often, 8 turns of work of the other CPUs, 256 … delays. Each time: a one-shot timer, the loop until its
 * interrupt (to the resume address), the clock into 4096 …. Other CPUs work, interrupt CPU 0 once, and halt. */
#define WAITS_BEFORE                                                                                                   \
    APIC_ON WAKE_OTHERS "test r15d, r15d; jz 2f; mov rcx, " P(8) ";"                                                   \
    "1: lock inc qword ptr " P(16) "; dec rcx; jnz 1b;"                                                                \
    "mov dword ptr [rdi + 0x310], 0; mov dword ptr [rdi + 0x300], 0x4042; ret;"                                       \
    "2: lea rax, [rip + 4f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp; xor r12d, r12d;"  \
    "mov dword ptr [rdi + 0x320], 0x40;"                                                                               \
    "3: mov eax, [r12 * 8 + " AT(GUEST_PARAM) " + 256]; mov [rdi + 0x380], eax; sti;"
#define WAITS_AFTER                                                                                                    \
    "4: mov dword ptr [rdi + 0xb0], 0; mov eax, " AT(CLOCK) "; mov rax, [rax]; mov [r12 * 8 + " AT(GUEST_PARAM) " + 4096], rax;" \
    "inc r12; cmp r12, " P(0) "; jb 3b; xor eax, eax; ret"

BOTH(waits, WAITS_BEFORE, WAITS_AFTER);
SNIPPET(long_waits_fast, WAITS_BEFORE LONG_SPIN WAITS_AFTER);
SNIPPET(long_waits_slow, WAITS_BEFORE LONG_TURN WAITS_AFTER);
/* Each turn is stepped: the handler of #DB returns. */
BOTH(stepped, "pushfq; or qword ptr [rsp], 0x100; popfq;", "");
/* Interrupts come and go. */
BOTH(ticking, APIC_ON TIMER(0x20040, 777) "sti;", "");

struct run {
    const char *cpu;
    enum machine_model model;
    unsigned cpus;
    uint64_t time_limit;
    uint64_t times, work, delay[64];
};

static enum machine_end run(struct guest *guest, const struct run *r, const uint8_t *code, const uint8_t *end)
{
    guest_open(guest, r->cpu);
    guest->model = r->model;
    guest->cpus = r->cpus;
    guest->time_limit = r->time_limit;
    guest_put(guest, GUEST_PARAM, r->times);
    guest_put(guest, GUEST_PARAM + 8, r->work);
    for (unsigned i = 0; i < 64; i++)
        guest_put(guest, GUEST_PARAM + 256 + i * 8, r->delay[i]);
    return guest_run(guest, code, end);
}

static void assert_same(struct guest *a, struct guest *b)
{
    const struct machine_result *x = machine_result(a->machine), *y = machine_result(b->machine);
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        assert_int_equal(x->counters.value[i], y->counters.value[i]);
    assert_memory_equal(x->causes, y->causes, sizeof x->causes);
    assert_int_equal(x->total_instructions, y->total_instructions);
    assert_int_equal(x->domain_count, y->domain_count);
    for (size_t i = 0; i < x->domain_count; i++)
        assert_memory_equal(&x->domains[i], &y->domains[i], sizeof x->domains[i]);
    assert_int_equal(guest_logged(a), guest_logged(b));
    for (uint64_t at = GUEST_PARAM; at < GUEST_TABLES; at += 8)
        assert_int_equal(guest_word(a, at), guest_word(b, at));
}

#define COMPARE(r, name) compare(r, name##_fast, name##_fast_end, name##_slow, name##_slow_end)
static enum machine_end compare(const struct run *r, const uint8_t *fast, const uint8_t *fast_end, const uint8_t *slow,
                                const uint8_t *slow_end)
{
    struct guest a, b;
    enum machine_end end = run(&a, r, fast, fast_end);
    assert_int_equal(run(&b, r, slow, slow_end), end);
    assert_same(&a, &b);
    guest_close(&a);
    guest_close(&b);
    return end;
}

static struct run random_run(struct random *random, unsigned cpus)
{
    static const char *const cpus_of[] = {"tiny", "skylake", "zen4"};
    struct run r = {.cpu = cpus_of[random_below(random, 3)], .model = random_below(random, 3) ? MODEL_TIMING : MODEL_COUNT,
                    .cpus = cpus, .time_limit = 2000000000, .times = 1 + random_below(random, 64),
                    .work = 1 + random_below(random, 5000)};
    for (unsigned i = 0; i < 64; i++)
        r.delay[i] = 1 + random_below(random, random_below(random, 2) ? 100 : 20000);
    return r;
}

static void test_same_as_turns(void **state)
{
    struct random random = {1};
    for (unsigned i = 0; i < 60; i++) {
        struct run r = random_run(&random, 1 + i % 3);
        assert_int_equal(i % 2 ? COMPARE(&r, waits) : COMPARE(&r, long_waits), END_POWER_OFF);
    }
}

static void test_same_at_time_limit(void **state)
{
    struct random random = {2};
    for (unsigned i = 0; i < 30; i++) {
        struct run r = random_run(&random, 1);
        r.time_limit = 5000 + random_below(&random, 100000);
        assert_int_equal(COMPARE(&r, ticking), END_TIME_LIMIT);
    }
}

/* A trap for every turn: none is left out. */
static void test_single_step(void **state)
{
    struct guest guest;
    struct run r = {.cpu = "tiny", .cpus = 1, .time_limit = 200000};
    assert_int_equal(run(&guest, &r, stepped_fast, stepped_fast_end), END_TIME_LIMIT);
    assert_true(guest_logged(&guest) > 100);
    assert_int_equal(guest_record(&guest, 50).vector, 1);
    guest_close(&guest);
    assert_int_equal(COMPARE(&r, stepped), END_TIME_LIMIT);
}

/* As many turns would take minutes. */
SNIPPET(rare_ticks, APIC_ON "mov dword ptr [rdi + 0x3e0], 0xa;" TIMER(0x20040, 0xf0000000) "sti;" SPIN);

static void test_is_quick(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;
        struct run r = {.cpu = "skylake", .model = models[m], .cpus = 1, .time_limit = 1000000000000};
        assert_int_equal(run(&guest, &r, rare_ticks, rare_ticks_end), END_TIME_LIMIT);
        assert_true(machine_result(guest.machine)->total_instructions > 100000000000);
        guest_close(&guest);
    }
}

/* ---- for ever ---- */

SNIPPET(deaf_loop, "cli;" SPIN);
SNIPPET(open_loop, "sti;" SPIN);
SNIPPET(deaf_loop_timer, APIC_ON TIMER(0x20040, 1000) "cli;" SPIN);
SNIPPET(one_tick, APIC_ON TIMER(0x40, 1000) "sti;" SPIN);
SNIPPET(deaf_halt_timer, APIC_ON TIMER(0x20040, 1000) "cli; hlt; ret");
SNIPPET(two_loop, APIC_ON WAKE_OTHERS "cli;" SPIN);
SNIPPET(loop_and_halt, APIC_ON WAKE_OTHERS "test r15d, r15d; jnz 1f; cli;" SPIN "1: sti; hlt; jmp 1b");
/* CPU 0 stands still at once; CPU 1 works, and switches off. */
SNIPPET(other_ends,
        APIC_ON WAKE_OTHERS "test r15d, r15d; jnz 1f; cli;" SPIN
        "1: mov ecx, 100000; 2: dec ecx; jnz 2b; mov eax, 7; mov edx, 0xf4; out dx, ax");
/* CPU 1 stands still; CPU 0 works on. */
SNIPPET(first_works,
        APIC_ON WAKE_OTHERS "test r15d, r15d; jz 1f; cli;" SPIN "1: mov ecx, 100000; 2: dec ecx; jnz 2b; mov eax, 7; ret");

#define ROW(name, cpus, logged, end, status) {#name, name, name##_end, cpus, logged, end, status}
static const struct {
    const char *name;
    const uint8_t *code, *code_end;
    unsigned cpus, logged;
    enum machine_end end;
    int status;
} endings[] = {
    ROW(deaf_loop, 1, 0, END_CRASH, 0),       ROW(open_loop, 1, 0, END_CRASH, 0),
    ROW(deaf_loop_timer, 1, 0, END_CRASH, 0), ROW(one_tick, 1, 1, END_CRASH, 0),
    ROW(deaf_halt_timer, 1, 0, END_CRASH, 0), ROW(two_loop, 2, 0, END_CRASH, 0),
    ROW(two_loop, 5, 0, END_CRASH, 0),        ROW(loop_and_halt, 2, 0, END_CRASH, 0),
    ROW(other_ends, 2, 0, END_POWER_OFF, 7),  ROW(first_works, 2, 0, END_POWER_OFF, 7),
};

static void test_for_ever(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    for (unsigned i = 0; i < 2 * sizeof endings / sizeof endings[0]; i++) {
        struct guest guest;
        struct run r = {.cpu = "tiny", .model = models[i % 2], .cpus = endings[i / 2].cpus, .time_limit = 100000000000};
        enum machine_end end = run(&guest, &r, endings[i / 2].code, endings[i / 2].code_end);
        if (end != endings[i / 2].end)
            print_message("%s ended with %d\n", endings[i / 2].name, end);
        assert_int_equal(end, endings[i / 2].end);
        assert_int_equal(guest_logged(&guest), endings[i / 2].logged);
        if (end == END_POWER_OFF)
            assert_int_equal(machine_result(guest.machine)->exit_status, endings[i / 2].status);
        guest_close(&guest);
    }
}

static void test_says_why(void **state)
{
    struct guest guest;
    struct run r = {.cpu = "tiny", .cpus = 1, .time_limit = 1000000000};
    char text[4096] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    run(&guest, &r, deaf_loop, deaf_loop_end);
    machine_report(guest.machine, file);
    fclose(file);
    assert_non_null(strstr(text, "CPU 0, ring 0, domain kernel: a jump to itself with interrupts off: nothing can end it\n"));
    assert_non_null(strstr(text, "at 0x0000000000084001: jmp 0x84001\n"));
    guest_close(&guest);
}

/* A program's is no crash of the kernel, if the run has a limit. */
SNIPPET(to_program, "push " AT(GUEST_USER_SS) "; push 0; push 0x202; push " AT(GUEST_USER_CS) "; movabs rax, " AT(GUEST_USER) "; push rax; iretq");

static void test_program(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct guest guest;

        guest_open(&guest, "tiny");
        guest.model = i / 2 ? MODEL_COUNT : MODEL_TIMING;
        guest.time_limit = i % 2 ? 1000000 : 0;
        guest_map(&guest, GUEST_USER, GUEST_FREE, PAGE_4K, PAGE_ALL);
        memcpy(guest_memory(&guest, GUEST_FREE), "\xeb\xfe", 2);
        assert_int_equal(guest_run(&guest, to_program, to_program_end), i % 2 ? END_TIME_LIMIT : END_CRASH);
        guest_close(&guest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_turns), cmocka_unit_test(test_same_at_time_limit), cmocka_unit_test(test_single_step), cmocka_unit_test(test_program),
        cmocka_unit_test(test_is_quick),      cmocka_unit_test(test_for_ever),           cmocka_unit_test(test_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
