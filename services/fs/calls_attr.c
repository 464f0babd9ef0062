/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_attr.c: calls that report or change an inode's attributes.
 *
 * Everything runs as root: permission bits are stored and reported, and only the execute bit refuses anything.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/time_types.h>

#include "services/fs/internal.h"

#define NS 1000000000ull
#define DEVICE_DISK 0xfe00 /* 254:0, a virtio disk */
#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe
#define AT_ANY_SYNC (AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC)

/* ---- stat ---- */

/* What stat and statx have in common, of inodes and of open files without one. */
struct attributes {
    const struct disk_inode *d; /* NULL: not on the disk */
    uint64_t ino;
    uint32_t mode, rdev, dev;
};

static void attributes_of_inode(struct attributes *a, const struct inode *ip)
{
    a->d = ip->d;
    a->ino = ip->ino;
    a->mode = ip->d->mode;
    a->rdev = ip->d->rdev;
    a->dev = DEVICE_DISK;
}

static void attributes_of_file(struct fs *fs, struct attributes *a, const struct file *file)
{
    int terminal = file->kind == FILE_TTY && fs->config.tty_mask >> (file->line ? 2 : file->writer) & 1;

    if (file->inode) {
        attributes_of_inode(a, file->inode);
        return;
    }
    a->d = NULL;
    a->ino = terminal ? 3 : file->id + 1;
    a->mode = terminal ? S_IFCHR | 0620 : S_IFIFO | 0600;
    a->rdev = terminal ? 0x8800 : 0;
    a->dev = terminal ? 0x18 : 0xe;
}

static long put_stat(struct fs *fs, struct call *call, uint64_t to, const struct attributes *a)
{
    const struct disk_inode *d = a->d;
    struct stat st = {
        .st_dev = a->dev,
        .st_ino = a->ino,
        .st_nlink = d ? d->nlink : 1,
        .st_mode = a->mode,
        .st_rdev = a->rdev,
        .st_blksize = BLOCK_SIZE,
    };

    if (d) {
        st.st_uid = d->uid;
        st.st_gid = d->gid;
        st.st_size = (long)d->size;
        st.st_blocks = (long)d->blocks * SECTORS_PER_BLOCK;
        st.st_atime = d->atime / NS;
        st.st_atime_nsec = d->atime % NS;
        st.st_mtime = d->mtime / NS;
        st.st_mtime_nsec = d->mtime % NS;
        st.st_ctime = d->ctime / NS;
        st.st_ctime_nsec = d->ctime % NS;
    }
    return fs->host->copy_out(fs->host->ctx, call, to, &st, sizeof st);
}

static long stat_inode(struct fs *fs, struct call *call, int dirfd, uint64_t path, int flags, uint64_t to)
{
    struct attributes a;
    struct inode *ip;
    long r = path_inode(fs, call, dirfd, path, flags, &ip);

    if (r)
        return r;
    attributes_of_inode(&a, ip);
    return put_stat(fs, call, to, &a);
}

long op_stat(void *service, struct call *call)
{
    return stat_inode(service, call, AT_FDCWD, call->arg[0], WALK_FOLLOW, call->arg[1]);
}

long op_lstat(void *service, struct call *call)
{
    return stat_inode(service, call, AT_FDCWD, call->arg[0], 0, call->arg[1]);
}

long op_fstat(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);
    struct attributes a;

    if (!file)
        return -EBADF;
    attributes_of_file(fs, &a, file);
    return put_stat(fs, call, call->arg[1], &a);
}

/* The attributes that a dirfd, a path and AT_* flags name. */
static long find_attributes(struct fs *fs, struct call *call, uint64_t flags, struct attributes *a)
{
    int dirfd = (int)call->arg[0], walk = flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
    struct process *p = process_of(fs, call->pid);
    struct inode *ip;
    long r = 0;

    fs->path[0][0] = 0;
    if (!(flags & AT_EMPTY_PATH) || call->arg[1])
        r = path_copy(fs, call, call->arg[1], 0);
    if (r)
        return r;
    if (!fs->path[0][0] && flags & AT_EMPTY_PATH && dirfd != AT_FDCWD) {
        if (!p || !fd_file(p, (uint32_t)dirfd))
            return -EBADF;
        attributes_of_file(fs, a, fd_file(p, (uint32_t)dirfd));
        return 0;
    }
    r = path_inode(fs, call, dirfd, call->arg[1], walk | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0), &ip);
    if (!r)
        attributes_of_inode(a, ip);
    return r;
}

long op_newfstatat(void *service, struct call *call)
{
    struct attributes a;
    uint64_t known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
    long r = call->arg[3] & ~known ? -EINVAL : find_attributes(service, call, call->arg[3], &a);

    return r ? r : put_stat(service, call, call->arg[2], &a);
}

static void put_time(struct statx_timestamp *to, uint64_t ns)
{
    to->tv_sec = (int64_t)(ns / NS);
    to->tv_nsec = (uint32_t)(ns % NS);
}

static void fill_statx(struct statx *stx, const struct attributes *a)
{
    stx->stx_mask = STATX_BASIC_STATS;
    stx->stx_blksize = BLOCK_SIZE;
    stx->stx_nlink = a->d ? a->d->nlink : 1;
    stx->stx_mode = (uint16_t)a->mode;
    stx->stx_ino = a->ino;
    stx->stx_rdev_major = a->rdev >> 8;
    stx->stx_rdev_minor = a->rdev & 0xff;
    stx->stx_dev_major = a->dev >> 8;
    stx->stx_dev_minor = a->dev & 0xff;
    if (!a->d)
        return;
    stx->stx_mask |= STATX_BTIME;
    stx->stx_uid = a->d->uid;
    stx->stx_gid = a->d->gid;
    stx->stx_size = a->d->size;
    stx->stx_blocks = (uint64_t)a->d->blocks * SECTORS_PER_BLOCK;
    put_time(&stx->stx_atime, a->d->atime);
    put_time(&stx->stx_mtime, a->d->mtime);
    put_time(&stx->stx_ctime, a->d->ctime);
    put_time(&stx->stx_btime, a->d->btime);
}

long op_statx(void *service, struct call *call)
{
    struct fs *fs = service;
    uint64_t known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_ANY_SYNC;
    struct attributes a;
    struct statx stx;
    long r = call->arg[2] & ~known || call->arg[3] & STATX__RESERVED ? -EINVAL : find_attributes(fs, call, call->arg[2], &a);

    if (r)
        return r;
    memset(&stx, 0, sizeof stx);
    fill_statx(&stx, &a);
    return fs->host->copy_out(fs->host->ctx, call, call->arg[4], &stx, sizeof stx);
}

/* ---- statfs ---- */

static long put_statfs(struct fs *fs, struct call *call)
{
    uint32_t free_blocks = fs->free_blocks;
    struct statfs st = {
        .f_type = EXT2_SUPER_MAGIC,
        .f_bsize = BLOCK_SIZE,
        .f_frsize = BLOCK_SIZE,
        .f_blocks = fs->super.blocks - fs->super.data_start,
        .f_bfree = free_blocks,
        .f_bavail = free_blocks,
        .f_files = fs->super.inodes - 1,
        .f_ffree = fs->free_inodes,
        .f_namelen = NAME_MAX,
        .f_flags = 0x20 | 0x400, /* ST_VALID | ST_NOATIME */
    };

    return fs->host->copy_out(fs->host->ctx, call, call->arg[1], &st, sizeof st);
}

long op_statfs(void *service, struct call *call)
{
    struct inode *ip;
    long r = path_inode(service, call, AT_FDCWD, call->arg[0], WALK_FOLLOW, &ip);

    return r ? r : put_statfs(service, call);
}

long op_fstatfs(void *service, struct call *call)
{
    return call_file(service, call) ? put_statfs(service, call) : -EBADF;
}

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
    long r = flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : path_inode(fs, call, dirfd, path, walk, &ip);

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
    return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT || (t->tv_nsec >= 0 && t->tv_nsec < (long)NS) ? 0 : -EINVAL;
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
