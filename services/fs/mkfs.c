/* SPDX-License-Identifier: MIT
 *
 * services/fs/mkfs.c: the file system service, run over a disk in memory (mkfs.h).
 *
 * A host of its own: the disk answers at once, the caller's memory is this memory, time stands still. So
 * the only waits left are those for a new pass, and a loop around each operation is all the placement there is.
 */
#include "services/fs/mkfs_internal.h"

#define CACHE_BLOCKS 512

/* ---- the host ---- */

static void *host_alloc(void *ctx, size_t bytes)
{
    struct mkfs *m = ctx;

    return m->memory.alloc(m->memory.ctx, bytes);
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    struct mkfs *m = ctx;

    m->memory.free(m->memory.ctx, memory, bytes);
}

static long host_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    const char *at = (const char *)(uintptr_t)from;
    char *text = to;

    if (call->nr == CALL_write) {
        memcpy(to, at, bytes);
        return 0;
    }
    for (size_t i = 0; i < bytes && (i == 0 || at[i - 1]); i++) /* a string: nothing beyond its end */
        text[i] = at[i];
    return 0;
}

static long host_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    memcpy((void *)(uintptr_t)to, from, bytes);
    return 0;
}

static uint64_t host_now(void *ctx)
{
    return 0;
}

static void host_wake(void *ctx, uint64_t channel)
{
}

static uint64_t host_dma(void *ctx, void *memory)
{
    return (uint64_t)(uintptr_t)memory;
}

static long host_ask(void *ctx, struct request *rq)
{
    struct mkfs *m = ctx;
    uint64_t at = rq->arg[0] * 512, bytes = rq->arg[1];
    uint8_t *memory = (uint8_t *)(uintptr_t)rq->arg[2];

    if (rq->service != SERVICE_BLK)
        return -ENOSYS;
    if (rq->op == BLK_SIZE)
        return (long)(m->bytes / 512);
    if (rq->op == BLK_DONE)
        return 0;
    if (rq->op == BLK_FLUSH)
        return 1;
    if (at + bytes > m->bytes)
        return -EIO;
    if (rq->op == BLK_READ)
        memcpy(memory, m->disk + at, bytes);
    else
        memcpy(m->disk + at, memory, bytes);
    return 1;
}

/* ---- operations ---- */

static struct call *new_call(struct mkfs *m, uint32_t nr)
{
    memset(&m->call, 0, sizeof m->call);
    m->call.nr = nr;
    m->call.pid = 1;
    return &m->call;
}

static long run(struct mkfs *m, uint32_t nr, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    struct call *call = new_call(m, nr);
    long r;

    call->arg[0] = arg0;
    call->arg[1] = arg1;
    call->arg[2] = arg2;
    do
        r = m->fs->calls[nr](m->fs, call);
    while (r == CALL_WAIT);
    return r;
}

/* The inode of a path, links not followed; valid until the next operation. */
static long find(struct mkfs *m, const char *path, struct inode **out)
{
    struct call *call = new_call(m, CALL_stat);
    long r;

    do {
        fs_pass(m->fs);
        r = path_inode(m->fs, call, AT_FDCWD, (uint64_t)(uintptr_t)path, 0, out);
    } while (r == CALL_WAIT);
    return r;
}

static long set_attributes(struct mkfs *m, const char *path, const struct mkfs_attr *attr, uint32_t rdev)
{
    struct inode *ip;
    long r;

    do {
        r = find(m, path, &ip);
        if (!r)
            r = tx_begin(m->fs, &m->call, TX_SMALL);
    } while (r == CALL_WAIT);
    if (r)
        return r;
    ip->d->mode = (ip->d->mode & S_IFMT) | (attr->mode & 07777);
    ip->d->rdev = rdev;
    ip->d->uid = attr->uid;
    ip->d->gid = attr->gid;
    ip->d->atime = ip->d->mtime = ip->d->ctime = ip->d->btime = attr->mtime_ns;
    inode_changed(m->fs, ip);
    return 0;
}

int mkfs_directory(struct mkfs *m, const char *path, const struct mkfs_attr *attr)
{
    long r = run(m, CALL_mkdir, (uint64_t)(uintptr_t)path, 0700, 0);
    struct inode *ip;

    if (r == -EEXIST) {
        r = find(m, path, &ip);
        if (!r && !S_ISDIR(ip->d->mode))
            r = -EEXIST;
    }
    return (int)(r ? r : set_attributes(m, path, attr, 0));
}

int mkfs_file(struct mkfs *m, const char *path, const struct mkfs_attr *attr, const void *data, size_t bytes)
{
    long fd = run(m, CALL_open, (uint64_t)(uintptr_t)path, O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW, 0600), r = 0;

    if (fd < 0)
        return (int)fd;
    for (size_t done = 0; r >= 0 && done < bytes; done += (size_t)r)
        r = run(m, CALL_write, (uint64_t)fd, (uint64_t)(uintptr_t)data + done, bytes - done);
    run(m, CALL_close, (uint64_t)fd, 0, 0);
    return (int)(r < 0 ? r : set_attributes(m, path, attr, 0));
}

int mkfs_symlink(struct mkfs *m, const char *path, const struct mkfs_attr *attr, const char *target)
{
    long r = run(m, CALL_symlink, (uint64_t)(uintptr_t)target, (uint64_t)(uintptr_t)path, 0);

    return (int)(r ? r : set_attributes(m, path, attr, 0));
}

static long device(struct mkfs *m, const char *path, uint32_t rdev)
{
    static const struct mkfs_attr attr = {.mode = 0666};
    struct call *call = new_call(m, CALL_open);
    struct inode *ip;
    struct walk w;
    long r;

    do {
        fs_pass(m->fs);
        r = path_at(m->fs, call, AT_FDCWD, (uint64_t)(uintptr_t)path, 0, 0, &w);
        if (!r)
            r = w.ino ? -EEXIST : create_inode(m->fs, call, &w, S_IFCHR | attr.mode, NULL, &ip);
    } while (r == CALL_WAIT);
    return r ? r : set_attributes(m, path, &attr, rdev);
}

struct device_name {
    char path[14];
    uint16_t rdev;
};

static const struct device_name devices[] = {
    {"/dev/null", 0x103},   {"/dev/zero", 0x105},  {"/dev/full", 0x107},
    {"/dev/random", 0x108}, {"/dev/urandom", 0x109}, {"/dev/tty", 0x500},
    {"/dev/stdin", MAJOR_STANDARD << 8}, {"/dev/stdout", MAJOR_STANDARD << 8 | 1}, {"/dev/stderr", MAJOR_STANDARD << 8 | 2},
};

static int make_devices(struct mkfs *m)
{
    static const struct mkfs_attr attr = {.mode = 0755};
    long r = mkfs_directory(m, "/dev", &attr);

    for (uint32_t i = 0; !r && i < sizeof devices / sizeof *devices; i++)
        r = device(m, devices[i].path, devices[i].rdev);
    return (int)r;
}

/* ---- life ---- */

static void destroy(struct mkfs *m)
{
    struct mkfs_memory memory = m->memory;

    if (m->fs)
        fs_destroy(m->fs);
    memory.free(memory.ctx, m, sizeof *m);
}

static void fill_host(struct mkfs *m)
{
    m->host.ctx = m;
    m->host.alloc = host_alloc;
    m->host.free = host_free;
    m->host.copy_in = host_copy_in;
    m->host.copy_out = host_copy_out;
    m->host.now = host_now;
    m->host.wake = host_wake;
    m->host.ask = host_ask;
    m->host.dma = host_dma;
}

int mkfs_open(struct mkfs **out, const struct mkfs_memory *memory, void *disk, size_t bytes)
{
    static const struct fs_config config = {.cache_blocks = CACHE_BLOCKS};
    struct mkfs *m = memory->alloc(memory->ctx, sizeof *m);
    long r = -ENOMEM;

    if (!m)
        return -ENOMEM;
    m->memory = *memory;
    m->disk = disk;
    m->bytes = bytes;
    fill_host(m);
    m->fs = fs_create(&m->host, &config);
    if (m->fs) {
        struct call *call = new_call(m, CALL_SYNC_ALL);

        do
            r = fs_mount(m->fs, call);
        while (r == CALL_WAIT);
    }
    if (r)
        destroy(m);
    else
        *out = m;
    return (int)r;
}

int mkfs_format(struct mkfs **out, const struct mkfs_memory *memory, void *disk, size_t bytes)
{
    int r = format_disk(disk, bytes);

    if (!r)
        r = mkfs_open(out, memory, disk, bytes);
    if (r)
        return r;
    r = make_devices(*out);
    if (r)
        destroy(*out);
    return r;
}

int mkfs_close(struct mkfs *m)
{
    long r = run(m, CALL_SYNC_ALL, 0, 0, 0);

    destroy(m);
    return (int)r;
}

/* ---- reading ---- */

static long block_at(struct mkfs *m, const char *path, uint64_t index, struct inode **ip, const uint8_t **data)
{
    long r;

    do {
        r = find(m, path, ip);
        if (!r && !S_ISREG((*ip)->d->mode) && !S_ISLNK((*ip)->d->mode))
            return -EINVAL;
        if (!r && S_ISLNK((*ip)->d->mode) && (*ip)->d->size < INLINE_LINK) {
            *data = (const uint8_t *)(*ip)->d->link;
            return 0;
        }
        if (!r && index * BLOCK_SIZE < (*ip)->d->size)
            r = regular_block(m->fs, &m->call, *ip, index, 1, data);
    } while (r == CALL_WAIT);
    return r;
}

long mkfs_read(struct mkfs *m, const char *path, uint64_t offset, void *data, size_t bytes)
{
    size_t done = 0;

    while (done < bytes) {
        uint64_t at = offset + done, within = at % BLOCK_SIZE, n = BLOCK_SIZE - within;
        const uint8_t *block = NULL;
        struct inode *ip;
        long r = block_at(m, path, at / BLOCK_SIZE, &ip, &block);

        if (r)
            return r;
        if (at >= ip->d->size)
            break;
        n = n < bytes - done ? n : bytes - done;
        n = n < ip->d->size - at ? n : ip->d->size - at;
        memcpy((uint8_t *)data + done, (block ? block : zero_block) + within, n);
        done += n;
    }
    return (long)done;
}

/* ---- walking ---- */

typedef int visitor(void *ctx, const char *path, const struct mkfs_attr *attr);

/* Appends a name to m->path. The old length, or -ENAMETOOLONG. */
static long push(struct mkfs *m, const struct disk_entry *e)
{
    size_t n = str_len(m->path), at = n;

    if (n + 1 + e->name_length >= PATH_MAX)
        return -ENAMETOOLONG;
    if (!n || m->path[n - 1] != '/')
        m->path[at++] = '/';
    memcpy(m->path + at, e->name, e->name_length);
    m->path[at + e->name_length] = 0;
    return (long)n;
}

static int is_dot(const struct disk_entry *e)
{
    return e->name[0] == '.' && (e->name_length == 1 || (e->name_length == 2 && e->name[1] == '.'));
}

/* The next entry of directory `ino` at *at, which moves on. 1: there is one; its name is pushed, *old the length to go back to. */
static long next_entry(struct mkfs *m, uint32_t ino, uint64_t *at, struct inode **child, long *old)
{
    for (;;) {
        const struct disk_entry *e;
        struct inode *dir;
        struct buf *buf;
        long r;

        fs_pass(m->fs);
        new_call(m, CALL_stat);
        r = inode_get(m->fs, &m->call, ino, &dir);
        if (!r && *at >= dir->d->size)
            return 0;
        if (!r)
            r = dir_block(m->fs, &m->call, dir, *at / BLOCK_SIZE, &buf);
        if (r == CALL_WAIT)
            continue;
        if (r)
            return r;
        e = dir_entry(buf->data, (uint32_t)(*at % BLOCK_SIZE));
        if (!e)
            return -EUCLEAN;
        if (e->ino && !is_dot(e)) {
            r = inode_get(m->fs, &m->call, e->ino, child);
            if (r == CALL_WAIT)
                continue;
            *old = r ? r : push(m, e);
            *at += e->length;
            return *old < 0 ? *old : 1;
        }
        *at += e->length;
    }
}

static int first_time(struct mkfs *m, uint32_t ino)
{
    uint8_t bit = (uint8_t)(1u << ino % 8);

    if (m->seen[ino / 8] & bit)
        return 0;
    m->seen[ino / 8] |= bit;
    return 1;
}

static long walk_directory(struct mkfs *m, uint32_t ino, visitor *visit, void *ctx)
{
    struct inode *child;
    uint64_t at = 0;
    long old = 0, r;

    if (!first_time(m, ino))
        return -EUCLEAN; /* a directory within itself */
    while ((r = next_entry(m, ino, &at, &child, &old)) > 0) {
        struct mkfs_attr attr = {child->d->mode, child->d->uid, child->d->gid, child->d->mtime, child->d->size};
        uint32_t below = S_ISDIR(attr.mode) ? child->ino : 0;

        r = visit(ctx, m->path, &attr);
        if (!r && below)
            r = walk_directory(m, below, visit, ctx);
        m->path[old] = 0;
        if (r)
            return r;
    }
    return r;
}

int mkfs_walk(struct mkfs *m, const char *path, visitor *visit, void *ctx)
{
    size_t bytes = m->fs->super.inodes / 8 + 1;
    struct inode *ip;
    long r = find(m, path, &ip);

    if (!r && !S_ISDIR(ip->d->mode))
        r = -ENOTDIR;
    if (r)
        return (int)r;
    m->seen = host_alloc(m, bytes);
    if (!m->seen)
        return -ENOMEM;
    str_copy(m->path, path, sizeof m->path);
    r = walk_directory(m, ip->ino, visit, ctx);
    host_free(m, m->seen, bytes);
    return (int)r;
}
