/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_tty.c: the terminal service (the archive that kernels link) on two console models.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/termios.h>
#include <poll.h>
#include <signal.h>

#include "services/requests.h"
#include "services/tty/tty.h"
#include "sim/devices/virtio_console.h"
#include "tests/fake_bus.h"

#define OUTPUT_MAX (1u << 20)

/* What the host gives and gets. */
struct tape {
    const char *input; /* NULL: nothing yet */
    size_t at, length;
    unsigned asked;
    char *output;
    size_t printed;
};

struct rig {
    struct fake *fake;
    struct tape tape[2];
    struct virtio_console *model[2];
    struct bus_device page[2];
    struct device device[2];
    struct tty *tty;
    struct service service;
    struct call call;
};

static long tape_input(void *ctx, void *to, size_t bytes)
{
    struct tape *t = ctx;

    t->asked++;
    if (!t->input)
        return -1;
    if (bytes > t->length - t->at)
        bytes = t->length - t->at;
    memcpy(to, t->input + t->at, bytes);
    t->at += bytes;
    return (long)bytes;
}

static void tape_output(void *ctx, const void *from, size_t bytes)
{
    struct tape *t = ctx;

    assert_true(t->printed + bytes < OUTPUT_MAX);
    memcpy(t->output + t->printed, from, bytes);
    t->printed += bytes;
}

static struct rig *create(uint32_t tty_mask)
{
    struct tty_config config = {.tty_mask = tty_mask, .rows = 25, .columns = 80};
    struct rig *r = calloc(1, sizeof *r);

    r->fake = fake_create();
    for (unsigned i = 0; i < 2; i++) {
        struct console_streams streams = {&r->tape[i], tape_input, tape_output};

        r->tape[i].output = calloc(1, OUTPUT_MAX);
        r->model[i] = virtio_console_create(&r->fake->bus, 0x31 + i, &streams);
        r->page[i] = virtio_console_device(r->model[i]);
        r->device[i] = fake_device(&r->page[i]);
    }
    r->tty = tty_create(&r->fake->host, &r->device[0], &r->device[1], &config);
    assert_non_null(r->tty);
    r->service = tty_service(r->tty);
    return r;
}

static int stream(void **state)
{
    *state = create(0);
    return 0;
}

static int terminal(void **state)
{
    *state = create(7);
    return 0;
}

static int output_in_file(void **state)
{
    *state = create(5);
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    tty_destroy(r->tty);
    assert_int_equal(r->fake->live, 0);
    for (unsigned i = 0; i < 2; i++) {
        virtio_console_destroy(r->model[i]);
        free(r->tape[i].output);
    }
    fake_destroy(r->fake);
    free(r);
    return 0;
}

static void type(struct rig *r, const char *text)
{
    r->tape[0].input = text;
    r->tape[0].length = strlen(text);
    r->tape[0].at = 0;
}

static long ask_once(struct rig *r, unsigned op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct request rq = {.service = SERVICE_TTY, .op = (uint16_t)op, .arg = {a, b, c, d}, .call = &r->call};

    return r->service.request(r->service.self, &rq);
}

/* One event, and the interrupt that it may cause. */
static bool step(struct rig *r)
{
    unsigned before = r->fake->interrupts[0x31] + r->fake->interrupts[0x32];

    if (!fake_step(r->fake))
        return false;
    if (r->fake->interrupts[0x31] + r->fake->interrupts[0x32] != before)
        tty_event(r->tty);
    return true;
}

/* As a placement: a call that waits is handed in again after its channel was woken, and only then. */
static long ask(struct rig *r, unsigned op, uint64_t a, const void *b, uint64_t c)
{
    long result;

    memset(&r->call, 0, sizeof r->call);
    while ((result = ask_once(r, op, a, (uintptr_t)b, c, 0)) == CALL_WAIT) {
        r->fake->wake_count = 0;
        while (!fake_woken(r->fake, r->call.channel))
            assert_true(step(r));
    }
    return result;
}

static void a_stream_is_read_as_it_is(void **state)
{
    static const char text[] = "raw \x03\x04 bytes\r\n\x7f";
    struct rig *r = *state;
    char got[64] = {0};

    assert_int_equal(r->tape[0].asked, 0); /* nobody reads: nothing is taken from the host */
    type(r, text);
    assert_int_equal(ask(r, TTY_READ, 0, got, 4), 4);
    assert_int_equal(ask(r, TTY_READ, 0, got + 4, 60), sizeof text - 1 - 4);
    assert_string_equal(got, text);
    assert_int_equal(r->fake->copies, 2);
    assert_int_equal(ask(r, TTY_READ, 0, got, 64), 0);
    assert_int_equal(ask(r, TTY_READ, 0, got, 64), 0);
    assert_int_equal(r->tape[0].printed, 0); /* no echo */
}

static void a_stream_is_written_with_one_copy_a_piece(void **state)
{
    struct rig *r = *state;
    char *text = malloc(100000);

    for (unsigned i = 0; i < 100000; i++)
        text[i] = (char)(i * 31 >> 3);
    assert_int_equal(ask(r, TTY_WRITE, 0, text, 100000), 100000);
    assert_int_equal(r->fake->copies, (100000 + 4095) / 4096);
    assert_int_equal(r->tape[0].printed, 100000);
    assert_memory_equal(r->tape[0].output, text, 100000);
    assert_int_equal(ask(r, TTY_WRITE, 1, "err\n", 4), 4);
    assert_string_equal(r->tape[1].output, "err\n");
    free(text);
}

static void short_writes_cause_no_interrupt(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ask(r, TTY_WRITE, 0, "x", 1), 1);
    while (step(r))
        ;
    assert_int_equal(r->fake->interrupts[0x31], 0);
}

static void nonblocking_calls_do_not_wait(void **state)
{
    struct rig *r = *state;
    char text[5 * 4096] = {0};

    assert_int_equal(ask_once(r, TTY_READ, 0, (uintptr_t)text, 10, 1), -EAGAIN);
    assert_int_equal(ask_once(r, TTY_WRITE, 0, (uintptr_t)text, sizeof text, 1), 4 * 4096);
    memset(&r->call, 0, sizeof r->call);
    assert_int_equal(ask_once(r, TTY_WRITE, 0, (uintptr_t)text, 1, 1), -EAGAIN);
}

static void a_signal_ends_a_wait(void **state)
{
    struct rig *r = *state;
    char text[5 * 4096] = {0};

    r->call.flags = CALL_INTERRUPTED;
    assert_int_equal(ask_once(r, TTY_READ, 0, (uintptr_t)text, 10, 0), -ERESTART);
    assert_int_equal(ask_once(r, TTY_WRITE, 0, (uintptr_t)text, sizeof text, 0), 4 * 4096); /* progress */
    r->call.done = 0;
    assert_int_equal(ask_once(r, TTY_WRITE, 0, (uintptr_t)text, 1, 0), -ERESTART);
}

static void bad_memory_is_the_callers_fault(void **state)
{
    struct rig *r = *state;
    char text[8] = "0123456";

    assert_int_equal(ask(r, TTY_WRITE, 0, NULL, 5), -EFAULT);
    type(r, "abc");
    assert_int_equal(ask(r, TTY_READ, 0, NULL, 5), -EFAULT);
    assert_int_equal(ask(r, TTY_READ, 0, text, 5), 3); /* nothing was lost */
    assert_memory_equal(text, "abc", 3);
    memset(&r->call, 0, sizeof r->call);
    r->fake->copy_result = CALL_WAIT; /* the caller's page has to come from disk */
    assert_int_equal(ask_once(r, TTY_WRITE, 0, (uintptr_t) "again", 5, 0), CALL_WAIT);
    assert_int_equal(ask_once(r, TTY_WRITE, 0, (uintptr_t) "again", 5, 0), 5);
    assert_memory_equal(r->tape[0].output, "again", 5);
    assert_int_equal(r->tape[0].printed, 5);
    assert_int_equal(ask_once(r, TTY_WRITE, 2, (uintptr_t) "x", 1, 0), -EINVAL); /* no such line */
}

static void drain_waits_for_the_device(void **state)
{
    struct rig *r = *state;

    assert_int_equal(ask(r, TTY_DRAIN, 0, NULL, 0), 0);
    assert_int_equal(ask(r, TTY_WRITE, 1, "x", 1), 1);
    memset(&r->call, 0, sizeof r->call);
    assert_int_equal(ask_once(r, TTY_DRAIN, 0, 0, 0, 0), CALL_WAIT);
    assert_int_equal(ask(r, TTY_DRAIN, 0, NULL, 0), 0);
    assert_int_equal(r->fake->events, 0);
}

/* A wait for room on one line survives an interrupt of the other. */
static void lines_do_not_silence_each_other(void **state)
{
    struct rig *r = *state;
    char text[4 * 4096] = {0};

    assert_int_equal(ask(r, TTY_WRITE, 0, text, sizeof text), sizeof text);
    memset(&r->call, 0, sizeof r->call);
    assert_int_equal(ask_once(r, TTY_WRITE, 0, (uintptr_t)text, 1, 0), CALL_WAIT);
    tty_event(r->tty); /* of the other line, before anything finished here */
    while (!fake_woken(r->fake, r->call.channel))
        assert_true(step(r));
}

static void poll_arms_the_line(void **state)
{
    struct rig *r = *state;

    assert_int_equal(ask(r, TTY_POLL, 0, NULL, 0), POLLOUT);
    type(r, "x");
    r->fake->wake_count = 0;
    while (step(r))
        ;
    assert_true(fake_woken(r->fake, CHANNEL_POLL));
    assert_int_equal(ask(r, TTY_POLL, 0, NULL, 0), POLLIN | POLLOUT);
}

static void a_stream_is_not_a_tty(void **state)
{
    struct rig *r = *state;
    struct termios settings;
    int bytes = -1;

    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)TCGETS, (uintptr_t)&settings), -ENOTTY);
    assert_int_equal(ask(r, TTY_IOCTL, 1, (void *)TIOCGWINSZ, (uintptr_t)&settings), -ENOTTY);
    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)FIONREAD, (uintptr_t)&bytes), 0);
    assert_int_equal(bytes, 0);
}

/* ---- a terminal ---- */

static void a_line_is_edited_and_echoed(void **state)
{
    struct rig *r = *state;
    char got[32] = {0};

    type(r, "helo\x7flo\x15hex\x7fy you\x17me\rrest");
    assert_int_equal(ask(r, TTY_READ, 0, got, sizeof got), 7);
    assert_string_equal(got, "hey me\n");
    memset(&r->call, 0, sizeof r->call);
    assert_int_equal(ask_once(r, TTY_READ, 0, (uintptr_t)got, 32, 1), -EAGAIN); /* "rest" is not a line yet */
    r->tape[0].output[r->tape[0].printed] = 0;
    assert_string_equal(r->tape[0].output,
                        "helo\b \blo\b \b\b \b\b \b\b \b\b \bhex\b \by you\b \b\b \b\b \bme\r\nrest");
}

/* Standard output in a file: what is typed must not get into it. */
static void echo_stays_on_the_screen(void **state)
{
    struct rig *r = *state;
    char got[8];

    type(r, "ab\n");
    assert_int_equal(ask(r, TTY_READ, 0, got, 8), 3);
    assert_int_equal(r->tape[0].printed, 0);
    assert_int_equal(r->tape[1].printed, 4);
    assert_memory_equal(r->tape[1].output, "ab\r\n", 4);
    assert_int_equal(ask(r, TTY_WRITE, 0, "x\n", 2), 2);
    assert_int_equal(r->tape[0].printed, 2);
}

static void lines_are_read_one_at_a_time(void **state)
{
    struct rig *r = *state;
    char got[32] = {0};

    type(r, "one\ntwo\nend\x04\x04");
    assert_int_equal(ask(r, TTY_READ, 0, got, sizeof got), 4);
    assert_int_equal(ask(r, TTY_READ, 0, got, 2), 2);
    assert_int_equal(ask(r, TTY_READ, 0, got + 2, 30), 2);
    assert_memory_equal(got, "two\n", 4);
    assert_int_equal(ask(r, TTY_READ, 0, got, 32), 3); /* ^D ends a line without a byte */
    assert_memory_equal(got, "end", 3);
    assert_int_equal(ask(r, TTY_READ, 0, got, 32), 0); /* and an empty one is the end of the file */
}

static void control_c_is_a_signal(void **state)
{
    struct rig *r = *state;
    int group = 42;
    char got[8];

    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)TIOCSPGRP, (uintptr_t)&group), 0);
    type(r, "lost\x03kept\n");
    while (r->fake->signal == 0)
        assert_true(step(r));
    assert_int_equal(r->fake->signal, SIGINT);
    assert_int_equal(r->fake->signal_pid, -42);
    assert_int_equal(ask(r, TTY_READ, 0, got, 8), 5);
    assert_memory_equal(got, "kept\n", 5);
    r->tape[0].output[r->tape[0].printed] = 0;
    assert_string_equal(r->tape[0].output, "lost^Ckept\r\n");
}

static void output_gets_carriage_returns(void **state)
{
    struct rig *r = *state;
    char text[9000];
    size_t expected = 0;

    memset(text, '\n', sizeof text);
    assert_int_equal(ask(r, TTY_WRITE, 0, text, sizeof text), sizeof text);
    assert_int_equal(r->tape[0].printed, 2 * sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        expected += memcmp(r->tape[0].output + 2 * i, "\r\n", 2) == 0;
    assert_int_equal(expected, sizeof text);
    assert_int_equal(ask(r, TTY_WRITE, 1, "e\n", 2), 2);
    assert_memory_equal(r->tape[1].output, "e\r\n", 3);
}

static void raw_mode_is_raw(void **state)
{
    struct rig *r = *state;
    struct termios settings;
    char got[8];

    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)TCGETS, (uintptr_t)&settings), 0);
    assert_int_equal(settings.c_lflag & (ICANON | ECHO), ICANON | ECHO);
    settings.c_lflag = 0;
    settings.c_iflag = 0;
    settings.c_oflag = 0;
    settings.c_cc[VMIN] = 3;
    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)TCSETSF, (uintptr_t)&settings), 0);
    type(r, "\x03\r\x7f");
    assert_int_equal(ask(r, TTY_READ, 0, got, 8), 3);
    assert_memory_equal(got, "\x03\r\x7f", 3);
    assert_int_equal(ask(r, TTY_WRITE, 0, "\n", 1), 1);
    assert_int_equal(r->tape[0].printed, 1); /* no echo, no mapping */
    assert_int_equal(r->fake->signal, 0);
    settings.c_cc[VMIN] = 0;
    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)TCSETS, (uintptr_t)&settings), 0);
    r->tape[0].input = NULL;
    assert_int_equal(ask(r, TTY_READ, 0, got, 8), 0);
    settings.c_cc[VTIME] = 2; /* 0.2 s from the first try */
    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)TCSETS, (uintptr_t)&settings), 0);
    memset(&r->call, 0, sizeof r->call);
    assert_int_equal(ask_once(r, TTY_READ, 0, (uintptr_t)got, 8, 0), CALL_WAIT);
    assert_int_equal(r->call.until, r->fake->now + 200000000);
    r->fake->now = r->call.until;
    r->call.flags = CALL_TIMED_OUT;
    assert_int_equal(ask_once(r, TTY_READ, 0, (uintptr_t)got, 8, 0), 0);
}

static void a_terminal_has_a_size(void **state)
{
    struct rig *r = *state;
    struct winsize size;
    int group = -1;

    assert_int_equal(ask(r, TTY_IOCTL, 1, (void *)TIOCGWINSZ, (uintptr_t)&size), 0);
    assert_int_equal(size.ws_row, 25);
    assert_int_equal(size.ws_col, 80);
    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)TIOCGPGRP, (uintptr_t)&group), 0);
    assert_int_equal(group, 1);
    assert_int_equal(ask(r, TTY_IOCTL, 0, (void *)0x1234, (uintptr_t)&group), -ENOTTY);
}

/* More input than any buffer holds: the discipline drops, never overflows, and the newline still ends the line. */
static void an_endless_line_is_cut(void **state)
{
    struct rig *r = *state;
    char *text = malloc(20001), *got = malloc(20000);
    long total = 0, n;

    memset(text, 'a', 20000);
    text[19999] = '\n';
    text[20000] = 0;
    type(r, text);
    do {
        n = ask(r, TTY_READ, 0, got + total, 20000);
        total += n;
    } while (n > 0 && got[total - 1] != '\n');
    assert_int_equal(total, 4096);
    free(text);
    free(got);
}

static void no_memory_is_no_service(void **state)
{
    struct tty_config config = {0};
    struct rig *r = *state;
    size_t live = r->fake->live;

    for (size_t i = 1; i <= 19; i++) {
        r->fake->fail_after = i;
        assert_null(tty_create(&r->fake->host, &r->device[0], &r->device[1], &config));
        assert_int_equal(r->fake->live, live);
    }
    r->fake->fail_after = 0;
}

#define STREAM(test) cmocka_unit_test_setup_teardown(test, stream, tear_down)
#define TERMINAL(test) cmocka_unit_test_setup_teardown(test, terminal, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM(a_stream_is_read_as_it_is),
        STREAM(a_stream_is_written_with_one_copy_a_piece),
        STREAM(short_writes_cause_no_interrupt),
        STREAM(nonblocking_calls_do_not_wait),
        STREAM(a_signal_ends_a_wait),
        STREAM(bad_memory_is_the_callers_fault),
        STREAM(drain_waits_for_the_device),
        STREAM(lines_do_not_silence_each_other),
        STREAM(poll_arms_the_line),
        STREAM(a_stream_is_not_a_tty),
        TERMINAL(a_line_is_edited_and_echoed),
        TERMINAL(lines_are_read_one_at_a_time),
        cmocka_unit_test_setup_teardown(echo_stays_on_the_screen, output_in_file, tear_down),
        TERMINAL(control_c_is_a_signal),
        TERMINAL(output_gets_carriage_returns),
        TERMINAL(raw_mode_is_raw),
        TERMINAL(a_terminal_has_a_size),
        TERMINAL(an_endless_line_is_cut),
        STREAM(no_memory_is_no_service),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
