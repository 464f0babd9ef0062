/* SPDX-License-Identifier: MIT
 *
 * services/tty/tty.c: the requests of the terminal service. Below it: line.c moves bytes, discipline.c is the terminal.
 *
 * Where the host has no terminal, a line is a plain stream: what is read comes straight from the device's buffer, what
 * is written goes straight into one, one copy each. Where it has one, input passes the line discipline as it arrives
 * (so that ^C works while a program computes), and output is expanded within its buffer.
 *
 * Progress of a write is in call->done, bytes of this request; nothing else is kept across a wait.
 */
#include <linux/errno.h>
#include <linux/poll.h>

#include "services/string.h"
#include "services/tty/internal.h"

/* A terminal's piece may double (newlines): it is copied to the end of its buffer and expanded to the front. */
#define TERMINAL_PIECE (LINE_BUFFER_BYTES / 2)
#define READ_PIECE 1024u
#define SI_KERNEL 0x80 /* si_code: sent by the system */

/* ---- input through the discipline ---- */

static void send_signal(struct tty *t, int signal)
{
    struct call call = {.nr = CALL_kill};
    struct request rq = {.service = SERVICE_PROC,
                         .op = PROC_SIGNAL,
                         .pid = -t->foreground,
                         .arg = {(uint64_t)signal, SI_KERNEL},
                         .call = &call};

    t->host->ask(t->host->ctx, &rq);
}

/* The line that shows the terminal's screen; NULL: both go elsewhere. */
static struct line *screen(struct tty *t)
{
    for (unsigned i = 0; i < LINES; i++)
        if (t->output_terminal[i])
            return &t->line[i];
    return NULL;
}

/* The echo, if a buffer is free; else when one comes back. */
static void send_echo(struct tty *t)
{
    struct line *line = screen(t);
    int buffer;

    if (!line)
        t->discipline.echo_count = 0;
    if (!t->discipline.echo_count)
        return;
    if (line_buffer(line) < 0 && line_want_room(line))
        t->host->wake(t->host->ctx, CHANNEL_ROOM);
    buffer = line_buffer(line);
    if (buffer < 0)
        return;
    memcpy(line->out[buffer], t->discipline.echo, t->discipline.echo_count);
    line_send(line, buffer, t->discipline.echo_count);
    t->discipline.echo_count = 0;
}

/* Everything that has arrived; then the device is asked for more. */
static void feed_discipline(struct tty *t)
{
    const unsigned char *from;
    size_t bytes = line_peek(&t->line[0], &from);
    int signal;

    for (size_t i = 0; i < bytes; i++) {
        signal = discipline_input(&t->discipline, from[i]);
        if (signal)
            send_signal(t, signal);
    }
    line_consume(&t->line[0], bytes);
    if (bytes)
        line_peek(&t->line[0], &from);
    send_echo(t);
}

static void apply(struct tty *t, unsigned change)
{
    if (t->input_terminal)
        feed_discipline(t);
    if (change & LINE_INPUT)
        t->host->wake(t->host->ctx, CHANNEL_INPUT);
    if (change & LINE_ROOM)
        t->host->wake(t->host->ctx, CHANNEL_ROOM);
    if (change && t->poll_armed) {
        t->poll_armed = 0;
        t->host->wake(t->host->ctx, CHANNEL_POLL);
    }
}

void tty_reap(struct tty *t)
{
    unsigned change = 0;

    for (unsigned i = 0; i < LINES; i++)
        change |= line_reap(&t->line[i]);
    if (change)
        apply(t, change);
}

void tty_event(struct tty *t)
{
    unsigned change = 0;

    for (unsigned i = 0; i < LINES; i++)
        change |= line_event(&t->line[i]);
    if (change)
        apply(t, change);
}

/* ---- read ---- */

/* Reading the second line is reading the terminal, if it is one: there is no other input. */
static int reads_terminal(const struct tty *t, unsigned line)
{
    return t->input_terminal && tty_is_terminal(t, line);
}

long tty_readable(struct tty *t, unsigned line)
{
    const unsigned char *from;
    size_t bytes;

    if (reads_terminal(t, line)) {
        long ready = discipline_ready(&t->discipline, 1);

        return ready < 0 && t->line[0].at_end ? 0 : ready;
    }
    if (line != 0)
        return 0;
    bytes = line_peek(&t->line[0], &from);
    return bytes || t->line[0].at_end ? (long)bytes : -1;
}

static long wait_for_input(struct call *call, int nonblocking, uint64_t until)
{
    if (nonblocking)
        return -EAGAIN;
    if (call->flags & CALL_INTERRUPTED)
        return -ERESTART;
    return call_wait(call, CHANNEL_INPUT, until);
}

static long read_stream(struct tty *t, struct request *rq)
{
    const unsigned char *from;
    size_t bytes = line_peek(&t->line[0], &from);
    long result;

    if (!bytes && t->line[0].at_end)
        return 0;
    if (!bytes)
        return wait_for_input(rq->call, rq->arg[3] != 0, CALL_FOREVER);
    if (bytes > rq->arg[2])
        bytes = rq->arg[2];
    result = t->host->copy_out(t->host->ctx, rq->call, rq->arg[1], from, bytes);
    if (result < 0)
        return result;
    line_consume(&t->line[0], bytes);
    return (long)bytes;
}

/* VMIN = 0 with VTIME: the deadline, in tenths of a second from the first try: that of the wait before, if there was
 * one. */
static uint64_t raw_deadline(const struct tty *t, const struct call *call)
{
    const struct termios *settings = &t->discipline.termios;

    if ((settings->c_lflag & ICANON) || settings->c_cc[VMIN] || !settings->c_cc[VTIME])
        return CALL_FOREVER;
    if (call->channel == CHANNEL_INPUT && call->until != CALL_FOREVER)
        return call->until;
    return t->host->now(t->host->ctx) + settings->c_cc[VTIME] * 100000000ull;
}

static long read_terminal(struct tty *t, struct request *rq)
{
    unsigned char piece[READ_PIECE];
    size_t bytes = rq->arg[2] < sizeof piece ? rq->arg[2] : sizeof piece;
    uint64_t until = raw_deadline(t, rq->call);
    long ready = discipline_ready(&t->discipline, bytes);
    unsigned consumed;
    long result;

    if (ready < 0 && t->line[0].at_end)
        return 0;
    if (ready < 0 || (ready == 0 && until != CALL_FOREVER && t->host->now(t->host->ctx) < until))
        return wait_for_input(rq->call, rq->arg[3] != 0, until);
    bytes = discipline_peek(&t->discipline, piece, bytes, &consumed);
    result = bytes ? t->host->copy_out(t->host->ctx, rq->call, rq->arg[1], piece, bytes) : 0;
    if (result < 0)
        return result;
    discipline_consume(&t->discipline, consumed);
    return (long)bytes;
}

static long request_read(struct tty *t, struct request *rq)
{
    tty_reap(t);
    if (rq->arg[2] == 0)
        return 0;
    if (reads_terminal(t, (unsigned)rq->arg[0]))
        return read_terminal(t, rq);
    return rq->arg[0] == 0 ? read_stream(t, rq) : -EIO;
}

/* ---- write ---- */

/* A free buffer, or -1 with finished output interrupting. */
static int buffer_or_arm(struct tty *t, struct line *line)
{
    if (line_buffer(line) < 0)
        tty_reap(t);
    if (line_buffer(line) < 0)
        line_want_room(line);
    return line_buffer(line);
}

static long wait_for_room(struct request *rq)
{
    struct call *call = rq->call;

    if (rq->arg[3])
        return call->done ? (long)call->done : -EAGAIN;
    if (call->flags & CALL_INTERRUPTED)
        return call->done ? (long)call->done : -ERESTART;
    return call_wait(call, CHANNEL_ROOM, CALL_FOREVER);
}

/* The next piece of the write into `buffer`. One copy. 0, or the error or CALL_WAIT of the copy. */
static long write_piece(struct tty *t, struct request *rq, struct line *line, int buffer)
{
    int terminal = t->output_terminal[rq->arg[0]];
    size_t piece = terminal ? TERMINAL_PIECE : LINE_BUFFER_BYTES;
    size_t left = rq->arg[2] - rq->call->done, bytes;
    unsigned char *to = line->out[buffer] + (terminal ? LINE_BUFFER_BYTES - TERMINAL_PIECE : 0);
    long result;

    if (piece > left)
        piece = left;
    result = t->host->copy_in(t->host->ctx, rq->call, to, rq->arg[1] + rq->call->done, piece);
    if (result < 0)
        return result;
    bytes = terminal ? discipline_output(&t->discipline, line->out[buffer], to, piece) : piece;
    line_send(line, buffer, bytes);
    rq->call->done += piece;
    return 0;
}

static long request_write(struct tty *t, struct request *rq)
{
    struct line *line = &t->line[rq->arg[0]];

    while (rq->call->done < rq->arg[2]) {
        int buffer = buffer_or_arm(t, line);
        long result;

        if (line->broken)
            return -EIO;
        if (buffer < 0)
            return wait_for_room(rq);
        result = write_piece(t, rq, line, buffer);
        if (result == CALL_WAIT)
            return CALL_WAIT;
        if (result < 0)
            return rq->call->done ? (long)rq->call->done : result;
    }
    return (long)rq->arg[2];
}

/* ---- the rest ---- */

static int drained(const struct tty *t)
{
    for (unsigned i = 0; i < LINES; i++)
        if (t->line[i].busy)
            return 0;
    return t->discipline.echo_count == 0 || t->line[0].broken;
}

long tty_drain(struct tty *t, struct call *call)
{
    tty_reap(t);
    if (drained(t))
        return 0;
    for (unsigned i = 0; i < LINES; i++)
        line_want_room(&t->line[i]);
    return drained(t) ? 0 : call_wait(call, CHANNEL_ROOM, CALL_FOREVER);
}

static long request_drain(struct tty *t, struct request *rq)
{
    return tty_drain(t, rq->call);
}

static long request_poll(struct tty *t, struct request *rq)
{
    struct line *line = &t->line[rq->arg[0]];
    long events = 0;

    tty_reap(t);
    t->poll_armed = 1;
    if (tty_readable(t, (unsigned)rq->arg[0]) >= 0)
        events |= POLLIN;
    if (buffer_or_arm(t, line) >= 0)
        events |= POLLOUT;
    t->poll_armed = 1; /* a reap above may have used it up */
    return events;
}

static long tty_request(void *self, struct request *rq)
{
    static long (*const operation[])(struct tty *, struct request *) = {
        [TTY_READ] = request_read, [TTY_WRITE] = request_write, [TTY_IOCTL] = tty_ioctl,
        [TTY_POLL] = request_poll, [TTY_DRAIN] = request_drain,
    };

    if (rq->op >= sizeof operation / sizeof *operation || !operation[rq->op])
        return -ENOSYS;
    if (rq->arg[0] >= LINES)
        return -EINVAL;
    return operation[rq->op](self, rq);
}

static call_op *const tty_calls[CALL_TABLE_END]; /* none: programs reach it through fs */

struct service tty_service(struct tty *t)
{
    return (struct service){.name = "tty", .self = t, .calls = tty_calls, .request = tty_request};
}

static void configure(struct tty *t, const struct tty_config *config)
{
    t->input_terminal = config->tty_mask & 1;
    t->output_terminal[0] = config->tty_mask >> 1 & 1;
    t->output_terminal[1] = config->tty_mask >> 2 & 1;
    t->size.ws_row = (unsigned short)config->rows;
    t->size.ws_col = (unsigned short)config->columns;
    t->foreground = 1;
    discipline_init(&t->discipline);
}

struct tty *tty_create(const struct host *host, const struct device *console, const struct device *stderr_console,
                       const struct tty_config *config)
{
    struct tty *t = host->alloc(host->ctx, sizeof *t);
    const unsigned char *none;

    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    t->host = host;
    configure(t, config);
    if (line_open(&t->line[0], host, console) < 0 || line_open(&t->line[1], host, stderr_console) < 0) {
        tty_destroy(t);
        return NULL;
    }
    if (t->input_terminal)
        line_peek(&t->line[0], &none); /* listen from the start: ^C */
    return t;
}

void tty_destroy(struct tty *t)
{
    for (unsigned i = 0; i < LINES; i++)
        line_close(&t->line[i]);
    t->host->free(t->host->ctx, t, sizeof *t);
}
