/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_dir.c: reading directories and links, and the working directory.
 */
#include "services/fs/internal.h"

#define DT_LNK 10
#define DIRENT_HEADER 19u /* struct linux_dirent64 before its name */

/* Appends one entry in the ABI's form. 0: no room. */
static uint32_t put_entry(uint8_t *to, uint32_t room, const struct disk_entry *e, uint64_t next)
{
    uint32_t bytes = (DIRENT_HEADER + e->name_length + 1 + 7) & ~7u;

    if (bytes > room)
        return 0;
    *(uint64_t *)to = e->ino;
    *(uint64_t *)(to + 8) = next;
    *(uint16_t *)(to + 16) = (uint16_t)bytes;
    to[18] = e->type;
    for (uint32_t i = 0; i < bytes - DIRENT_HEADER; i++)
        to[DIRENT_HEADER + i] = i < e->name_length ? (uint8_t)e->name[i] : 0;
    return bytes;
}

/* Entries of one block at or after *pos, which moves on. Bytes, or -EINVAL when not even one fits. */
static long put_block(struct fs *fs, const uint8_t *block, uint64_t *pos, uint32_t room)
{
    uint64_t base = *pos & ~(uint64_t)(BLOCK_SIZE - 1);
    uint32_t filled = 0;

    for (uint32_t at = 0; at < BLOCK_SIZE;) {
        const struct disk_entry *e = dir_entry(block, at);
        uint32_t n;

        if (!e)
            return -EUCLEAN;
        at += e->length;
        if (base + at <= *pos)
            continue;
        if (e->ino) {
            n = put_entry(fs->scratch + filled, room - filled, e, base + at);
            if (!n)
                return filled ? (long)filled : -EINVAL;
            filled += n;
        }
        *pos = base + at;
    }
    return filled;
}

long op_getdents64(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);
    uint32_t room = (uint32_t)call->arg[2] < SCRATCH ? (uint32_t)call->arg[2] : SCRATCH;
    struct buf *buf;
    uint64_t pos;
    long n = 0, r;

    if (!file || file->flags & O_PATH)
        return -EBADF;
    if (file->kind != FILE_DIRECTORY)
        return -ENOTDIR;
    if (!file->inode->d->nlink)
        return -ENOENT;
    for (pos = file->pos; !n && pos < file->inode->d->size;) {
        r = dir_block(fs, call, file->inode, pos / BLOCK_SIZE, &buf);
        if (r)
            return r;
        n = put_block(fs, buf->data, &pos, room);
        if (n < 0)
            return n;
    }
    r = n ? fs->host->copy_out(fs->host->ctx, call, call->arg[1], fs->scratch, (size_t)n) : 0;
    if (r)
        return r;
    file->pos = pos;
    return n;
}

static long read_link(struct fs *fs, struct call *call, int dirfd, uint64_t path, uint64_t to, int64_t bytes)
{
    const char *target;
    struct inode *ip;
    struct buf *buf;
    long r = bytes <= 0 ? -EINVAL : path_inode(fs, call, dirfd, path, 0, &ip);

    if (r)
        return r;
    if (!S_ISLNK(ip->d->mode))
        return -EINVAL;
    target = ip->d->link;
    if (ip->d->size >= INLINE_LINK) {
        r = dir_block(fs, call, ip, 0, &buf);
        if (r)
            return r;
        target = (const char *)buf->data;
    }
    bytes = bytes < (int64_t)ip->d->size ? bytes : (int64_t)ip->d->size;
    r = fs->host->copy_out(fs->host->ctx, call, to, target, (size_t)bytes);
    return r ? r : (long)bytes;
}

long op_readlink(void *service, struct call *call)
{
    return read_link(service, call, AT_FDCWD, call->arg[0], call->arg[1], (int)call->arg[2]);
}

long op_readlinkat(void *service, struct call *call)
{
    return read_link(service, call, (int)call->arg[0], call->arg[1], call->arg[2], (int)call->arg[3]);
}

/* ---- working directory ---- */

/* Builds the path from its end, in the second path buffer. */
static long build_path(struct fs *fs, struct call *call, struct inode *dir, const char **out)
{
    char *end = fs->path[1] + PATH_MAX - 1, *at = end;

    *at = 0;
    while (dir->ino != ROOT_INODE) {
        struct inode *up;
        struct name name;
        uint32_t ino;
        uint8_t type;
        long r = dir->d->nlink ? dir_find(fs, call, dir, (struct name){"..", 2}, &ino, &type) : -ENOENT;

        if (!r)
            r = inode_get(fs, call, ino, &up);
        if (!r)
            r = S_ISDIR(up->d->mode) ? dir_name_of(fs, call, up, dir->ino, &name) : -EUCLEAN;
        if (r)
            return r;
        if (at - fs->path[1] < (long)name.length + 1)
            return -ENAMETOOLONG;
        at -= name.length;
        memcpy(at, name.at, name.length);
        *--at = '/';
        dir = up;
    }
    if (at == end)
        *--at = '/';
    *out = at;
    return 0;
}

long op_getcwd(void *service, struct call *call)
{
    struct fs *fs = service;
    struct process *p = process_of(fs, call->pid);
    struct inode *dir = p ? p->cwd : NULL;
    const char *path;
    uint64_t bytes;
    long r = dir ? 0 : inode_get(fs, call, ROOT_INODE, &dir);

    if (!r)
        r = build_path(fs, call, dir, &path);
    if (r)
        return r;
    bytes = str_len(path) + 1;
    if (bytes > call->arg[1])
        return -ERANGE;
    r = fs->host->copy_out(fs->host->ctx, call, call->arg[0], path, bytes);
    return r ? r : (long)bytes;
}

static long enter(struct fs *fs, struct process *p, struct inode *ip)
{
    if (!p)
        return -ENOMEM;
    if (!S_ISDIR(ip->d->mode))
        return -ENOTDIR;
    inode_hold(fs, ip);
    if (p->cwd)
        inode_release(fs, p->cwd);
    p->cwd = ip;
    return 0;
}

long op_chdir(void *service, struct call *call)
{
    struct fs *fs = service;
    struct inode *ip;
    long r = path_inode(fs, call, AT_FDCWD, call->arg[0], WALK_FOLLOW, &ip);

    return r ? r : enter(fs, process_of(fs, call->pid), ip);
}

long op_fchdir(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file)
        return -EBADF;
    return file->inode ? enter(fs, process_of(fs, call->pid), file->inode) : -ENOTDIR;
}
