/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_monolithic.c: what the monolithic architecture predicts (arch-monolithic/README.md), as counted by
 * the machine; its switches; that nothing leaks; and how programs end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/arch/expect.h"

/* ---- predicted counts ---- */

static void test_null(void **state)
{
    json_t *run = record_run("monolithic null");

    (void)state;
    expect_per_op(run, "null", "syscalls", 1);
    expect_per_op(run, "null", "mode_switches", 2);
    expect_per_op(run, "null", "context_switches", 0);
    expect_per_op(run, "null", "cr3_writes", 0);
    expect_per_op(run, "null", "exceptions", 0);
    expect_per_op(run, "null", "interrupts", 0);
    expect_per_op(run, "null", "copies", 0);
    expect_per_op(run, "null", "dtlb_misses", 0);
    assert_true(record_per_op(record_of(run, "null"), "instructions") < 200);
    json_decref(run);
}

static void test_copies(void **state)
{
    json_t *run = record_run("monolithic read write pipe-bw");

    (void)state;
    expect_per_op(run, "write", "copies", 1);
    expect_per_op(run, "write", "bytes_copied", 4096);
    expect_per_op(run, "write", "mode_switches", 2);
    expect_per_op(run, "read", "copies", 1);
    expect_per_op(run, "read", "bytes_copied", 4096);
    expect_per_op(run, "pipe-bw", "bytes_copied", 2 * 65536);
    json_decref(run);
}

static void test_switches(void **state)
{
    json_t *run = record_run("monolithic pipe ctx fault");

    (void)state;
    expect_per_op(run, "pipe", "context_switches", 2);
    expect_per_op(run, "pipe", "cr3_writes", 2);
    expect_per_op(run, "pipe", "tlb_flushes", 0);
    expect_per_op(run, "ctx", "context_switches", 1);
    expect_per_op(run, "fault", "exceptions", 1);
    expect_per_op(run, "fault", "tlb_page_flushes", 0);
    json_decref(run);
}

/* ---- switches of the kernel ---- */

static void test_isolation(void **state)
{
    json_t *plain = record_run("monolithic null pipe"), *isolated = record_run("monolithic null pipe --set pti=on");

    (void)state;
    expect_per_op(isolated, "null", "mode_switches", 2);
    expect_per_op(isolated, "null", "cr3_writes", 2);
    expect_per_op(isolated, "null", "context_switches", 0);
    expect_per_op(isolated, "null", "tlb_flushes", 0);
    expect_per_op(isolated, "pipe", "context_switches", 2);
    expect_per_op(isolated, "pipe", "cr3_writes", 2 + 8);
    assert_true(record_cause(record_of(isolated, "null"), "transition") >
                record_cause(record_of(plain, "null"), "transition"));
    json_decref(plain);
    json_decref(isolated);
}

static void test_without_pcid(void **state)
{
    json_t *with = record_run("monolithic ctx"), *without = record_run("monolithic ctx --set pcid=off");
    json_t *isolated = record_run("monolithic null --set pcid=off --set pti=on");

    (void)state;
    expect_per_op(with, "ctx", "tlb_flushes", 0);
    expect_per_op(without, "ctx", "tlb_flushes", 1);
    expect_per_op(isolated, "null", "tlb_flushes", 2);
    assert_true(record_per_op(record_of(without, "ctx"), "stlb_misses") >
                record_per_op(record_of(with, "ctx"), "stlb_misses") + 1);
    json_decref(with);
    json_decref(without);
    json_decref(isolated);
}

/* ---- all workloads ---- */

static void test_clean(void **state)
{
    (void)state;
    expect_clean("monolithic");
}

static void test_clean_isolated(void **state)
{
    (void)state;
    expect_clean("monolithic --set pti=on");
}

/* ---- ends ---- */

static void test_ends(void **state)
{
    (void)state;
    expect_end("monolithic", "segv", 139);
    expect_end("monolithic", "abort", 134);
    expect_end("monolithic", "kill", 137);
    expect_end("monolithic", "exit-300", 300 & 255);
    expect_end("monolithic", "children", 4);
}

static void test_time_slices(void **state)
{
    (void)state;
    expect_end("monolithic", "loop", 9);
    expect_end("monolithic", "share", 11);
    expect_end("monolithic", "slices", 14);
}

static void test_exhaustion(void **state)
{
    (void)state;
    expect_end("monolithic", "exhaust", 12);
    expect_end("monolithic", "fork-bomb", 13);
}

static void test_hostile(void **state)
{
    (void)state;
    expect_as_native("monolithic");
    expect_as_native("monolithic --set pti=on");
    expect_as_native("monolithic --set pti=on --set pcid=off --cpu tiny --model count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),           cmocka_unit_test(test_copies),       cmocka_unit_test(test_switches),
        cmocka_unit_test(test_isolation),      cmocka_unit_test(test_without_pcid), cmocka_unit_test(test_clean),
        cmocka_unit_test(test_clean_isolated), cmocka_unit_test(test_ends),         cmocka_unit_test(test_time_slices),
        cmocka_unit_test(test_exhaustion),     cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
