/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_attr.c: calls that check or change attributes: access, chmod, chown, times.
 *
 * Everything runs as root: permission bits are stored and reported, and only the execute bit refuses anything.
 */
#include <linux/time_types.h>

#include "services/fs/internal.h"

#define NS 1000000000ull
#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe

/* ---- access ---- */

static long check_access(struct fs *fs, struct call *call, int dirfd, uint64_t path, uint64_t mode, uint64_t flags)
{
    int walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    struct inode *ip;
    long r;

    if (mode & ~7ull || flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EACCESS))
        return -EINVAL;
    r = path_inode(fs, call, dirfd, path, walk, &ip);
    if (!r && mode & 1 && !S_ISDIR(ip->d->mode) && !(ip->d->mode & 0111))
        r = -EACCES;
    return r;
}

long op_access(void *service, struct call *call)
{
    return check_access(service, call, AT_FDCWD, call->arg[0], (uint32_t)call->arg[1], 0);
}

long op_faccessat(void *service, struct call *call)
{
    return check_access(service, call, (int)call->arg[0], call->arg[1], (uint32_t)call->arg[2], 0);
}

long op_faccessat2(void *service, struct call *call)
{
    return check_access(service, call, (int)call->arg[0], call->arg[1], (uint32_t)call->arg[2], (uint32_t)call->arg[3]);
}

/* ---- chmod, chown ---- */

static long change_mode(struct fs *fs, struct call *call, struct inode *ip, uint32_t mode)
{
    long r = tx_begin(fs, call, TX_SMALL);

    if (r)
        return r;
    ip->d->mode = (ip->d->mode & S_IFMT) | (mode & 07777);
    ip->d->ctime = fs_now(fs);
    inode_changed(fs, ip);
    return 0;
}

static long mode_at(struct fs *fs, struct call *call, int dirfd, uint64_t path, uint64_t mode)
{
    struct inode *ip;
    long r = path_inode(fs, call, dirfd, path, WALK_FOLLOW, &ip);

    return r ? r : change_mode(fs, call, ip, (uint32_t)mode);
}

long op_chmod(void *service, struct call *call)
{
    return mode_at(service, call, AT_FDCWD, call->arg[0], call->arg[1]);
}

long op_fchmodat(void *service, struct call *call)
{
    return mode_at(service, call, (int)call->arg[0], call->arg[1], call->arg[2]);
}

long op_fchmod(void *service, struct call *call)
{
    struct file *file = call_file(service, call);

    if (!file || file->flags & O_PATH)
        return -EBADF;
    return file->inode ? change_mode(service, call, file->inode, (uint32_t)call->arg[1]) : 0;
}

static long change_owner(struct fs *fs, struct call *call, struct inode *ip, uint32_t uid, uint32_t gid)
{
    long r = tx_begin(fs, call, TX_SMALL);

    if (r)
        return r;
    if (uid != UINT32_MAX)
        ip->d->uid = uid;
    if (gid != UINT32_MAX)
        ip->d->gid = gid;
    if (S_ISREG(ip->d->mode) && (uid & gid) != UINT32_MAX)
        ip->d->mode &= ~(uint32_t)(S_ISUID | (ip->d->mode & 010 ? S_ISGID : 0));
    ip->d->ctime = fs_now(fs);
    inode_changed(fs, ip);
    return 0;
}

static long owner_at(struct fs *fs, struct call *call, int dirfd, uint64_t path, const uint64_t *ids, uint64_t flags)
{
    int walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    struct inode *ip;
    long r = flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL
                                                                      : path_inode(fs, call, dirfd, path, walk, &ip);

    return r ? r : change_owner(fs, call, ip, (uint32_t)ids[0], (uint32_t)ids[1]);
}

long op_chown(void *service, struct call *call)
{
    return owner_at(service, call, AT_FDCWD, call->arg[0], &call->arg[1], 0);
}

long op_lchown(void *service, struct call *call)
{
    return owner_at(service, call, AT_FDCWD, call->arg[0], &call->arg[1], AT_SYMLINK_NOFOLLOW);
}

long op_fchownat(void *service, struct call *call)
{
    return owner_at(service, call, (int)call->arg[0], call->arg[1], &call->arg[2], call->arg[4]);
}

long op_fchown(void *service, struct call *call)
{
    struct file *file = call_file(service, call);

    if (!file || file->flags & O_PATH)
        return -EBADF;
    return file->inode ? change_owner(service, call, file->inode, (uint32_t)call->arg[1], (uint32_t)call->arg[2]) : 0;
}

/* ---- times ---- */

struct times {
    struct __kernel_timespec at[2]; /* access, modification */
};

static long valid_time(const struct __kernel_timespec *t)
{
    return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT || (t->tv_nsec >= 0 && t->tv_nsec < (long)NS) ? 0
                                                                                                             : -EINVAL;
}

static void set_time(uint64_t *to, const struct __kernel_timespec *t, uint64_t now)
{
    if (t->tv_nsec == UTIME_NOW)
        *to = now;
    else if (t->tv_nsec != UTIME_OMIT)
        *to = t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * NS + (uint64_t)t->tv_nsec;
}

static long change_times(struct fs *fs, struct call *call, struct inode *ip, const struct times *t)
{
    long r = tx_begin(fs, call, TX_SMALL);

    if (r)
        return r;
    set_time(&ip->d->atime, &t->at[0], fs_now(fs));
    set_time(&ip->d->mtime, &t->at[1], fs_now(fs));
    ip->d->ctime = fs_now(fs);
    inode_changed(fs, ip);
    return 0;
}

static long times_of(struct fs *fs, struct call *call, int dirfd, uint64_t path, uint64_t flags, const struct times *t)
{
    struct process *p = process_of(fs, call->pid);
    struct file *file = p ? fd_file(p, (uint32_t)dirfd) : NULL;
    struct inode *ip;
    long r;

    if (!path && dirfd != AT_FDCWD) {
        if (!file)
            return -EBADF;
        return file->inode ? change_times(fs, call, file->inode, t) : 0;
    }
    r = path_inode(fs, call, dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW, &ip);
    return r ? r : change_times(fs, call, ip, t);
}

static void times_now(struct times *t)
{
    t->at[0].tv_sec = t->at[1].tv_sec = 0;
    t->at[0].tv_nsec = t->at[1].tv_nsec = UTIME_NOW;
}

long op_utimensat(void *service, struct call *call)
{
    struct fs *fs = service;
    struct times t;
    long r = call->arg[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : 0;

    times_now(&t);
    if (!r && call->arg[2])
        r = fs->host->copy_in(fs->host->ctx, call, &t, call->arg[2], sizeof t);
    if (!r)
        r = valid_time(&t.at[0]);
    if (!r)
        r = valid_time(&t.at[1]);
    return r ? r : times_of(fs, call, (int)call->arg[0], call->arg[1], call->arg[3], &t);
}

long op_utimes(void *service, struct call *call)
{
    struct fs *fs = service;
    struct times t;
    long r = 0;

    times_now(&t);
    if (call->arg[1])
        r = fs->host->copy_in(fs->host->ctx, call, &t, call->arg[1], sizeof t); /* struct timeval[2]: µs where ns are */
    for (int i = 0; !r && call->arg[1] && i < 2; i++) {
        if (t.at[i].tv_nsec < 0 || t.at[i].tv_nsec >= 1000000)
            return -EINVAL;
        t.at[i].tv_nsec *= 1000;
    }
    return r ? r : times_of(fs, call, AT_FDCWD, call->arg[0], 0, &t);
}
