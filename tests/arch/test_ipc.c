/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_ipc.c: messages and capabilities of the microkernel against an unprivileged program: 100,000 random
 * kernel calls by processes that share endpoints and are killed at random, and each situation that needs thought by
 * itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/arch/micro_boot.h"

static struct micro_boot boot;

/* The program ends by itself, the kernel is alive to count its frames, and has all of them. */
static void run(const char *program, const char *settings, const char *const arguments[2])
{
    boot = (struct micro_boot){.program = program, .settings = settings, .limit_ms = 20000};
    boot.arguments[0] = arguments[0];
    boot.arguments[1] = arguments[0] ? arguments[1] : NULL;
    micro_boot(&boot);
    if (boot.end != END_POWER_OFF || boot.exit_status != 0)
        fail_msg("end %d, exit status %d\n%s%s%s", boot.end, boot.exit_status, boot.output, boot.log, boot.report);
    if (!boot.free_frames_before || boot.free_frames_before != boot.free_frames_after)
        fail_msg("%lu frames free before, %lu after\n%s", boot.free_frames_before, boot.free_frames_after, boot.output);
}

static void random_calls(const char *settings, const char *calls, const char *seed)
{
    char expected[512];

    run("build/programs/arch/ipc_random", settings, (const char *const[]){calls, seed});
    snprintf(
        expected, sizeof expected,
        "%s calls wanted: all made, 0 strange answers\n"
        "messages: some received, some answered, some interrupted, some without receiver; endpoints used up: some\n"
        "processes: some forked, some killed\n"
        "bystander: all right\n",
        calls);
    assert_string_equal(boot.output, expected);
}

static void test_random_calls(void **state)
{
    (void)state;
    random_calls(NULL, "100000", "1");
}

static void test_random_calls_without_fast_path(void **state)
{
    (void)state;
    random_calls("fastpath=off", "30000", "2");
}

static void test_random_calls_of_the_first_generation(void **state)
{
    (void)state;
    random_calls("mach=on fastpath=off", "30000", "3");
}

static void cases(const char *settings)
{
    run("build/programs/arch/ipc_cases", settings, (const char *const[]){NULL, NULL});
    assert_string_equal(boot.output, "two receivers: 16, noticed, called, answered 0, the first 16, the caller 5\n"
                                     "the receiver dies in service: 32\n"
                                     "the caller is killed in service: 1009, the answer -3\n"
                                     "answered twice: 0, -3, the caller 9\n"
                                     "answered by another: 3, the caller 12\n"
                                     "nobody receives: 4\n"
                                     "a signal after the news: rang, noticed, the caller 13\n"
                                     "never answered: 1015\n");
}

static void test_cases(void **state)
{
    (void)state;
    cases(NULL);
    cases("fastpath=off");
    cases("mach=on fastpath=off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_random_calls),
        cmocka_unit_test(test_random_calls_without_fast_path),
        cmocka_unit_test(test_random_calls_of_the_first_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
