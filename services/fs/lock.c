/* SPDX-License-Identifier: MIT
 *
 * services/fs/lock.c: advisory locks: fcntl(2) record locks of processes and of open files, flock(2).
 *
 * An inode has one list of locks. A record lock belongs to a process (F_SETLK) or an open file (F_OFD_SETLK), a
 * flock to an open file; flocks and record locks do not see each other. Setting a range first cuts it out of the
 * owner's other locks, then adds it, merged with equal neighbours. Deadlocks are not detected.
 */
#include "services/fs/internal.h"

struct flock_abi {
    int16_t type, whence;
    int64_t start, length;
    int32_t pid;
};

static uint64_t channel_of(const struct inode *ip)
{
    return CHANNEL(SERVICE_FS, 0x100000000ull + ip->ino);
}

static int same_owner(const struct lock *a, const struct lock *b)
{
    return a->pid == b->pid && a->file == b->file && a->whole == b->whole;
}

static int overlap(const struct lock *a, const struct lock *b)
{
    return a->start <= b->last && b->start <= a->last;
}

/* The first in the file of the locks that are in the way: the one that F_GETLK tells of. */
static struct lock *conflict(struct inode *ip, const struct lock *want)
{
    struct lock *first = NULL;

    for (struct lock *l = ip->locks; l; l = l->next)
        if (l->whole == want->whole && !same_owner(l, want) && overlap(l, want) &&
            (l->type == F_WRLCK || want->type == F_WRLCK) && (!first || l->start < first->start))
            first = l;
    return first;
}

static void assign(struct lock *to, const struct lock *from)
{
    to->start = from->start;
    to->last = from->last;
    to->pid = from->pid;
    to->file = from->file;
    to->type = from->type;
    to->whole = from->whole;
}

/* Cuts `range` out of its owner's locks. `spare` takes the upper half if one is split; 1 if it did. */
static int cut(struct fs *fs, struct inode *ip, const struct lock *range, struct lock *spare)
{
    int used = 0;

    for (struct lock **at = &ip->locks; *at;) {
        struct lock *l = *at;

        if (!same_owner(l, range) || !overlap(l, range)) {
            at = &l->next;
        } else if (l->start >= range->start && l->last <= range->last) {
            *at = l->next;
            pool_put(&fs->lock_pool, l);
        } else if (l->start < range->start && l->last > range->last) {
            assign(spare, l);
            spare->start = range->last + 1;
            l->last = range->start - 1;
            spare->next = l->next;
            l->next = spare;
            used = 1;
            at = &spare->next;
        } else {
            if (l->start < range->start)
                l->last = range->start - 1;
            else
                l->start = range->last + 1;
            at = &l->next;
        }
    }
    return used;
}

/* Swallows equal neighbours, so that a lock taken byte by byte stays one lock. */
static void merge(struct fs *fs, struct inode *ip, struct lock *with)
{
    for (struct lock **at = &ip->locks; *at;) {
        struct lock *l = *at;

        if (l != with && same_owner(l, with) && l->type == with->type &&
            (l->last + 1 == with->start || with->last + 1 == l->start)) {
            with->start = l->start < with->start ? l->start : with->start;
            with->last = l->last > with->last ? l->last : with->last;
            *at = l->next;
            pool_put(&fs->lock_pool, l);
        } else {
            at = &l->next;
        }
    }
}

static long apply(struct fs *fs, struct inode *ip, const struct lock *want)
{
    struct lock *fresh = pool_get(fs, &fs->lock_pool), *spare = pool_get(fs, &fs->lock_pool);

    if (!fresh || !spare) {
        if (fresh)
            pool_put(&fs->lock_pool, fresh);
        return -ENOLCK;
    }
    if (!cut(fs, ip, want, spare))
        pool_put(&fs->lock_pool, spare);
    if (want->type == F_UNLCK) {
        pool_put(&fs->lock_pool, fresh);
    } else {
        assign(fresh, want);
        fresh->next = ip->locks;
        ip->locks = fresh;
        merge(fs, ip, fresh);
    }
    fs->host->wake(fs->host->ctx, channel_of(ip));
    return 0;
}

/* ---- fcntl ---- */

static long range_of(const struct file *file, const struct flock_abi *f, struct lock *out)
{
    int64_t start = f->start, last = INT64_MAX;

    if (f->whence == 1)
        start += (int64_t)file->pos;
    else if (f->whence == 2)
        start += (int64_t)file->inode->d->size;
    else if (f->whence != 0)
        return -EINVAL;
    if (f->length > 0) {
        last = start + f->length - 1;
    } else if (f->length < 0) {
        last = start - 1;
        start += f->length;
    }
    if (start < 0 || last < start)
        return -EINVAL;
    out->start = (uint64_t)start;
    out->last = (uint64_t)last;
    out->type = (uint8_t)f->type;
    return f->type == F_RDLCK || f->type == F_WRLCK || f->type == F_UNLCK ? 0 : -EINVAL;
}

static long get(struct fs *fs, struct call *call, struct inode *ip, const struct lock *want, struct flock_abi *f,
                uint64_t address)
{
    const struct lock *l = conflict(ip, want);

    f->type = F_UNLCK;
    if (l) {
        f->type = l->type;
        f->whence = 0;
        f->start = (int64_t)l->start;
        f->length = l->last == INT64_MAX ? 0 : (int64_t)(l->last - l->start + 1);
        f->pid = l->file ? -1 : l->pid;
    }
    return fs->host->copy_out(fs->host->ctx, call, address, f, sizeof *f);
}

static long set(struct fs *fs, struct call *call, struct inode *ip, const struct lock *want, int wait)
{
    if (want->type == F_UNLCK || !conflict(ip, want))
        return apply(fs, ip, want);
    if (!wait)
        return -EAGAIN;
    if (call->flags & CALL_INTERRUPTED)
        return -ERESTART;
    return call_wait(call, channel_of(ip), CALL_FOREVER);
}

long lock_posix(struct fs *fs, struct call *call, struct file *file, int command, uint64_t address)
{
    int ofd = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    struct lock want = {.pid = ofd ? 0 : call->pid, .file = ofd ? file : NULL};
    struct flock_abi f;
    long r = fs->host->copy_in(fs->host->ctx, call, &f, address, sizeof f);

    if (r)
        return r;
    if (!file->inode)
        return -EINVAL;
    r = ofd && f.pid ? -EINVAL : range_of(file, &f, &want);
    if (r)
        return r;
    if (command == F_GETLK || command == F_OFD_GETLK)
        return want.type == F_UNLCK ? -EINVAL : get(fs, call, file->inode, &want, &f, address);
    if ((want.type == F_RDLCK && !file_readable(file)) || (want.type == F_WRLCK && !file_writable(file)))
        return -EBADF;
    return set(fs, call, file->inode, &want, command == F_SETLKW || command == F_OFD_SETLKW);
}

long lock_flock(struct fs *fs, struct call *call, struct file *file, int operation)
{
    struct lock want = {.file = file, .whole = 1, .last = INT64_MAX};

    switch (operation & ~4) { /* LOCK_NB */
    case 1:
        want.type = F_RDLCK;
        break;
    case 2:
        want.type = F_WRLCK;
        break;
    case 8:
        want.type = F_UNLCK;
        break;
    default:
        return -EINVAL;
    }
    return file->inode ? set(fs, call, file->inode, &want, !(operation & 4)) : 0;
}

/* ---- what closing and exiting do ---- */

static void drop(struct fs *fs, struct inode *ip, int32_t pid, const struct file *file)
{
    int any = 0;

    for (struct lock **at = &ip->locks; *at;) {
        struct lock *l = *at;

        if (file ? l->file != file : l->file || l->pid != pid) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        pool_put(&fs->lock_pool, l);
        any = 1;
    }
    if (any)
        fs->host->wake(fs->host->ctx, channel_of(ip));
}

void locks_drop_process(struct fs *fs, struct inode *ip, int32_t pid)
{
    drop(fs, ip, pid, NULL);
}

void locks_drop_file(struct fs *fs, struct inode *ip, const struct file *file)
{
    drop(fs, ip, 0, file);
}
