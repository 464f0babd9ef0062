/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_terminal.c: exec on a terminal: the guest's line discipline echoes and edits, ^C is the guest's,
 * Ctrl-] is ours, and the host's terminal is afterwards as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "tests/cli/command.h"

#define SECONDS_MAX 60
#define TEXT_MAX 65536

struct terminal {
    int fd;
    pid_t child;
    struct termios before;
    char text[TEXT_MAX]; /* what was shown so far */
    size_t bytes;
};

static void open_terminal(struct terminal *t, const char *const argv[])
{
    const struct winsize size = {.ws_row = 33, .ws_col = 99};
    int slave;

    memset(t, 0, sizeof *t);
    assert_int_equal(openpty(&t->fd, &slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(t->fd, &t->before), 0);
    t->child = fork();
    if (t->child == 0) {
        close(t->fd);
        login_tty(slave);
        alarm(SECONDS_MAX);
        execv(argv[0], (char *const *)argv);
        _exit(126);
    }
    close(slave);
}

/* Reads until `text` has been shown; false: the terminal closed first. */
static bool wait_for(struct terminal *t, const char *text)
{
    while (!strstr(t->text, text)) {
        ssize_t got = read(t->fd, t->text + t->bytes, TEXT_MAX - 1 - t->bytes);

        if (got <= 0)
            return false;
        t->bytes += (size_t)got;
    }
    return true;
}

static void type(struct terminal *t, const char *text)
{
    assert_int_equal(write(t->fd, text, strlen(text)), strlen(text));
}

/* The program's exit status; the terminal must be as it was. */
static int close_terminal(struct terminal *t)
{
    struct termios after;
    int status;

    wait_for(t, "\1never");
    assert_int_equal(waitpid(t->child, &status, 0), t->child);
    if (tcgetattr(t->fd, &after) == 0)
        assert_int_equal(after.c_lflag, t->before.c_lflag);
    close(t->fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Says that it is there: before that, the host's terminal is still its own. */
static const char *const cat[] = {PLAIN, "exec", "monolithic",           "--root", ROOT, "--", ROOT "/bin/busybox",
                                  "sh",  "-c",   "echo there; exec cat", NULL};

static void lines_are_edited_and_echoed_by_the_guest(void **state)
{
    struct terminal *t = malloc(sizeof *t);

    open_terminal(t, cat);
    assert_true(wait_for(t, "there\r\n"));
    type(t, "hex\x7fllo\r");
    assert_true(wait_for(t, "hex\b \bllo\r\nhello\r\n"));
    type(t, "\x04");
    assert_int_equal(close_terminal(t), 0);
    free(t);
}

static void control_c_kills_the_program(void **state)
{
    struct terminal *t = malloc(sizeof *t);

    open_terminal(t, cat);
    assert_true(wait_for(t, "there\r\n"));
    type(t, "ready\r");
    assert_true(wait_for(t, "ready\r\nready\r\n"));
    type(t, "\x03");
    assert_int_equal(close_terminal(t), 130);
    assert_non_null(strstr(t->text, "^C"));
    free(t);
}

static void the_escape_stops_the_machine(void **state)
{
    const char *const argv[] = {
        PLAIN, "exec", "monolithic", "--", "/bin/busybox", "sh", "-c", "trap '' INT; echo running; while :; do :; done",
        NULL};
    struct terminal *t = malloc(sizeof *t);

    open_terminal(t, argv);
    assert_true(wait_for(t, "running\r\n"));
    type(t, "\x03\x1d");
    assert_int_equal(close_terminal(t), 1);
    assert_non_null(strstr(t->text, "ringside: busybox: stopped from the keyboard\r\n"));
    free(t);
}

static void the_guest_knows_the_size(void **state)
{
    const char *const argv[] = {PLAIN, "exec", "monolithic", "--", "/bin/busybox", "stty", "size", NULL};
    struct terminal *t = malloc(sizeof *t);

    open_terminal(t, argv);
    assert_int_equal(close_terminal(t), 0);
    assert_true(strncmp(t->text, "33 99\r\n", 7) == 0);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_edited_and_echoed_by_the_guest),
        cmocka_unit_test(control_c_kills_the_program),
        cmocka_unit_test(the_escape_stops_the_machine),
        cmocka_unit_test(the_guest_knows_the_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
