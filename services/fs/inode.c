/* SPDX-License-Identifier: MIT
 *
 * services/fs/inode.c: inodes in memory, and the end of a file's life.
 *
 * struct inode is a handle on an inode in a buffer of the inode table; there is no second copy. It is valid in the pass
 * that got it; open files and working directories hold it (and pin the buffer) for longer.
 *
 * Orphans. A file without a name that is still open, and a file with blocks beyond its end that are
 * not freed yet, are entered in the orphan block in the same transaction. What belongs to them is
 * then freed step by step, by whichever call comes by; a mount takes up where a crash stopped.
 */
#include "services/fs/internal.h"

#define INODES_IN_MEMORY 512u

static struct inode **bucket(struct fs *fs, uint32_t ino)
{
    return &fs->inode_hash[ino % INODE_HASH];
}

static uint32_t table_block(const struct fs *fs, uint32_t ino)
{
    return fs->super.itable_start + ino / INODES_PER_BLOCK;
}

static int type_known(uint32_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode);
}

static int sane(const struct disk_inode *d)
{
    if (!type_known(d->mode) || d->size > MAX_FILE_BYTES || d->nlink > MAX_LINKS + 1)
        return 0;
    if (S_ISDIR(d->mode))
        return d->size && d->size % BLOCK_SIZE == 0 && d->size / BLOCK_SIZE < 1u << 20;
    return !S_ISLNK(d->mode) || (d->size && d->size < PATH_MAX);
}

static void forget(struct fs *fs, struct inode *ip)
{
    struct inode **at = bucket(fs, ip->ino);

    while (*at != ip)
        at = &(*at)->hash_next;
    *at = ip->hash_next;
    pool_put(&fs->inode_pool, ip);
    fs->inode_count--;
}

/* Makes room among the inodes that nobody holds. */
static void recycle(struct fs *fs)
{
    for (uint32_t i = 0; i < INODE_HASH; i++) {
        struct inode *ip = fs->inode_hash[fs->inode_hand++ % INODE_HASH];

        while (ip && (ip->refs || ip->pass == fs->pass))
            ip = ip->hash_next;
        if (ip) {
            forget(fs, ip);
            return;
        }
    }
}

static struct inode *make(struct fs *fs, uint32_t ino)
{
    struct inode *ip;

    if (fs->inode_count >= INODES_IN_MEMORY)
        recycle(fs);
    ip = pool_get(fs, &fs->inode_pool);
    if (!ip)
        return NULL;
    ip->ino = ino;
    ip->version = ++fs->version;
    ip->sync_cycle = fs->journal.started + 1; /* what it was before is not known */
    ip->hash_next = *bucket(fs, ino);
    *bucket(fs, ino) = ip;
    fs->inode_count++;
    return ip;
}

static int in_place(const struct inode *ip, uint32_t block)
{
    return ip->buf && ip->buf->block == block && ip->buf->flags & BUF_VALID;
}

static long load(struct fs *fs, struct call *call, uint32_t ino, struct inode **out)
{
    struct inode *ip = *bucket(fs, ino);
    struct buf *buf;
    long r;

    while (ip && ip->ino != ino)
        ip = ip->hash_next;
    if (ip && (ip->refs || in_place(ip, table_block(fs, ino)))) {
        ip->pass = ip->buf->pass = fs->pass;
        *out = ip;
        return 0;
    }
    r = buf_get_ahead(fs, call, table_block(fs, ino), 3, &buf);
    if (r)
        return r;
    if (!ip)
        ip = make(fs, ino);
    if (!ip)
        return -ENOMEM;
    ip->pass = fs->pass;
    ip->buf = buf;
    ip->d = (struct disk_inode *)buf->data + ino % INODES_PER_BLOCK;
    *out = ip;
    return 0;
}

long inode_get(struct fs *fs, struct call *call, uint32_t ino, struct inode **out)
{
    long r;

    if (!ino || ino >= fs->super.inodes)
        return -EUCLEAN;
    r = load(fs, call, ino, out);
    if (r)
        return r;
    return (*out)->refs || sane((*out)->d) ? 0 : -EUCLEAN;
}

long inode_fresh(struct fs *fs, struct call *call, struct inode **out)
{
    uint32_t ino = inode_pick(fs);
    long r;

    while (!ino) {
        r = orphans_reap(fs, call);
        if (r <= 0)
            return r ? r : -ENOSPC;
        ino = inode_pick(fs);
    }
    r = load(fs, call, ino, out);
    if (!r && (*out)->refs)
        return -EUCLEAN; /* the bitmap calls an open inode free */
    return r;
}

void inode_hold(struct fs *fs, struct inode *ip)
{
    if (!ip->refs++)
        ip->buf->pins++;
}

void inode_release(struct fs *fs, struct inode *ip)
{
    if (!--ip->refs)
        ip->buf->pins--;
}

void inode_changed(struct fs *fs, struct inode *ip)
{
    tx_dirty(fs, ip->buf);
    ip->sync_cycle = fs->journal.started + 1;
}

void inode_init(struct fs *fs, struct inode *ip, uint32_t mode, uint32_t nlink)
{
    struct disk_inode *d = ip->d;

    memset(d, 0, sizeof *d);
    d->mode = mode;
    d->nlink = nlink;
    d->atime = d->mtime = d->ctime = d->btime = fs_now(fs);
    ip->flags = 0;
    ip->goal = fs->rotor;
    ip->version = ++fs->version;
    inode_take(fs, ip->ino);
    inode_changed(fs, ip);
}

/* ---- orphans ---- */

static uint32_t *orphan_slots(struct fs *fs)
{
    return (uint32_t *)fs->orphan_buf->data;
}

static int orphan_slot(struct fs *fs)
{
    for (uint32_t i = 0; i < ORPHAN_SLOTS; i++)
        if (!orphan_slots(fs)[i])
            return (int)i;
    return -1;
}

int orphan_room(struct fs *fs)
{
    return orphan_slot(fs) >= 0;
}

static void orphan_link(struct fs *fs, struct inode *ip, uint32_t slot)
{
    ip->slot = (uint16_t)slot;
    ip->flags |= INODE_ORPHAN;
    ip->orphan_next = fs->orphans;
    fs->orphans = ip;
    inode_hold(fs, ip);
}

/* Within a transaction, after orphan_room. */
void orphan_add(struct fs *fs, struct inode *ip)
{
    uint32_t slot;

    if (ip->flags & INODE_ORPHAN)
        return;
    slot = (uint32_t)orphan_slot(fs);
    orphan_slots(fs)[slot] = ip->ino;
    tx_dirty(fs, fs->orphan_buf);
    orphan_link(fs, ip, slot);
}

void orphan_remove(struct fs *fs, struct inode *ip)
{
    struct inode **at = &fs->orphans;

    while (*at != ip)
        at = &(*at)->orphan_next;
    *at = ip->orphan_next;
    orphan_slots(fs)[ip->slot] = 0;
    tx_dirty(fs, fs->orphan_buf);
    ip->flags &= (uint16_t) ~(INODE_ORPHAN | INODE_TRIM);
    inode_release(fs, ip);
}

void inode_unlinked(struct fs *fs, struct inode *ip)
{
    ip->d->nlink -= ip->d->nlink > 0;
    if (S_ISDIR(ip->d->mode))
        ip->d->nlink = 0;
    ip->d->ctime = fs_now(fs);
    inode_changed(fs, ip);
    if (!ip->d->nlink)
        orphan_add(fs, ip);
}

static long mount_slot(struct fs *fs, struct call *call, uint32_t slot)
{
    uint32_t ino = orphan_slots(fs)[slot];
    struct inode *ip;
    long r;

    if (!ino)
        return 0;
    r = inode_get(fs, call, ino, &ip);
    if (r)
        return r;
    if (ip->flags & INODE_ORPHAN)
        return ip->slot == slot ? 0 : -EUCLEAN;
    if (!inode_taken(fs, ino))
        return -EUCLEAN;
    if (ip->d->nlink)
        ip->flags |= INODE_TRIM;
    orphan_link(fs, ip, slot);
    return 0;
}

long orphans_mount(struct fs *fs, struct call *call)
{
    long r = 0;

    for (uint32_t slot = 0; !r && slot < ORPHAN_SLOTS; slot++)
        r = mount_slot(fs, call, slot);
    return r;
}

static int has_pointers(const struct disk_inode *d)
{
    return !S_ISCHR(d->mode) && !(S_ISLNK(d->mode) && d->size < INLINE_LINK);
}

/* No name, and no one but the list of orphans holds it. */
static int dead(const struct inode *ip)
{
    return !ip->d->nlink && ip->refs == 1;
}

/* Frees what an orphan should not have: all of a dead file, else what lies beyond its end. */
static long reap(struct fs *fs, struct call *call, struct inode *ip)
{
    uint64_t keep = dead(ip) ? 0 : (ip->d->size + BLOCK_SIZE - 1) / BLOCK_SIZE;
    long r = has_pointers(ip->d) ? map_trim(fs, call, ip, keep) : 0;

    if (!r)
        r = tx_begin(fs, call, TX_SMALL);
    if (r)
        return r;
    ip->flags &= (uint16_t)~INODE_TRIM;
    if (dead(ip)) {
        memset(ip->d, 0, sizeof *ip->d);
        inode_untake(fs, ip->ino);
        orphan_remove(fs, ip);
    } else if (ip->d->nlink) {
        orphan_remove(fs, ip);
    }
    inode_changed(fs, ip);
    return 0;
}

static int reapable(const struct inode *ip)
{
    return ip->flags & INODE_TRIM || dead(ip);
}

int orphans_reap(struct fs *fs, struct call *call)
{
    struct inode *ip = fs->orphans;
    long r;

    while (ip && !reapable(ip))
        ip = ip->orphan_next;
    if (!ip || fs->journal.failed)
        return 0;
    r = reap(fs, call, ip);
    return r ? (int)r : 1;
}

/* ---- size ---- */

long inode_trimmed(struct fs *fs, struct call *call, struct inode *ip)
{
    return ip->flags & INODE_TRIM ? reap(fs, call, ip) : 0;
}

/* The block that the file's end is in, if it exists and what lies beyond must be cleared before the file grows. */
long inode_tail(struct fs *fs, struct call *call, struct inode *ip, struct buf **out)
{
    struct map map;
    long r;

    *out = NULL;
    if (ip->d->size % BLOCK_SIZE == 0)
        return 0;
    r = map_find(fs, call, ip, ip->d->size / BLOCK_SIZE, &map);
    if (!r && map.block)
        r = buf_get(fs, call, map.block, out);
    return r;
}

void inode_clear_tail(struct fs *fs, struct inode *ip, struct buf *tail)
{
    uint32_t at = ip->d->size % BLOCK_SIZE;

    if (!tail)
        return;
    memset(tail->data + at, 0, BLOCK_SIZE - at);
    buf_dirty(fs, tail);
}

long inode_resize(struct fs *fs, struct call *call, struct inode *ip, uint64_t size)
{
    struct buf *tail = NULL;
    int trim = size < ip->d->size && map_has_beyond(ip, (size + BLOCK_SIZE - 1) / BLOCK_SIZE);
    long r = size > MAX_FILE_BYTES ? -EFBIG : inode_trimmed(fs, call, ip);

    if (!r && size > ip->d->size)
        r = inode_tail(fs, call, ip, &tail);
    if (!r && trim && !orphan_room(fs))
        r = -ENOSPC;
    if (!r)
        r = tx_begin(fs, call, TX_SMALL);
    if (r)
        return r;
    inode_clear_tail(fs, ip, tail);
    ip->d->size = size;
    ip->d->mtime = ip->d->ctime = fs_now(fs);
    ip->version = ++fs->version;
    inode_changed(fs, ip);
    if (trim) {
        orphan_add(fs, ip);
        ip->flags |= INODE_TRIM;
    }
    return inode_trimmed(fs, call, ip);
}
