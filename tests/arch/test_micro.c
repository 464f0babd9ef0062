/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_micro.c: what the microkernel predicts (arch-micro/README.md), as counted by the machine; its switches and
 * variants against one another and against the monolithic kernel; that nothing leaks; and how programs end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/arch/expect.h"

/* ---- predicted counts ---- */

static void expect_call(json_t *run, const char *workload, double mode_switches, double copies)
{
    expect_per_op(run, workload, "mode_switches", mode_switches);
    expect_per_op(run, workload, "context_switches", 2);
    expect_per_op(run, workload, "cr3_writes", 2);
    expect_per_op(run, workload, "messages", 2);
    expect_per_op(run, workload, "exceptions", 0);
    expect_per_op(run, workload, "copies", copies);
    expect_per_op(run, workload, "bytes_copied", copies * 4096);
}

static void expect_calls(const char *arch, double copies)
{
    json_t *run = record_run(arch);

    expect_call(run, "null", 4, 0);
    expect_call(run, "read", 6, copies);
    expect_call(run, "write", 6, copies);
    expect_per_op(run, "null", "tlb_flushes", 0);
    json_decref(run);
}

static void test_calls(void **state)
{
    (void)state;
    expect_calls("micro null read write", 1);
    expect_calls("micro:single-server null read write", 1);
    expect_calls("micro:mach null read write", 2);
    expect_calls("micro null read write --set fastpath=off", 1);
}

static void test_between_programs(void **state)
{
    json_t *run = record_run("micro ipc pipe ctx fault");

    (void)state;
    expect_call(run, "ipc", 4, 0);
    expect_per_op(run, "pipe", "messages", 8);
    expect_per_op(run, "pipe", "context_switches", 8);
    expect_per_op(run, "pipe", "mode_switches", 28);
    expect_per_op(run, "pipe", "copies", 4);
    expect_per_op(run, "ctx", "messages", 4);
    expect_per_op(run, "ctx", "context_switches", 4);
    expect_per_op(run, "fault", "messages", 2);
    expect_per_op(run, "fault", "context_switches", 2);
    expect_per_op(run, "fault", "exceptions", 1);
    json_decref(run);
}

/* Elsewhere ipc is not applicable, which is a warning and no failure. */
static void test_ipc_elsewhere(void **state)
{
    json_t *run = record_run("monolithic ipc");
    char *text = json_dumps(json_object_get(record_of(run, "ipc"), "warnings"), 0);

    (void)state;
    assert_non_null(strstr(text, "not applicable"));
    free(text);
    json_decref(run);
}

/* ---- switches and variants ---- */

static double cycles(json_t *run, const char *workload)
{
    return record_per_op(record_of(run, workload), "cycles");
}

static double misses(json_t *run, const char *workload)
{
    return record_per_op(record_of(run, workload), "dtlb_misses") + record_per_op(record_of(run, workload), "itlb_misses");
}

static void test_without_pcid(void **state)
{
    json_t *with = record_run("micro ctx pipe"), *without = record_run("micro ctx pipe --set pcid=off");

    (void)state;
    assert_true(misses(without, "ctx") > misses(with, "ctx"));
    assert_true(misses(without, "pipe") > misses(with, "pipe"));
    expect_per_op(with, "pipe", "tlb_flushes", 0);
    expect_per_op(without, "pipe", "tlb_flushes", 8);
    json_decref(with);
    json_decref(without);
}

static void test_fast_path(void **state)
{
    json_t *with = record_run("micro null ipc"), *without = record_run("micro null ipc --set fastpath=off");

    (void)state;
    assert_true(cycles(without, "ipc") > cycles(with, "ipc"));
    assert_true(cycles(without, "null") > cycles(with, "null"));
    json_decref(with);
    json_decref(without);
}

/* Every workload that is bound by calls, and the two that are not. */
static void test_generations(void **state)
{
    static const char *const bound[] = {"null", "read", "write", "stat", "open", "pipe", "ctx", "ipc", "fork", "exec", "fault", "prot"};
    json_t *monolithic = record_run("monolithic"), *micro = record_run("micro"), *mach = record_run("micro:mach");
    double worst = 0;

    (void)state;
    for (size_t i = 0; i < sizeof bound / sizeof *bound; i++)
        if (cycles(mach, bound[i]) <= cycles(micro, bound[i]))
            fail_msg("%s: mach %g cycles, micro %g", bound[i], cycles(mach, bound[i]), cycles(micro, bound[i]));
    worst = cycles(micro, "null") / cycles(monolithic, "null");
    for (const char *const *w = (const char *const[]){"copy", "shell", "sqlite", NULL}; *w; w++)
        assert_true(cycles(micro, *w) / cycles(monolithic, *w) < worst / 2);
    json_decref(monolithic);
    json_decref(micro);
    json_decref(mach);
}

/* ---- all workloads ---- */

static void test_clean(void **state)
{
    (void)state;
    expect_clean("micro");
    expect_clean("micro:single-server");
    expect_clean("micro:mach");
}

/* ---- ends ---- */

static const char *const variants[] = {"micro", "micro:single-server", "micro:mach", "micro --set pcid=off"};
#define VARIANTS (sizeof variants / sizeof *variants)

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < VARIANTS; i++) {
        expect_end(variants[i], "segv", 139);
        expect_end(variants[i], "abort", 134);
        expect_end(variants[i], "kill", 137);
        expect_end(variants[i], "exit-300", 300 & 255);
        expect_end(variants[i], "children", 4);
    }
}

static void test_time_slices(void **state)
{
    (void)state;
    expect_end("micro", "loop", 9);
    expect_end("micro", "share", 11);
    expect_end("micro", "slices", 14);
}

static void test_exhaustion(void **state)
{
    (void)state;
    expect_end("micro", "exhaust", 12);
    expect_end("micro", "fork-bomb", 13);
    expect_end("micro:single-server", "exhaust", 12);
}

static void test_hostile(void **state)
{
    (void)state;
    for (size_t i = 0; i < VARIANTS; i++)
        expect_as_native(variants[i]);
    expect_as_native("micro --cpu tiny --model count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),       cmocka_unit_test(test_between_programs), cmocka_unit_test(test_ipc_elsewhere),
        cmocka_unit_test(test_without_pcid), cmocka_unit_test(test_fast_path),        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_clean),       cmocka_unit_test(test_ends),             cmocka_unit_test(test_time_slices),
        cmocka_unit_test(test_exhaustion),  cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
