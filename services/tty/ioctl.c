/* SPDX-License-Identifier: MIT
 *
 * services/tty/ioctl.c: ioctl(2) on a line, as ioctl_tty(2) says. ENOTTY where the host has no terminal.
 */
#include <linux/errno.h>
#include <linux/termios.h>

#include "services/tty/internal.h"

static long put(struct tty *t, struct request *rq, const void *from, size_t bytes)
{
    return t->host->copy_out(t->host->ctx, rq->call, rq->arg[2], from, bytes);
}

static long get(struct tty *t, struct request *rq, void *to, size_t bytes)
{
    return t->host->copy_in(t->host->ctx, rq->call, to, rq->arg[2], bytes);
}

static long get_settings(struct tty *t, struct request *rq)
{
    return put(t, rq, &t->discipline.termios, sizeof t->discipline.termios);
}

static long set_settings(struct tty *t, struct request *rq)
{
    struct termios settings;
    long result = get(t, rq, &settings, sizeof settings);

    if (result < 0)
        return result;
    if (rq->arg[1] == TCSETSF)
        discipline_flush(&t->discipline);
    discipline_set(&t->discipline, &settings);
    return 0;
}

static long set_settings_after_output(struct tty *t, struct request *rq)
{
    long result = tty_drain(t, rq->call);

    return result < 0 ? result : set_settings(t, rq);
}

static long get_size(struct tty *t, struct request *rq)
{
    return put(t, rq, &t->size, sizeof t->size);
}

static long set_size(struct tty *t, struct request *rq)
{
    return get(t, rq, &t->size, sizeof t->size);
}

static long get_foreground(struct tty *t, struct request *rq)
{
    return put(t, rq, &t->foreground, sizeof t->foreground);
}

static long set_foreground(struct tty *t, struct request *rq)
{
    int32_t group;
    long result = get(t, rq, &group, sizeof group);

    if (result < 0)
        return result;
    if (group <= 0)
        return -EINVAL;
    t->foreground = group;
    return 0;
}

static long get_session(struct tty *t, struct request *rq)
{
    static const int32_t first_process = 1;

    return put(t, rq, &first_process, sizeof first_process);
}

static long drain(struct tty *t, struct request *rq)
{
    return tty_drain(t, rq->call);
}

static long flush(struct tty *t, struct request *rq)
{
    if (rq->arg[2] > TCIOFLUSH)
        return -EINVAL;
    if (rq->arg[2] != TCOFLUSH)
        discipline_flush(&t->discipline);
    return 0;
}

static long nothing(struct tty *t, struct request *rq)
{
    return 0;
}

static long bytes_readable(struct tty *t, struct request *rq)
{
    long ready = tty_readable(t, (unsigned)rq->arg[0]);
    int32_t bytes = ready > 0 ? (int32_t)ready : 0;

    return put(t, rq, &bytes, sizeof bytes);
}

long tty_ioctl(struct tty *t, struct request *rq)
{
    static const struct {
        uint64_t request;
        long (*operation)(struct tty *t, struct request *rq);
    } table[] = {
        {TCGETS, get_settings},
        {TCSETS, set_settings},
        {TCSETSW, set_settings_after_output},
        {TCSETSF, set_settings_after_output},
        {TCSBRK, drain},
        {TCFLSH, flush},
        {TIOCGWINSZ, get_size},
        {TIOCSWINSZ, set_size},
        {TIOCGPGRP, get_foreground},
        {TIOCSPGRP, set_foreground},
        {TIOCGSID, get_session},
        {TIOCSCTTY, nothing},
        {TIOCNOTTY, nothing},
    };

    tty_reap(t);
    if (rq->arg[1] == FIONREAD)
        return bytes_readable(t, rq);
    if (!tty_is_terminal(t, (unsigned)rq->arg[0]))
        return -ENOTTY;
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].request == rq->arg[1])
            return table[i].operation(t, rq);
    return -ENOTTY;
}
