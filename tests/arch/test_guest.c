/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_guest.c: the mechanism alone (guest/selftest/), with every setting and on every CPU.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/arch/boot.h"

#define IMAGE "build/images/guest/selftest.elf"

static struct boot *run(const char *cpu, const char *settings)
{
    struct boot *boot = malloc(sizeof *boot);

    assert_non_null(boot);
    boot_image(boot, IMAGE, cpu, settings);
    return boot;
}

static void end(struct boot *boot)
{
    boot_close(boot);
    free(boot);
}

static void expect_success(const char *cpu, const char *settings)
{
    struct boot *boot = run(cpu, settings);

    if (boot->end != END_POWER_OFF || boot->result->exit_status != 0)
        fail_msg("%s, %s:\n%s", cpu, settings, boot->log);
    assert_non_null(strstr(boot->log, "ok ring 3: tables and stack freed\n0 failed\n"));
    assert_null(strstr(boot->log, "FAILED"));
    end(boot);
}

static void test_all_settings(void **state)
{
    (void)state;
    expect_success("skylake", "");
    expect_success("skylake", "pcid=off");
    expect_success("skylake", "pti=on");
    expect_success("skylake", "pti=on pcid=off");
}

static void test_all_cpus(void **state)
{
    (void)state;
    expect_success("tiny", "pti=on");
    expect_success("zen4", "");
}

/* Their memory is mapped, and the allocator's ends before it. */
static void test_memory_of_guests(void **state)
{
    struct boot *boot = malloc(sizeof *boot);

    (void)state;
    assert_non_null(boot);
    boot_with_guests(boot, IMAGE, "skylake", 3);
    if (boot->end != END_POWER_OFF || boot->result->exit_status != 0)
        fail_msg("%s", boot->log);
    assert_non_null(strstr(boot->log, "guests: 3 of 16 MiB above 64\n"));
    assert_non_null(strstr(boot->log, "ok frames: end where they are to end\nok ram: mapped to its end\n"));
    end(boot);
}

/* Every mapping that changed was flushed where it could be cached. */
static void test_stale_translations(void **state)
{
    struct boot *boot = run("skylake", "pti=on");

    (void)state;
    assert_int_equal(boot->result->counters.value[COUNTER_stale_translations], 0);
    end(boot);
}

static void test_stack_overflow(void **state)
{
    struct boot *boot = run("skylake", "overflow=on");

    (void)state;
    assert_int_equal(boot->end, END_CRASH);
    assert_non_null(strstr(boot->log, "panic: double fault at "));
    end(boot);
}

static void test_same_twice(void **state)
{
    struct boot *a = run("skylake", ""), *b = run("skylake", "");

    (void)state;
    assert_string_equal(a->log, b->log);
    assert_memory_equal(&a->result->counters, &b->result->counters, sizeof a->result->counters);
    end(a);
    end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_settings),       cmocka_unit_test(test_all_cpus),
        cmocka_unit_test(test_stale_translations), cmocka_unit_test(test_stack_overflow),
        cmocka_unit_test(test_same_twice),         cmocka_unit_test(test_memory_of_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
