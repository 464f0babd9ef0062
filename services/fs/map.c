/* SPDX-License-Identifier: MIT
 *
 * services/fs/map.c: from a block's index in a file to its place on the disk.
 *
 * map_find walks the tree as far as it exists. For a hole, map_prepare picks blocks and gets buffers
 * for them (it may wait or fail), and map_commit links them in (it cannot). map_trim frees from the
 * end, one index block a transaction, so that a file of any size fits a journal of any size.
 */
#include "services/fs/internal.h"

#define SINGLE DIRECT_BLOCKS
#define DOUBLE (DIRECT_BLOCKS + 1)
#define SINGLE_END (DIRECT_BLOCKS + POINTERS_PER_BLOCK)

/* Splits an index: the pointer in the inode to start from, the positions in the index blocks, how many of those. */
static uint32_t split(uint64_t index, uint32_t *root, uint32_t offset[2])
{
    if (index < DIRECT_BLOCKS) {
        *root = (uint32_t)index;
        return 0;
    }
    if (index < SINGLE_END) {
        *root = SINGLE;
        offset[1] = (uint32_t)(index - DIRECT_BLOCKS);
        return 1;
    }
    *root = DOUBLE;
    index -= SINGLE_END;
    offset[0] = (uint32_t)(index / POINTERS_PER_BLOCK);
    offset[1] = (uint32_t)(index % POINTERS_PER_BLOCK);
    return 2;
}

long map_find(struct fs *fs, struct call *call, struct inode *ip, uint64_t index, struct map *map)
{
    uint32_t root, levels;

    if (index >= MAX_FILE_BLOCKS)
        return -EFBIG;
    levels = split(index, &root, map->offset);
    map->slot = &ip->d->pointer[root];
    map->holder = ip->buf;
    for (map->missing = levels; map->missing && *map->slot; map->missing--) {
        long r = block_valid(fs, *map->slot) ? buf_get(fs, call, *map->slot, &map->holder) : -EUCLEAN;

        if (r)
            return r;
        map->slot = (uint32_t *)map->holder->data + map->offset[2 - map->missing];
    }
    map->block = map->missing ? 0 : *map->slot;
    return !map->block || block_valid(fs, map->block) ? 0 : -EUCLEAN;
}

/* The first `count` blocks of what is missing, and their buffers. */
static long pick(struct fs *fs, struct call *call, struct inode *ip, struct map *map, uint32_t count)
{
    uint32_t goal = ip->goal ? ip->goal : fs->rotor;
    long r = block_reserve(fs, call, count);

    for (uint32_t i = 0; i <= 2; i++)
        map->fresh_buf[i] = NULL;
    for (uint32_t i = 0; !r && i < count; i++) {
        map->fresh[i] = block_pick(fs, goal);
        goal = map->fresh[i] + 1;
        r = map->fresh[i] ? buf_new(fs, call, map->fresh[i], &map->fresh_buf[i]) : -ENOSPC;
    }
    if (r)
        map_cancel(fs, map);
    return r;
}

long map_prepare(struct fs *fs, struct call *call, struct inode *ip, struct map *map)
{
    return pick(fs, call, ip, map, map->missing + 1);
}

long map_prepare_at(struct fs *fs, struct call *call, struct inode *ip, struct map *map, uint32_t block)
{
    map->fresh[map->missing] = block;
    return pick(fs, call, ip, map, map->missing);
}

void map_cancel(struct fs *fs, struct map *map)
{
    for (uint32_t i = 0; i <= map->missing; i++)
        if (map->fresh_buf[i])
            buf_cancel(fs, map->fresh_buf[i]);
}

/* Links the new blocks, from the top. The buffer of the data block, if it has one: the caller fills it and marks it
 * dirty. */
struct buf *map_commit(struct fs *fs, struct inode *ip, struct map *map)
{
    uint32_t *slot = map->slot;
    struct buf *holder = map->holder;

    for (uint32_t i = 0; i <= map->missing; i++) {
        block_take(fs, map->fresh[i]);
        *slot = map->fresh[i];
        tx_dirty(fs, holder);
        if (i == map->missing)
            break;
        holder = map->fresh_buf[i];
        memset(holder->data, 0, BLOCK_SIZE);
        slot = (uint32_t *)holder->data + map->offset[2 - map->missing + i];
        tx_dirty(fs, holder);
    }
    map->block = *slot;
    ip->d->blocks += map->missing + 1;
    ip->goal = map->block + 1;
    inode_changed(fs, ip);
    return map->fresh_buf[map->missing];
}

/* ---- trimming ---- */

/* Conservative: may say yes for a file with a double indirect block that has nothing beyond `keep`. */
int map_has_beyond(const struct inode *ip, uint64_t keep)
{
    const uint32_t *p = ip->d->pointer;

    if (!S_ISREG(ip->d->mode))
        return 0;
    for (uint64_t i = keep; i < DIRECT_BLOCKS; i++)
        if (p[i])
            return 1;
    return (keep < SINGLE_END && p[SINGLE]) || p[DOUBLE];
}

static void drop(struct fs *fs, struct inode *ip, uint32_t *slot, int metadata)
{
    if (!*slot)
        return;
    block_free(fs, *slot, metadata);
    *slot = 0;
    ip->d->blocks -= ip->d->blocks > 0;
}

static int any(const uint32_t *pointers, uint32_t from)
{
    for (uint32_t i = from; i < POINTERS_PER_BLOCK; i++)
        if (pointers[i])
            return 1;
    return 0;
}

/* Directories' blocks have been in the log, and so have those of long links. */
static int logged(const struct inode *ip)
{
    return !S_ISREG(ip->d->mode);
}

/* Frees what the index block at *slot (in `holder`) points to from `from` on; the block itself too when from is 0. 1:
 * it did something; 0: there was nothing. */
static long trim_index(struct fs *fs, struct call *call, struct inode *ip, uint32_t *slot, struct buf *holder,
                       uint32_t from)
{
    uint32_t *pointers = NULL;
    struct buf *buf = NULL;
    long r = block_valid(fs, *slot) ? buf_get(fs, call, *slot, &buf) : 0;

    if (r)
        return r;
    if (buf)
        pointers = (uint32_t *)buf->data;
    if (from && (!pointers || !any(pointers, from)))
        return 0;
    r = tx_begin(fs, call, fs->super.bitmap_blocks + 4);
    if (r)
        return r;
    for (uint32_t i = from; pointers && i < POINTERS_PER_BLOCK; i++)
        drop(fs, ip, &pointers[i], logged(ip));
    if (from)
        tx_dirty(fs, buf);
    else
        drop(fs, ip, slot, 1);
    tx_dirty(fs, holder);
    inode_changed(fs, ip);
    return 1;
}

/* One step in the double indirect tree: its last index block. */
static long trim_double(struct fs *fs, struct call *call, struct inode *ip, uint64_t keep)
{
    uint32_t *root = &ip->d->pointer[DOUBLE], *pointers;
    uint64_t first = keep > SINGLE_END ? keep - SINGLE_END : 0;
    uint32_t low = (uint32_t)(first / POINTERS_PER_BLOCK), cut = (uint32_t)(first % POINTERS_PER_BLOCK);
    struct buf *buf;
    long r;

    if (!*root)
        return 0;
    if (!block_valid(fs, *root))
        return trim_index(fs, call, ip, root, ip->buf, 0);
    r = buf_get(fs, call, *root, &buf);
    if (r)
        return r;
    pointers = (uint32_t *)buf->data;
    for (uint32_t i = POINTERS_PER_BLOCK; i-- > low;)
        if (pointers[i]) {
            r = trim_index(fs, call, ip, &pointers[i], buf, i == low ? cut : 0);
            return r || i > low ? r : 0;
        }
    return first ? 0 : trim_index(fs, call, ip, root, ip->buf, 0);
}

static long trim_single(struct fs *fs, struct call *call, struct inode *ip, uint64_t keep)
{
    uint32_t from = keep > DIRECT_BLOCKS ? (uint32_t)(keep - DIRECT_BLOCKS) : 0;

    if (keep >= SINGLE_END || !ip->d->pointer[SINGLE])
        return 0;
    return trim_index(fs, call, ip, &ip->d->pointer[SINGLE], ip->buf, from);
}

static long trim_direct(struct fs *fs, struct call *call, struct inode *ip, uint64_t keep)
{
    long r = keep < DIRECT_BLOCKS ? tx_begin(fs, call, DIRECT_BLOCKS + 4) : 1;

    if (r)
        return r < 0 ? r : 0;
    for (uint64_t i = keep; i < DIRECT_BLOCKS; i++)
        drop(fs, ip, &ip->d->pointer[i], logged(ip));
    inode_changed(fs, ip);
    return 0;
}

long map_trim(struct fs *fs, struct call *call, struct inode *ip, uint64_t keep)
{
    long r;

    do
        r = trim_double(fs, call, ip, keep);
    while (r > 0);
    if (!r)
        r = trim_single(fs, call, ip, keep);
    if (r < 0)
        return r;
    return trim_direct(fs, call, ip, keep);
}
