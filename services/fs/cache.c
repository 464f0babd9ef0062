/* SPDX-License-Identifier: MIT
 *
 * services/fs/cache.c: the buffer cache: one buffer a disk block, found by hash, evicted in LRU order.
 *
 * A buffer is on at most one of three lists: dirty file data, metadata of the running
 * transaction, metadata in the log only. The first and the last may be written to their
 * place at any time and then evicted; the transaction's may not before it commits. What is
 * pinned, in transfer, or touched in this pass stays.
 *
 * Memory comes in chunks as it is first needed, so a small program pays for a small cache; neighbours in
 * a chunk are neighbours for the device too, which lets one request move several blocks: reads ahead
 * take neighbouring buffers, and so later the writes find them neighbouring.
 */
#include "services/fs/internal.h"

#define CHUNK_BLOCKS 32u
#define DEFAULT_BLOCKS 2048u
#define LEAST_BLOCKS 128u

int cache_create(struct fs *fs)
{
    struct cache *c = &fs->cache;
    uint32_t hash = 1;

    c->count = fs->config.cache_blocks ? (uint32_t)fs->config.cache_blocks : DEFAULT_BLOCKS;
    if (c->count < LEAST_BLOCKS)
        c->count = LEAST_BLOCKS;
    while (hash < c->count)
        hash *= 2;
    c->hash_mask = hash - 1;
    c->lru.newer = c->lru.older = &c->lru;
    c->bufs = fs->host->alloc(fs->host->ctx, c->count * sizeof *c->bufs);
    c->hash = fs->host->alloc(fs->host->ctx, hash * sizeof *c->hash);
    return c->bufs && c->hash ? 0 : -ENOMEM;
}

void cache_destroy(struct fs *fs)
{
    struct cache *c = &fs->cache;

    for (uint32_t i = 0; c->bufs && i < c->used; i += CHUNK_BLOCKS)
        fs->host->free(fs->host->ctx, c->bufs[i].data, CHUNK_BLOCKS * BLOCK_SIZE);
    if (c->bufs)
        fs->host->free(fs->host->ctx, c->bufs, c->count * sizeof *c->bufs);
    if (c->hash)
        fs->host->free(fs->host->ctx, c->hash, (c->hash_mask + 1) * sizeof *c->hash);
}

/* ---- the LRU ring and the hash ---- */

static void lru_remove(struct buf *buf)
{
    buf->older->newer = buf->newer;
    buf->newer->older = buf->older;
}

static void lru_newest(struct cache *c, struct buf *buf)
{
    buf->older = c->lru.older;
    buf->newer = &c->lru;
    c->lru.older->newer = buf;
    c->lru.older = buf;
}

static void lru_oldest(struct cache *c, struct buf *buf)
{
    buf->newer = c->lru.newer;
    buf->older = &c->lru;
    c->lru.newer->older = buf;
    c->lru.newer = buf;
}

static inline struct buf **bucket(struct cache *c, uint32_t block)
{
    return &c->hash[(block * 2654435761u >> 12 ^ block) & c->hash_mask];
}

struct buf *buf_find(struct fs *fs, uint32_t block)
{
    struct buf *buf = *bucket(&fs->cache, block);

    while (buf && buf->block != block)
        buf = buf->hash_next;
    return buf;
}

static void hash_add(struct cache *c, struct buf *buf, uint32_t block)
{
    struct buf **b = bucket(c, block);

    buf->block = block;
    buf->hash_next = *b;
    *b = buf;
}

static void hash_remove(struct cache *c, struct buf *buf)
{
    struct buf **b = bucket(c, buf->block);

    while (*b != buf)
        b = &(*b)->hash_next;
    *b = buf->hash_next;
    buf->block = NO_BLOCK;
}

static void touch(struct fs *fs, struct buf *buf)
{
    buf->pass = fs->pass;
    if (fs->cache.lru.older == buf)
        return;
    lru_remove(buf);
    lru_newest(&fs->cache, buf);
}

/* ---- lists ---- */

void buf_list(struct fs *fs, struct buf *buf, int list)
{
    struct list *from = &fs->cache.lists[buf->list], *to = &fs->cache.lists[list];

    if (buf->list != LIST_NONE) {
        *(buf->prev ? &buf->prev->next : &from->first) = buf->next;
        *(buf->next ? &buf->next->prev : &from->last) = buf->prev;
        from->count--;
    }
    buf->list = (uint8_t)list;
    if (list == LIST_NONE)
        return;
    buf->prev = to->last;
    buf->next = NULL;
    *(to->last ? &to->last->next : &to->first) = buf;
    to->last = buf;
    to->count++;
}

void buf_dirty(struct fs *fs, struct buf *buf)
{
    buf->flags |= BUF_VALID;
    if (buf->list == LIST_NONE)
        buf_list(fs, buf, LIST_DIRTY);
}

uint32_t buf_run(struct fs *fs, struct buf *first, int list)
{
    struct buf *end = fs->cache.bufs + fs->cache.used;
    uint32_t n = 1;

    while (n < IO_BLOCKS_MAX && first + n < end && first[n].list == list && first[n].block == first->block + n &&
           !(first[n].flags & BUF_WRITING) && first[n].dma == first->dma + n * (uint64_t)BLOCK_SIZE)
        n++;
    return n;
}

/* Writes a dirty or logged buffer, with the neighbours that go along, to its place. */
static long write_back(struct fs *fs, struct call *call, struct buf *buf)
{
    long r = buf->flags & BUF_WRITING ? io_wait_slot(fs, call, buf->io) : 0;
    uint32_t n;

    if (r)
        return r;
    n = buf_run(fs, buf, buf->list);
    r = io_submit(fs, call, IO_WRITE, buf->block, buf, n, buf->dma);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < n; i++) {
        buf_list(fs, &buf[i], LIST_NONE);
        buf[i].flags = (uint8_t)((buf[i].flags & ~BUF_LOGGED) | BUF_WRITING);
    }
    return 0;
}

long buf_write_list(struct fs *fs, struct call *call, int list)
{
    while (fs->cache.lists[list].first) {
        long r = write_back(fs, call, fs->cache.lists[list].first);

        if (r)
            return r;
    }
    return io_wait_kind(fs, call, IO_WRITE);
}

/* ---- eviction ---- */

static int evictable(const struct fs *fs, const struct buf *buf)
{
    return !buf->pins && buf->pass != fs->pass && buf->list == LIST_NONE && !(buf->flags & (BUF_READING | BUF_WRITING));
}

static int writable(const struct buf *buf)
{
    return (buf->list == LIST_DIRTY || buf->list == LIST_LOGGED) && !(buf->flags & BUF_WRITING);
}

/* A buffer that never had memory. */
static struct buf *grow(struct fs *fs)
{
    struct cache *c = &fs->cache;
    struct buf *buf = c->bufs + c->used;
    uint8_t *chunk;

    if (c->used == c->count)
        return NULL;
    if (c->used % CHUNK_BLOCKS == 0) {
        chunk = fs->host->alloc(fs->host->ctx, CHUNK_BLOCKS * BLOCK_SIZE);
        if (!chunk)
            return NULL;
        buf->data = chunk;
    } else {
        buf->data = buf[-1].data + BLOCK_SIZE;
    }
    buf->dma = fs->host->dma(fs->host->ctx, buf->data);
    buf->block = NO_BLOCK;
    lru_oldest(c, buf);
    c->used++;
    return buf;
}

static struct buf *evict(struct fs *fs, struct buf *buf)
{
    if (buf->block != NO_BLOCK)
        hash_remove(&fs->cache, buf);
    buf->flags = 0;
    return buf;
}

/* The oldest that may go. When many before it may not, one of those is written back on the way. */
static struct buf *victim(struct fs *fs, struct call *call)
{
    struct buf *buf = grow(fs), *dirty = NULL;
    uint32_t skipped = 0;

    if (buf)
        return buf;
    for (buf = fs->cache.lru.newer; buf != &fs->cache.lru && !evictable(fs, buf); buf = buf->newer) {
        if (writable(buf) && !dirty)
            dirty = buf;
        skipped++;
    }
    if (dirty && skipped > 16)
        write_back(fs, call, dirty);
    return buf == &fs->cache.lru ? NULL : evict(fs, buf);
}

/* No buffer can go now: make that change. 0: look again. */
static long make_room(struct fs *fs, struct call *call)
{
    struct buf *buf = fs->cache.lru.newer;
    uint32_t begun = 0;

    for (; buf != &fs->cache.lru && begun < 8; buf = buf->newer) {
        if (!writable(buf))
            continue;
        long r = write_back(fs, call, buf);
        if (r)
            return r;
        begun++;
    }
    if (begun || fs->cache.busy[IO_WRITE] || fs->cache.busy[IO_READ])
        return io_wait_any(fs, call);
    if (fs->journal.phase == PHASE_RUNNING && fs->cache.lists[LIST_TX].count == 0)
        return call_wait(call, 0, fs->host->now(fs->host->ctx)); /* this pass holds them all: begin a new one */
    journal_start(fs);
    return journal_advance(fs, call);
}

static long take(struct fs *fs, struct call *call, struct buf **out)
{
    while (!(*out = victim(fs, call))) {
        long r = make_room(fs, call);

        if (r)
            return r;
    }
    return 0;
}

/* ---- getting a block ---- */

/* May this neighbour of `first` be given up for a read ahead? Only if it is as good as unused. */
static int neighbour(struct fs *fs, struct buf *first, uint32_t n)
{
    struct buf *buf = first + n;

    if (buf == fs->cache.bufs + fs->cache.used && !grow(fs))
        return 0;
    return buf < fs->cache.bufs + fs->cache.used && buf->dma == first->dma + n * (uint64_t)BLOCK_SIZE &&
           evictable(fs, buf) && buf->pass - first->pass <= (fs->pass - first->pass) / 2;
}

/* Takes buffers for `block` and up to `ahead` blocks after it that are not cached either. */
static long take_run(struct fs *fs, struct call *call, uint32_t block, uint32_t ahead, struct buf **out,
                     uint32_t *count)
{
    struct buf *first;
    uint32_t n = 1;
    long r = take(fs, call, &first);

    if (r)
        return r;
    if (ahead >= IO_BLOCKS_MAX)
        ahead = IO_BLOCKS_MAX - 1;
    while (n <= ahead && block + n < fs->super.blocks && !buf_find(fs, block + n) && neighbour(fs, first, n))
        evict(fs, first + n++);
    *out = first;
    *count = n;
    return 0;
}

static long start_read(struct fs *fs, struct call *call, uint32_t block, uint32_t ahead)
{
    struct buf *first = NULL;
    uint32_t n = 0;
    long r = take_run(fs, call, block, ahead, &first, &n);

    if (r)
        return r;
    r = io_submit(fs, call, IO_READ, block, first, n, first->dma);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < n; i++) {
        hash_add(&fs->cache, first + i, block + i);
        first[i].flags = BUF_READING;
        touch(fs, first + i);
    }
    return 0;
}

long buf_get_ahead(struct fs *fs, struct call *call, uint32_t block, uint32_t ahead, struct buf **out)
{
    for (;;) {
        struct buf *buf = buf_find(fs, block);
        long r;

        if (buf && buf->flags & BUF_VALID) {
            touch(fs, buf);
            *out = buf;
            return 0;
        }
        r = buf ? io_wait_slot(fs, call, buf->io) : start_read(fs, call, block, ahead);
        if (r)
            return r;
    }
}

long buf_get(struct fs *fs, struct call *call, uint32_t block, struct buf **out)
{
    return buf_get_ahead(fs, call, block, 0, out);
}

long buf_new(struct fs *fs, struct call *call, uint32_t block, struct buf **out)
{
    struct buf *buf;
    long r;

    while ((buf = buf_find(fs, block)) && buf->flags & BUF_READING) {
        r = io_wait_slot(fs, call, buf->io);
        if (r)
            return r;
    }
    if (!buf) {
        r = take(fs, call, &buf);
        if (r)
            return r;
        hash_add(&fs->cache, buf, block);
    }
    touch(fs, buf);
    *out = buf;
    return 0;
}

void buf_cancel(struct fs *fs, struct buf *buf)
{
    if (buf->flags & (BUF_VALID | BUF_READING | BUF_WRITING) || buf->block == NO_BLOCK)
        return;
    hash_remove(&fs->cache, buf);
    lru_remove(buf);
    lru_oldest(&fs->cache, buf);
}

void buf_forget(struct fs *fs, uint32_t block)
{
    struct buf *buf = buf_find(fs, block);

    if (!buf)
        return;
    buf_list(fs, buf, LIST_NONE);
    buf->flags &= (uint8_t)~BUF_LOGGED;
    if (buf->flags & (BUF_READING | BUF_WRITING) || buf->pins)
        return;
    buf->flags = 0;
    buf_cancel(fs, buf);
}

static void drop_clean(struct fs *fs, struct buf *buf)
{
    if (buf->block == NO_BLOCK || buf->pins || buf->list != LIST_NONE || buf->flags & (BUF_READING | BUF_WRITING))
        return;
    buf->flags = 0;
    buf_cancel(fs, buf);
}

void buf_drop(struct fs *fs, uint32_t block)
{
    struct buf *buf = buf_find(fs, block);

    if (buf)
        drop_clean(fs, buf);
}

void cache_drop_clean(struct fs *fs)
{
    for (uint32_t i = 0; i < fs->cache.used; i++)
        drop_clean(fs, &fs->cache.bufs[i]);
}
