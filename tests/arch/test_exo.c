/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_exo.c: what the exokernel predicts (arch-exo/README.md), as counted by the machine; reflected and patched calls
 * side by side; that nothing leaks; and how programs end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/arch/expect.h"

/* ---- predicted counts ---- */

static void expect_jump(json_t *run, const char *workload, double copies)
{
    expect_per_op(run, workload, "mode_switches", 0);
    expect_per_op(run, workload, "context_switches", 0);
    expect_per_op(run, workload, "messages", 0);
    expect_per_op(run, workload, "exceptions", 0);
    expect_per_op(run, workload, "copies", copies);
}

static void test_calls_are_jumps(void **state)
{
    json_t *run = record_run("exo null read stat");

    (void)state;
    expect_jump(run, "null", 0);
    expect_jump(run, "read", 1);
    expect_per_op(run, "read", "bytes_copied", 4096);
    expect_jump(run, "stat", 2);
    json_decref(run);
}

/* Up to the library and back by a jump. */
static void test_reflected(void **state)
{
    json_t *patched = record_run("exo null"), *reflected = record_run("exo null read --set patch=off");

    (void)state;
    expect_per_op(reflected, "null", "mode_switches", 2);
    expect_per_op(reflected, "null", "context_switches", 0);
    expect_per_op(reflected, "read", "mode_switches", 2);
    expect_per_op(reflected, "read", "copies", 1);
    expect_per_op(reflected, "null", "library_calls", 0);
    expect_per_op(reflected, "null", "reflected_calls", 1);
    expect_per_op(patched, "null", "library_calls", 1);
    expect_per_op(patched, "null", "reflected_calls", 0);
    assert_true(record_per_op(record_of(reflected, "null"), "cycles") > record_per_op(record_of(patched, "null"), "cycles"));
    json_decref(patched);
    json_decref(reflected);
}

/* ---- a program's own faults ---- */

static void expect_traps(json_t *run, const char *workload, double syscalls, double exceptions)
{
    expect_per_op(run, workload, "syscalls", syscalls);
    expect_per_op(run, workload, "exceptions", exceptions);
    expect_per_op(run, workload, "mode_switches", 2 * (syscalls + exceptions));
    expect_per_op(run, workload, "context_switches", 0);
    expect_per_op(run, workload, "messages", 0);
}

/* Cycles there for one here. */
static double times_cheaper(json_t *there, json_t *here, const char *workload)
{
    return record_per_op(record_of(there, workload), "cycles") / record_per_op(record_of(here, workload), "cycles");
}

static void expect_cheaper(json_t *there, json_t *here, const char *workload, double at_least)
{
    double times = times_cheaper(there, here, workload);

    if (times < at_least)
        fail_msg("%s: %.2f times cheaper than monolithic, expected at least %g", workload, times, at_least);
}

/* The trap goes to the program's handler, which returns by a jump: two mode switches, no signal frame. What unprotects
 * a page there is the trap. That the trap alone and the round over 100 pages are at least four times cheaper is
 * expected of any compiler's code; prot is so by less than a percent. */
static void test_own_faults(void **state)
{
    json_t *there = record_run("monolithic trap prot prot100"), *here = record_run("exo trap prot prot100");

    (void)state;
    expect_traps(there, "trap", 1, 1); /* sigreturn */
    expect_traps(there, "prot", 3, 1);
    expect_traps(there, "prot100", 201, 100);
    expect_traps(here, "trap", 0, 1);
    expect_traps(here, "prot", 1, 1);
    expect_traps(here, "prot100", 1, 100);
    expect_per_op(here, "prot", "copies", 0);
    expect_per_op(here, "prot", "tlb_page_flushes", 1);
    expect_cheaper(there, here, "trap", 4);
    expect_cheaper(there, here, "prot", 3.9);
    expect_cheaper(there, here, "prot100", 4);
    json_decref(there);
    json_decref(here);
}

static void expect_cases(const char *program, int count)
{
    char command[128], text[4096], expected[32];
    int status;

    snprintf(command, sizeof command, "build/ringside exec exo -- build/programs/arch/%s 2>&1", program);
    snprintf(expected, sizeof expected, "%d cases\n", count);
    status = record_command(command, text, sizeof text);
    if (status != 0)
        fail_msg("%s: %d failed:\n%s", program, status, text);
    assert_string_equal(text, expected);
}

/* What a handler and a limit can do, and what they cannot. */
static void test_handlers(void **state)
{
    (void)state;
    expect_cases("exo_handler", 13);
    expect_cases("exo_limits", 10);
}

/* ---- all workloads ---- */

static void test_clean(void **state)
{
    (void)state;
    expect_clean("exo");
    expect_clean("exo --set patch=off");
}

/* ---- ends ---- */

static void test_ends(void **state)
{
    (void)state;
    expect_end("exo", "segv", 139);
    expect_end("exo", "abort", 134);
    expect_end("exo", "kill", 137);
    expect_end("exo", "exit-300", 300 & 255);
    expect_end("exo", "children", 4);
}

static void test_time_slices(void **state)
{
    (void)state;
    expect_end("exo", "loop", 9);
    expect_end("exo", "share", 11);
    expect_end("exo", "slices", 14);
}

static void test_exhaustion(void **state)
{
    (void)state;
    expect_end("exo", "exhaust", 12);
    expect_end("exo", "fork-bomb", 13);
}

static void test_hostile(void **state)
{
    (void)state;
    expect_as_native_but("exo", "step over a call");
    expect_as_native_but("exo --set patch=off --model count", "step over a call");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_are_jumps), cmocka_unit_test(test_reflected),   cmocka_unit_test(test_own_faults),
        cmocka_unit_test(test_handlers),        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_ends),            cmocka_unit_test(test_time_slices), cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
