/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_open.c: open and its kin, and making inodes.
 */
#include "services/fs/internal.h"

#define DT_DIR 4
#define DT_LNK 10
#define KNOWN_FLAGS                                                                                                    \
    (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | __O_SYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW |      \
     O_NOATIME | O_PATH)

/* ---- a new inode with its first name ---- */

struct fresh {
    struct inode *ip;
    struct place place; /* of the name */
    struct map map;     /* of its first block, if it needs one */
    int block;
};

static long prepare_block(struct fs *fs, struct call *call, struct fresh *f)
{
    uint32_t count = 1 + (f->place.fresh ? f->place.map.missing + 1 : 0);
    long r = block_reserve(fs, call, count);

    f->map.slot = &f->ip->d->pointer[0];
    f->map.holder = f->ip->buf;
    f->map.missing = 0;
    f->map.block = 0;
    f->ip->goal = 0;
    return r ? r : map_prepare(fs, call, f->ip, &f->map);
}

static void fill_link(struct fs *fs, struct inode *ip, const char *target, uint8_t *block)
{
    ip->d->size = str_len(target);
    memcpy(block ? (char *)block : ip->d->link, target, ip->d->size);
}

static void commit_create(struct fs *fs, struct walk *w, struct fresh *f, uint32_t mode, const char *target)
{
    int directory = S_ISDIR(mode);
    struct buf *buf = NULL;

    inode_init(fs, f->ip, mode, directory ? 2 : 1);
    if (f->block) {
        buf = map_commit(fs, f->ip, &f->map);
        memset(buf->data, 0, BLOCK_SIZE);
        tx_dirty(fs, buf);
    }
    if (directory) {
        dir_format(buf->data, f->ip->ino, w->dir->ino);
        f->ip->d->size = BLOCK_SIZE;
        w->dir->d->nlink++;
    }
    if (target)
        fill_link(fs, f->ip, target, buf ? buf->data : NULL);
    dir_insert(fs, w->dir, w->name, &f->place, f->ip->ino, dir_type(mode));
}

/* Makes an inode named by `w`, whose name must not exist. mode: with type, umask applied. `target`: of a link, or NULL.
 */
long create_inode(struct fs *fs, struct call *call, struct walk *w, uint32_t mode, const char *target,
                  struct inode **out)
{
    struct fresh f;
    long r = w->dir->d->nlink ? 0 : -ENOENT;

    f.block = S_ISDIR(mode) || (target && str_len(target) >= INLINE_LINK);
    if (!r && S_ISDIR(mode) && w->dir->d->nlink >= MAX_LINKS)
        r = -EMLINK;
    if (!r)
        r = inode_fresh(fs, call, &f.ip);
    if (!r)
        r = dir_room(fs, call, w->dir, w->name, &f.place);
    if (!r && f.block)
        r = prepare_block(fs, call, &f);
    if (!r)
        r = tx_begin(fs, call, TX_SMALL);
    if (r)
        return r;
    commit_create(fs, w, &f, mode, target);
    *out = f.ip;
    return 0;
}

/* ---- open ---- */

static int device_kind(struct fs *fs, const struct disk_inode *d)
{
    switch (d->rdev) {
    case 0x103:
        return FILE_NULL;
    case 0x105:
        return FILE_ZERO;
    case 0x107:
        return FILE_FULL;
    case 0x108:
    case 0x109:
        return FILE_RANDOM;
    case 0x500:
        return fs->config.tty_mask ? FILE_TTY : -ENXIO;
    default:
        return -ENXIO;
    }
}

static int kind_of(struct fs *fs, const struct inode *ip, uint32_t flags)
{
    if (S_ISDIR(ip->d->mode))
        return FILE_DIRECTORY;
    if (S_ISREG(ip->d->mode) || flags & O_PATH)
        return FILE_REGULAR;
    return device_kind(fs, ip->d);
}

/* May an existing inode be opened like this? */
static long admissible(const struct inode *ip, const struct walk *w, uint32_t flags)
{
    if (S_ISLNK(ip->d->mode) && !(flags & O_PATH))
        return -ELOOP;
    if (S_ISDIR(ip->d->mode))
        return flags & (O_CREAT | O_TRUNC) || (!(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY) ? -EISDIR : 0;
    return flags & O_DIRECTORY || w->slash ? -ENOTDIR : 0;
}

static long find_inode(struct fs *fs, struct call *call, struct walk *w, uint32_t flags, uint32_t mode,
                       struct inode **ip)
{
    long r;

    if (flags & O_CREAT && w->slash && w->last == LAST_NAME)
        return -EISDIR;
    if (!w->ino)
        return flags & O_CREAT ? create_inode(fs, call, w, S_IFREG | mode, NULL, ip) : -ENOENT;
    if (flags & O_CREAT && flags & O_EXCL)
        return -EEXIST;
    r = inode_get(fs, call, w->ino, ip);
    if (!r)
        r = admissible(*ip, w, flags);
    if (!r && flags & O_TRUNC && S_ISREG((*ip)->d->mode))
        r = inode_resize(fs, call, *ip, 0);
    return r;
}

/* /dev/stdin, /dev/stdout, /dev/stderr: the descriptor itself, where Linux leads through /proc to its file. */
static long install_standard(struct fs *fs, struct process *p, uint32_t fd, uint32_t flags)
{
    struct file *file = fd_file(p, fd);
    long r = file ? fd_install(fs, p, file, 0, (flags & O_CLOEXEC) != 0) : -ENOENT;

    if (r >= 0)
        file->refs++;
    return r;
}

static long install(struct fs *fs, struct process *p, struct inode *ip, uint32_t flags)
{
    int kind;
    struct file *file;

    if (S_ISCHR(ip->d->mode) && ip->d->rdev >> 8 == MAJOR_STANDARD && !(flags & O_PATH))
        return install_standard(fs, p, ip->d->rdev & 0xff, flags);
    kind = kind_of(fs, ip, flags);
    file = kind < 0 ? NULL : file_create(fs, kind, flags & KNOWN_FLAGS);
    if (!file)
        return kind < 0 ? kind : -ENFILE;
    file->inode = ip;
    ip->writers += (uint32_t)file_writable(file);
    inode_hold(fs, ip);
    return fd_install(fs, p, file, 0, (flags & O_CLOEXEC) != 0);
}

static long open_at(struct fs *fs, struct call *call, int dirfd, uint64_t path, uint32_t flags, uint32_t mode)
{
    struct process *p = process_of(fs, call->pid);
    int nofollow = flags & O_NOFOLLOW || (flags & O_CREAT && flags & O_EXCL);
    struct inode *ip;
    struct walk w;
    long r = p ? fd_room(fs, p, 0) : -ENOMEM;

    if (flags & O_PATH)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (flags & __O_TMPFILE)
        return -EOPNOTSUPP;
    if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        return -EINVAL;
    if (r >= 0)
        r = path_at(fs, call, dirfd, path, 0, (nofollow ? 0 : WALK_FOLLOW) | (flags & O_CREAT ? WALK_NAME : 0), &w);
    if (!r)
        r = find_inode(fs, call, &w, flags, mode & ~p->umask & 07777, &ip);
    return r ? r : install(fs, p, ip, flags);
}

long op_open(void *service, struct call *call)
{
    return open_at(service, call, AT_FDCWD, call->arg[0], (uint32_t)call->arg[1], (uint32_t)call->arg[2]);
}

long op_openat(void *service, struct call *call)
{
    return open_at(service, call, (int)call->arg[0], call->arg[1], (uint32_t)call->arg[2], (uint32_t)call->arg[3]);
}

long op_creat(void *service, struct call *call)
{
    return open_at(service, call, AT_FDCWD, call->arg[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)call->arg[1]);
}
