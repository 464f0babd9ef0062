/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_name.c: calls that change names: mkdir, rmdir, unlink, link, symlink, rename.
 *
 * All follow one shape: walk, refuse, get what is needed (may wait), tx_begin, change.
 */
#include "services/fs/internal.h"

#define DT_DIR 4
#define RENAME_NOREPLACE 1u /* as <linux/fs.h>, whose BLOCK_SIZE is another */

static uint32_t umask_of(struct fs *fs, struct call *call)
{
    struct process *p = process_of(fs, call->pid);

    return p ? p->umask : 022;
}

/* ---- mkdir, symlink ---- */

static long make_directory(struct fs *fs, struct call *call, int dirfd, uint64_t path, uint64_t mode)
{
    struct inode *ip;
    struct walk w;
    long r = path_at(fs, call, dirfd, path, 0, WALK_NAME, &w);

    if (r)
        return r;
    if (w.ino)
        return -EEXIST;
    return create_inode(fs, call, &w, S_IFDIR | ((uint32_t)mode & ~umask_of(fs, call) & 01777), NULL, &ip);
}

long op_mkdir(void *service, struct call *call)
{
    return make_directory(service, call, AT_FDCWD, call->arg[0], call->arg[1]);
}

long op_mkdirat(void *service, struct call *call)
{
    return make_directory(service, call, (int)call->arg[0], call->arg[1], call->arg[2]);
}

static long make_symlink(struct fs *fs, struct call *call, uint64_t target, int dirfd, uint64_t path)
{
    struct inode *ip;
    struct walk w;
    long r = path_copy(fs, call, target, 1);

    if (!r && !fs->path[1][0])
        r = -ENOENT;
    if (!r)
        r = path_at(fs, call, dirfd, path, 0, WALK_NAME, &w);
    if (r)
        return r;
    if (w.ino)
        return -EEXIST;
    if (w.slash)
        return -ENOENT;
    return create_inode(fs, call, &w, S_IFLNK | 0777, fs->path[1], &ip);
}

long op_symlink(void *service, struct call *call)
{
    return make_symlink(service, call, call->arg[0], AT_FDCWD, call->arg[1]);
}

long op_symlinkat(void *service, struct call *call)
{
    return make_symlink(service, call, call->arg[0], (int)call->arg[1], call->arg[2]);
}

/* ---- unlink, rmdir ---- */

struct entry {
    struct inode *ip;
    struct buf *buf; /* of the directory, and where in it */
    uint32_t offset;
};

/* The inode and the entry of a name that exists. */
static long get_entry(struct fs *fs, struct call *call, struct walk *w, struct entry *e)
{
    long r = inode_get(fs, call, w->ino, &e->ip);

    if (!r)
        r = dir_slot(fs, call, w->dir, w->name, &e->buf, &e->offset);
    return r == -ENOENT ? -EUCLEAN : r;
}

static long remove_file(struct fs *fs, struct call *call, int dirfd, uint64_t path)
{
    struct entry e;
    struct walk w;
    long r = path_at(fs, call, dirfd, path, 0, WALK_NAME, &w);

    if (r)
        return r;
    if (!w.ino)
        return -ENOENT;
    if (w.type == DT_DIR)
        return -EISDIR;
    if (w.slash)
        return -ENOTDIR;
    r = get_entry(fs, call, &w, &e);
    if (!r && !orphan_room(fs))
        r = -ENOSPC;
    if (!r)
        r = tx_begin(fs, call, TX_SMALL);
    if (r)
        return r;
    dir_erase(fs, w.dir, w.name, e.buf, e.offset);
    inode_unlinked(fs, e.ip);
    return 0;
}

static long last_refuses(const struct walk *w)
{
    static const int16_t refusal[] = {[LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY, [LAST_ROOT] = -EBUSY};

    return refusal[w->last];
}

static long remove_directory(struct fs *fs, struct call *call, int dirfd, uint64_t path)
{
    struct entry e;
    struct walk w;
    long r = path_at(fs, call, dirfd, path, 0, WALK_NAME, &w);

    if (!r)
        r = last_refuses(&w);
    if (r)
        return r;
    if (!w.ino)
        return -ENOENT;
    if (w.type != DT_DIR)
        return -ENOTDIR;
    r = get_entry(fs, call, &w, &e);
    if (!r)
        r = S_ISDIR(e.ip->d->mode) ? dir_empty(fs, call, e.ip) : -EUCLEAN;
    if (!r && !orphan_room(fs))
        r = -ENOSPC;
    if (!r)
        r = tx_begin(fs, call, TX_SMALL);
    if (r)
        return r;
    dir_erase(fs, w.dir, w.name, e.buf, e.offset);
    w.dir->d->nlink -= w.dir->d->nlink > 2;
    inode_unlinked(fs, e.ip);
    return 0;
}

long op_unlink(void *service, struct call *call)
{
    return remove_file(service, call, AT_FDCWD, call->arg[0]);
}

long op_rmdir(void *service, struct call *call)
{
    return remove_directory(service, call, AT_FDCWD, call->arg[0]);
}

long op_unlinkat(void *service, struct call *call)
{
    if (call->arg[2] & ~(uint64_t)AT_REMOVEDIR)
        return -EINVAL;
    return call->arg[2] ? remove_directory(service, call, (int)call->arg[0], call->arg[1])
                        : remove_file(service, call, (int)call->arg[0], call->arg[1]);
}

/* ---- link ---- */

static long link_source(struct fs *fs, struct call *call, int dirfd, uint64_t path, uint64_t flags, struct inode **ip)
{
    int walk = (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    struct process *p = process_of(fs, call->pid);
    struct file *file = p ? fd_file(p, (uint32_t)dirfd) : NULL;
    long r = path_copy(fs, call, path, 0);

    if (!r && !fs->path[0][0] && walk & WALK_EMPTY && file && file->inode) {
        *ip = file->inode;
        return 0;
    }
    return r ? r : path_inode(fs, call, dirfd, path, walk & WALK_FOLLOW, ip);
}

static long make_link(struct fs *fs, struct call *call, int from_fd, uint64_t from, int to_fd, uint64_t to,
                      uint64_t flags)
{
    struct place place;
    struct inode *ip;
    struct walk w;
    long r = flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) ? -EINVAL
                                                                    : link_source(fs, call, from_fd, from, flags, &ip);

    if (!r)
        r = path_at(fs, call, to_fd, to, 1, WALK_NAME, &w);
    if (!r && w.ino)
        r = -EEXIST;
    if (!r && (w.slash || !w.dir->d->nlink || !ip->d->nlink))
        r = -ENOENT;
    if (!r && S_ISDIR(ip->d->mode))
        r = -EPERM;
    if (!r && ip->d->nlink >= MAX_LINKS)
        r = -EMLINK;
    if (!r)
        r = dir_room(fs, call, w.dir, w.name, &place);
    if (!r)
        r = tx_begin(fs, call, TX_SMALL);
    if (r)
        return r;
    dir_insert(fs, w.dir, w.name, &place, ip->ino, dir_type(ip->d->mode));
    ip->d->nlink++;
    ip->d->ctime = fs_now(fs);
    inode_changed(fs, ip);
    return 0;
}

long op_link(void *service, struct call *call)
{
    return make_link(service, call, AT_FDCWD, call->arg[0], AT_FDCWD, call->arg[1], 0);
}

long op_linkat(void *service, struct call *call)
{
    return make_link(service, call, (int)call->arg[0], call->arg[1], (int)call->arg[2], call->arg[3], call->arg[4]);
}

/* ---- rename ---- */

struct rename {
    struct walk from, to;
    struct entry old, target; /* target.ip NULL: the new name does not exist */
    struct entry dots;        /* ".." of a directory that changes its parent */
    struct place place;       /* of a new name */
};

/* Is `dir` at or below `ino`? -EINVAL if so. */
static long check_loop(struct fs *fs, struct call *call, struct inode *dir, uint32_t ino)
{
    for (uint32_t depth = 0; depth < fs->super.inodes; depth++) {
        uint32_t up;
        uint8_t type;
        long r;

        if (dir->ino == ino)
            return -EINVAL;
        if (dir->ino == ROOT_INODE)
            return 0;
        r = dir_find(fs, call, dir, (struct name){"..", 2}, &up, &type);
        if (!r)
            r = up ? inode_get(fs, call, up, &dir) : -EUCLEAN;
        if (r)
            return r;
        if (!S_ISDIR(dir->d->mode))
            return -EUCLEAN;
    }
    return -EUCLEAN;
}

/* What the target's existence and kind forbid. */
static long check_target(struct fs *fs, struct call *call, struct rename *n)
{
    int directory = S_ISDIR(n->old.ip->d->mode);
    long r;

    if (!n->to.ino)
        return 0;
    r = get_entry(fs, call, &n->to, &n->target);
    if (r || n->target.ip == n->old.ip)
        return r;
    if (S_ISDIR(n->target.ip->d->mode))
        r = directory ? dir_empty(fs, call, n->target.ip) : -EISDIR;
    else if (directory)
        r = -ENOTDIR;
    return r || orphan_room(fs) ? r : -ENOSPC;
}

static long walk_both(struct fs *fs, struct call *call, struct rename *n, const uint64_t at[4], uint32_t flags)
{
    long r = path_at(fs, call, (int)at[0], at[1], 0, WALK_NAME, &n->from);

    if (!r)
        r = path_at(fs, call, (int)at[2], at[3], 1, WALK_NAME, &n->to);
    if (r)
        return r;
    if (n->from.last != LAST_NAME || n->to.last != LAST_NAME)
        return n->to.last != LAST_NAME && flags & RENAME_NOREPLACE && n->from.last == LAST_NAME ? -EEXIST : -EBUSY;
    if (!n->from.ino)
        return -ENOENT;
    r = get_entry(fs, call, &n->from, &n->old);
    if (!r && n->to.ino && flags & RENAME_NOREPLACE)
        r = -EEXIST;
    return !r && (n->from.slash || n->to.slash) && !S_ISDIR(n->old.ip->d->mode) ? -ENOTDIR : r;
}

/* Everything that can wait or refuse. 1: old and new are the same file already. */
static long prepare_rename(struct fs *fs, struct call *call, struct rename *n)
{
    int directory = S_ISDIR(n->old.ip->d->mode), moves = n->from.dir != n->to.dir;
    long r = directory ? check_loop(fs, call, n->to.dir, n->old.ip->ino) : 0;

    n->target.ip = n->dots.ip = NULL;
    if (!r && moves && n->to.ino && n->to.type == DT_DIR) {
        r = check_loop(fs, call, n->from.dir, n->to.ino);
        r = r == -EINVAL ? -ENOTEMPTY : r;
    }
    if (!r)
        r = n->to.dir->d->nlink ? check_target(fs, call, n) : -ENOENT;
    if (!r && n->target.ip == n->old.ip)
        return 1;
    if (!r && directory && moves) {
        n->dots.ip = n->old.ip;
        r = dir_slot(fs, call, n->old.ip, (struct name){"..", 2}, &n->dots.buf, &n->dots.offset);
        r = r == -ENOENT ? -EUCLEAN : r;
    }
    if (!r && directory && moves && !n->target.ip && n->to.dir->d->nlink >= MAX_LINKS)
        r = -EMLINK;
    if (!r && !n->target.ip)
        r = dir_room(fs, call, n->to.dir, n->to.name, &n->place);
    return r ? r : tx_begin(fs, call, TX_SMALL);
}

static void commit_rename(struct fs *fs, struct rename *n)
{
    uint8_t type = dir_type(n->old.ip->d->mode);

    if (n->target.ip) {
        dir_point(fs, n->to.dir, n->to.name, n->target.buf, n->target.offset, n->old.ip->ino, type);
        if (type == DT_DIR)
            n->to.dir->d->nlink--;
        inode_unlinked(fs, n->target.ip);
    } else {
        dir_insert(fs, n->to.dir, n->to.name, &n->place, n->old.ip->ino, type);
    }
    dir_erase(fs, n->from.dir, n->from.name, n->old.buf, n->old.offset);
    if (n->dots.ip) {
        dir_point(fs, n->dots.ip, (struct name){"..", 2}, n->dots.buf, n->dots.offset, n->to.dir->ino, DT_DIR);
        n->from.dir->d->nlink--;
        n->to.dir->d->nlink++;
    }
    n->old.ip->d->ctime = fs_now(fs);
    inode_changed(fs, n->old.ip);
}

static long rename_at(struct fs *fs, struct call *call, const uint64_t at[4], uint32_t flags)
{
    struct rename n;
    long r = flags & ~(uint32_t)RENAME_NOREPLACE ? -EINVAL : walk_both(fs, call, &n, at, flags);

    if (!r)
        r = prepare_rename(fs, call, &n);
    if (!r)
        commit_rename(fs, &n);
    return r > 0 ? 0 : r;
}

long op_rename(void *service, struct call *call)
{
    const uint64_t at[4] = {(uint64_t)AT_FDCWD, call->arg[0], (uint64_t)AT_FDCWD, call->arg[1]};

    return rename_at(service, call, at, 0);
}

long op_renameat(void *service, struct call *call)
{
    return rename_at(service, call, call->arg, 0);
}

long op_renameat2(void *service, struct call *call)
{
    return rename_at(service, call, call->arg, (uint32_t)call->arg[4]);
}
