/* SPDX-License-Identifier: MIT
 *
 * services/tty/discipline.c: see discipline.h. Behaviour as Linux's n_tty, without flow control and literal-next.
 */
#include "services/tty/discipline.h"

#include <linux/signal.h>

#include "services/string.h"

#define MARK_LINE 0x100u /* this byte ends a line */
#define MARK_END 0x200u  /* no byte: an end of file typed here */
#define DELETE 0x7f

void discipline_init(struct discipline *d)
{
    memset(d, 0, sizeof *d);
    d->termios = (struct termios){
        .c_iflag = ICRNL | IXON | IUTF8,
        .c_oflag = OPOST | ONLCR,
        .c_cflag = B38400 | CS8 | CREAD | HUPCL,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_cc =
            {
                [VINTR] = 3,
                [VQUIT] = 28,
                [VERASE] = DELETE,
                [VKILL] = 21,
                [VEOF] = 4,
                [VMIN] = 1,
                [VSTART] = 17,
                [VSTOP] = 19,
                [VSUSP] = 26,
                [VWERASE] = 23,
                [VLNEXT] = 22,
            },
    };
}

static int local(const struct discipline *d, unsigned flag)
{
    return (d->termios.c_lflag & flag) != 0;
}

/* Is `byte` the control character `which`? A character of 0 is switched off (_POSIX_VDISABLE). */
static int is(const struct discipline *d, unsigned which, unsigned char byte)
{
    return byte != 0 && d->termios.c_cc[which] == byte;
}

/* ---- output and echo ---- */

size_t discipline_output(const struct discipline *d, unsigned char *to, const unsigned char *from, size_t bytes)
{
    int map = (d->termios.c_oflag & OPOST) && (d->termios.c_oflag & ONLCR);
    size_t n = 0;

    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = from[i];

        if (byte == '\n' && map)
            to[n++] = '\r';
        to[n++] = byte;
    }
    return n;
}

static void show(struct discipline *d, unsigned char byte)
{
    if (d->echo_count + 2 <= DISCIPLINE_ECHO_BYTES)
        d->echo_count += (unsigned)discipline_output(d, d->echo + d->echo_count, &byte, 1);
}

static int is_control(unsigned char byte)
{
    return byte < ' ' || byte == DELETE;
}

/* Controls are shown as ^X, except newline and tab. */
static int shown_as_two(const struct discipline *d, unsigned char byte)
{
    return is_control(byte) && byte != '\n' && byte != '\t' && local(d, ECHOCTL);
}

static void echo(struct discipline *d, unsigned char byte)
{
    if (!local(d, ECHO) && !(byte == '\n' && local(d, ECHONL) && local(d, ICANON)))
        return;
    if (shown_as_two(d, byte)) {
        show(d, '^');
        show(d, byte ^ 0x40);
    } else {
        show(d, byte);
    }
}

static void rub_out(struct discipline *d, unsigned columns)
{
    if (!local(d, ECHO) || !local(d, ECHOE))
        return;
    while (columns--) {
        show(d, '\b');
        show(d, ' ');
        show(d, '\b');
    }
}

/* ---- input ---- */

/* For one more ordinary byte; a place is kept for the end of the line. */
static int has_room(const struct discipline *d)
{
    return d->count + d->edit_count + 1 < DISCIPLINE_BYTES;
}

static void commit(struct discipline *d, unsigned item)
{
    if (d->count == DISCIPLINE_BYTES)
        return; /* full of unread lines: lost, as on Linux */
    d->ring[(d->first + d->count) % DISCIPLINE_BYTES] = (uint16_t)item;
    d->count++;
    if (item & (MARK_LINE | MARK_END))
        d->lines++;
}

static void commit_edit(struct discipline *d)
{
    for (unsigned i = 0; i < d->edit_count; i++)
        commit(d, d->edit[i]);
    d->edit_count = 0;
}

/* Takes the last character off the edit buffer: all bytes of one UTF-8 sequence. */
static void erase_character(struct discipline *d)
{
    unsigned char byte;

    if (!d->edit_count)
        return;
    do
        byte = d->edit[--d->edit_count];
    while ((d->termios.c_iflag & IUTF8) && (byte & 0xc0) == 0x80 && d->edit_count);
    rub_out(d, shown_as_two(d, byte) ? 2 : 1);
}

static void erase_word(struct discipline *d)
{
    while (d->edit_count && d->edit[d->edit_count - 1] == ' ')
        erase_character(d);
    while (d->edit_count && d->edit[d->edit_count - 1] != ' ')
        erase_character(d);
}

static void kill_line(struct discipline *d)
{
    while (d->edit_count)
        erase_character(d);
}

static int signal_of(const struct discipline *d, unsigned char byte)
{
    if (!local(d, ISIG))
        return 0;
    if (is(d, VINTR, byte))
        return SIGINT;
    if (is(d, VQUIT, byte))
        return SIGQUIT;
    return is(d, VSUSP, byte) ? SIGTSTP : 0;
}

static void end_line(struct discipline *d, unsigned item)
{
    commit_edit(d);
    commit(d, item);
}

static void edit(struct discipline *d, unsigned char byte)
{
    if (is(d, VERASE, byte)) {
        erase_character(d);
    } else if (is(d, VKILL, byte)) {
        kill_line(d);
    } else if (is(d, VWERASE, byte) && local(d, IEXTEN)) {
        erase_word(d);
    } else if (is(d, VEOF, byte)) {
        end_line(d, MARK_END);
    } else if (byte == '\n' || is(d, VEOL, byte)) {
        echo(d, byte);
        end_line(d, byte | MARK_LINE);
    } else if (has_room(d)) {
        echo(d, byte);
        d->edit[d->edit_count++] = byte;
    }
}

/* The byte after ICRNL, INLCR and IGNCR; -1: dropped. */
static int map_input(const struct discipline *d, unsigned char byte)
{
    if (byte == '\r' && (d->termios.c_iflag & IGNCR))
        return -1;
    if (byte == '\r' && (d->termios.c_iflag & ICRNL))
        return '\n';
    if (byte == '\n' && (d->termios.c_iflag & INLCR))
        return '\r';
    return byte;
}

int discipline_input(struct discipline *d, unsigned char raw)
{
    int signal = signal_of(d, raw), byte = map_input(d, raw);

    if (signal) {
        echo(d, raw);
        if (!local(d, NOFLSH))
            discipline_flush(d);
        return signal;
    }
    if (byte < 0)
        return 0;
    if (local(d, ICANON)) {
        edit(d, (unsigned char)byte);
    } else if (has_room(d)) {
        echo(d, (unsigned char)byte);
        commit(d, (unsigned)byte);
    }
    return 0;
}

/* ---- reading ---- */

long discipline_ready(const struct discipline *d, size_t bytes)
{
    unsigned want = d->termios.c_cc[VMIN];

    if (local(d, ICANON))
        return d->lines ? (long)d->count : -1;
    if (want > bytes)
        want = (unsigned)bytes;
    return d->count >= want ? (long)d->count : -1;
}

size_t discipline_peek(const struct discipline *d, unsigned char *to, size_t bytes, unsigned *consumed)
{
    size_t n = 0;
    unsigned at = 0;

    while (at < d->count && n < bytes) {
        unsigned item = d->ring[(d->first + at++) % DISCIPLINE_BYTES];

        if (!(item & MARK_END))
            to[n++] = (unsigned char)item;
        if (local(d, ICANON) && (item & (MARK_LINE | MARK_END)))
            break;
    }
    *consumed = at;
    return n;
}

void discipline_consume(struct discipline *d, unsigned consumed)
{
    for (unsigned i = 0; i < consumed; i++)
        if (d->ring[(d->first + i) % DISCIPLINE_BYTES] & (MARK_LINE | MARK_END))
            d->lines--;
    d->first = (d->first + consumed) % DISCIPLINE_BYTES;
    d->count -= consumed;
}

/* ---- settings ---- */

void discipline_set(struct discipline *d, const struct termios *termios)
{
    int was_canonical = local(d, ICANON);

    d->termios = *termios;
    if (was_canonical && !local(d, ICANON)) {
        commit_edit(d);
    } else if (!was_canonical && local(d, ICANON) && d->count) {
        unsigned last = (d->first + d->count - 1) % DISCIPLINE_BYTES;

        if (!(d->ring[last] & (MARK_LINE | MARK_END)))
            d->lines++;
        d->ring[last] |= MARK_LINE; /* what came raw is one line */
    }
}

void discipline_flush(struct discipline *d)
{
    d->first = d->count = d->lines = d->edit_count = 0;
}
