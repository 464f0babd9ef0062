/* SPDX-License-Identifier: MIT
 *
 * services/fs/sendfile.c: sendfile from a regular file to another, or to a pipe.
 *
 * The bytes go from the buffer of the one to the other's, a block at a time; they are never the caller's.
 */
#include <asm/signal.h>

#include "services/fs/internal.h"

/* A pipe that is full ends what has begun, as in Linux. */
static long put_piece(struct fs *fs, struct call *call, struct file *out, const uint8_t *data, uint64_t bytes)
{
    long r;

    if (out->kind == FILE_REGULAR)
        return regular_write(fs, call, out->inode, data, 0, bytes, out->pos);
    r = pipe_put(out->pipe, call, data, bytes, (out->flags & O_NONBLOCK) != 0);
    if (r == -EPIPE)
        signal_caller(fs, call, SIGPIPE);
    return r;
}

static long send_piece(struct fs *fs, struct call *call, struct file *in, struct file *out, uint64_t from,
                       uint64_t left)
{
    uint64_t size = in->inode->d->size, offset = from % BLOCK_SIZE, n = BLOCK_SIZE - offset;
    const uint8_t *data;
    long r = (long)left;

    if (from >= size)
        return 0;
    if (fs->size_limits && out->kind == FILE_REGULAR)
        r = size_room(fs, call, out->pos, left);
    if (r < 0)
        return r;
    left = (uint64_t)r;
    r = regular_block(fs, call, in->inode, from / BLOCK_SIZE, (left + BLOCK_SIZE - 1) / BLOCK_SIZE, &data);
    if (r)
        return r;
    n = n < left ? n : left;
    n = n < size - from ? n : size - from;
    return put_piece(fs, call, out, (data ? data : zero_block) + offset, n);
}

static long send(struct fs *fs, struct call *call, struct file *in, struct file *out, uint64_t *offset)
{
    uint64_t bytes = call->arg[3] < TRANSFER_MAX ? call->arg[3] : TRANSFER_MAX;

    while (call->done < bytes) {
        long r = send_piece(fs, call, in, out, *offset, bytes - call->done);

        if (r == CALL_WAIT || (r < 0 && !call->done))
            return r;
        if (r <= 0)
            break;
        call->done += (uint64_t)r;
        *offset += (uint64_t)r;
        out->pos += (uint64_t)r;
    }
    return (long)call->done;
}

static int sendable(const struct file *in, const struct file *out)
{
    return in->kind == FILE_REGULAR && (out->kind == FILE_REGULAR || out->kind == FILE_PIPE) &&
           !(out->flags & O_APPEND);
}

long op_sendfile(void *service, struct call *call)
{
    struct fs *fs = service;
    struct process *p = process_of(fs, call->pid);
    struct file *out = call_file(fs, call), *in = p ? fd_file(p, (uint32_t)call->arg[1]) : NULL;
    uint64_t offset;
    long r;

    if (call->arg[2] && (r = fs->host->copy_in(fs->host->ctx, call, &offset, call->arg[2], sizeof offset)))
        return r;
    if (!out || !in || !file_writable(out) || !file_readable(in))
        return -EBADF;
    if (!sendable(in, out) || (int64_t)call->arg[3] < 0)
        return -EINVAL; /* callers fall back to read and write */
    if (!call->arg[2])
        return send(fs, call, in, out, &in->pos);
    if ((int64_t)offset < 0)
        return -EINVAL;
    offset += call->done;
    r = send(fs, call, in, out, &offset);
    if (r < 0)
        return r;
    offset -= call->done - (uint64_t)r;
    if (fs->host->copy_out(fs->host->ctx, call, call->arg[2], &offset, sizeof offset))
        return r; /* cannot undo: the offset's page was readable a moment ago */
    return r;
}
