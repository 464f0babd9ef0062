/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_progress.c: the line that says what runs and how long it will take: what is in it, that it is there on
 * a terminal and erased at the end, and that nothing of it is where nobody looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/cli/progress.h"
#include "tests/cli/command.h"

#define SECONDS_MAX 120
#define TEXT_MAX (1 << 18)

/* ---- the text ---- */

static const char sessions[2], workloads[4];

static void expect_text(const struct work *work, double seconds, const char *expected)
{
    char text[WORK_TEXT_MAX];

    work_text(work, seconds, text);
    assert_string_equal(text, expected);
}

static void time_left_is_told_from_what_is_expected(void **state)
{
    struct work *work = work_create(2);
    struct work_run *pipe, *ctx;

    work_add(work, &sessions[0], &workloads[0], "pipe", 300000000);
    work_add(work, &sessions[0], &workloads[1], "ctx", 500000000);
    pipe = work_find(work, &sessions[0], &workloads[0]);
    ctx = work_find(work, &sessions[0], &workloads[1]);
    expect_text(work, 1, "0 of 2 done");
    work_report(pipe, 0);
    expect_text(work, 1, "pipe: 0 of 2 done");
    work_report(pipe, 100000000); /* 700 million are left, at 50 million a second */
    expect_text(work, 2, "pipe: 0 of 2 done, 50 million instructions/s, about 14 s left");
    work_report(pipe, 200000000); /* shorter than expected: what it has made is what it is */
    work_done(pipe);
    work_report(ctx, 200000000);
    expect_text(work, 4, "ctx: 1 of 2 done, 100 million instructions/s, about 3 s left");
    work_report(ctx, 600000000); /* longer */
    expect_text(work, 8, "ctx: 1 of 2 done, 100 million instructions/s");
    work_done(ctx);
    expect_text(work, 8, "2 of 2 done, 100 million instructions/s");
    work_destroy(work);
}

static void what_was_never_run_is_an_average(void **state)
{
    struct work *work = work_create(3);

    for (size_t i = 0; i < 3; i++)
        work_add(work, &sessions[1], &workloads[i], "some", 0);
    work_report(&work->run[0], 1000000);
    expect_text(work, 1, "some: 0 of 3 done, 1 million instructions/s");
    work_report(&work->run[0], 60000000);
    work_done(&work->run[0]);
    expect_text(work, 1, "1 of 3 done, 60 million instructions/s, about 2 s left");
    expect_text(work, 600, "1 of 3 done, 0 million instructions/s, about 20 min left");
    work_destroy(work);
}

static void runs_are_told_apart_and_shared(void **state)
{
    struct work *work = work_create(2);
    int status;
    pid_t child;

    work_add(work, &sessions[0], &workloads[0], "a name that is much too long for this line, by far", 1);
    work_add(work, &sessions[1], &workloads[0], "b", 1);
    work_add(work, &sessions[1], &workloads[1], "no room", 1);
    assert_int_equal(work->count, 2);
    assert_int_equal(strlen(work->run[0].name), WORK_NAME_MAX - 1);
    assert_ptr_equal(work_find(work, &sessions[1], &workloads[0]), &work->run[1]);
    assert_null(work_find(work, &sessions[1], &workloads[1]));
    assert_null(work_find(NULL, &sessions[1], &workloads[1]));
    work_report(NULL, 1);
    work_done(NULL);
    child = fork();
    if (child == 0) {
        work_report(&work->run[1], 42);
        _exit(0);
    }
    waitpid(child, &status, 0);
    assert_int_equal(work->run[1].instructions, 42);
    assert_int_equal(work->run[1].state, WORK_RUNS);
    work_destroy(work);
}

/* ---- on a terminal ---- */

/* Runs a command with standard error on a terminal, standard output too unless `out` is a descriptor. Everything that
 * the terminal was sent; the caller frees it. */
static char *shown_by(const char *const argv[], int out, int *status)
{
    char *text = calloc(1, TEXT_MAX);
    size_t bytes = 0;
    ssize_t got;
    int fd;
    pid_t child = forkpty(&fd, NULL, NULL, NULL);

    if (child == 0) {
        char top[512], cache[1024];

        snprintf(cache, sizeof cache, "%s/%s", getcwd(top, sizeof top), in_folder("cache"));
        setenv("XDG_CACHE_HOME", cache, 1);
        if (out >= 0)
            dup2(out, STDOUT_FILENO);
        alarm(SECONDS_MAX);
        execv(argv[0], (char *const *)argv);
        _exit(126);
    }
    assert_true(child > 0);
    while (bytes < TEXT_MAX - 1 && (got = read(fd, text + bytes, TEXT_MAX - 1 - bytes)) > 0)
        bytes += (size_t)got;
    waitpid(child, status, 0);
    close(fd);
    return text;
}

static const char *last_of(const char *text, const char *what)
{
    const char *last = NULL;

    for (const char *at = text; (at = strstr(at, what)); at++)
        last = at;
    return last;
}

/* There is a line with `words`, and behind the last line an erasure and no more of it. */
static void expect_line(const char *const argv[], const char *words)
{
    int status;
    char *text = shown_by(argv, -1, &status);
    const char *last = last_of(text, "million instructions/s"), *erased = last_of(text, "\r\033[K");

    if (status != 0 || !strstr(text, words) || !last || !erased || erased < last || strstr(erased + 4, " done"))
        fail_msg("status %d, expected '%s', shown:\n%s", status, words, text);
    free(text);
}

static void run_has_a_line(void **state)
{
    expect_line((const char *const[]){PLAIN, "run", "monolithic", "ctx", "sqlite", "--ops", "3000", NULL},
                "sqlite: 1 of 2 done, ");
}

/* The first command has left behind how long its runs are, so another kernel, or here seed, has its time at once. */
static void what_was_run_before_has_its_time(void **state)
{
    expect_line((const char *const[]){PLAIN, "run", "monolithic", "sqlite", "--ops", "3000", "--seed", "2", NULL},
                " s left");
}

static void compare_has_a_line(void **state)
{
    expect_line((const char *const[]){PLAIN, "compare", "monolithic", "exo", "--workload", "sqlite", "--ops", "3000",
                                      "--jobs", "1", "--no-cache", NULL},
                "sqlite on exo: 1 of 2 done, ");
}

static void data_on_standard_output_has_none(void **state)
{
    int status, null = open("/dev/null", O_WRONLY);
    char *text = shown_by(
        (const char *const[]){PLAIN, "run", "monolithic", "sqlite", "--ops", "3000", "--no-cache", "--json", NULL},
        null, &status);

    close(null);
    assert_int_equal(status, 0);
    assert_null(strstr(text, "\r\033[K"));
    assert_null(strstr(text, "done"));
    free(text);
}

static void a_pipe_has_none(void **state)
{
    struct result r =
        run((const char *const[]){PLAIN, "run", "monolithic", "sqlite", "--ops", "3000", "--no-cache", NULL}, false);

    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_null(strchr(r.out, '\033'));
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_left_is_told_from_what_is_expected), cmocka_unit_test(what_was_never_run_is_an_average),
        cmocka_unit_test(runs_are_told_apart_and_shared),          cmocka_unit_test(run_has_a_line),
        cmocka_unit_test(what_was_run_before_has_its_time),        cmocka_unit_test(compare_has_a_line),
        cmocka_unit_test(data_on_standard_output_has_none),        cmocka_unit_test(a_pipe_has_none),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
