/* SPDX-License-Identifier: MIT
 *
 * tests/tools/test_tools.c: set-up refuses what it must with status 5 and one line, is silent when nothing is missing,
 * what it builds for the machine is the same wherever it is built, and the test runner adds up right and fails when it
 * must.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/tools/shell.h"

static void nothing_missing_is_silent(void **state)
{
    assert_int_equal(run("tools/setup.sh"), 0);
    assert_string_equal(output(), "");
}

/* A file's size is the disk's layout, and that is cycles: no name of the folder it was built in. */
static void what_is_simulated_is_the_same_anywhere(void **state)
{
    assert_int_equal(run("test $(find build/images build/programs/root -type f | wc -l) -gt 20"), 0);
    assert_int_equal(run("grep -rlaF \"$PWD\" build/images build/programs/root"), 1); /* none */
}

static void a_wrong_prefix_is_named(void **state)
{
    assert_int_equal(run("UNICORN_PREFIX=%s/none tools/setup.sh", folder()), 5);
    assert_non_null(strstr(output(), "UNICORN_PREFIX="));
    assert_ptr_equal(strchr(output(), '\n'), output() + strlen(output()) - 1);
}

static void make_prefix(const char *version)
{
    char text[100];

    assert_int_equal(run("mkdir -p %s/usr/include/unicorn %s/usr/lib && touch %s/usr/lib/libunicorn.so", folder(),
                         folder(), folder()),
                     0);
    snprintf(text, sizeof(text), "#define UC_API_MAJOR %c\n#define UC_API_MINOR %c\n", version[0], version[2]);
    write_file("usr/include/unicorn/unicorn.h", text, 0644);
}

static void old_unicorns_are_refused(void **state)
{
    static const struct {
        const char *version;
        int status;
    } cases[] = {{"1.9", 5}, {"2.0", 5}, {"2.1", 0}, {"2.2", 0}, {"3.0", 0}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_prefix(cases[i].version);
        assert_int_equal(run("UNICORN_PREFIX=%s/usr tools/setup.sh", folder()), cases[i].status);
    }
}

/* What a CMocka program prints, as far as the runner reads it. */
static void make_program(const char *name, int passed, int failed, const char *end)
{
    char text[300], lines[100] = "";

    if (failed > 0)
        snprintf(lines, sizeof(lines), "echo '[  FAILED  ] %d test(s), listed below:'\n", failed);
    snprintf(text, sizeof(text), "#!/bin/sh\necho '[  PASSED  ] %d test(s).'\n%s%s\n", passed, lines, end);
    write_file(name, text, 0755);
}

/* The runner's last line; it keeps its logs apart from those of the run that this test is in. */
static int add_up(const char *programs, const char **last)
{
    int status = run("BUILD=%s TEST_TIMEOUT=1 tools/run_tests.sh %s", folder(), programs);
    const char *end = output() + strlen(output());

    while (end > output() + 1 && end[-2] != '\n')
        end--;
    *last = end > output() ? end - 1 : end;
    return status;
}

static void results_are_added_up(void **state)
{
    const struct {
        const char *programs, *last;
        int status;
    } cases[] = {
        {"good", "3 passed, 0 failed", 0},       {"good good2", "8 passed, 0 failed", 0},
        {"good bad", "5 passed, 1 failed", 1},   {"good newer", "3 passed, 4 failed", 1},
        {"good crash", "3 passed, 1 failed", 1}, {"good liar", "3 passed, 1 failed", 1},
        {"good hang", "3 passed, 1 failed", 1},  {"good missing", "3 passed, 1 failed", 1},
        {"", "0 passed, 0 failed", 1},
    };

    make_program("good", 3, 0, "exit 0");
    make_program("good2", 5, 0, "exit 0");
    make_program("bad", 2, 1, "exit 1");
    write_file("newer",
               "#!/bin/sh\necho '[  PASSED  ] 0 test(s).'\necho '[  FAILED  ] tests: 4 test(s), listed:'\nexit 4\n",
               0755);
    make_program("crash", 0, 0, "kill -SEGV $$");
    make_program("liar", 0, 0, "exit 0");
    make_program("hang", 0, 0, "exec sleep 20");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char words[200] = "", names[100];
        const char *last;

        snprintf(names, sizeof(names), "%s", cases[i].programs);
        for (char *name = strtok(names, " "); name != NULL; name = strtok(NULL, " "))
            snprintf(words + strlen(words), sizeof(words) - strlen(words), " %s/%s", folder(), name);
        assert_int_equal(add_up(words, &last), cases[i].status);
        assert_int_equal(strncmp(last, cases[i].last, strlen(cases[i].last)), 0);
        assert_string_equal(last + strlen(cases[i].last), "\n");
    }
}

static void failures_are_shown(void **state)
{
    make_program("bad", 2, 1, "echo the reason; exit 1");
    assert_int_equal(run("BUILD=%s tools/run_tests.sh %s/bad", folder(), folder()), 1);
    assert_non_null(strstr(output(), "FAILED"));
    assert_non_null(strstr(output(), "the reason"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_missing_is_silent), cmocka_unit_test(what_is_simulated_is_the_same_anywhere),
        cmocka_unit_test(a_wrong_prefix_is_named),   cmocka_unit_test(old_unicorns_are_refused),
        cmocka_unit_test(results_are_added_up),      cmocka_unit_test(failures_are_shown),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
