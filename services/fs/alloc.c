/* SPDX-License-Identifier: MIT
 *
 * services/fs/alloc.c: which blocks and inodes are in use.
 *
 * The bitmaps' buffers are pinned from mount on, so allocation never waits for them. Three more bitmaps, in memory
 * only, hold back blocks that are free but must not be given out: those freed by the running transaction (a crash may
 * bring their owner back), metadata blocks freed since the log began (replay may write them), and those that somebody
 * has reserved (extent.c).
 */
#include "services/fs/internal.h"

static uint32_t count_bits(uint64_t w)
{
    w -= w >> 1 & 0x5555555555555555ull;
    w = (w & 0x3333333333333333ull) + (w >> 2 & 0x3333333333333333ull);
    w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return (uint32_t)(w * 0x0101010101010101ull >> 56);
}

static uint64_t *word_of(struct buf *const *map, uint32_t bit)
{
    return (uint64_t *)(map[bit / BITS_PER_BLOCK]->data) + bit % BITS_PER_BLOCK / 64;
}

static int bit_get(struct buf *const *map, uint32_t bit)
{
    return *word_of(map, bit) >> bit % 64 & 1;
}

static void bit_flip(struct fs *fs, struct buf *const *map, uint32_t bit)
{
    *word_of(map, bit) ^= 1ull << bit % 64;
    tx_dirty(fs, map[bit / BITS_PER_BLOCK]);
}

/* ---- mount ---- */

static uint32_t count_free(struct buf *const *map, uint32_t bits)
{
    uint32_t used = 0, i = 0;

    for (; i + 64 <= bits; i += 64)
        used += count_bits(*word_of(map, i));
    for (; i < bits; i++)
        used += (uint32_t)bit_get(map, i);
    return bits - used;
}

static long pin(struct fs *fs, struct call *call, uint32_t block, uint32_t ahead, struct buf **out)
{
    long r;

    if (*out)
        return 0;
    r = buf_get_ahead(fs, call, block, ahead, out);
    if (r)
        *out = NULL;
    else
        (*out)->pins++;
    return r;
}

static long pin_all(struct fs *fs, struct call *call)
{
    const struct disk_super *s = &fs->super;
    uint32_t ahead = s->bitmap_blocks + s->imap_blocks;
    long r = pin(fs, call, s->orphan_block, ahead, &fs->orphan_buf);

    for (uint32_t i = 0; !r && i < s->bitmap_blocks; i++)
        r = pin(fs, call, s->bitmap_start + i, ahead - i, &fs->bitmap[i]);
    for (uint32_t i = 0; !r && i < s->imap_blocks; i++)
        r = pin(fs, call, s->imap_start + i, s->imap_blocks - i, &fs->imap[i]);
    return r;
}

long alloc_mount(struct fs *fs, struct call *call)
{
    const struct host *host = fs->host;
    uint32_t words = fs->super.bitmap_blocks * (BITS_PER_BLOCK / 64);
    long r;

    if (!fs->bitmap)
        fs->bitmap = host->alloc(host->ctx, (fs->super.bitmap_blocks + fs->super.imap_blocks) * sizeof *fs->bitmap);
    if (!fs->hold_tx)
        fs->hold_tx = host->alloc(host->ctx, HOLD_MAPS * words * sizeof *fs->hold_tx);
    if (!fs->bitmap || !fs->hold_tx)
        return -ENOMEM;
    fs->imap = fs->bitmap + fs->super.bitmap_blocks;
    fs->hold_log = fs->hold_tx + words;
    fs->reserved = fs->hold_log + words;
    fs->hold_words = words;
    fs->hold_low = words;
    r = pin_all(fs, call);
    if (r)
        return r;
    fs->free_blocks = count_free(fs->bitmap, fs->super.blocks);
    fs->free_inodes = count_free(fs->imap, fs->super.inodes);
    fs->rotor = fs->super.data_start;
    fs->inode_rotor = ROOT_INODE;
    return 0;
}

/* ---- blocks ---- */

long block_reserve(struct fs *fs, struct call *call, uint32_t count)
{
    for (;;) {
        if (fs->free_blocks >= fs->held_blocks + fs->reserved_blocks + count)
            return 0;
        long r = orphans_reap(fs, call);
        if (r < 0)
            return r;
        if (r)
            continue;
        if (!fs->held_blocks || fs->journal.failed)
            return -ENOSPC;
        fs->journal.want_place = 1;
        journal_start(fs);
        r = journal_advance(fs, call);
        if (r)
            return r;
    }
}

/* Picked in this pass and perhaps not taken yet. */
static int picked(const struct fs *fs, uint32_t block)
{
    for (uint32_t i = 0; fs->picked_pass == fs->pass && i < PICKED; i++)
        if (fs->picked[i] == block)
            return 1;
    return 0;
}

static void remember_pick(struct fs *fs, uint32_t block)
{
    if (fs->picked_pass != fs->pass)
        memset(fs->picked, 0, sizeof fs->picked);
    fs->picked_pass = fs->pass;
    fs->picked[fs->picked_next++ % PICKED] = block;
}

/* The first usable block from `from` on, below `to`; 0: none. */
static uint32_t search_bits(const struct fs *fs, uint32_t from, uint32_t to)
{
    for (uint32_t at = from & ~63u; at < to; at += 64) {
        uint64_t busy = *word_of(fs->bitmap, at) | fs->hold_tx[at / 64] | fs->hold_log[at / 64] | fs->reserved[at / 64];
        uint32_t bit;

        if (at < from)
            busy |= (1ull << (from - at)) - 1;
        if (busy == UINT64_MAX)
            continue;
        bit = at + (uint32_t)__builtin_ctzll(~busy);
        return bit < to ? bit : 0;
    }
    return 0;
}

static uint32_t search(const struct fs *fs, uint32_t from)
{
    uint32_t block = search_bits(fs, from, fs->super.blocks);

    while (block && picked(fs, block))
        block = search_bits(fs, block + 1, fs->super.blocks);
    return block;
}

uint32_t block_pick(struct fs *fs, uint32_t goal)
{
    uint32_t block;

    if (!block_valid(fs, goal))
        goal = fs->super.data_start;
    block = search(fs, goal);
    if (!block)
        block = search(fs, fs->super.data_start);
    if (block)
        remember_pick(fs, block);
    return block;
}

uint32_t blocks_free_from(const struct fs *fs, uint32_t block, uint32_t count)
{
    uint32_t n = 0;

    while (n < count && search_bits(fs, block + n, block + n + 1))
        n++;
    return n;
}

int block_reserved(const struct fs *fs, uint32_t block)
{
    return fs->reserved[block / 64] >> block % 64 & 1;
}

void block_promise(struct fs *fs, uint32_t block, int on)
{
    if (block_reserved(fs, block) == on)
        return;
    fs->reserved[block / 64] ^= 1ull << block % 64;
    fs->reserved_blocks += on ? 1 : -1u;
}

void block_take(struct fs *fs, uint32_t block)
{
    bit_flip(fs, fs->bitmap, block);
    fs->free_blocks--;
    fs->rotor = block + 1;
}

void block_free(struct fs *fs, uint32_t block, int metadata)
{
    uint32_t word = block / 64;
    uint64_t bit = 1ull << block % 64;

    if (!block_valid(fs, block) || !bit_get(fs->bitmap, block)) {
        fs->damaged = 1;
        return;
    }
    buf_forget(fs, block);
    bit_flip(fs, fs->bitmap, block);
    fs->free_blocks++;
    fs->held_blocks++;
    fs->hold_tx[word] |= bit;
    if (metadata)
        fs->hold_log[word] |= bit;
    fs->hold_low = word < fs->hold_low ? word : fs->hold_low;
    fs->hold_high = word + 1 > fs->hold_high ? word + 1 : fs->hold_high;
}

void holds_commit(struct fs *fs)
{
    for (uint32_t i = fs->hold_low; i < fs->hold_high; i++) {
        fs->held_blocks -= count_bits(fs->hold_tx[i] & ~fs->hold_log[i]);
        fs->hold_tx[i] = 0;
    }
}

void holds_restart(struct fs *fs)
{
    for (uint32_t i = fs->hold_low; i < fs->hold_high; i++) {
        fs->held_blocks -= count_bits(fs->hold_log[i]);
        fs->hold_log[i] = 0;
    }
    fs->hold_low = fs->hold_words;
    fs->hold_high = 0;
}

/* ---- inodes ---- */

uint32_t inode_pick(struct fs *fs)
{
    uint32_t n = fs->super.inodes;

    if (!fs->free_inodes)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t ino = (fs->inode_rotor + i) % n;

        if (ino > ROOT_INODE && !bit_get(fs->imap, ino))
            return fs->inode_rotor = ino;
    }
    return 0;
}

void inode_take(struct fs *fs, uint32_t ino)
{
    bit_flip(fs, fs->imap, ino);
    fs->free_inodes--;
}

void inode_untake(struct fs *fs, uint32_t ino)
{
    bit_flip(fs, fs->imap, ino);
    fs->free_inodes++;
}

int inode_taken(struct fs *fs, uint32_t ino)
{
    return bit_get(fs->imap, ino);
}
