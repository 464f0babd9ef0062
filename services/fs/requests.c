/* SPDX-License-Identifier: MIT
 *
 * services/fs/requests.c: what proc and vm ask of fs (services/requests.h).
 */
#include "services/fs/internal.h"

typedef long request_op(struct fs *fs, struct request *rq);

static long request_fork(struct fs *fs, struct request *rq)
{
    return process_fork(fs, rq->pid, (int)rq->arg[0]);
}

static long request_exec(struct fs *fs, struct request *rq)
{
    struct process *p = process_of(fs, rq->pid);

    if (p)
        process_exec(fs, p);
    return 0;
}

static long request_limit(struct fs *fs, struct request *rq)
{
    struct process *p = process_of(fs, rq->pid);

    return p ? process_limit(fs, p, rq->arg[0], rq->arg[1]) : -ENOMEM;
}

static long request_exit(struct fs *fs, struct request *rq)
{
    struct process *p = process_of(fs, rq->pid);

    if (p)
        process_exit(fs, p);
    return 0;
}

/* The path is the caller's or, for the first program, the asker's. */
static long exec_path(struct fs *fs, struct request *rq)
{
    size_t n = rq->size < PATH_MAX ? rq->size : PATH_MAX;
    long r;

    if (rq->arg[0] || !rq->data)
        return path_copy(fs, rq->call, rq->arg[0], 0);
    r = fs->host->take(fs->host->ctx, rq, fs->path[0], 0, n);
    if (r)
        return r;
    n = str_len_max(fs->path[0], n);
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    fs->path[0][n] = 0;
    return 0;
}

static long executable(const struct walk *w, const struct inode *ip)
{
    if (w->slash && !S_ISDIR(ip->d->mode))
        return -ENOTDIR;
    if (!S_ISREG(ip->d->mode) || !(ip->d->mode & 0111))
        return S_ISLNK(ip->d->mode) ? -ELOOP : -EACCES;
    return ip->writers ? -ETXTBSY : 0;
}

static long handle_on(struct fs *fs, struct inode *ip)
{
    struct file *file = file_create(fs, FILE_REGULAR, O_RDONLY);

    if (!file)
        return -ENFILE;
    file->inode = ip;
    inode_hold(fs, ip);
    return (long)file->id + 1;
}

static long request_open_exec(struct fs *fs, struct request *rq)
{
    struct process *p = process_of(fs, rq->pid);
    struct inode *ip;
    struct walk w;
    long r = p ? exec_path(fs, rq) : -ENOMEM;

    if (!r && !fs->path[0][0])
        r = -ENOENT;
    if (!r)
        r = path_walk(fs, rq->call, p->cwd, 0, WALK_FOLLOW | WALK_SLASH, &w);
    if (!r)
        r = w.ino ? inode_get(fs, rq->call, w.ino, &ip) : -ENOENT;
    if (!r)
        r = executable(&w, ip);
    return r ? r : handle_on(fs, ip);
}

static long request_file_of(struct fs *fs, struct request *rq)
{
    struct process *p = process_of(fs, rq->pid);
    struct file *file = p ? fd_file(p, (uint32_t)rq->arg[0]) : NULL;

    if (!file || file->flags & O_PATH)
        return -EBADF;
    if (file->kind != FILE_REGULAR)
        return -ENODEV;
    if (rq->arg[1] == VM_WRITE ? !file_writable(file) : !file_readable(file))
        return -EACCES;
    if (rq->arg[1] != VM_WRITE && file_writable(file))
        return handle_on(fs, file->inode); /* vm remembers it for long: nobody writes by it */
    file->refs++;
    return (long)file->id + 1;
}

static long request_hold(struct fs *fs, struct request *rq)
{
    struct file *file = file_of_handle(fs, rq->arg[0]);

    if (!file)
        return -EBADF;
    file->refs++;
    return 0;
}

static long request_release(struct fs *fs, struct request *rq)
{
    struct file *file = file_of_handle(fs, rq->arg[0]);

    if (!file)
        return -EBADF;
    file_release(fs, file);
    return 0;
}

#define READ_AT_BLOCKS 16u

/* First all blocks must be there, then they are copied: nothing is done twice after a wait. */
static long request_read_at(struct fs *fs, struct request *rq)
{
    struct file *file = file_of_handle(fs, rq->arg[0]);
    uint64_t pos = rq->arg[1], size, bytes = rq->size, first = pos / BLOCK_SIZE;
    const uint8_t *data[READ_AT_BLOCKS + 1];

    if (!file || file->kind != FILE_REGULAR)
        return -EBADF;
    size = file->inode->d->size;
    if (pos >= size)
        return 0;
    bytes = bytes < size - pos ? bytes : size - pos;
    bytes = bytes < READ_AT_BLOCKS * BLOCK_SIZE ? bytes : READ_AT_BLOCKS * BLOCK_SIZE;
    for (uint64_t i = first; i * BLOCK_SIZE < pos + bytes; i++) {
        uint64_t left = (size - i * BLOCK_SIZE + BLOCK_SIZE - 1) / BLOCK_SIZE;
        long r = regular_block(fs, rq->call, file->inode, i, left < READ_AT_BLOCKS ? left : READ_AT_BLOCKS,
                               &data[i - first]);

        if (r)
            return r;
    }
    for (uint64_t done = 0; done < bytes;) {
        uint64_t at = pos + done, offset = at % BLOCK_SIZE, n = BLOCK_SIZE - offset;
        const uint8_t *block = data[at / BLOCK_SIZE - first];
        long r;

        n = n < bytes - done ? n : bytes - done;
        r = fs->host->give(fs->host->ctx, rq, done, (block ? block : zero_block) + offset, n);
        if (r)
            return r;
        done += n;
    }
    return (long)bytes;
}

static long request_stat_of(struct fs *fs, struct request *rq)
{
    struct file *file = file_of_handle(fs, rq->arg[0]);
    struct fs_identity identity;

    if (!file || !file->inode)
        return -EBADF;
    if (rq->size < sizeof identity)
        return -EINVAL;
    identity.inode = file->inode->ino;
    identity.version = file->inode->version;
    identity.size = file->inode->d->size;
    return fs->host->give(fs->host->ctx, rq, 0, &identity, sizeof identity);
}

static request_op *const requests[] = {
    [FS_FORK] = request_fork,           [FS_EXEC] = request_exec,       [FS_EXIT] = request_exit,
    [FS_OPEN_EXEC] = request_open_exec, [FS_FILE_OF] = request_file_of, [FS_HOLD] = request_hold,
    [FS_LIMIT] = request_limit,         [FS_RELEASE] = request_release, [FS_READ_AT] = request_read_at,
    [FS_STAT_OF] = request_stat_of,
    [FS_EXTENT_OF] = request_extent_of, [FS_EXTENT_RESERVE] = request_extent_reserve,
    [FS_EXTENT_COMMIT] = request_extent_commit, [FS_EXTENT_CANCEL] = request_extent_cancel,
};

long fs_request(void *self, struct request *rq)
{
    struct fs *fs = self;
    request_op *op = rq->op < sizeof requests / sizeof *requests ? requests[rq->op] : NULL;

    fs->pass++;
    return op ? op(fs, rq) : -ENOSYS;
}
