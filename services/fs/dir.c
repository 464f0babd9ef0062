/* SPDX-License-Identifier: MIT
 *
 * services/fs/dir.c: directories: find, insert, erase names.
 *
 * Directory blocks are metadata: changed in transactions only. Finding a name reads the directory from the start; the
 * name cache makes that rare. A scan that has to wait leaves how far it got in the call, tagged so
 * that it counts only for the same name in an unchanged name space: a directory may be
 * larger than the whole cache.
 */
#include <stddef.h>

#include "services/fs/internal.h"

#define DT_UNKNOWN 0
#define DT_CHR 2
#define DT_DIR 4
#define DT_REG 8
#define DT_LNK 10

uint8_t dir_type(uint32_t mode)
{
    return (uint8_t)((mode & S_IFMT) >> 12);
}

const struct disk_entry *dir_entry(const uint8_t *block, uint32_t offset)
{
    const struct disk_entry *e = (const struct disk_entry *)(block + offset);

    if (offset + 8 > BLOCK_SIZE || e->length < 8 || e->length % 4 || offset + e->length > BLOCK_SIZE ||
        8u + e->name_length > e->length)
        return NULL;
    return e;
}

long dir_block(struct fs *fs, struct call *call, struct inode *dir, uint64_t index, struct buf **out)
{
    struct map map;
    long r = map_find(fs, call, dir, index, &map);

    if (!r && !map.block)
        r = -EUCLEAN;
    return r ? r : buf_get_ahead(fs, call, map.block, 7, out);
}

/* ---- scanning ---- */

struct scan {
    int (*match)(const struct disk_entry *e, const struct scan *scan);
    struct name name;
    uint32_t ino, need;
    /* where it was found */
    struct buf *buf;
    uint32_t offset;
};

/* 1: found in this block; 0: not here; -EUCLEAN. */
static long scan_block(struct buf *buf, struct scan *scan)
{
    for (uint32_t at = 0; at < BLOCK_SIZE;) {
        const struct disk_entry *e = dir_entry(buf->data, at);

        if (!e)
            return -EUCLEAN;
        if (scan->match(e, scan)) {
            scan->buf = buf;
            scan->offset = at;
            return 1;
        }
        at += e->length;
    }
    return 0;
}

#define INDEX_BITS 20
static uint64_t tag(const struct fs *fs, const struct inode *dir, const struct scan *scan)
{
    uint32_t what = fs->names_version * 2654435761u + name_hash(scan->name.at, scan->name.length) + scan->need;

    return ((uint64_t)(what | 1) << 22 | (dir->ino & 0x3fffff)) << INDEX_BITS;
}

/* 0: found; -ENOENT. `progress`: a word of the call. */
static long scan_dir(struct fs *fs, struct call *call, struct inode *dir, uint64_t *progress, struct scan *scan)
{
    uint64_t mine = tag(fs, dir, scan), mask = (1u << INDEX_BITS) - 1;
    uint64_t index = (*progress & ~mask) == mine ? *progress & mask : 0;
    long r = 0;

    for (; !r && index < dir->d->size / BLOCK_SIZE; index++) {
        r = dir_block(fs, call, dir, index, &scan->buf);
        if (r == CALL_WAIT)
            *progress = mine | index;
        if (!r)
            r = scan_block(scan->buf, scan);
    }
    return r > 0 ? 0 : r ? r : -ENOENT;
}

static int is_name(const struct disk_entry *e, const struct scan *scan)
{
    return e->name_length == scan->name.length && e->ino && bytes_eq(e->name, scan->name.at, e->name_length);
}

static int is_ino(const struct disk_entry *e, const struct scan *scan)
{
    return e->ino == scan->ino &&
           !(e->name[0] == '.' && (e->name_length == 1 || (e->name_length == 2 && e->name[1] == '.')));
}

static int is_other(const struct disk_entry *e, const struct scan *scan)
{
    return e->ino && !(e->name[0] == '.' && (e->name_length == 1 || (e->name_length == 2 && e->name[1] == '.')));
}

static uint32_t room_in(const struct disk_entry *e)
{
    return e->ino ? e->length - ENTRY_BYTES(e->name_length) : e->length;
}

static int has_room(const struct disk_entry *e, const struct scan *scan)
{
    return room_in(e) >= scan->need && (!e->ino || ENTRY_BYTES(e->name_length) <= e->length);
}

long dir_slot(struct fs *fs, struct call *call, struct inode *dir, struct name name, struct buf **buf, uint32_t *offset)
{
    struct scan scan = {.match = is_name, .name = name};
    long r = scan_dir(fs, call, dir, &call->note, &scan);

    *buf = scan.buf;
    *offset = scan.offset;
    return r;
}

long dir_find(struct fs *fs, struct call *call, struct inode *dir, struct name name, uint32_t *ino, uint8_t *type)
{
    struct dentry *d = dcache_find(fs, dir->ino, name.at, name.length);
    const struct disk_entry *e;
    struct buf *buf;
    uint32_t offset;
    long r;

    if (d) {
        *ino = d->ino;
        *type = d->type;
        return 0;
    }
    r = dir_slot(fs, call, dir, name, &buf, &offset);
    if (r && r != -ENOENT)
        return r;
    e = r ? NULL : dir_entry(buf->data, offset);
    *ino = e ? e->ino : 0;
    *type = e ? e->type : DT_UNKNOWN;
    dcache_set(fs, dir->ino, name.at, name.length, *ino, *type);
    return 0;
}

long dir_empty(struct fs *fs, struct call *call, struct inode *dir)
{
    struct scan scan = {.match = is_other, .need = 1};
    long r = scan_dir(fs, call, dir, &call->done, &scan);

    return r == -ENOENT ? 0 : r ? r : -ENOTEMPTY;
}

long dir_name_of(struct fs *fs, struct call *call, struct inode *dir, uint32_t ino, struct name *out)
{
    struct scan scan = {.match = is_ino, .ino = ino, .need = ino};
    long r = scan_dir(fs, call, dir, &call->note, &scan);

    if (r)
        return r;
    out->at = dir_entry(scan.buf->data, scan.offset)->name;
    out->length = dir_entry(scan.buf->data, scan.offset)->name_length;
    return 0;
}

/* ---- changing ---- */

/* Room in the last block, or in any, or in a new one. */
long dir_room(struct fs *fs, struct call *call, struct inode *dir, struct name name, struct place *place)
{
    struct scan scan = {.match = has_room, .need = ENTRY_BYTES(name.length)};
    uint64_t blocks = dir->d->size / BLOCK_SIZE;
    long r = dir_block(fs, call, dir, blocks - 1, &scan.buf);

    if (!r)
        r = scan_block(scan.buf, &scan);
    if (!r) {
        r = scan_dir(fs, call, dir, &call->done, &scan);
        r = r ? r : 1;
    }
    place->fresh = r == -ENOENT;
    place->buf = scan.buf;
    place->offset = scan.offset;
    if (!place->fresh)
        return r > 0 ? 0 : r;
    r = map_find(fs, call, dir, blocks, &place->map);
    if (!r && place->map.block)
        r = -EUCLEAN;
    return r ? r : map_prepare(fs, call, dir, &place->map);
}

static void changed(struct fs *fs, struct inode *dir)
{
    dir->d->mtime = dir->d->ctime = fs_now(fs);
    dir->version = ++fs->version;
    fs->names_version++;
    inode_changed(fs, dir);
}

static void entry_set(struct disk_entry *e, uint32_t ino, uint32_t length, struct name name, uint8_t type)
{
    e->ino = ino;
    e->length = (uint16_t)length;
    e->name_length = (uint8_t)name.length;
    e->type = type;
    for (uint32_t i = 0; i < name.length; i++)
        e->name[i] = name.at[i];
}

void dir_insert(struct fs *fs, struct inode *dir, struct name name, struct place *place, uint32_t ino, uint8_t type)
{
    struct disk_entry *e;
    uint32_t used;

    if (place->fresh) {
        place->buf = map_commit(fs, dir, &place->map);
        place->offset = 0;
        memset(place->buf->data, 0, BLOCK_SIZE);
        ((struct disk_entry *)place->buf->data)->length = BLOCK_SIZE;
        dir->d->size += BLOCK_SIZE;
    }
    e = (struct disk_entry *)(place->buf->data + place->offset);
    used = e->ino ? ENTRY_BYTES(e->name_length) : 0;
    if (used) {
        uint32_t rest = e->length - used;

        e->length = (uint16_t)used;
        e = (struct disk_entry *)((uint8_t *)e + used);
        e->length = (uint16_t)rest;
    }
    entry_set(e, ino, e->length, name, type);
    tx_dirty(fs, place->buf);
    changed(fs, dir);
    dcache_set(fs, dir->ino, name.at, name.length, ino, type);
}

void dir_erase(struct fs *fs, struct inode *dir, struct name name, struct buf *buf, uint32_t offset)
{
    struct disk_entry *e = (struct disk_entry *)(buf->data + offset), *before;
    uint32_t at = 0;

    dcache_set(fs, dir->ino, name.at, name.length, 0, 0);
    e->ino = 0;
    while (at < offset) {
        before = (struct disk_entry *)(buf->data + at);
        at += before->length;
        if (at == offset)
            before->length = (uint16_t)(before->length + e->length);
    }
    tx_dirty(fs, buf);
    changed(fs, dir);
}

void dir_point(struct fs *fs, struct inode *dir, struct name name, struct buf *buf, uint32_t offset, uint32_t ino,
               uint8_t type)
{
    struct disk_entry *e = (struct disk_entry *)(buf->data + offset);

    e->ino = ino;
    e->type = type;
    tx_dirty(fs, buf);
    changed(fs, dir);
    dcache_set(fs, dir->ino, name.at, name.length, ino, type);
}

void dir_format(uint8_t *block, uint32_t self, uint32_t parent)
{
    struct disk_entry *dot = (struct disk_entry *)block;
    struct disk_entry *dots = (struct disk_entry *)(block + ENTRY_BYTES(1));

    memset(block, 0, BLOCK_SIZE);
    entry_set(dot, self, ENTRY_BYTES(1), (struct name){".", 1}, DT_DIR);
    entry_set(dots, parent, BLOCK_SIZE - ENTRY_BYTES(1), (struct name){"..", 2}, DT_DIR);
}
