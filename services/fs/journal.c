/* SPDX-License-Identifier: MIT
 *
 * services/fs/journal.c: transactions: metadata changes reach the disk all or not at all.
 *
 * One transaction runs; calls add their changes to it (tx_begin, then tx_dirty on each buffer).
 * A commit is a walk through phases, made by whichever calls come by; none blocks, each goes as
 * far as the disk has got and says CALL_WAIT for the transfer in flight. While a commit is in
 * progress changes wait and reads go on. All who ask for durability meanwhile share the
 * next one (group commit): a commit cycle has a number, started and completed count them.
 *
 *     DATA    dirty file data to its place            } so that committed metadata never
 *     FLUSH   … durable                               } refers to what is not there yet
 *     LOG     descriptor with checksum, then blocks     to the log, in one transfer if it is small
 *     FLUSH   … durable: the cycle is complete
 *     PLACE   only when the log has no room for the next: metadata to its place
 *     FLUSH   … durable
 *     HEADER  the log is empty again
 *     FLUSH   … durable
 *
 * The checksum makes a commit record superfluous: a torn transaction is as good as none. Blocks freed by the
 * running transaction are not given out before it is committed, and metadata blocks that may be in the log not before
 * the log restarts (alloc.c), so that replay never overwrites a block's next life.
 */
#include "services/fs/internal.h"

#define COMMIT_AGE_NS 5000000000ull /* as ext4's default */

int journal_clean(const struct fs *fs)
{
    const struct cache *c = &fs->cache;

    return fs->journal.phase == PHASE_RUNNING && !c->lists[LIST_TX].count && !c->lists[LIST_DIRTY].count &&
           !c->busy[IO_WRITE] && !c->unflushed;
}

void journal_start(struct fs *fs)
{
    struct journal *j = &fs->journal;

    if (j->phase != PHASE_RUNNING)
        return;
    j->started++;
    j->phase = PHASE_DATA;
}

void tx_dirty(struct fs *fs, struct buf *buf)
{
    if (buf->list == LIST_TX)
        return;
    if (!fs->cache.lists[LIST_TX].count)
        fs->journal.tx_since = fs_clock(fs);
    if (buf->list == LIST_LOGGED)
        buf->flags |= BUF_LOGGED;
    buf->flags |= BUF_VALID;
    buf_list(fs, buf, LIST_TX);
}

/* Its age is by the clock that the last change read. */
static int tx_must_end(const struct fs *fs, uint32_t blocks)
{
    const struct cache *c = &fs->cache;

    return c->lists[LIST_TX].count + blocks > fs->journal.limit || c->lists[LIST_DIRTY].count >= c->count / 4 ||
           (c->lists[LIST_TX].count && fs->clock - fs->journal.tx_since > COMMIT_AGE_NS);
}

long tx_begin(struct fs *fs, struct call *call, uint32_t blocks)
{
    struct journal *j = &fs->journal;

    if (blocks > j->limit)
        return -ENOSPC;
    for (;;) {
        if (j->failed)
            return -EROFS;
        if (j->phase == PHASE_RUNNING && !tx_must_end(fs, blocks))
            return 0;
        journal_start(fs);
        long r = journal_advance(fs, call);
        if (r)
            return r;
    }
}

/* ---- the phases; each returns 0 when it is over and has set the next ---- */

static long write_blocks(struct fs *fs, struct call *call, uint32_t block, uint32_t count)
{
    long r = io_submit(fs, call, IO_LOG, block, NULL, count, fs->journal.stage_dma);

    return r < 0 ? r : 0;
}

static long flush(struct fs *fs, struct call *call)
{
    struct journal *j = &fs->journal;
    long r;

    if (!j->flushing) {
        r = io_submit(fs, call, IO_FLUSH, 0, NULL, 0, 0);
        if (r < 0)
            return r;
        fs->cache.unflushed = 0;
        j->flushing = 1;
    }
    r = io_wait_kind(fs, call, IO_FLUSH);
    if (!r)
        j->flushing = 0;
    return r;
}

static void cycle_done(struct fs *fs)
{
    fs->journal.completed = fs->journal.started;
    holds_commit(fs);
}

static void begin_log(struct fs *fs)
{
    struct journal *j = &fs->journal;

    j->begun = 0;
    if (fs->cache.lists[LIST_TX].count) {
        j->phase = PHASE_LOG;
        return;
    }
    cycle_done(fs);
    j->phase = j->want_place ? PHASE_PLACE : PHASE_RUNNING;
}

static long phase_data(struct fs *fs, struct call *call)
{
    long r = buf_write_list(fs, call, LIST_DIRTY);

    if (r)
        return r;
    if (fs->cache.unflushed)
        fs->journal.phase = PHASE_DATA_FLUSH;
    else
        begin_log(fs);
    return 0;
}

static long phase_data_flush(struct fs *fs, struct call *call)
{
    long r = flush(fs, call);

    if (!r)
        begin_log(fs);
    return r;
}

static uint64_t log_block(const struct fs *fs, uint32_t at)
{
    return fs->super.journal_start + 1 + at;
}

/* The descriptor becomes the first block of the stage. */
static void stage_descriptor(struct fs *fs)
{
    struct journal *j = &fs->journal;
    struct log_descriptor *d = (struct log_descriptor *)j->stage;
    uint64_t sum = j->sequence;

    d->magic = LOG_MAGIC;
    d->sequence = j->sequence;
    d->count = 0;
    d->zero = 0;
    for (struct buf *buf = fs->cache.lists[LIST_TX].first; buf; buf = buf->next) {
        d->block[d->count++] = buf->block;
        sum = checksum(sum ^ buf->block, buf->data, BLOCK_SIZE);
    }
    d->checksum = sum ^ d->count;
}

/* Fills the stage with the next blocks and sends it off. */
static long send_stage(struct fs *fs, struct call *call)
{
    struct journal *j = &fs->journal;
    struct buf *buf = j->cursor;
    uint32_t n = 0;
    long r;

    if (!j->begun) {
        stage_descriptor(fs);
        buf = fs->cache.lists[LIST_TX].first;
        j->cursor_at = j->log_at;
        n = 1;
    }
    for (; buf && n < j->stage_blocks; buf = buf->next)
        memcpy(j->stage + n++ * BLOCK_SIZE, buf->data, BLOCK_SIZE);
    r = write_blocks(fs, call, (uint32_t)log_block(fs, j->cursor_at), n);
    if (r)
        return r;
    j->begun = 1;
    j->cursor = buf;
    j->cursor_at += n;
    return 0;
}

static long phase_log(struct fs *fs, struct call *call)
{
    struct journal *j = &fs->journal;

    do {
        long r = io_wait_kind(fs, call, IO_LOG); /* the stage is free */

        if (!r && (!j->begun || j->cursor))
            r = send_stage(fs, call);
        if (r)
            return r;
    } while (j->cursor || fs->cache.busy[IO_LOG]);
    j->phase = PHASE_LOG_FLUSH;
    return 0;
}

static long phase_log_flush(struct fs *fs, struct call *call)
{
    struct journal *j = &fs->journal;
    struct list *tx = &fs->cache.lists[LIST_TX];
    long r = flush(fs, call);

    if (r)
        return r;
    while (tx->first)
        buf_list(fs, tx->first, LIST_LOGGED);
    j->log_at = j->cursor_at;
    j->sequence++;
    cycle_done(fs);
    j->phase = j->want_place || j->log_at + j->limit + 1 > j->log_size ? PHASE_PLACE : PHASE_RUNNING;
    return 0;
}

static long phase_place(struct fs *fs, struct call *call)
{
    long r = buf_write_list(fs, call, LIST_LOGGED);

    if (!r)
        fs->journal.phase = PHASE_PLACE_FLUSH;
    return r;
}

static long phase_place_flush(struct fs *fs, struct call *call)
{
    long r = flush(fs, call);

    if (!r) {
        fs->journal.begun = 0;
        fs->journal.phase = PHASE_HEADER;
    }
    return r;
}

static long phase_header(struct fs *fs, struct call *call)
{
    struct journal *j = &fs->journal;
    struct journal_header *h = (struct journal_header *)j->stage;
    long r;

    if (!j->begun) {
        memset(j->stage, 0, BLOCK_SIZE);
        h->magic = JOURNAL_MAGIC;
        h->sequence = j->sequence;
        h->checksum = checksum(0, h, 16);
        r = write_blocks(fs, call, fs->super.journal_start, 1);
        if (r)
            return r;
        j->begun = 1;
    }
    r = io_wait_kind(fs, call, IO_LOG);
    if (!r)
        j->phase = PHASE_HEADER_FLUSH;
    return r;
}

static long phase_header_flush(struct fs *fs, struct call *call)
{
    struct journal *j = &fs->journal;
    long r = flush(fs, call);

    if (r)
        return r;
    j->log_at = 0;
    j->want_place = 0;
    holds_restart(fs);
    j->phase = PHASE_RUNNING;
    return 0;
}

typedef long phase_step(struct fs *fs, struct call *call);

static phase_step *const phase_steps[PHASE_COUNT] = {
    [PHASE_DATA] = phase_data,     [PHASE_DATA_FLUSH] = phase_data_flush,
    [PHASE_LOG] = phase_log,       [PHASE_LOG_FLUSH] = phase_log_flush,
    [PHASE_PLACE] = phase_place,   [PHASE_PLACE_FLUSH] = phase_place_flush,
    [PHASE_HEADER] = phase_header, [PHASE_HEADER_FLUSH] = phase_header_flush,
};

static long step(struct fs *fs, struct call *call)
{
    struct journal *j = &fs->journal;
    long r = j->failed ? -EIO : phase_steps[j->phase](fs, call);

    if (!r && j->failed)
        r = -EIO;
    if (r < 0 && r != CALL_WAIT) {
        j->failed = 1; /* the disk no longer takes what it is given: read only from now on */
        j->phase = PHASE_RUNNING;
    }
    return r;
}

long journal_advance(struct fs *fs, struct call *call)
{
    long r = 0;

    while (!r && fs->journal.phase != PHASE_RUNNING)
        r = step(fs, call);
    return r;
}

long journal_sync(struct fs *fs, struct call *call, uint64_t cycle)
{
    while (fs->journal.completed < cycle) {
        if (fs->journal.failed)
            return -EIO;
        journal_start(fs);
        long r = step(fs, call);
        if (r)
            return r;
    }
    return 0;
}
