/* SPDX-License-Identifier: MIT
 *
 * services/fs/format.c: an empty file system on a disk in memory: superblock, bitmaps, journal header, root directory.
 */
#include "services/fs/internal.h"
#include "services/fs/mkfs_internal.h"

#define JOURNAL_MOST 1025u

static uint32_t blocks_for(uint32_t things, uint32_t per_block)
{
    return (things + per_block - 1) / per_block;
}

static void set_bit(uint8_t *disk, uint32_t start, uint32_t bit)
{
    uint64_t *word = (uint64_t *)(disk + (uint64_t)start * BLOCK_SIZE) + bit / 64;

    *word |= 1ull << bit % 64;
}

/* A thirty-second of the disk for the journal, an inode for four blocks. */
static void plan(struct disk_super *s, uint32_t blocks)
{
    uint32_t journal = blocks / 32;

    journal = journal < MIN_JOURNAL_BLOCKS ? MIN_JOURNAL_BLOCKS : journal > JOURNAL_MOST ? JOURNAL_MOST : journal;
    s->magic = SUPER_MAGIC;
    s->version = LAYOUT_VERSION;
    s->blocks = blocks;
    s->inodes = blocks_for(blocks / 4, INODES_PER_BLOCK) * INODES_PER_BLOCK;
    s->orphan_block = 1;
    s->bitmap_start = 2;
    s->bitmap_blocks = blocks_for(blocks, BITS_PER_BLOCK);
    s->imap_start = s->bitmap_start + s->bitmap_blocks;
    s->imap_blocks = blocks_for(s->inodes, BITS_PER_BLOCK);
    s->journal_start = s->imap_start + s->imap_blocks;
    s->journal_blocks = journal;
    s->itable_start = s->journal_start + s->journal_blocks;
    s->itable_blocks = s->inodes / INODES_PER_BLOCK;
    s->data_start = s->itable_start + s->itable_blocks;
    s->checksum = checksum(0, s, offsetof(struct disk_super, checksum));
}

static void format_root(uint8_t *disk, const struct disk_super *s)
{
    struct disk_inode *root = (struct disk_inode *)(disk + (uint64_t)s->itable_start * BLOCK_SIZE) + ROOT_INODE;

    root->mode = S_IFDIR | 0755;
    root->nlink = 2;
    root->size = BLOCK_SIZE;
    root->blocks = 1;
    root->pointer[0] = s->data_start;
    dir_format(disk + (uint64_t)s->data_start * BLOCK_SIZE, ROOT_INODE, ROOT_INODE);
}

int format_disk(uint8_t *disk, size_t bytes)
{
    struct disk_super *s = (struct disk_super *)disk;
    struct journal_header *h;

    if (bytes / BLOCK_SIZE < MIN_DISK_BLOCKS || bytes / BLOCK_SIZE > UINT32_MAX / 2 || bytes % BLOCK_SIZE)
        return -EINVAL;
    plan(s, (uint32_t)(bytes / BLOCK_SIZE));
    for (uint32_t i = 0; i <= s->data_start; i++)
        set_bit(disk, s->bitmap_start, i);
    set_bit(disk, s->imap_start, 0);
    set_bit(disk, s->imap_start, ROOT_INODE);
    h = (struct journal_header *)(disk + (uint64_t)s->journal_start * BLOCK_SIZE);
    h->magic = JOURNAL_MAGIC;
    h->sequence = 1;
    h->checksum = checksum(0, h, 16);
    format_root(disk, s);
    return 0;
}
