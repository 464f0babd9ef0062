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

#define PROGRESS_PERIOD 0.1 /* s */
#define PROGRESS_AFTER 0.5
#define TERMINAL_WAIT_MS 1

/* ---- progress ---- */

static double since(const struct timespec *then)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void progress_start(struct progress *p, bool on, const char *name, uint64_t hz)
{
    *p = (struct progress){.on = on, .name = name, .hz = hz};
    clock_gettime(CLOCK_MONOTONIC, &p->started);
    p->last = p->started;
}

double progress_seconds(const struct progress *p)
{
    return since(&p->started);
}

void progress_show(struct progress *p, uint64_t cycles, uint64_t instructions)
{
    double seconds;

    if (!p->on || since(&p->last) < PROGRESS_PERIOD)
        return;
    seconds = progress_seconds(p);
    if (seconds < PROGRESS_AFTER)
        return;
    fprintf(stderr, "\r\033[K%.40s: %.1f ms simulated, %.0f million instructions/s", p->name,
            (double)cycles * 1e3 / (double)p->hz, (double)instructions / seconds / 1e6);
    fflush(stderr);
    clock_gettime(CLOCK_MONOTONIC, &p->last);
    p->shown = true;
}

void progress_erase(struct progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}

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
