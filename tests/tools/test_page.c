/* SPDX-License-Identifier: MIT
 *
 * tests/tools/test_page.c: the report's page in a browser (tests/page/page.mjs), and traces in a viewer (viewer.mjs): each line
 * that those say is a check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define WORK "build/tests/tools/page"
#define CHECKS_LEAST 24
#define VIEWER "XDG_CONFIG_HOME=" WORK " XDG_CACHE_HOME=" WORK " node tests/page/viewer.mjs build/deps/page " WORK "/shots "

/* Its exit status; what it says goes to standard error if that is not 0, and `count` lines begin with "ok". */
static int run(const char *command, unsigned *count)
{
    char line[4096], said[65536] = "";
    FILE *in = popen(command, "r");
    int status;

    assert_non_null(in);
    *count = 0;
    while (fgets(line, sizeof line, in)) {
        *count += strncmp(line, "ok ", 3) == 0;
        strncat(said, line, sizeof said - strlen(said) - 1);
    }
    status = pclose(in);
    if (status != 0)
        fputs(said, stderr);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void test_page(void **state)
{
    unsigned count;

    (void)state;
    assert_int_equal(run("mkdir -p " WORK " && XDG_CACHE_HOME=" WORK " build/ringside compare --workload null --workload write "
                         "--workload fork --html " WORK "/report.html 2>&1 >/dev/null", &count), 0);
    assert_int_equal(run("XDG_CONFIG_HOME=" WORK " XDG_CACHE_HOME=" WORK " node tests/page/page.mjs " WORK "/report.html "
                         "build/deps/page " WORK "/shots 2>&1", &count), 0);
    assert_true(count >= CHECKS_LEAST);
}

/* A trace of each format, and a file that is none. */
static void test_viewer(void **state)
{
    unsigned count;

    (void)state;
    assert_int_equal(run("cd " WORK " && ringside=$OLDPWD/build/ringside && "
                         "$ringside trace micro write --ops 2 --format folded -o write.folded.txt && "
                         "$ringside trace micro write --ops 2 --format perfetto -o write.json && "
                         "$ringside trace micro write --ops 2 --format callgrind -o callgrind.out.write 2>&1", &count), 0);
    assert_int_equal(run(VIEWER WORK "/write.folded.txt " WORK "/write.json " WORK "/callgrind.out.write 2>&1", &count), 0);
    assert_int_equal(count, 3);
}

static void test_viewer_sees(void **state)
{
    unsigned count;

    (void)state;
    assert_int_equal(run("echo this is no trace >" WORK "/none.json && " VIEWER WORK "/none.json >" WORK "/none.log 2>&1 "
                         "&& exit 1; grep -q '^not ok' " WORK "/none.log", &count), 0);
}

static void test_bad_file(void **state)
{
    unsigned count;

    (void)state;
    assert_int_equal(run("build/ringside compare monolithic --workload null --html /nowhere/report.html 2>&1", &count), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_viewer),
        cmocka_unit_test(test_viewer_sees),
        cmocka_unit_test(test_bad_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
