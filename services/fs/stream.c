/* SPDX-License-Identifier: MIT
 *
 * services/fs/stream.c: read and write on any kind of open file: one function a kind, found in a table.
 *
 * Progress of one transfer is in call->done; a vector transfer keeps what its finished segments moved in
 * call->note, so that pipes and terminals find in call->done what they left there.
 */
#include <asm/poll.h>
#include <asm/signal.h>

#include "services/fs/internal.h"

long tty_ask(struct fs *fs, struct call *call, const struct file *file, uint16_t op, uint64_t arg1, uint64_t arg2,
             uint64_t arg3)
{
    struct request rq;

    rq.service = SERVICE_TTY;
    rq.op = op;
    rq.pid = call->pid;
    rq.arg[0] = file->line;
    rq.arg[1] = arg1;
    rq.arg[2] = arg2;
    rq.arg[3] = arg3;
    rq.arg[4] = rq.arg[5] = 0;
    rq.data = NULL;
    rq.size = 0;
    rq.data_out = 0;
    rq.call = call;
    return fs->host->ask(fs->host->ctx, &rq);
}

/* What a transfer answers that cannot go on: an error counts only if nothing was moved. */
static long stopped(const struct call *call, long r)
{
    return r == CALL_WAIT || !call->done ? r : (long)call->done;
}

/* ---- reading ---- */

typedef long read_op(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                     const uint64_t *at, int nonblock);

static long read_regular(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                         const uint64_t *at, int nonblock)
{
    while (call->done < bytes) {
        uint64_t pos = at ? *at + call->note + call->done : file->pos;
        long r = regular_read(fs, call, file, to + call->done, bytes - call->done, pos);

        if (r <= 0)
            return stopped(call, r);
        call->done += (uint64_t)r;
        if (!at)
            file->pos += (uint64_t)r;
    }
    return (long)call->done;
}

static long read_directory(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                           const uint64_t *at, int nonblock)
{
    return -EISDIR;
}

static long read_pipe(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                      const uint64_t *at, int nonblock)
{
    return at ? -ESPIPE : pipe_read(file->pipe, call, to, bytes, nonblock || file->flags & O_NONBLOCK);
}

static long read_tty(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                     const uint64_t *at, int nonblock)
{
    return at ? -ESPIPE : tty_ask(fs, call, file, TTY_READ, to, bytes, nonblock || file->flags & O_NONBLOCK);
}

static long read_null(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                      const uint64_t *at, int nonblock)
{
    return 0;
}

static long read_pieces(struct fs *fs, struct call *call, uint64_t to, uint64_t bytes,
                        const uint8_t *(*next)(struct fs *, uint32_t))
{
    while (call->done < bytes) {
        uint64_t left = bytes - call->done;
        uint32_t n = left < BLOCK_SIZE ? (uint32_t)left : BLOCK_SIZE;
        long r = fs->host->copy_out(fs->host->ctx, call, to + call->done, next(fs, n), n);

        if (r)
            return stopped(call, r);
        call->done += n;
    }
    return (long)call->done;
}

static const uint8_t *next_zero(struct fs *fs, uint32_t bytes)
{
    return zero_block;
}

static long read_zero(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                      const uint64_t *at, int nonblock)
{
    return read_pieces(fs, call, to, bytes, next_zero);
}

/* SplitMix64: the same bytes in every run with the same seed. */
static const uint8_t *next_random(struct fs *fs, uint32_t bytes)
{
    uint64_t *out = (uint64_t *)(fs->scratch + SCRATCH); /* behind what a vector call has there */

    for (uint32_t i = 0; i < (bytes + 7) / 8; i++) {
        uint64_t z = fs->random += 0x9e3779b97f4a7c15ull;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        out[i] = z ^ z >> 31;
    }
    return (const uint8_t *)out;
}

static long read_random(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes,
                        const uint64_t *at, int nonblock)
{
    return read_pieces(fs, call, to, bytes, next_random);
}

static read_op *const readers[FILE_KINDS] = {
    [FILE_REGULAR] = read_regular, [FILE_DIRECTORY] = read_directory, [FILE_PIPE] = read_pipe,
    [FILE_TTY] = read_tty,         [FILE_NULL] = read_null,           [FILE_ZERO] = read_zero,
    [FILE_FULL] = read_zero,       [FILE_RANDOM] = read_random,
};

long file_read(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes, const uint64_t *at,
               int nonblock)
{
    return readers[file->kind](fs, call, file, to, bytes, at, nonblock);
}

/* ---- writing ---- */

typedef long write_op(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes,
                      const uint64_t *at);

/* O_SYNC, O_DSYNC: all is in; what remains is to wait until it is durable. */
static long written_through(struct fs *fs, struct call *call, struct file *file)
{
    long r = journal_sync(fs, call, file->inode->sync_cycle);

    return r ? r : (long)call->done;
}

static long write_regular(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes,
                          const uint64_t *at)
{
    while (call->done < bytes) {
        int append = file->flags & O_APPEND;
        uint64_t pos = append ? file->inode->d->size : at ? *at + call->note + call->done : file->pos;
        long r = fs->size_limits ? size_room(fs, call, pos, bytes - call->done) : (long)(bytes - call->done);

        if (r > 0)
            r = regular_write(fs, call, file->inode, NULL, from + call->done, (uint64_t)r, pos);
        if (r <= 0)
            return stopped(call, r);
        call->done += (uint64_t)r;
        if (!at)
            file->pos = pos + (uint64_t)r;
    }
    return file->flags & O_DSYNC ? written_through(fs, call, file) : (long)call->done;
}

static long write_pipe(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes,
                       const uint64_t *at)
{
    long r = at ? -ESPIPE : pipe_write(file->pipe, call, from, bytes, (file->flags & O_NONBLOCK) != 0);

    if (r == -EPIPE || (r >= 0 && (uint64_t)r < bytes && pipe_broken(file->pipe)))
        signal_caller(fs, call, SIGPIPE);
    return r;
}

static long write_tty(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes,
                      const uint64_t *at)
{
    return at ? -ESPIPE : tty_ask(fs, call, file, TTY_WRITE, from, bytes, (file->flags & O_NONBLOCK) != 0);
}

static long write_null(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes,
                       const uint64_t *at)
{
    return (long)bytes;
}

static long write_full(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes,
                       const uint64_t *at)
{
    return -ENOSPC;
}

static long write_directory(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes,
                            const uint64_t *at)
{
    return -EBADF;
}

static write_op *const writers[FILE_KINDS] = {
    [FILE_REGULAR] = write_regular, [FILE_DIRECTORY] = write_directory, [FILE_PIPE] = write_pipe,
    [FILE_TTY] = write_tty,         [FILE_NULL] = write_null,           [FILE_ZERO] = write_null,
    [FILE_FULL] = write_full,       [FILE_RANDOM] = write_null,
};

long file_write(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes, const uint64_t *at)
{
    return writers[file->kind](fs, call, file, from, bytes, at);
}

/* ---- polling ---- */

unsigned file_poll(struct fs *fs, struct call *call, struct file *file)
{
    long r;

    switch (file->kind) {
    case FILE_PIPE:
        return pipe_poll(file->pipe, file->writer);
    case FILE_TTY:
        r = tty_ask(fs, call, file, TTY_POLL, 0, 0, 0);
        return r < 0 ? POLLERR : (unsigned)r;
    default:
        return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    }
}
