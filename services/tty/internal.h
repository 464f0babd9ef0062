/* SPDX-License-Identifier: MIT
 *
 * services/tty/internal.h: what the files of this service share.
 */
#ifndef RINGSIDE_SERVICES_TTY_INTERNAL_H
#define RINGSIDE_SERVICES_TTY_INTERNAL_H

#include "services/requests.h"
#include "services/tty/discipline.h"
#include "services/tty/line.h"
#include "services/tty/tty.h"

#define LINES 2

/* Channels of this service. */
#define CHANNEL_INPUT CHANNEL(SERVICE_TTY, 1) /* input, or its end, arrived */
#define CHANNEL_ROOM CHANNEL(SERVICE_TTY, 2)  /* an output buffer came back */

struct tty {
    const struct host *host;
    struct line line[LINES];

    /* which sides are terminals; all of them are the same terminal */
    int input_terminal;         /* descriptor 0 */
    int output_terminal[LINES]; /* descriptors 1 and 2 */
    struct discipline discipline;
    struct winsize size;
    int32_t foreground; /* process group that ^C goes to */

    int poll_armed; /* somebody looked: wake CHANNEL_POLL at the next change */
};

/* A terminal on either side of a line. */
static inline int tty_is_terminal(const struct tty *t, unsigned line)
{
    return t->output_terminal[line] || (line == 0 && t->input_terminal);
}

/* Takes from the devices what they have finished, feeds the discipline, wakes who waits. */
void tty_reap(struct tty *t);
/* Until all output has left: 0 or CALL_WAIT. */
long tty_drain(struct tty *t, struct call *call);
/* Bytes that a read of `line` would get now; -1: it has to wait. */
long tty_readable(struct tty *t, unsigned line);
long tty_ioctl(struct tty *t, struct request *rq);

#endif
