/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_fuzz.c: 10,000 damaged ELF files executed and 10,000 random instruction sequences run, by a program
 * inside the simulator, which itself is compiled with AddressSanitizer and UBSan. Whatever they do, the kernel answers
 * with an error or a signal, the program that started them goes on to the end, and nothing is leaked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Runs a shell command; its standard output into `out`. The exit status. */
static int run(const char *command, char *out, size_t bytes)
{
    FILE *pipe = popen(command, "r");
    size_t n;

    assert_non_null(pipe);
    n = fread(out, 1, bytes - 1, pipe);
    out[n] = 0;
    return WEXITSTATUS(pclose(pipe));
}

static void fuzz(const char *program, unsigned count, unsigned seed, const char *expected)
{
    char command[256], out[512];

    snprintf(command, sizeof command,
             "build/asan/ringside exec monolithic --model count --time-limit 100000 --json=/dev/null -- "
             "build/programs/arch/%s %u %u 2>build/tests/arch/%s.err",
             program, count, seed, program);
    assert_int_equal(run(command, out, sizeof out), 0);
    assert_non_null(strstr(out, expected));
}

static void test_damaged_programs_are_refused_or_die(void **state)
{
    (void)state;
    fuzz("fuzz_elf", 10000, 11, "10000 programs: some refused, some killed, some run, 0 with a strange errno");
}

static void test_random_code_dies_by_a_signal(void **state)
{
    (void)state;
    fuzz("fuzz_code", 10000, 11, "10000 sequences: some killed by a signal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_programs_are_refused_or_die),
        cmocka_unit_test(test_random_code_dies_by_a_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
