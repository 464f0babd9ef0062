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

struct call *mkfs_call(struct mkfs *m, uint32_t nr)
{
    memset(&m->call, 0, sizeof m->call);
    m->call.nr = nr;
    m->call.pid = 1;
    return &m->call;
}

static long run(struct mkfs *m, uint32_t nr, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    struct call *call = mkfs_call(m, nr);
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
long mkfs_find(struct mkfs *m, const char *path, struct inode **out)
{
    struct call *call = mkfs_call(m, CALL_stat);
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
        r = mkfs_find(m, path, &ip);
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
        r = mkfs_find(m, path, &ip);
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
    struct call *call = mkfs_call(m, CALL_open);
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
    {"/dev/null", 0x103},
    {"/dev/zero", 0x105},
    {"/dev/full", 0x107},
    {"/dev/random", 0x108},
    {"/dev/urandom", 0x109},
    {"/dev/tty", 0x500},
    {"/dev/stdin", MAJOR_STANDARD << 8},
    {"/dev/stdout", MAJOR_STANDARD << 8 | 1},
    {"/dev/stderr", MAJOR_STANDARD << 8 | 2},
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
        struct call *call = mkfs_call(m, CALL_SYNC_ALL);

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
