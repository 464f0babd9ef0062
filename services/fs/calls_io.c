/* SPDX-License-Identifier: MIT
 *
 * services/fs/calls_io.c: the calls that move bytes or make them durable.
 */
#include <linux/falloc.h>
#include <linux/uio.h>

#include "services/fs/internal.h"

#define IOV_LIMIT 1024u
#define USER_END 0x7ffffffff000ull /* programs live below this address */

static uint64_t limited(uint64_t bytes)
{
    return bytes < TRANSFER_MAX ? bytes : TRANSFER_MAX;
}

/* A buffer that no program can have. Smaller ones are found out where they end. */
static int beyond(const struct call *call)
{
    return call->arg[2] > TRANSFER_MAX && (call->arg[2] > USER_END || call->arg[1] > USER_END - call->arg[2]);
}

long op_read(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file || !file_readable(file))
        return -EBADF;
    if (beyond(call))
        return -EFAULT;
    return file_read(fs, call, file, call->arg[1], limited(call->arg[2]), NULL, 0);
}

long op_write(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file || !file_writable(file))
        return -EBADF;
    if (beyond(call))
        return -EFAULT;
    return file_write(fs, call, file, call->arg[1], limited(call->arg[2]), NULL);
}

long op_pread64(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if ((int64_t)call->arg[3] < 0)
        return -EINVAL;
    if (!file || !file_readable(file))
        return -EBADF;
    if (beyond(call))
        return -EFAULT;
    return file_read(fs, call, file, call->arg[1], limited(call->arg[2]), &call->arg[3], 0);
}

long op_pwrite64(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if ((int64_t)call->arg[3] < 0)
        return -EINVAL;
    if (!file || !file_writable(file))
        return -EBADF;
    if (beyond(call))
        return -EFAULT;
    return file_write(fs, call, file, call->arg[1], limited(call->arg[2]), &call->arg[3]);
}

/* ---- vectors ---- */

static long load_vector(struct fs *fs, struct call *call, uint32_t *count)
{
    const struct iovec *v = (const struct iovec *)fs->scratch;
    uint64_t n = call->arg[2], total = 0;
    long r;

    *count = (uint32_t)n;
    if (n > IOV_LIMIT)
        return -EINVAL;
    r = n ? fs->host->copy_in(fs->host->ctx, call, fs->scratch, call->arg[1], n * sizeof *v) : 0;
    if (r)
        return r;
    for (uint32_t i = 0; i < n; i++) {
        if ((int64_t)v[i].iov_len < 0 || total + v[i].iov_len > INT64_MAX)
            return -EINVAL;
        total += v[i].iov_len;
    }
    return 0;
}

static long segment(struct fs *fs, struct call *call, struct file *file, const struct iovec *v, const uint64_t *at,
                    int writing)
{
    uint64_t to = (uint64_t)(uintptr_t)v->iov_base;

    return writing ? file_write(fs, call, file, to, limited(v->iov_len), at)
                   : file_read(fs, call, file, to, limited(v->iov_len), at, call->note != 0);
}

/* call->note: bytes of the segments that are finished; call->done: of the one in progress. */
static long vector(struct fs *fs, struct call *call, struct file *file, const uint64_t *at, int writing)
{
    const struct iovec *v = (const struct iovec *)fs->scratch;
    uint64_t skip = call->note;
    uint32_t count;
    long r = load_vector(fs, call, &count);

    if (r)
        return r;
    for (uint32_t i = 0; i < count; i++) {
        struct iovec one = v[i];

        if (skip && skip >= one.iov_len) {
            skip -= one.iov_len;
            continue;
        }
        if (!one.iov_len)
            continue;
        r = segment(fs, call, file, &one, at, writing);
        if (r < 0)
            return r == CALL_WAIT || !call->note ? r : (long)call->note;
        call->note += (uint64_t)r;
        call->done = 0;
        if ((uint64_t)r < one.iov_len)
            break;
    }
    return (long)call->note;
}

static long read_vector(struct fs *fs, struct call *call, const uint64_t *at)
{
    struct file *file = call_file(fs, call);

    return file && file_readable(file) ? vector(fs, call, file, at, 0) : -EBADF;
}

static long write_vector(struct fs *fs, struct call *call, const uint64_t *at)
{
    struct file *file = call_file(fs, call);

    return file && file_writable(file) ? vector(fs, call, file, at, 1) : -EBADF;
}

long op_readv(void *service, struct call *call)
{
    return read_vector(service, call, NULL);
}

long op_writev(void *service, struct call *call)
{
    return write_vector(service, call, NULL);
}

long op_preadv(void *service, struct call *call)
{
    return (int64_t)call->arg[3] < 0 ? -EINVAL : read_vector(service, call, &call->arg[3]);
}

long op_pwritev(void *service, struct call *call)
{
    return (int64_t)call->arg[3] < 0 ? -EINVAL : write_vector(service, call, &call->arg[3]);
}

/* ---- position and size ---- */

static long seek_to(struct file *file, int64_t to)
{
    if (to < 0)
        return -EINVAL;
    file->pos = (uint64_t)to;
    return (long)to;
}

/* SEEK_DATA, SEEK_HOLE: the first block at or after `from` that exists, or does not. The end counts as a hole. */
static long seek_kind(struct fs *fs, struct call *call, struct file *file, uint64_t from, int data)
{
    uint64_t size = file->inode->d->size, i = from / BLOCK_SIZE;
    struct map map;
    long r;

    if (from >= size)
        return -ENXIO;
    for (; file->kind == FILE_REGULAR && i * BLOCK_SIZE < size; i++) {
        r = map_find(fs, call, file->inode, i, &map);
        if (r)
            return r;
        if ((map.block != 0) == data)
            return seek_to(file, (int64_t)(i * BLOCK_SIZE > from ? i * BLOCK_SIZE : from));
    }
    if (file->kind != FILE_REGULAR)
        return seek_to(file, (int64_t)(data ? from : size));
    return data ? -ENXIO : seek_to(file, (int64_t)size);
}

long op_lseek(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);
    int64_t by = (int64_t)call->arg[1], size, to;

    if (!file || file->flags & O_PATH)
        return -EBADF;
    if (file->kind == FILE_PIPE || file->kind == FILE_TTY)
        return -ESPIPE;
    if (file->kind > FILE_TTY)
        return file->pos = 0;
    size = (int64_t)file->inode->d->size;
    switch ((uint32_t)call->arg[2]) {
    case 0: /* SEEK_SET */
        return seek_to(file, by);
    case 1: /* SEEK_CUR */
        return __builtin_add_overflow((int64_t)file->pos, by, &to) ? -EOVERFLOW : seek_to(file, to);
    case 2: /* SEEK_END */
        return __builtin_add_overflow(size, by, &to) ? -EOVERFLOW : seek_to(file, to);
    case 3: /* SEEK_DATA */
    case 4: /* SEEK_HOLE */
        return seek_kind(fs, call, file, call->arg[1], (uint32_t)call->arg[2] == 3);
    default:
        return -EINVAL;
    }
}

/* Only what makes the file longer has a limit. */
static long resize(struct fs *fs, struct call *call, struct inode *ip, uint64_t size)
{
    long r = fs->size_limits && size > ip->d->size ? size_room(fs, call, size - 1, 1) : 0;

    return r < 0 ? r : inode_resize(fs, call, ip, size);
}

long op_ftruncate(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file || file->flags & O_PATH)
        return -EBADF;
    if ((int64_t)call->arg[1] < 0 || file->kind != FILE_REGULAR || !file_writable(file))
        return -EINVAL;
    return resize(fs, call, file->inode, call->arg[1]);
}

long op_truncate(void *service, struct call *call)
{
    struct fs *fs = service;
    struct inode *ip;
    long r = (int64_t)call->arg[1] < 0 ? -EINVAL : path_inode(fs, call, AT_FDCWD, call->arg[0], WALK_FOLLOW, &ip);

    if (r)
        return r;
    if (S_ISDIR(ip->d->mode))
        return -EISDIR;
    return S_ISREG(ip->d->mode) ? resize(fs, call, ip, call->arg[1]) : -EINVAL;
}

#define FADV_DONTNEED 4

/* Gives the clean blocks of a range up: a later read is cold. Backwards, so that their buffers are taken again in
 * order. */
static long drop_range(struct fs *fs, struct call *call, struct inode *ip, uint64_t from, uint64_t bytes)
{
    uint64_t end = bytes && from + bytes > from && from + bytes < ip->d->size ? from + bytes : ip->d->size;
    uint64_t first = (from + BLOCK_SIZE - 1) / BLOCK_SIZE;
    struct map map;

    for (uint64_t i = (end + BLOCK_SIZE - 1) / BLOCK_SIZE; i-- > first;) {
        long r = map_find(fs, call, ip, i, &map);

        if (r)
            return r;
        if (map.block)
            buf_drop(fs, map.block);
    }
    return 0;
}

long op_fadvise64(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file)
        return -EBADF;
    if (file->kind == FILE_PIPE)
        return -ESPIPE;
    if ((int)call->arg[3] < 0 || (int)call->arg[3] > 5 || (int64_t)call->arg[2] < 0)
        return -EINVAL;
    if ((int)call->arg[3] != FADV_DONTNEED || file->kind != FILE_REGULAR || file->flags & O_PATH)
        return 0;
    return drop_range(fs, call, file->inode, call->arg[1], call->arg[2]);
}

/* Blocks are not reserved: only the size is set, which is all that a program can see while there is room. */
long op_fallocate(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);
    uint64_t end = call->arg[2] + call->arg[3];

    if (!file || !file_writable(file))
        return -EBADF;
    if ((int64_t)call->arg[2] < 0 || (int64_t)call->arg[3] <= 0)
        return -EINVAL;
    if (call->arg[1] & ~(uint64_t)FALLOC_FL_KEEP_SIZE)
        return -EOPNOTSUPP;
    if (file->kind != FILE_REGULAR)
        return file->kind == FILE_PIPE ? -ESPIPE : -ENODEV;
    if ((int64_t)end < 0 || end > MAX_FILE_BYTES)
        return -EFBIG;
    if (call->arg[1] & FALLOC_FL_KEEP_SIZE || end <= file->inode->d->size)
        return 0;
    return resize(fs, call, file->inode, end);
}

/* ---- durability ---- */

/* The cycle to wait for is fixed at the first look: later changes by others are not our business. */
static long sync_cycle(struct fs *fs, struct call *call, uint64_t cycle)
{
    if (!call->note && (cycle <= fs->journal.completed || journal_clean(fs)))
        return fs->journal.failed ? -EIO : 0;
    if (!call->note)
        call->note = cycle;
    return journal_sync(fs, call, call->note);
}

long op_fsync(void *service, struct call *call)
{
    struct fs *fs = service;
    struct file *file = call_file(fs, call);

    if (!file || file->flags & O_PATH)
        return -EBADF;
    if (file->kind != FILE_REGULAR && file->kind != FILE_DIRECTORY)
        return -EINVAL;
    return sync_cycle(fs, call, file->inode->sync_cycle);
}

long op_sync(void *service, struct call *call)
{
    struct fs *fs = service;

    return sync_cycle(fs, call, fs->journal.started + 1) == CALL_WAIT ? CALL_WAIT : 0;
}

/* Power off: nothing is left to free, everything is in its place and the log is empty. */
long op_sync_all(void *service, struct call *call)
{
    struct fs *fs = service;
    long r = 0;

    if (!fs->mounted)
        return 0;
    while (!r) {
        r = fs->journal.failed ? -EIO : orphans_reap(fs, call);
        if (r > 0)
            r = 0;
        else if (!r)
            r = journal_advance(fs, call);
        if (r || (journal_clean(fs) && !fs->cache.lists[LIST_LOGGED].count && !fs->journal.log_at))
            break;
        fs->journal.want_place = 1;
        journal_start(fs);
    }
    return r;
}
