/* SPDX-License-Identifier: MIT
 *
 * services/fs/poll.c: poll, ppoll, select, pselect6.
 *
 * One look at every file; if none is ready, wait for CHANNEL_POLL, which whatever was looked at wakes at its next
 * change. The deadline is fixed by the first look and kept in call->note. The signal mask of ppoll and pselect6 is
 * proc's: it is set by asking before the first look, and put back by asking after the last; call->done says how far
 * that is.
 */
#include <asm/poll.h>
#include <linux/time_types.h>

#include "services/fs/internal.h"

#define NS 1000000000ull
#define FDS_PER_PIECE 512u

/* ---- the deadline ---- */

/* Fixes the deadline: `timeout` ns from now. */
static void set_deadline(struct fs *fs, struct call *call, uint64_t timeout)
{
    uint64_t now = fs->host->now(fs->host->ctx);

    if (!call->note)
        call->note = timeout > UINT64_MAX - 1 - now ? CALL_FOREVER : now + timeout + 1; /* + 1: never 0 */
}

static long timespec_in(struct fs *fs, struct call *call, uint64_t from, uint64_t *ns)
{
    struct __kernel_timespec t;
    long r = fs->host->copy_in(fs->host->ctx, call, &t, from, sizeof t);

    if (r)
        return r;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= (long)NS)
        return -EINVAL;
    *ns = t.tv_sec > 1000000000 ? CALL_FOREVER : (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
    return 0;
}

static uint64_t time_left(struct fs *fs, const struct call *call)
{
    uint64_t now = fs->host->now(fs->host->ctx);

    return call->note - 1 > now ? call->note - 1 - now : 0;
}

/* Nothing is ready: 0 when the time is up, else what to answer. */
static long wait_more(struct fs *fs, struct call *call)
{
    uint64_t until = call->note == CALL_FOREVER ? CALL_FOREVER : call->note - 1;

    if (call->flags & CALL_INTERRUPTED)
        return -EINTR;
    if (call->flags & CALL_TIMED_OUT || until <= fs->host->now(fs->host->ctx))
        return 0;
    return call_wait(call, CHANNEL_POLL, until);
}

/* ---- the signal mask ---- */

enum { MASK_SET = 1, MASK_INTERRUPTED }; /* call->done */

static long ask_mask(struct fs *fs, struct call *call, uint16_t op, uint64_t arg)
{
    struct request rq = {.service = SERVICE_PROC, .op = op, .pid = call->pid, .arg = {arg}, .call = call};

    return fs->host->ask(fs->host->ctx, &rq);
}

/* `address`: of the mask, or 0. What is due under it interrupts the wait before it begins. */
static long mask_begin(struct fs *fs, struct call *call, uint64_t address, uint64_t bytes)
{
    uint64_t mask;
    long r;

    if (!address || call->done)
        return 0;
    if (bytes != sizeof mask)
        return -EINVAL;
    r = fs->host->copy_in(fs->host->ctx, call, &mask, address, sizeof mask);
    if (!r)
        r = ask_mask(fs, call, PROC_MASK, mask);
    if (r < 0)
        return r;
    call->done = MASK_SET;
    if (r)
        call->flags |= CALL_INTERRUPTED;
    return 0;
}

/* `r`: what the call answers. That it was interrupted is not told twice, if asking has to wait. */
static long mask_end(struct fs *fs, struct call *call, long r)
{
    if (r == CALL_WAIT || !call->done)
        return r;
    if (r == -EINTR)
        call->done = MASK_INTERRUPTED;
    return ask_mask(fs, call, PROC_MASK_END, r == -EINTR) == CALL_WAIT ? CALL_WAIT : r;
}

/* ---- poll ---- */

static int poll_one(struct fs *fs, struct call *call, struct process *p, struct pollfd *f)
{
    struct file *file = f->fd < 0 ? NULL : fd_file(p, (uint32_t)f->fd);

    f->revents = 0;
    if (f->fd < 0)
        return 0;
    if (!file)
        f->revents = POLLNVAL;
    else
        f->revents = (short)(file_poll(fs, call, file) & ((uint32_t)f->events | POLLERR | POLLHUP));
    return f->revents != 0;
}

/* Looks at all; writes the results if any is ready or `always`. The number of those ready. */
static long poll_pass(struct fs *fs, struct call *call, struct process *p, uint64_t count, int always)
{
    struct pollfd *f = (struct pollfd *)fs->scratch;
    long ready = 0, r;

    for (uint64_t at = 0; at < count; at += FDS_PER_PIECE) {
        uint64_t n = count - at < FDS_PER_PIECE ? count - at : FDS_PER_PIECE, address = call->arg[0] + at * sizeof *f;

        r = fs->host->copy_in(fs->host->ctx, call, f, address, n * sizeof *f);
        for (uint64_t i = 0; !r && i < n; i++)
            ready += poll_one(fs, call, p, &f[i]);
        if (!r && (ready || always))
            r = fs->host->copy_out(fs->host->ctx, call, address, f, n * sizeof *f);
        if (r)
            return r;
    }
    return ready;
}

static long do_poll(struct fs *fs, struct call *call)
{
    struct process *p = process_of(fs, call->pid);
    uint64_t count = (uint32_t)call->arg[1];
    long r = !p ? -ENOMEM : count > p->fd_limit ? -EINVAL : poll_pass(fs, call, p, count, 0);

    if (r)
        return r;
    r = wait_more(fs, call);
    return r ? r : poll_pass(fs, call, p, count, 1); /* clears the earlier pieces' and all revents */
}

long op_poll(void *service, struct call *call)
{
    struct fs *fs = service;
    int ms = (int)call->arg[2];

    set_deadline(fs, call, ms < 0 ? CALL_FOREVER : (uint64_t)ms * 1000000);
    return do_poll(fs, call);
}

static long deadline_from(struct fs *fs, struct call *call, uint64_t address)
{
    uint64_t ns = CALL_FOREVER;
    long r = address && !call->note ? timespec_in(fs, call, address, &ns) : 0;

    if (!r)
        set_deadline(fs, call, ns);
    return r;
}

/* Linux tells how much time was left; a page that has meanwhile gone is no error. */
static void put_left(struct fs *fs, struct call *call, uint64_t address, uint64_t unit)
{
    int64_t t[2];
    uint64_t left = time_left(fs, call);

    t[0] = (int64_t)(left / NS);
    t[1] = (int64_t)(left % NS / unit);
    if (address && call->note && call->note != CALL_FOREVER)
        fs->host->copy_out(fs->host->ctx, call, address, t, sizeof t);
}

long op_ppoll(void *service, struct call *call)
{
    struct fs *fs = service;
    long r;

    if (call->done == MASK_INTERRUPTED)
        return mask_end(fs, call, -EINTR);
    r = deadline_from(fs, call, call->arg[2]);
    if (!r)
        r = mask_begin(fs, call, call->arg[3], call->arg[4]);
    if (!r)
        r = do_poll(fs, call);
    if (r != CALL_WAIT)
        put_left(fs, call, call->arg[2], 1);
    return mask_end(fs, call, r);
}

/* ---- select ---- */

#define SET_WORDS (FD_LIMIT / 64)
struct sets {
    uint64_t in[3][SET_WORDS], out[3][SET_WORDS]; /* read, write, exceptional */
};

static const unsigned set_events[3] = {
    POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
    POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
    POLLPRI,
};

static long load_sets(struct fs *fs, struct call *call, struct sets *s, uint32_t bytes)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < 3; i++) {
        long r = call->arg[1 + i] ? fs->host->copy_in(fs->host->ctx, call, s->in[i], call->arg[1 + i], bytes) : 0;

        if (r)
            return r;
    }
    return 0;
}

static long select_one(struct fs *fs, struct call *call, struct process *p, struct sets *s, uint32_t fd)
{
    uint64_t bit = 1ull << fd % 64, word = fd / 64;
    struct file *file;
    unsigned events;
    long ready = 0;

    if (!((s->in[0][word] | s->in[1][word] | s->in[2][word]) & bit))
        return 0;
    file = fd_file(p, fd);
    if (!file)
        return -EBADF;
    events = file_poll(fs, call, file);
    for (int i = 0; i < 3; i++)
        if (s->in[i][word] & bit && events & set_events[i]) {
            s->out[i][word] |= bit;
            ready++;
        }
    return ready;
}

static long store_sets(struct fs *fs, struct call *call, const struct sets *s, uint32_t bytes, long ready)
{
    for (int i = 0; i < 3; i++) {
        long r = call->arg[1 + i] ? fs->host->copy_out(fs->host->ctx, call, call->arg[1 + i], s->out[i], bytes) : 0;

        if (r)
            return r;
    }
    return ready;
}

static long do_select(struct fs *fs, struct call *call)
{
    struct process *p = process_of(fs, call->pid);
    struct sets *s = (struct sets *)fs->scratch;
    int32_t count = (int32_t)call->arg[0];
    uint32_t bytes;
    long ready = 0, r;

    if (!p || count < 0)
        return p ? -EINVAL : -ENOMEM;
    count = count < (int32_t)FD_LIMIT ? count : (int32_t)FD_LIMIT;
    bytes = ((uint32_t)count + 63) / 64 * 8;
    r = load_sets(fs, call, s, bytes);
    for (int32_t fd = 0; r >= 0 && fd < count; fd++) {
        r = select_one(fs, call, p, s, (uint32_t)fd);
        ready += r;
    }
    if (r < 0)
        return r;
    if (!ready && (r = wait_more(fs, call)))
        return r;
    return store_sets(fs, call, s, bytes, ready);
}

long op_select(void *service, struct call *call)
{
    struct fs *fs = service;
    int64_t t[2] = {0, 0};
    uint64_t ns = CALL_FOREVER;
    long r = call->arg[4] && !call->note ? fs->host->copy_in(fs->host->ctx, call, t, call->arg[4], sizeof t) : 0;

    if (r)
        return r;
    if (t[0] < 0 || t[1] < 0)
        return -EINVAL;
    if (call->arg[4])
        ns = t[0] > 1000000000 ? CALL_FOREVER : (uint64_t)t[0] * NS + (uint64_t)t[1] * 1000;
    set_deadline(fs, call, ns);
    r = do_select(fs, call);
    if (r != CALL_WAIT)
        put_left(fs, call, call->arg[4], 1000);
    return r;
}

/* The last argument points to the mask's address and size: a call has six words. */
long op_pselect6(void *service, struct call *call)
{
    struct fs *fs = service;
    uint64_t mask[2] = {0, 0}; /* address, bytes */
    long r = 0;

    if (call->done == MASK_INTERRUPTED)
        return mask_end(fs, call, -EINTR);
    if (call->arg[5] && !call->done)
        r = fs->host->copy_in(fs->host->ctx, call, mask, call->arg[5], sizeof mask);
    if (!r)
        r = deadline_from(fs, call, call->arg[4]);
    if (!r)
        r = mask_begin(fs, call, mask[0], mask[1]);
    if (!r)
        r = do_select(fs, call);
    if (r != CALL_WAIT)
        put_left(fs, call, call->arg[4], 1);
    return mask_end(fs, call, r);
}
