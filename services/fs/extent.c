/* SPDX-License-Identifier: MIT
 *
 * services/fs/extent.c: for who moves a file's data by itself: where it lies, and how new data gets its place.
 *
 * Reading: FS_EXTENT_OF says where the data is; what only the cache has is written there first. That holds until the
 * file changes (fs_identity.version).
 *
 * Writing: FS_EXTENT_RESERVE finds room that is free and stays so; the asker writes to it; FS_EXTENT_COMMIT makes it
 * the file's. So the order is data first, then metadata, as for what goes through the cache (journal.c): whenever the
 * power goes, a file shows no block that was not written for it, and room that was only reserved is free. A commit's
 * blocks are made the file's one by one: a crash may leave a part of them, from the beginning.
 *
 * The cache knows nothing of what is moved here, so a block that is reserved is dropped from it, and what is still on
 * its way to that block must have ended: it belongs to the block's life before.
 */
#include "services/fs/internal.h"

#define SECTORS(blocks) ((uint64_t)(blocks)*SECTORS_PER_BLOCK)
#define INDEX_ROOM 3 /* blocks that a commit may need besides: index blocks */

_Static_assert(FS_BLOCK == BLOCK_SIZE, "what askers count in");

static struct inode *inode_of(struct fs *fs, uint64_t handle)
{
    struct file *file = file_of_handle(fs, handle);

    return file && file->kind == FILE_REGULAR ? file->inode : NULL;
}

static long answer(struct fs *fs, struct request *rq, uint32_t block, uint64_t blocks)
{
    struct fs_extent extent = {SECTORS(block), blocks * BLOCK_SIZE};

    return fs->host->give(fs->host->ctx, rq, 0, &extent, sizeof extent);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- reading ---- */

/* Until the disk has what the cache has. */
static long settle(struct fs *fs, struct call *call, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct buf *buf = buf_find(fs, block + i);

        if (buf && (buf->list == LIST_DIRTY || buf->flags & BUF_WRITING))
            return buf_write_list(fs, call, LIST_DIRTY);
    }
    return 0;
}

long request_extent_of(struct fs *fs, struct request *rq)
{
    struct inode *ip = inode_of(fs, rq->arg[0]);
    uint64_t offset = rq->arg[1], index = offset / BLOCK_SIZE, want;
    struct map map;
    uint32_t count;
    long r;

    if (!ip)
        return -EBADF;
    if (offset % BLOCK_SIZE || rq->arg[2] % BLOCK_SIZE || !rq->arg[2])
        return -EINVAL;
    if (offset >= ip->d->size)
        return answer(fs, rq, 0, 0);
    want = least(rq->arg[2] / BLOCK_SIZE, (ip->d->size - offset + BLOCK_SIZE - 1) / BLOCK_SIZE);
    r = map_find(fs, rq->call, ip, index, &map);
    if (r)
        return r;
    if (!map.block)
        return answer(fs, rq, 0, 1);
    count = regular_contiguous(ip, &map, index, want) + 1;
    r = settle(fs, rq->call, map.block, count);
    return r ? r : answer(fs, rq, map.block, count);
}

/* ---- room ---- */

static long end_former_life(struct fs *fs, struct call *call, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct buf *buf = buf_find(fs, block + i);
        long r = buf && buf->flags & (BUF_READING | BUF_WRITING) ? io_wait_slot(fs, call, buf->io) : 0;

        if (r)
            return r;
        buf_drop(fs, block + i);
    }
    return 0;
}

long request_extent_reserve(struct fs *fs, struct request *rq)
{
    struct inode *ip = inode_of(fs, rq->arg[0]);
    uint64_t wanted = rq->arg[1] / BLOCK_SIZE, goal = rq->arg[2] / SECTORS_PER_BLOCK;
    uint32_t block, count;
    long r;

    if (!ip)
        return -EBADF;
    if (!wanted || rq->arg[1] % BLOCK_SIZE || rq->arg[2] % SECTORS_PER_BLOCK || rq->size < sizeof(struct fs_extent))
        return -EINVAL;
    wanted = least(wanted, fs->super.blocks);
    r = block_reserve(fs, rq->call, (uint32_t)wanted + INDEX_ROOM);
    if (r)
        return r;
    block = block_pick(fs, goal && goal < fs->super.blocks ? (uint32_t)goal : ip->goal ? ip->goal : fs->rotor);
    if (!block)
        return -ENOSPC;
    count = blocks_free_from(fs, block, (uint32_t)least(wanted, fs->super.blocks - block));
    r = end_former_life(fs, rq->call, block, count);
    if (!r)
        r = answer(fs, rq, block, count);
    for (uint32_t i = 0; !r && i < count; i++)
        block_promise(fs, block + i, 1);
    return r;
}

static int on_disk(const struct fs *fs, uint64_t sector, uint64_t bytes)
{
    return sector % SECTORS_PER_BLOCK == 0 && bytes % BLOCK_SIZE == 0 && sector <= SECTORS(fs->super.blocks) &&
           bytes / 512 <= SECTORS(fs->super.blocks) - sector;
}

long request_extent_cancel(struct fs *fs, struct request *rq)
{
    uint32_t first = (uint32_t)(rq->arg[0] / SECTORS_PER_BLOCK);

    if (!on_disk(fs, rq->arg[0], rq->arg[1]))
        return -EINVAL;
    for (uint32_t i = 0; i < rq->arg[1] / BLOCK_SIZE; i++)
        block_promise(fs, first + i, 0);
    return 0;
}

/* ---- making it the file's ---- */

static void commit(struct fs *fs, struct inode *ip, struct map *map, uint32_t block, uint64_t size)
{
    block_promise(fs, block, 0);
    map_commit(fs, ip, map);
    if (size > ip->d->size)
        ip->d->size = size;
    ip->d->mtime = ip->d->ctime = fs_now(fs);
    ip->version = ++fs->version;
    fs->cache.unflushed = 1; /* the disk may still have it in its own cache */
    inode_changed(fs, ip);
}

/* One block; nothing to do if an attempt before a wait has done it. `size`: the file's, at least. */
static long link(struct fs *fs, struct call *call, struct inode *ip, uint64_t index, uint32_t block, uint64_t size)
{
    struct buf *tail = NULL;
    struct map map;
    long r = inode_trimmed(fs, call, ip);

    if (!r)
        r = map_find(fs, call, ip, index, &map);
    if (r || map.block == block)
        return r;
    if (map.block)
        return -EEXIST;
    if (!block_reserved(fs, block))
        return -EINVAL;
    if (index * BLOCK_SIZE > ip->d->size)
        r = inode_tail(fs, call, ip, &tail);
    if (!r)
        r = map_prepare_at(fs, call, ip, &map, block);
    if (r)
        return r;
    r = tx_begin(fs, call, TX_SMALL);
    if (r) {
        map_cancel(fs, &map);
        return r;
    }
    inode_clear_tail(fs, ip, tail);
    commit(fs, ip, &map, block, size);
    return 0;
}

long request_extent_commit(struct fs *fs, struct request *rq)
{
    struct inode *ip = inode_of(fs, rq->arg[0]);
    uint64_t offset = rq->arg[1], bytes = rq->arg[3], size = rq->arg[4];
    uint32_t first = (uint32_t)(rq->arg[2] / SECTORS_PER_BLOCK);
    long r = 0;

    if (!ip)
        return -EBADF;
    if (offset % BLOCK_SIZE || !bytes || !on_disk(fs, rq->arg[2], bytes))
        return -EINVAL;
    if (offset > MAX_FILE_BYTES || bytes > MAX_FILE_BYTES - offset)
        return -EFBIG;
    if (size > offset + bytes || (size > ip->d->size ? size : ip->d->size) <= offset + bytes - BLOCK_SIZE)
        return -EINVAL; /* no file has blocks beyond its end */
    for (uint64_t i = 0; !r && i < bytes / BLOCK_SIZE; i++)
        r = link(fs, rq->call, ip, offset / BLOCK_SIZE + i, first + (uint32_t)i,
                 least(size, offset + (i + 1) * BLOCK_SIZE));
    return r;
}
