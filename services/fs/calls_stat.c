/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_stat.c: calls that report attributes: stat and its kin, statfs.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>

#include "services/fs/internal.h"

#define NS 1000000000ull
#define DEVICE_DISK 0xfe00 /* 254:0, a virtio disk */
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
    long r =
        call->arg[2] & ~known || call->arg[3] & STATX__RESERVED ? -EINVAL : find_attributes(fs, call, call->arg[2], &a);

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
