/* SPDX-License-Identifier: MIT
 *
 * services/fs/rw.c: bytes in and out of regular files, a piece of at most one block at a time.
 *
 * The payload moves once: straight between the caller's memory and the buffer. A write gets
 * everything it needs first (blocks, buffers, room in the transaction), then copies in, then commits;
 * a copy that fails or has to wait leaves the file as it was.
 */
#include "services/fs/internal.h"

const uint8_t zero_block[BLOCK_SIZE] = {0};

#define AHEAD_BLOCKS IO_BLOCKS_MAX

uint32_t regular_contiguous(const struct inode *ip, const struct map *map, uint64_t index, uint64_t want)
{
    const uint32_t *table = (const uint32_t *)map->holder->data;
    uint64_t left = index < DIRECT_BLOCKS ? DIRECT_BLOCKS - index : (uint64_t)(table + POINTERS_PER_BLOCK - map->slot);
    uint32_t n = 1;

    while (n < left && n < want && map->slot[n] == map->block + n)
        n++;
    return n - 1;
}

long regular_block(struct fs *fs, struct call *call, struct inode *ip, uint64_t index, uint64_t want,
                   const uint8_t **data)
{
    struct map map;
    struct buf *buf;
    uint32_t ahead = 0;
    long r = map_find(fs, call, ip, index, &map);

    *data = NULL;
    if (r || !map.block)
        return r;
    buf = buf_find(fs, map.block);
    if (!buf && want > 1)
        ahead = regular_contiguous(ip, &map, index, want);
    r = buf_get_ahead(fs, call, map.block, ahead, &buf);
    if (!r)
        *data = buf->data;
    return r;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Reading on from where the last read ended: more will follow. */
static uint64_t blocks_wanted(const struct file *file, uint64_t index, uint64_t bytes, uint64_t left)
{
    uint64_t want = (bytes + BLOCK_SIZE - 1) / BLOCK_SIZE;

    if (index && index == file->next_index)
        want = AHEAD_BLOCKS;
    else if (index == 0 && want < 4)
        want = 4;
    return least(want, (left + BLOCK_SIZE - 1) / BLOCK_SIZE);
}

long regular_read(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes, uint64_t pos)
{
    struct inode *ip = file->inode;
    uint64_t index = pos / BLOCK_SIZE, size = ip->d->size;
    uint32_t offset = (uint32_t)(pos % BLOCK_SIZE);
    const uint8_t *data;
    long r;

    if (pos >= size)
        return 0;
    r = regular_block(fs, call, ip, index, blocks_wanted(file, index, bytes + offset, size - pos + offset), &data);
    if (r)
        return r;
    bytes = least(least(bytes, size - pos), BLOCK_SIZE - offset);
    r = fs->host->copy_out(fs->host->ctx, call, to, (data ? data : zero_block) + offset, bytes);
    if (r)
        return r;
    file->next_index = (uint32_t)index + 1;
    return (long)bytes;
}

/* ---- writing ---- */

struct piece {
    struct inode *ip;
    uint64_t pos;
    uint32_t offset, bytes;
    struct map map;
    struct buf *buf, *tail;
};

/* Everything that may wait or fail but the copy. */
static long prepare(struct fs *fs, struct call *call, struct piece *p)
{
    uint64_t size = p->ip->d->size;
    int whole = p->offset == 0 && (p->bytes == BLOCK_SIZE || p->pos + p->bytes >= size);
    long r = inode_trimmed(fs, call, p->ip);

    p->tail = NULL;
    if (!r && p->pos > size)
        r = inode_tail(fs, call, p->ip, &p->tail);
    if (!r)
        r = map_find(fs, call, p->ip, p->pos / BLOCK_SIZE, &p->map);
    if (r)
        return r;
    if (!p->map.block)
        r = map_prepare(fs, call, p->ip, &p->map);
    else
        r = whole ? buf_new(fs, call, p->map.block, &p->buf) : buf_get(fs, call, p->map.block, &p->buf);
    if (!r && !p->map.block)
        p->buf = p->map.fresh_buf[p->map.missing];
    return r;
}

static void cancel(struct fs *fs, struct piece *p)
{
    if (p->map.block)
        buf_cancel(fs, p->buf);
    else
        map_cancel(fs, &p->map);
}

static void clear_around(struct piece *p)
{
    uint32_t end = p->offset + p->bytes;

    memset(p->buf->data, 0, p->offset);
    memset(p->buf->data + end, 0, BLOCK_SIZE - end);
}

static void commit(struct fs *fs, struct piece *p)
{
    struct disk_inode *d = p->ip->d;

    if (!p->map.block || !(p->buf->flags & BUF_VALID)) {
        if (p->bytes < BLOCK_SIZE)
            clear_around(p);
        if (!p->map.block)
            map_commit(fs, p->ip, &p->map);
    }
    buf_dirty(fs, p->buf);
    if (p->pos + p->bytes > d->size)
        d->size = p->pos + p->bytes;
    d->mtime = d->ctime = fs_now(fs);
    p->ip->version = ++fs->version;
    inode_changed(fs, p->ip);
}

long regular_write(struct fs *fs, struct call *call, struct inode *ip, const void *data, uint64_t from, uint64_t bytes,
                   uint64_t pos)
{
    struct piece p;
    long r;

    if (pos >= MAX_FILE_BYTES)
        return -EFBIG;
    p.ip = ip;
    p.pos = pos;
    p.offset = (uint32_t)(pos % BLOCK_SIZE);
    p.bytes = (uint32_t)least(bytes, BLOCK_SIZE - p.offset);
    r = prepare(fs, call, &p);
    if (r)
        return r;
    r = tx_begin(fs, call, TX_SMALL);
    if (!r) {
        inode_clear_tail(fs, ip, p.tail); /* beyond the end: nobody can see it */
        if (data)
            memcpy(p.buf->data + p.offset, data, p.bytes);
        else
            r = fs->host->copy_in(fs->host->ctx, call, p.buf->data + p.offset, from, p.bytes);
    }
    if (r)
        cancel(fs, &p);
    else
        commit(fs, &p);
    return r ? r : (long)p.bytes;
}
