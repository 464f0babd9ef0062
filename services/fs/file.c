/* SPDX-License-Identifier: MIT
 *
 * services/fs/file.c: open files, and each process's descriptors.
 *
 * An open file (POSIX: open file description) is shared by descriptors, and by handles that vm holds. Descriptor
 * tables start small and grow to FD_LIMIT. A process appears here with its first call and goes with FS_EXIT.
 */
#include <asm/signal.h>
#include <linux/resource.h>

#include "services/fs/internal.h"

#define FIRST_SLOTS 64u

/* ---- processes ---- */

static struct process **bucket(struct fs *fs, int pid)
{
    return &fs->processes[(uint32_t)pid % PROCESS_HASH];
}

static int slots_alloc(struct fs *fs, struct process *p, uint32_t slots)
{
    struct file **fd = fs->host->alloc(fs->host->ctx, slots * sizeof *fd);

    if (!fd)
        return 0;
    for (uint32_t i = 0; i < p->slots; i++)
        fd[i] = p->fd[i];
    if (p->fd)
        fs->host->free(fs->host->ctx, p->fd, p->slots * sizeof *fd);
    p->fd = fd;
    p->slots = slots;
    return 1;
}

static struct process *process_create(struct fs *fs, int pid)
{
    struct process *p = pool_get(fs, &fs->process_pool);

    if (!p)
        return NULL;
    if (!slots_alloc(fs, p, FIRST_SLOTS)) {
        pool_put(&fs->process_pool, p);
        return NULL;
    }
    p->pid = pid;
    p->umask = 022;
    p->fd_limit = FD_LIMIT;
    p->size_limit = UINT64_MAX;
    p->hash_next = *bucket(fs, pid);
    *bucket(fs, pid) = p;
    return p;
}

struct process *process_of(struct fs *fs, int pid)
{
    struct process *p = *bucket(fs, pid);

    while (p && p->pid != pid)
        p = p->hash_next;
    return p ? p : process_create(fs, pid);
}

long process_fork(struct fs *fs, int child, int parent)
{
    struct process *from = process_of(fs, parent), *to = from ? process_of(fs, child) : NULL;

    if (!to)
        return -ENOMEM;
    if (to->slots < from->slots && !slots_alloc(fs, to, from->slots)) {
        process_exit(fs, to);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < from->slots; i++)
        if ((to->fd[i] = from->fd[i]))
            to->fd[i]->refs++;
    for (uint32_t i = 0; i < FD_LIMIT / 64; i++)
        to->cloexec[i] = from->cloexec[i];
    to->umask = from->umask;
    to->lowest = from->lowest;
    to->fd_limit = from->fd_limit;
    to->size_limit = from->size_limit;
    to->cwd = from->cwd;
    if (to->cwd)
        inode_hold(fs, to->cwd);
    return 0;
}

void process_exec(struct fs *fs, struct process *p)
{
    for (uint32_t i = 0; i < p->slots; i++)
        if (p->fd[i] && p->cloexec[i / 64] >> i % 64 & 1)
            fd_close(fs, p, i);
}

void process_exit(struct fs *fs, struct process *p)
{
    struct process **at = bucket(fs, p->pid);

    for (uint32_t i = 0; i < p->slots; i++)
        if (p->fd[i])
            fd_close(fs, p, i);
    if (p->cwd)
        inode_release(fs, p->cwd);
    while (*at != p)
        at = &(*at)->hash_next;
    *at = p->hash_next;
    fs->host->free(fs->host->ctx, p->fd, p->slots * sizeof *p->fd);
    pool_put(&fs->process_pool, p);
}

/* ---- limits ---- */

long process_limit(struct fs *fs, struct process *p, uint64_t resource, uint64_t limit)
{
    switch (resource) {
    case RLIMIT_NOFILE:
        p->fd_limit = limit < FD_LIMIT ? (uint32_t)limit : FD_LIMIT;
        return 0;
    case RLIMIT_FSIZE:
        p->size_limit = limit;
        fs->size_limits |= limit != UINT64_MAX;
        return 0;
    default:
        return -EINVAL;
    }
}

void signal_caller(struct fs *fs, struct call *call, int signo)
{
    struct request rq = {.service = SERVICE_PROC, .op = PROC_SIGNAL, .pid = call->pid, .arg = {(uint64_t)signo},
                         .call = call};

    fs->host->ask(fs->host->ctx, &rq);
}

/* What has begun below the limit just ends there. */
long size_room(struct fs *fs, struct call *call, uint64_t pos, uint64_t bytes)
{
    struct process *p = process_of(fs, call->pid);
    uint64_t limit = p ? p->size_limit : UINT64_MAX;

    if (pos < limit)
        return (long)(bytes < limit - pos ? bytes : limit - pos);
    if (!call->done && !call->note)
        signal_caller(fs, call, SIGXFSZ);
    return -EFBIG;
}

/* ---- open files ---- */

static struct file **entry(struct fs *fs, uint32_t id)
{
    struct file ***chunk = &fs->files[id / FILES_CHUNK];

    if (!*chunk)
        *chunk = fs->host->alloc(fs->host->ctx, FILES_CHUNK * sizeof **chunk);
    return *chunk ? *chunk + id % FILES_CHUNK : NULL;
}

struct file *file_create(struct fs *fs, int kind, uint32_t flags)
{
    for (uint32_t i = 0; i < FILES_LIMIT; i++) {
        uint32_t id = (fs->file_hint + i) % FILES_LIMIT;
        struct file **at = entry(fs, id), *file;

        if (!at)
            return NULL;
        if (*at)
            continue;
        file = pool_get(fs, &fs->file_pool);
        if (!file)
            return NULL;
        file->refs = 1;
        file->id = id;
        file->kind = (uint8_t)kind;
        file->flags = flags;
        fs->file_hint = id + 1;
        return *at = file;
    }
    return NULL;
}

void file_release(struct fs *fs, struct file *file)
{
    if (--file->refs)
        return;
    if (file->pipe)
        pipe_release(file->pipe, file->writer);
    if (file->inode) {
        file->inode->writers -= (uint32_t)file_writable(file);
        locks_drop_file(fs, file->inode, file);
        inode_release(fs, file->inode);
    }
    *entry(fs, file->id) = NULL;
    if (file->id < fs->file_hint)
        fs->file_hint = file->id;
    pool_put(&fs->file_pool, file);
}

/* Handles are ids plus one, so that 0 is none. */
struct file *file_of_handle(struct fs *fs, uint64_t handle)
{
    uint64_t id = handle - 1;

    if (id >= FILES_LIMIT || !fs->files[id / FILES_CHUNK])
        return NULL;
    return fs->files[id / FILES_CHUNK][id % FILES_CHUNK];
}

/* ---- descriptors ---- */

long fd_room(struct fs *fs, struct process *p, uint32_t from)
{
    uint32_t fd = from > p->lowest ? from : p->lowest;

    while (fd < p->slots && p->fd[fd])
        fd++;
    if (fd >= p->fd_limit)
        return -EMFILE;
    if (fd >= p->slots) {
        uint32_t slots = p->slots;

        while (slots <= fd)
            slots *= 2;
        if (!slots_alloc(fs, p, slots))
            return -ENOMEM;
    }
    return fd;
}

/* Puts a file, whose reference it takes over, at a descriptor that is free and has a slot. */
void fd_set(struct fs *fs, struct process *p, uint32_t fd, struct file *file, int cloexec)
{
    uint64_t bit = 1ull << fd % 64;

    p->fd[fd] = file;
    p->cloexec[fd / 64] = cloexec ? p->cloexec[fd / 64] | bit : p->cloexec[fd / 64] & ~bit;
    if (fd == p->lowest)
        p->lowest++;
}

long fd_install(struct fs *fs, struct process *p, struct file *file, uint32_t from, int cloexec)
{
    long fd = fd_room(fs, p, from);

    if (fd >= 0)
        fd_set(fs, p, (uint32_t)fd, file, cloexec);
    return fd;
}

long fd_close(struct fs *fs, struct process *p, uint64_t fd)
{
    struct file *file = fd_file(p, fd);

    if (!file)
        return -EBADF;
    p->fd[fd] = NULL;
    if (fd < p->lowest)
        p->lowest = (uint32_t)fd;
    if (file->inode && file->inode->locks)
        locks_drop_process(fs, file->inode, p->pid);
    file_release(fs, file);
    return 0;
}
