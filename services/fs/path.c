/* SPDX-License-Identifier: MIT
 *
 * services/fs/path.c: from a path to a directory and a last name (path_resolution(7)).
 *
 * The path is copied from the caller into one of two buffers of the service, then walked in place. A symbolic
 * link's target is spliced in front of what remains. Everything runs as root, so there are no
 * permissions to check on the way.
 */
#include "services/fs/internal.h"

#define LINKS_MAX 40
#define PIECE 64u
#define DT_DIR 4
#define DT_LNK 10

/* Piece by piece up to page ends: what follows the string may not be mapped, and should not be copied. */
long path_copy(struct fs *fs, struct call *call, uint64_t from, int which)
{
    char *to = fs->path[which];

    for (uint32_t done = 0; done < PATH_MAX;) {
        uint32_t page = BLOCK_SIZE - (uint32_t)((from + done) % BLOCK_SIZE);
        uint32_t n = page < PIECE ? page : PIECE, at;
        long r = fs->host->copy_in(fs->host->ctx, call, to + done, from + done, n);

        if (r)
            return r;
        at = (uint32_t)str_len_max(to + done, n);
        done += n;
        if (at < n)
            return done - n + at < PATH_MAX ? 0 : -ENAMETOOLONG;
    }
    return -ENAMETOOLONG;
}

/* Puts the target of link `ip` in front of `rest`, which is in the same buffer. */
static long splice(struct fs *fs, struct call *call, struct inode *ip, char *path, const char *rest)
{
    size_t left = str_len(rest), size = ip->d->size, gap = left ? 1 : 0;
    const char *target = ip->d->link;
    struct buf *buf;
    long r;

    if (size + gap + left >= 2 * PATH_MAX)
        return -ENAMETOOLONG;
    if (size >= INLINE_LINK) {
        r = dir_block(fs, call, ip, 0, &buf);
        if (r)
            return r;
        target = (const char *)buf->data;
    }
    memmove(path + size + gap, rest, left + 1);
    memcpy(path, target, size);
    if (gap)
        path[size] = '/';
    return str_len_max(path, size) == size ? 0 : -EUCLEAN;
}

static struct name component(const char *at)
{
    struct name name = {at, 0};

    while (at[name.length] && at[name.length] != '/')
        name.length++;
    return name;
}

static const char *skip_slashes(const char *at)
{
    while (*at == '/')
        at++;
    return at;
}

static int is_dots(struct name n, uint32_t count)
{
    return n.length == count && n.at[0] == '.' && n.at[count - 1] == '.';
}

/* Looks one name up in w->dir. */
static long look(struct fs *fs, struct call *call, struct walk *w)
{
    if (w->name.length > NAME_MAX)
        return -ENAMETOOLONG;
    w->last = is_dots(w->name, 1) ? LAST_DOT : is_dots(w->name, 2) ? LAST_DOTDOT : LAST_NAME;
    if (w->last == LAST_DOT) {
        w->ino = w->dir->ino;
        w->type = DT_DIR;
        return 0;
    }
    return dir_find(fs, call, w->dir, w->name, &w->ino, &w->type);
}

static long enter(struct fs *fs, struct call *call, struct walk *w)
{
    long r;

    if (!w->ino)
        return -ENOENT;
    if (w->type != DT_DIR)
        return -ENOTDIR;
    if (w->ino == w->dir->ino)
        return 0;
    r = inode_get(fs, call, w->ino, &w->dir);
    return r ? r : S_ISDIR(w->dir->d->mode) ? 0 : -EUCLEAN;
}

static long root(struct fs *fs, struct call *call, struct walk *w)
{
    w->last = LAST_ROOT;
    w->ino = ROOT_INODE;
    w->type = DT_DIR;
    return inode_get(fs, call, ROOT_INODE, &w->dir);
}

static long follow(struct fs *fs, struct call *call, struct walk *w, char *path, const char *rest, int *links)
{
    struct inode *ip;
    long r;

    if (++*links > LINKS_MAX)
        return -ELOOP;
    r = inode_get(fs, call, w->ino, &ip);
    if (!r && !S_ISLNK(ip->d->mode))
        r = -EUCLEAN;
    if (!r)
        r = splice(fs, call, ip, path, rest);
    return r ? r : path[0] == '/' ? root(fs, call, w) : 0;
}

long path_walk(struct fs *fs, struct call *call, struct inode *base, int which, int flags, struct walk *w)
{
    char *path = fs->path[which];
    const char *at = path;
    int links = 0;
    long r = 0;

    w->dir = base;
    w->ino = base ? base->ino : 0;
    w->type = DT_DIR;
    w->last = LAST_DOT;
    w->slash = 0;
    w->name.at = path;
    w->name.length = 0;
    if (*at == '/' || !base)
        r = root(fs, call, w);
    for (at = skip_slashes(at); !r && *at;) {
        const char *end, *after;

        w->name = component(at);
        end = at + w->name.length;
        after = skip_slashes(end);
        w->slash = *end == '/';
        r = look(fs, call, w);
        if (r)
            return r;
        if (w->type == DT_LNK && w->ino && (*after || flags & (w->slash ? WALK_SLASH : WALK_FOLLOW))) {
            r = follow(fs, call, w, path, end, &links);
            at = skip_slashes(path);
            continue;
        }
        if (*after)
            r = enter(fs, call, w);
        at = after;
    }
    return r;
}

long path_base(struct fs *fs, struct process *p, int dirfd, int which, struct inode **base)
{
    struct file *file;

    *base = p->cwd;
    if (fs->path[which][0] == '/' || dirfd == AT_FDCWD)
        return 0;
    file = fd_file(p, (uint32_t)dirfd);
    if (!file)
        return -EBADF;
    if (file->kind != FILE_DIRECTORY)
        return -ENOTDIR;
    *base = file->inode;
    return 0;
}

long path_at(struct fs *fs, struct call *call, int dirfd, uint64_t from, int which, int flags, struct walk *w)
{
    struct process *p = process_of(fs, call->pid);
    struct inode *base;
    long r = p ? path_copy(fs, call, from, which) : -ENOMEM;

    if (!(flags & WALK_NAME))
        flags |= WALK_SLASH;

    if (r)
        return r;
    if (!fs->path[which][0] && !(flags & WALK_EMPTY))
        return -ENOENT;
    r = path_base(fs, p, dirfd, which, &base);
    return r ? r : path_walk(fs, call, base, which, flags, w);
}

long path_inode(struct fs *fs, struct call *call, int dirfd, uint64_t from, int flags, struct inode **out)
{
    struct walk w;
    long r = path_at(fs, call, dirfd, from, 0, flags, &w);

    if (r)
        return r;
    if (!w.ino)
        return -ENOENT;
    if (w.slash && w.type != DT_DIR)
        return -ENOTDIR;
    return inode_get(fs, call, w.ino, out);
}
