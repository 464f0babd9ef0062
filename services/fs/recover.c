/* SPDX-License-Identifier: MIT
 *
 * services/fs/recover.c: mounting: check the superblock, replay the log.
 *
 * A walk through steps that keep their state in struct fs, since a mount waits for the disk many
 * times and each transaction is checked as a whole before any of it is used. A disk that was
 * left clean costs three requests: superblock; header and first log block; bitmaps.
 * Everything that is read is checked: a damaged disk is refused, never believed.
 */
#include "services/fs/internal.h"

static int super_sane(const struct disk_super *s)
{
    uint64_t end = (uint64_t)s->itable_start + s->itable_blocks;

    return s->version == LAYOUT_VERSION && s->blocks >= MIN_DISK_BLOCKS && s->inodes >= INODES_PER_BLOCK &&
           s->orphan_block == 1 && s->bitmap_start == 2 &&
           s->bitmap_blocks == (s->blocks + BITS_PER_BLOCK - 1) / BITS_PER_BLOCK &&
           s->imap_start == s->bitmap_start + s->bitmap_blocks && s->inodes <= s->blocks &&
           s->imap_blocks == (s->inodes + BITS_PER_BLOCK - 1) / BITS_PER_BLOCK &&
           s->journal_start == s->imap_start + s->imap_blocks && s->journal_blocks >= MIN_JOURNAL_BLOCKS &&
           s->journal_blocks < s->blocks && s->itable_start == s->journal_start + s->journal_blocks &&
           s->itable_blocks == (s->inodes + INODES_PER_BLOCK - 1) / INODES_PER_BLOCK && s->itable_blocks < s->blocks &&
           end == s->data_start && end < s->blocks;
}

static long disk_blocks(struct fs *fs, struct call *call)
{
    struct request rq = {.service = SERVICE_BLK, .op = BLK_SIZE, .call = call};
    long sectors = fs->host->ask(fs->host->ctx, &rq);

    return sectors < 0 ? sectors : sectors / (long)SECTORS_PER_BLOCK;
}

static uint32_t tx_limit(const struct fs *fs)
{
    uint32_t limit = fs->super.journal_blocks / 3, cache = fs->cache.count / 4;

    limit = limit < cache ? limit : cache;
    return limit < LOG_MAX_BLOCKS ? limit : LOG_MAX_BLOCKS;
}

static long read_super(struct fs *fs, struct call *call)
{
    const struct disk_super *s;
    struct buf *buf;
    long blocks = disk_blocks(fs, call), r;

    if (blocks < 0)
        return blocks;
    if (blocks < (long)MIN_DISK_BLOCKS)
        return -EINVAL;
    fs->super.blocks = 1; /* nothing beyond may be read ahead yet */
    r = buf_get(fs, call, 0, &buf);
    if (r)
        return r;
    s = (const struct disk_super *)buf->data;
    if (s->magic != SUPER_MAGIC)
        return -EINVAL;
    if (s->checksum != checksum(0, s, offsetof(struct disk_super, checksum)) || !super_sane(s) || s->blocks > blocks)
        return -EUCLEAN;
    memcpy(&fs->super, s, sizeof *s);
    fs->journal.log_size = s->journal_blocks - 1;
    fs->journal.limit = tx_limit(fs);
    return s->bitmap_blocks + 4 > fs->journal.limit ? -EINVAL : 0;
}

static long read_header(struct fs *fs, struct call *call)
{
    const struct journal_header *h;
    struct buf *buf;
    long r = buf_get_ahead(fs, call, fs->super.journal_start, 1, &buf);

    if (r)
        return r;
    h = (const struct journal_header *)buf->data;
    if (h->magic != JOURNAL_MAGIC || h->checksum != checksum(0, h, 16))
        return -EUCLEAN;
    fs->mount_sequence = fs->journal.sequence = h->sequence;
    fs->mount_at = 0;
    return 0;
}

/* ---- replay ---- */

static long log_get(struct fs *fs, struct call *call, uint32_t at, struct buf **out)
{
    uint32_t left = fs->journal.log_size - at - 1;

    return buf_get_ahead(fs, call, fs->super.journal_start + 1 + at, left < 15 ? left : 15, out);
}

static int loggable(const struct fs *fs, uint32_t block)
{
    return block && block < fs->super.blocks && (block < fs->super.journal_start || block >= fs->super.itable_start);
}

static int descriptor_sane(const struct fs *fs, const struct log_descriptor *d)
{
    if (d->magic != LOG_MAGIC || d->sequence != fs->mount_sequence || !d->count || d->count > LOG_MAX_BLOCKS ||
        d->count + 1 > fs->journal.log_size - fs->mount_at)
        return 0;
    for (uint32_t i = 0; i < d->count; i++)
        if (!loggable(fs, d->block[i]))
            return 0;
    return 1;
}

/* 1: the next transaction counts; it is in the stage's first block. 0: there is none. */
static long verify(struct fs *fs, struct call *call)
{
    struct log_descriptor *d = (struct log_descriptor *)fs->journal.stage;
    struct buf *buf;
    long r;

    if (fs->mount_index == 0) {
        if (fs->mount_at >= fs->journal.log_size)
            return 0;
        r = log_get(fs, call, fs->mount_at, &buf);
        if (r)
            return r;
        memcpy(d, buf->data, BLOCK_SIZE);
        if (!descriptor_sane(fs, d))
            return 0;
        fs->mount_sum = d->sequence;
        fs->mount_index = 1;
    }
    for (; fs->mount_index <= d->count; fs->mount_index++) {
        r = log_get(fs, call, fs->mount_at + fs->mount_index, &buf);
        if (r)
            return r;
        fs->mount_sum = checksum(fs->mount_sum ^ d->block[fs->mount_index - 1], buf->data, BLOCK_SIZE);
    }
    return d->checksum == (fs->mount_sum ^ d->count);
}

static long replay(struct fs *fs, struct call *call)
{
    struct log_descriptor *d = (struct log_descriptor *)fs->journal.stage;

    for (; fs->mount_index < d->count; fs->mount_index++) {
        struct buf *from, *to;
        long r = log_get(fs, call, fs->mount_at + 1 + fs->mount_index, &from);

        if (!r)
            r = buf_new(fs, call, d->block[fs->mount_index], &to);
        if (r)
            return r;
        memcpy(to->data, from->data, BLOCK_SIZE);
        to->flags |= BUF_VALID;
        buf_list(fs, to, LIST_LOGGED);
    }
    fs->mount_at += d->count + 1;
    fs->mount_sequence++;
    return 0;
}

enum { STEP_SUPER, STEP_HEADER, STEP_VERIFY, STEP_REPLAY, STEP_PLACE, STEP_BITMAPS, STEP_ORPHANS, STEP_DONE };

/* Forgets the log's blocks, which from now on are written past the cache. */
static void end_of_log(struct fs *fs)
{
    cache_drop_clean(fs);
    fs->mount_step = STEP_BITMAPS;
}

static long step_verify(struct fs *fs, struct call *call)
{
    long r = verify(fs, call);

    if (r < 0)
        return r;
    fs->mount_index = 0;
    if (r)
        fs->mount_step = STEP_REPLAY;
    else if (fs->mount_at) { /* something was replayed: bring it home, begin a new log with a number of its own */
        fs->journal.sequence = fs->mount_sequence + 1;
        fs->journal.phase = PHASE_PLACE;
        fs->mount_step = STEP_PLACE;
    } else {
        end_of_log(fs);
    }
    return 0;
}

static long step_replay(struct fs *fs, struct call *call)
{
    long r = replay(fs, call);

    if (!r) {
        fs->mount_index = 0;
        fs->mount_step = STEP_VERIFY;
    }
    return r;
}

static long step_place(struct fs *fs, struct call *call)
{
    long r = journal_advance(fs, call);

    if (!r)
        end_of_log(fs);
    return r;
}

static long next(struct fs *fs, long r)
{
    if (!r)
        fs->mount_step++;
    return r;
}

static long mount_step(struct fs *fs, struct call *call)
{
    switch (fs->mount_step) {
    case STEP_SUPER:
        return next(fs, read_super(fs, call));
    case STEP_HEADER:
        return next(fs, read_header(fs, call));
    case STEP_VERIFY:
        return step_verify(fs, call);
    case STEP_REPLAY:
        return step_replay(fs, call);
    case STEP_PLACE:
        return step_place(fs, call);
    case STEP_BITMAPS:
        return next(fs, alloc_mount(fs, call));
    default:
        return next(fs, orphans_mount(fs, call));
    }
}

long recover(struct fs *fs, struct call *call)
{
    long r = 0;

    while (!r && fs->mount_step != STEP_DONE)
        r = mount_step(fs, call);
    return r;
}
