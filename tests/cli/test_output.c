/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_output.c: a file that is written is there whole or not at all, what was there before stays until then,
 * and the exit status says whose fault it is: 2, a path that cannot be opened; 5, a write that fails.
 *
 * Commands are the shell's: $d is the test's folder, $r is ringside, $s the same with sanitizers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cli/command.h"

static int set_up(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    setenv("d", in_folder("."), 1);
    setenv("r", PLAIN, 1);
    setenv("s", SANITIZED, 1);
    setenv("root", ROOT, 1);
    return 0;
}

static struct result shell(const char *command)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};

    return run(argv, false);
}

/* What the command says on standard error has `says` in it; one line at most is of ringside. */
static void check(const char *command, int status, const char *says)
{
    struct result r = shell(command);
    const char *said = strstr(r.err, "ringside:");

    if (r.status != status || !strstr(r.err, says))
        fail_msg("%s: status %d, wanted %d; said: %s", command, r.status, status, r.err);
    if (status && said)
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    release(&r);
}

/* A condition of the shell. */
static void holds(const char *condition)
{
    struct result r = shell(condition);

    if (r.status != 0)
        fail_msg("does not hold: %s", condition);
    release(&r);
}

/* ---- what was there stays ---- */

static void a_trace_that_fails_leaves_the_old_file(void **state)
{
    static const struct {
        const char *words;
        int status;
    } cases[] = {
        {"monolithic null --set bogus=1 -o $d/old", 2}, {"monolithic nosuch -o $d/old", 2},
        {"monolithic null --cpu nope -o $d/old", 2},    {"monolithic null --time-limit 1 -o $d/old", 4},
        {"monolithic ipc -o $d/old", 1},                {"monolithic -o $d/old -- /nowhere/program", 2},
    };

    holds("echo good >$d/old && ln -s old $d/link");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256];

        snprintf(command, sizeof command, "$s trace %s", cases[i].words);
        check(command, cases[i].status, "");
        holds("test \"$(cat $d/old)\" = good");
    }
    check("$s trace monolithic nosuch -o $d/link", 2, "nosuch");
    holds("test \"$(cat $d/old)\" = good");
    holds("test -z \"$(ls -A $d | grep ringside)\"");
}

static void a_link_stays_and_so_do_permissions(void **state)
{
    holds("echo good >$d/target && chmod 640 $d/target && ln -s target $d/to-target");
    check("$s trace monolithic null --ops 1 --format folded -o $d/to-target", 0, "");
    holds("test -L $d/to-target && grep -q ^monolithic $d/target && test $(stat -c %a $d/target) = 640");
    check("umask 027; $r trace monolithic null --ops 1 --format folded -o $d/fresh", 0, "");
    holds("test $(stat -c %a $d/fresh) = 640");
}

/* Killed in the midst of a run. */
static void a_killed_trace_leaves_nothing(void **state)
{
    check("timeout -s TERM 1 $r trace monolithic null --ops 100000000 -o $d/killed", 124, "");
    holds("test ! -e $d/killed && test -z \"$(ls -A $d | grep ringside)\"");
}

static void what_is_no_file_is_written_as_it_is(void **state)
{
    check("mkfifo $d/fifo && { cat $d/fifo >$d/through & } &&"
          " $r trace monolithic null --ops 1 --format folded -o $d/fifo && wait", 0, "");
    holds("test -p $d/fifo && grep -q ^monolithic $d/through");
    check("$r trace monolithic null --ops 1 --format folded -o /dev/stdout >$d/stdout", 0, "");
    holds("grep -q ^monolithic $d/stdout");
    check("$r run monolithic null --json=/dev/null --no-cache", 0, "");
    holds("test -c /dev/null");
}

/* ---- no space ---- */

static void a_file_that_does_not_fit_is_not_there(void **state)
{
    static const char *const commands[] = {
        "$s run monolithic null --json=$d/cut",
        "$s compare monolithic micro --workload null --html $d/cut",
        "$s trace monolithic null --ops 1 -o $d/cut",
        "$s trace monolithic shell --ops 1 --format folded -o $d/cut",
        "$s trace monolithic null --ops 1 --format callgrind -o $d/cut",
        "$s trace monolithic null --ops 1 --format steps -o $d/cut",
        "$s list archs --json=$d/cut",
    };

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char command[256];

        snprintf(command, sizeof command, "rm -f $d/cut; trap '' XFSZ; ulimit -f 2; %s >/dev/null", commands[i]);
        check(command, 5, "/cut: File too large");
        holds("test ! -e $d/cut && test -z \"$(ls -A $d | grep ringside)\"");
        snprintf(command, sizeof command, "echo good >$d/cut; trap '' XFSZ; ulimit -f 2; %s >/dev/null", commands[i]);
        check(command, 5, "/cut: File too large");
        holds("test \"$(cat $d/cut)\" = good");
    }
}

/* ---- one rule for the exit status ---- */

static void the_status_says_whose_fault_it_is(void **state)
{
    static const struct {
        const char *command;
        int status;
        const char *says;
    } cases[] = {
        {"$s run monolithic null --json=/nowhere/x", 2, "to /nowhere/x: No such file or directory"},
        {"$s run monolithic null --json=$d", 2, ": Is a directory"},
        {"$s list cpus --json=/nowhere/x", 2, "to /nowhere/x: No such file or directory"},
        {"$s compare monolithic --workload null --html /nowhere/x", 2, "to /nowhere/x: No such file or directory"},
        {"$s compare monolithic --workload null --html $d/new/", 2, "Is a directory"},
        {"$s trace monolithic null -o /nowhere/x", 2, "to /nowhere/x: No such file or directory"},
        {"$s exec monolithic --save /nowhere/x -- $root/bin/null", 2, "--save /nowhere/x: No such file or directory"},
        {"$s exec monolithic --save '' -- $root/bin/null", 2, "--save wants a folder's name"},
        {"$s exec vmm --save-at 5 /nowhere/x -- $root/bin/null", 2, "/nowhere/x: No such file or directory"},
        {"$s run monolithic null --json=/dev/full", 5, "to /dev/full: No space left on device"},
        {"$s run monolithic null --json >/dev/full", 5, "No space left on device"},
        {"$s compare monolithic --workload null --html /dev/full", 5, "to /dev/full: No space left on device"},
        {"$s trace monolithic null --ops 1 -o /dev/full", 5, "to /dev/full: No space left on device"},
        {"$s exec monolithic --json -- $root/bin/null 3>/dev/full", 5, "No space left on device"},
        {"$s exec monolithic --csv -- $root/bin/null 3>/dev/full", 5, "No space left on device"},
        {"$s --help >/dev/full", 5, "standard output: No space left on device"},
        {"$s --help >&-", 5, "standard output: Bad file descriptor"},
        {"$s run --help >/dev/full", 5, "standard output: No space left on device"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i].command, cases[i].status, cases[i].says);
}

/* Nothing has run then, and no empty file is there. */
static void two_results_do_not_share_a_file(void **state)
{
    check("$s compare monolithic --workload null --html $d/one --json=$d/./one", 2,
          "--html and --json both want the same place");
    check("ln -s one $d/same; echo good >$d/one; $s compare monolithic --workload null --html $d/one --json=$d/same", 2,
          "--html and --json both want the same place");
    holds("test \"$(cat $d/one)\" = good");
    check("$s exec vmm --save-at 5 $d/one --json=$d/one -- $root/bin/null", 2,
          "--save-at and --json both want the same place");
    check("$r compare monolithic --workload null --html /dev/null --json=/dev/null", 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_that_fails_leaves_the_old_file),
        cmocka_unit_test(a_link_stays_and_so_do_permissions),
        cmocka_unit_test(a_killed_trace_leaves_nothing),
        cmocka_unit_test(what_is_no_file_is_written_as_it_is),
        cmocka_unit_test(a_file_that_does_not_fit_is_not_there),
        cmocka_unit_test(the_status_says_whose_fault_it_is),
        cmocka_unit_test(two_results_do_not_share_a_file),
    };

    return cmocka_run_group_tests(tests, set_up, remove_folder);
}
