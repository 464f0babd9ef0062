/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm.c: what the trap-and-emulate monitor predicts (arch-vmm/README.md), as counted by the machine; that
 * the guest's kernel is the file that boots on the machine, and what it does there; what virtualisation costs, and whom.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/arch/expect.h"

/* ---- predicted counts ---- */

struct exits {
    const char *reason;
    double per_op;
};

static double reason_per_op(json_t *result, const char *reason)
{
    json_t *all = json_object_get(result, "vm_exits_by_reason");

    return json_number_value(json_object_get(all, reason)) / json_number_value(json_object_get(result, "ops"));
}

/* Each as often as predicted, and no others; a hundredth is for a new page table now and then. */
static void expect_exits(json_t *run, const char *workload, const struct exits *expected)
{
    json_t *result = record_of(run, workload);
    double total = 0;

    for (; expected->reason; expected++) {
        double counted = reason_per_op(result, expected->reason);

        total += expected->per_op;
        if (fabs(counted - expected->per_op) > 0.01)
            fail_msg("%s: %g exits by %s, expected %g", workload, counted, expected->reason, expected->per_op);
    }
    if (fabs(record_per_op(result, "vm_exits") - total) > 0.01)
        fail_msg("%s: %g exits, expected %g", workload, record_per_op(result, "vm_exits"), total);
}

static void test_null(void **state)
{
    json_t *run = record_run("vmm null");

    (void)state;
    expect_exits(run, "null", (const struct exits[]){{"syscall", 1}, {"swapgs", 2}, {"sysretq", 1}, {0}});
    expect_per_op(run, "null", "mode_switches", 8);
    expect_per_op(run, "null", "cr3_writes", 2);
    expect_per_op(run, "null", "context_switches", 2);
    expect_per_op(run, "null", "tlb_flushes", 0);
    expect_per_op(run, "null", "dtlb_misses", 0);
    expect_per_op(run, "null", "shadow_updates", 0);
    json_decref(run);
}

static void test_copies(void **state)
{
    json_t *run = record_run("vmm read write");

    (void)state;
    expect_exits(run, "read",
                 (const struct exits[]){{"syscall", 1}, {"swapgs", 2}, {"stac", 1}, {"clac", 1}, {"sysretq", 1}, {0}});
    expect_per_op(run, "read", "copies", 1);
    expect_per_op(run, "read", "bytes_copied", 4096);
    expect_per_op(run, "write", "copies", 1);
    json_decref(run);
}

static void test_memory(void **state)
{
    json_t *run = record_run("vmm fault");

    (void)state;
    expect_exits(run, "fault",
                 (const struct exits[]){{"page fault", 3}, {"swapgs", 2}, {"clac", 1}, {"mov cr2", 1}, {"iretq", 1}, {0}});
    assert_true(record_per_op(record_of(run, "fault"), "shadow_updates") >= 1);
    json_decref(run);
}

static void test_switches(void **state)
{
    json_t *run = record_run("vmm ctx");

    (void)state;
    expect_exits(run, "ctx",
                 (const struct exits[]){{"syscall", 2}, {"swapgs", 4}, {"stac", 2}, {"clac", 2}, {"wrmsr", 2}, {"mov cr3", 1},
                                        {"sysretq", 2}, {0}});
    expect_per_op(run, "ctx", "tlb_flushes", 0);
    expect_per_op(run, "ctx", "shadow_updates", 0);
    json_decref(run);
}

/* ---- what it costs ---- */

static double ratio(json_t *here, json_t *there, const char *workload, const char *counter)
{
    return record_per_op(record_of(here, workload), counter) / record_per_op(record_of(there, workload), counter);
}

static void test_order(void **state)
{
    const char *const dearer[] = {"null", "fork", "fault", "ctx"};
    json_t *here = record_run("vmm null fork fault ctx spin"), *there = record_run("monolithic null fork fault ctx spin");

    (void)state;
    for (unsigned i = 0; i < sizeof dearer / sizeof *dearer; i++)
        if (!(ratio(here, there, dearer[i], "cycles") > 1))
            fail_msg("%s is not dearer than natively", dearer[i]);
    assert_true(fabs(ratio(here, there, "spin", "cycles") - 1) < 0.02);
    assert_true(record_cause(record_of(here, "fork"), "emulation") > 0);
    assert_true(record_cause(record_of(here, "fork"), "shadow") > 0);
    assert_true(record_cause(record_of(there, "fork"), "emulation") == 0);
    assert_true(record_cause(record_of(there, "fork"), "shadow") == 0);
    json_decref(here);
    json_decref(there);
}

/* Shadow tables that are not kept are made again at each switch; without PCIDs each change of root flushes. */
static void test_settings(void **state)
{
    json_t *plain = record_run("vmm ctx null"), *rebuilt = record_run("vmm ctx --set shadow-cache=off");
    json_t *untagged = record_run("vmm ctx null --set pcid=off");

    (void)state;
    assert_true(record_per_op(record_of(rebuilt, "ctx"), "shadow_updates") >= 4);
    assert_true(ratio(rebuilt, plain, "ctx", "cycles") > 1);
    assert_true(ratio(untagged, plain, "ctx", "dtlb_misses") > 1);
    expect_per_op(untagged, "null", "tlb_flushes", 2);
    json_decref(plain);
    json_decref(rebuilt);
    json_decref(untagged);
}

/* ---- the same kernel, the same results ---- */

/* The very file: there is no other kernel for guests. */
static void test_image(void **state)
{
    const char *native = NULL, *guest = NULL;

    (void)state;
#define SETTING(...)
#define SLICES(...)
#define GUESTS(...)
#define ARCH(name, variant, image, modules, ...)                                                                       \
    native = strcmp(name, "monolithic") ? native : image;                                                              \
    guest = strcmp(name, "vmm") ? guest : modules;
#include "sim/cli/archs.def"
    assert_non_null(native);
    assert_non_null(guest);
    assert_int_equal(strncmp(guest, "kernel=", 7), 0);
    assert_string_equal(guest + 7, native);
}

static void test_clean(void **state)
{
    (void)state;
    expect_clean("vmm");
}

static void test_programs(void **state)
{
    (void)state;
    expect_as_native("vmm");
}

static void test_ends(void **state)
{
    (void)state;
    expect_end("vmm", "segv", 139);
    expect_end("vmm", "abort", 134);
    expect_end("vmm", "kill", 137);
    expect_end("vmm", "exit-300", 300 & 255);
    expect_end("vmm", "children", 4);
    expect_end("vmm", "loop", 9);
    expect_end("vmm", "share", 11);
    expect_end("vmm", "slices", 14);
    expect_end("vmm", "exhaust", 12);
    expect_end("vmm", "fork-bomb", 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),  cmocka_unit_test(test_copies), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_switches), cmocka_unit_test(test_order), cmocka_unit_test(test_settings),
        cmocka_unit_test(test_image), cmocka_unit_test(test_clean), cmocka_unit_test(test_programs),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
