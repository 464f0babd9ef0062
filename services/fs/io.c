/* SPDX-License-Identifier: MIT
 *
 * services/fs/io.c: transfers in flight. Lowest layer of fs.
 *
 * The block service answers a request with a ticket at once and is asked later whether
 * the ticket is done. Each ticket has a slot here, with the buffers that it moves, so
 * that whoever comes by first finishes the transfer for everybody: a call that waits for a
 * buffer looks at the buffer's flags again and never at a ticket that someone else
 * has redeemed.
 *
 * A driver that was started anew does not know the tickets of before (-ESTALE). Then the transfer is begun again, which
 * is sound at any time before it is finished here: its buffers hold what they held, or what is newer and may be at that
 * place just as well (metadata: its log is not given up before all writes have ended); nothing that must come after it
 * has begun.
 */
#include "services/fs/internal.h"

#define LOST_MAX 3 /* so often a transfer is begun again: it might be what kills the driver */

static long ask(struct fs *fs, struct call *call, uint16_t op, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    struct request rq;

    rq.service = SERVICE_BLK;
    rq.op = op;
    rq.pid = call->pid;
    rq.arg[0] = arg0;
    rq.arg[1] = arg1;
    rq.arg[2] = arg2;
    rq.arg[3] = rq.arg[4] = rq.arg[5] = 0;
    rq.data = NULL;
    rq.size = 0;
    rq.data_out = 0;
    rq.call = call;
    return fs->host->ask(fs->host->ctx, &rq);
}

static const uint8_t io_op[] = {
    [IO_READ] = BLK_READ, [IO_WRITE] = BLK_WRITE, [IO_LOG] = BLK_WRITE, [IO_FLUSH] = BLK_FLUSH};

/* A ticket, CALL_WAIT or -errno. */
static long begin(struct fs *fs, struct call *call, const struct io *io, int kind)
{
    long ticket =
        ask(fs, call, io_op[kind], (uint64_t)io->block * SECTORS_PER_BLOCK, (uint64_t)io->count * BLOCK_SIZE, io->dma);

    return ticket ? ticket : -EIO;
}

static void finish_read(struct fs *fs, struct io *io, long error)
{
    for (uint32_t i = 0; i < io->count; i++) {
        struct buf *buf = io->first + i;

        buf->flags &= (uint8_t)~BUF_READING;
        if (!error)
            buf->flags |= BUF_VALID;
        else
            buf_cancel(fs, buf);
    }
}

static void finish(struct fs *fs, struct io *io, long error)
{
    int kind = io->kind;

    io->kind = IO_FREE;
    fs->cache.busy[kind]--;
    if (kind == IO_READ) {
        finish_read(fs, io, error);
        return;
    }
    for (uint32_t i = 0; io->first && i < io->count; i++)
        io->first[i].flags &= (uint8_t)~BUF_WRITING;
    if (kind != IO_FLUSH)
        fs->cache.unflushed = 1;
    if (error)
        fs->journal.failed = 1;
}

/* The driver has lost it. 0: it is in flight again. */
static long begin_again(struct fs *fs, struct call *call, struct io *io)
{
    long ticket = io->lost < LOST_MAX ? begin(fs, call, io, io->kind) : -EIO;

    if (ticket < 0)
        return ticket;
    io->lost++;
    io->ticket = (uint64_t)ticket;
    return 0;
}

long io_wait_slot(struct fs *fs, struct call *call, uint32_t slot)
{
    struct io *io = &fs->cache.io[slot];
    long r;

    if (io->kind == IO_FREE)
        return 0;
    do {
        r = ask(fs, call, BLK_DONE, io->ticket, 0, 0);
    } while (r == -ESTALE && !(r = begin_again(fs, call, io)));
    if (r == CALL_WAIT)
        return r;
    finish(fs, io, r);
    return r;
}

/* 0: one of that kind (IO_FREE: of any) has ended, or there is none. Only the oldest by slot is asked for. */
static long wait_one(struct fs *fs, struct call *call, int kind)
{
    for (uint32_t i = 0; i < IO_SLOTS; i++) {
        uint32_t slot = (fs->cache.io_next + i) % IO_SLOTS;
        int k = fs->cache.io[slot].kind;

        if (k != IO_FREE && (kind == IO_FREE || k == kind))
            return io_wait_slot(fs, call, slot);
    }
    return 0;
}

long io_wait_kind(struct fs *fs, struct call *call, int kind)
{
    while (fs->cache.busy[kind]) {
        long r = wait_one(fs, call, kind);

        if (r)
            return r;
    }
    return 0;
}

long io_wait_any(struct fs *fs, struct call *call)
{
    return wait_one(fs, call, IO_FREE);
}

static long free_slot(struct fs *fs, struct call *call)
{
    for (;;) {
        for (uint32_t i = 0; i < IO_SLOTS; i++) {
            uint32_t slot = (fs->cache.io_next + i) % IO_SLOTS;

            if (fs->cache.io[slot].kind == IO_FREE)
                return slot;
        }
        long r = io_wait_any(fs, call);
        if (r)
            return r;
    }
}

/* Starts a transfer of `count` blocks. `first`: the buffers it concerns, or NULL. The slot, CALL_WAIT or -errno; then
 * nothing has begun. */
long io_submit(struct fs *fs, struct call *call, int kind, uint32_t block, struct buf *first, uint32_t count,
               uint64_t dma)
{
    long slot = free_slot(fs, call), ticket;
    struct io *io;

    if (slot < 0)
        return slot;
    io = &fs->cache.io[slot];
    io->block = block;
    io->dma = dma;
    io->count = (uint16_t)count;
    ticket = begin(fs, call, io, kind);
    if (ticket < 0)
        return ticket;
    io->ticket = (uint64_t)ticket;
    io->first = first;
    io->kind = (uint8_t)kind;
    io->lost = 0;
    fs->cache.busy[kind]++;
    fs->cache.io_next = ((uint32_t)slot + 1) % IO_SLOTS;
    for (uint32_t i = 0; first && i < count; i++)
        first[i].io = (uint16_t)slot;
    return slot;
}
