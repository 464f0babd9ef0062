/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/log_tty.c: the place of tty in a group that has no consoles: what its programs write goes to the
 * machine's log, line by line, and there is nothing to read.
 *
 * The kernel puts the group's name before each line. Standard output and error have a line each, so that they do not
 * mix within one; what is longer than LINE_BYTES goes on in the next.
 */
#include <linux/poll.h>

#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"

#define LINES 2
#define LINE_BYTES 120
#define ENOTTY 25

struct line {
    char text[LINE_BYTES];
    size_t used;
};

static struct line lines[LINES];

static void send(struct line *line)
{
    exo_call(EXO_LOG, (uint64_t)line->text, line->used, 0);
    line->used = 0;
}

static void put(struct line *line, const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (from[i] != '\n')
            line->text[line->used++] = from[i];
        if (from[i] == '\n' || line->used == LINE_BYTES)
            send(line);
    }
}

static long write(const struct host *host, struct request *rq)
{
    struct call *call = rq->call;
    char piece[LINE_BYTES];

    while (call->done < rq->arg[2]) {
        size_t left = rq->arg[2] - call->done, bytes = left < sizeof(piece) ? left : sizeof(piece);
        long result = host->copy_in(host->ctx, call, piece, rq->arg[1] + call->done, bytes);

        if (result == CALL_WAIT)
            return CALL_WAIT;
        if (result < 0)
            return call->done ? (long)call->done : result;
        put(&lines[rq->arg[0]], piece, bytes);
        call->done += bytes;
    }
    return (long)rq->arg[2];
}

static long drain(void)
{
    for (unsigned i = 0; i < LINES; i++)
        if (lines[i].used)
            send(&lines[i]);
    return 0;
}

static long request(void *self, struct request *rq)
{
    if (rq->arg[0] >= LINES)
        return -EINVAL;
    switch (rq->op) {
    case TTY_READ:
        return 0;
    case TTY_WRITE:
        return write(self, rq);
    case TTY_IOCTL:
        return -ENOTTY;
    case TTY_POLL:
        return POLLIN | POLLOUT;
    case TTY_DRAIN:
        return drain();
    default:
        return -ENOSYS;
    }
}

struct service log_tty_service(struct host *host)
{
    return (struct service){.name = "log", .self = host, .request = request};
}
