/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_fd.c: calls about descriptors: close, dup, fcntl, flock, ioctl, pipe, umask.
 */
#include <asm/ioctls.h>

#include "services/fs/internal.h"

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static struct process *caller(struct fs *fs, struct call *call)
{
    return process_of(fs, call->pid);
}

long op_close(void *service, struct call *call)
{
    struct fs *fs = service;
    struct process *p = caller(fs, call);

    return p ? fd_close(fs, p, (uint32_t)call->arg[0]) : -EBADF;
}

static long dup_from(struct fs *fs, struct process *p, struct file *file, uint32_t from, int cloexec)
{
    long fd = from >= p->fd_limit ? -EINVAL : fd_install(fs, p, file, from, cloexec);

    if (fd >= 0)
        file->refs++;
    return fd;
}

long op_dup(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    return file ? dup_from(fs, caller(fs, call), file, 0, 0) : -EBADF;
}

static long dup_to(struct fs *fs, struct call *call, int cloexec)
{
    struct process *p = caller(fs, call);
    struct file *file = call_file(fs, call);
    uint64_t to = (uint32_t)call->arg[1];
    long r;

    if (!file || to >= p->fd_limit)
        return -EBADF;
    if (to >= p->slots && (r = fd_room(fs, p, (uint32_t)to)) < 0)
        return r;
    file->refs++;
    fd_close(fs, p, to);
    fd_set(fs, p, (uint32_t)to, file, cloexec);
    return (long)to;
}

long op_dup2(void *service, struct call *call)
{
    if ((uint32_t)call->arg[0] == (uint32_t)call->arg[1])
        return call_file(service, call) ? (long)(uint32_t)call->arg[1] : -EBADF;
    return dup_to(service, call, 0);
}

long op_dup3(void *service, struct call *call)
{
    if (call->arg[2] & ~(uint64_t)O_CLOEXEC || (uint32_t)call->arg[0] == (uint32_t)call->arg[1])
        return -EINVAL;
    return dup_to(service, call, (call->arg[2] & O_CLOEXEC) != 0);
}

/* ---- fcntl ---- */

static void set_cloexec(struct process *p, uint32_t fd, int on)
{
    uint64_t bit = 1ull << fd % 64;

    p->cloexec[fd / 64] = on ? p->cloexec[fd / 64] | bit : p->cloexec[fd / 64] & ~bit;
}

static void set_flags(struct file *file, uint32_t flags)
{
    file->flags = (file->flags & ~(uint32_t)SETTABLE) | (flags & SETTABLE);
}

static long pipe_size(const struct file *file)
{
    return file->kind == FILE_PIPE ? 65536 : -EBADF;
}

static long control(struct fs *fs, struct call *call, struct process *p, struct file *file)
{
    uint32_t fd = (uint32_t)call->arg[0];
    uint64_t arg = call->arg[2];

    switch ((int)call->arg[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return dup_from(fs, p, file, arg < FD_LIMIT ? (uint32_t)arg : FD_LIMIT, (int)call->arg[1] == F_DUPFD_CLOEXEC);
    case F_GETFD:
        return p->cloexec[fd / 64] >> fd % 64 & 1;
    case F_SETFD:
        set_cloexec(p, fd, arg & FD_CLOEXEC);
        return 0;
    case F_GETFL:
        return file->flags | (file->flags & O_PATH || file->kind == FILE_PIPE ? 0 : O_LARGEFILE);
    case F_SETFL:
        set_flags(file, (uint32_t)arg);
        return 0;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return lock_posix(fs, call, file, (int)call->arg[1], arg);
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
        return pipe_size(file);
    case F_GETOWN:
        return 0;
    default:
        return -EINVAL;
    }
}

static int allowed_on_path(int command)
{
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC || command == F_GETFD || command == F_SETFD ||
           command == F_GETFL;
}

long op_fcntl(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file || (file->flags & O_PATH && !allowed_on_path((int)call->arg[1])))
        return -EBADF;
    return control(fs, call, caller(fs, call), file);
}

long op_flock(void *service, struct call *call)
{
    struct file *file = call_file(service, call);

    return file && !(file->flags & O_PATH) ? lock_flock(service, call, file, (int)call->arg[1]) : -EBADF;
}

/* ---- ioctl ---- */

static long put_int(struct fs *fs, struct call *call, uint64_t value)
{
    int32_t n = value > INT32_MAX ? INT32_MAX : (int32_t)value;

    return fs->host->copy_out(fs->host->ctx, call, call->arg[2], &n, sizeof n);
}

static long set_nonblock(struct fs *fs, struct call *call, struct file *file)
{
    int32_t on;
    long r = fs->host->copy_in(fs->host->ctx, call, &on, call->arg[2], sizeof on);

    if (!r)
        file->flags = on ? file->flags | O_NONBLOCK : file->flags & ~(uint32_t)O_NONBLOCK;
    return r;
}

static long readable_bytes(struct fs *fs, struct call *call, struct file *file)
{
    uint64_t size;

    if (file->kind == FILE_PIPE)
        return put_int(fs, call, pipe_bytes(file->pipe));
    if (file->kind != FILE_REGULAR)
        return -ENOTTY;
    size = file->inode->d->size;
    return put_int(fs, call, size > file->pos ? size - file->pos : 0);
}

long op_ioctl(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file || file->flags & O_PATH)
        return -EBADF;
    switch ((uint32_t)call->arg[1]) {
    case FIOCLEX:
    case FIONCLEX:
        set_cloexec(caller(fs, call), (uint32_t)call->arg[0], (uint32_t)call->arg[1] == FIOCLEX);
        return 0;
    case FIONBIO:
        return set_nonblock(fs, call, file);
    }
    if (file->kind == FILE_TTY)
        return tty_ask(fs, call, file, TTY_IOCTL, (uint32_t)call->arg[1], call->arg[2], 0);
    return (uint32_t)call->arg[1] == FIONREAD ? readable_bytes(fs, call, file) : -ENOTTY;
}

/* ---- pipe ---- */

static struct file *pipe_end(struct fs *fs, struct pipe *pipe, int writer, uint32_t flags)
{
    struct file *file = file_create(fs, FILE_PIPE, (writer ? O_WRONLY : O_RDONLY) | (flags & (O_NONBLOCK | O_DIRECT)));

    if (file) {
        file->pipe = pipe;
        file->writer = (uint8_t)writer;
    } else {
        pipe_release(pipe, writer);
    }
    return file;
}

static long room_for_two(struct fs *fs, struct process *p, int32_t fd[2])
{
    long first = fd_room(fs, p, 0), second = first < 0 ? first : fd_room(fs, p, (uint32_t)first + 1);

    fd[0] = (int32_t)first;
    fd[1] = (int32_t)second;
    return second < 0 ? second : 0;
}

static long make_pipe(struct fs *fs, struct call *call, uint32_t flags)
{
    struct process *p = caller(fs, call);
    struct file *reader, *writer;
    struct pipe *pipe;
    int32_t fd[2];
    long r = p ? room_for_two(fs, p, fd) : -ENOMEM;

    if (!r)
        r = fs->host->copy_out(fs->host->ctx, call, call->arg[0], fd, sizeof fd);
    if (r)
        return r;
    pipe = pipe_create(fs->host);
    if (!pipe)
        return -ENOMEM;
    reader = pipe_end(fs, pipe, 0, flags);
    writer = pipe_end(fs, pipe, 1, flags);
    if (!reader || !writer) {
        if (reader)
            file_release(fs, reader);
        if (writer)
            file_release(fs, writer);
        return -ENFILE;
    }
    fd_set(fs, p, (uint32_t)fd[0], reader, (flags & O_CLOEXEC) != 0);
    fd_set(fs, p, (uint32_t)fd[1], writer, (flags & O_CLOEXEC) != 0);
    return 0;
}

long op_pipe(void *service, struct call *call)
{
    return make_pipe(service, call, 0);
}

long op_pipe2(void *service, struct call *call)
{
    if (call->arg[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    return make_pipe(service, call, (uint32_t)call->arg[1]);
}

long op_umask(void *service, struct call *call)
{
    struct process *p = caller(service, call);
    uint32_t old = p ? p->umask : 022;

    if (p)
        p->umask = (uint32_t)call->arg[0] & 0777;
    return old;
}
