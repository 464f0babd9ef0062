/* SPDX-License-Identifier: MIT
 *
 * sim/cli/streams.c: see streams.h.
 */
#include "sim/cli/streams.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_WAIT_MS 1

/* ---- consoles ---- */

static long read_some(int fd, void *to, size_t bytes)
{
    ssize_t got;

    do
        got = read(fd, to, bytes);
    while (got < 0 && errno == EINTR);
    return got < 0 ? 0 : got; /* an unreadable input is at its end */
}

static long read_full(int fd, void *to, size_t bytes)
{
    size_t have = 0;
    long got;

    while (have < bytes && (got = read_some(fd, (char *)to + have, bytes - have)) > 0)
        have += (size_t)got;
    return (long)have;
}

static long read_terminal(struct stream *s, char *to, size_t bytes)
{
    struct pollfd ready = {.fd = s->in, .events = POLLIN};
    long got;

    if (s->escaped || poll(&ready, 1, TERMINAL_WAIT_MS) <= 0)
        return -1;
    got = read_some(s->in, to, bytes);
    if (got > 0 && memchr(to, ESCAPE_BYTE, (size_t)got)) {
        s->escaped = true;
        s->escape(s->escape_ctx);
        return -1;
    }
    return got;
}

static long stream_input(void *ctx, void *to, size_t bytes)
{
    struct stream *s = ctx;
    long got;

    if (s->in < 0)
        return 0;
    got = s->in_terminal ? read_terminal(s, to, bytes) : read_full(s->in, to, bytes);
    s->taken += got > 0 ? (uint64_t)got : 0;
    return got;
}

static void stream_output(void *ctx, const void *from, size_t bytes)
{
    struct stream *s = ctx;
    ssize_t put;

    if (s->out < 0)
        return;
    if (s->progress)
        progress_erase(s->progress);
    for (const char *at = from; bytes && !s->out_errno; at += put, bytes -= (size_t)put) {
        struct pollfd ready = {.fd = s->out, .events = POLLOUT};

        put = write(s->out, at, bytes);
        if (put < 0 && errno == EAGAIN)
            poll(&ready, 1, -1);
        else if (put < 0 && errno != EINTR)
            s->out_errno = errno;
        put = put < 0 ? 0 : put;
    }
}

struct console_streams stream_console(struct stream *s)
{
    return (struct console_streams){.ctx = s, .input = s->in >= 0 ? stream_input : NULL, .output = stream_output};
}

/* ---- the terminal ---- */

void raw_terminal_enter(struct raw_terminal *raw)
{
    struct termios settings;

    raw->changed = tcgetattr(STDIN_FILENO, &raw->before) == 0;
    if (!raw->changed)
        return;
    settings = raw->before;
    cfmakeraw(&settings);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
}

void raw_terminal_leave(struct raw_terminal *raw)
{
    if (raw->changed)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw->before);
    raw->changed = false;
}
