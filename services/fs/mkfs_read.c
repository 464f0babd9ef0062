/* SPDX-License-Identifier: MIT
 *
 * services/fs/mkfs_read.c: reading a disk in memory: file contents, and a walk over the whole tree.
 */
#include "services/fs/mkfs_internal.h"

/* ---- reading ---- */

static long block_at(struct mkfs *m, const char *path, uint64_t index, struct inode **ip, const uint8_t **data)
{
    long r;

    do {
        r = mkfs_find(m, path, ip);
        if (!r && !S_ISREG((*ip)->d->mode) && !S_ISLNK((*ip)->d->mode))
            return -EINVAL;
        if (!r && S_ISLNK((*ip)->d->mode) && (*ip)->d->size < INLINE_LINK) {
            *data = (const uint8_t *)(*ip)->d->link;
            return 0;
        }
        if (!r && index * BLOCK_SIZE < (*ip)->d->size)
            r = regular_block(m->fs, &m->call, *ip, index, 1, data);
    } while (r == CALL_WAIT);
    return r;
}

long mkfs_read(struct mkfs *m, const char *path, uint64_t offset, void *data, size_t bytes)
{
    size_t done = 0;

    while (done < bytes) {
        uint64_t at = offset + done, within = at % BLOCK_SIZE, n = BLOCK_SIZE - within;
        const uint8_t *block = NULL;
        struct inode *ip;
        long r = block_at(m, path, at / BLOCK_SIZE, &ip, &block);

        if (r)
            return r;
        if (at >= ip->d->size)
            break;
        n = n < bytes - done ? n : bytes - done;
        n = n < ip->d->size - at ? n : ip->d->size - at;
        memcpy((uint8_t *)data + done, (block ? block : zero_block) + within, n);
        done += n;
    }
    return (long)done;
}

/* ---- walking ---- */

typedef int visitor(void *ctx, const char *path, const struct mkfs_attr *attr);

/* Appends a name to m->path. The old length, or -ENAMETOOLONG. */
static long push(struct mkfs *m, const struct disk_entry *e)
{
    size_t n = str_len(m->path), at = n;

    if (n + 1 + e->name_length >= PATH_MAX)
        return -ENAMETOOLONG;
    if (!n || m->path[n - 1] != '/')
        m->path[at++] = '/';
    memcpy(m->path + at, e->name, e->name_length);
    m->path[at + e->name_length] = 0;
    return (long)n;
}

static int is_dot(const struct disk_entry *e)
{
    return e->name[0] == '.' && (e->name_length == 1 || (e->name_length == 2 && e->name[1] == '.'));
}

/* The next entry of directory `ino` at *at, which moves on. 1: there is one; its name is pushed, *old the length to go
 * back to. */
static long next_entry(struct mkfs *m, uint32_t ino, uint64_t *at, struct inode **child, long *old)
{
    for (;;) {
        const struct disk_entry *e;
        struct inode *dir;
        struct buf *buf;
        long r;

        fs_pass(m->fs);
        mkfs_call(m, CALL_stat);
        r = inode_get(m->fs, &m->call, ino, &dir);
        if (!r && *at >= dir->d->size)
            return 0;
        if (!r)
            r = dir_block(m->fs, &m->call, dir, *at / BLOCK_SIZE, &buf);
        if (r == CALL_WAIT)
            continue;
        if (r)
            return r;
        e = dir_entry(buf->data, (uint32_t)(*at % BLOCK_SIZE));
        if (!e)
            return -EUCLEAN;
        if (e->ino && !is_dot(e)) {
            r = inode_get(m->fs, &m->call, e->ino, child);
            if (r == CALL_WAIT)
                continue;
            *old = r ? r : push(m, e);
            *at += e->length;
            return *old < 0 ? *old : 1;
        }
        *at += e->length;
    }
}

static int first_time(struct mkfs *m, uint32_t ino)
{
    uint8_t bit = (uint8_t)(1u << ino % 8);

    if (m->seen[ino / 8] & bit)
        return 0;
    m->seen[ino / 8] |= bit;
    return 1;
}

static long walk_directory(struct mkfs *m, uint32_t ino, visitor *visit, void *ctx)
{
    struct inode *child;
    uint64_t at = 0;
    long old = 0, r;

    if (!first_time(m, ino))
        return -EUCLEAN; /* a directory within itself */
    while ((r = next_entry(m, ino, &at, &child, &old)) > 0) {
        struct mkfs_attr attr = {child->d->mode, child->d->uid, child->d->gid, child->d->mtime, child->d->size};
        uint32_t below = S_ISDIR(attr.mode) ? child->ino : 0;

        r = visit(ctx, m->path, &attr);
        if (!r && below)
            r = walk_directory(m, below, visit, ctx);
        m->path[old] = 0;
        if (r)
            return r;
    }
    return r;
}

int mkfs_walk(struct mkfs *m, const char *path, visitor *visit, void *ctx)
{
    size_t bytes = m->fs->super.inodes / 8 + 1;
    struct inode *ip;
    long r = mkfs_find(m, path, &ip);

    if (!r && !S_ISDIR(ip->d->mode))
        r = -ENOTDIR;
    if (r)
        return (int)r;
    m->seen = m->memory.alloc(m->memory.ctx, bytes);
    if (!m->seen)
        return -ENOMEM;
    str_copy(m->path, path, sizeof m->path);
    r = walk_directory(m, ip->ino, visit, ctx);
    m->memory.free(m->memory.ctx, m->seen, bytes);
    return (int)r;
}
