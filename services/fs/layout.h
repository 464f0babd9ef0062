/* SPDX-License-Identifier: MIT
 *
 * services/fs/layout.h: what is where on the disk. Little endian, 4 KiB blocks.
 *
 *     0                superblock; never changes after mkfs
 *     1                orphans: inodes that a crash must not leak
 *     bitmap_start     one bit a block of the whole disk, 1 = in use
 *     imap_start       one bit an inode, 1 = in use
 *     journal_start    journal header, then the log
 *     itable_start     inodes, 32 a block; inode 1 is the root
 *     data_start       files, directories, index blocks
 *
 * A file is a tree of block numbers as in the Unix file system: 12 direct, one
 * indirect, one double indirect; 0 is a hole. A symbolic link of less than
 * INLINE_LINK bytes lives in the inode, a longer one in one block.
 *
 * A directory is a file of whole blocks; entries tile each block exactly and do not
 * cross its end; an entry with ino 0 is free room. The first two are "." and "..".
 *
 * The log holds transactions one after another from log block 0: a descriptor, then the new
 * contents of the blocks it lists. A transaction counts if its checksum is right and its
 * number follows its predecessor's; the first must have the header's `sequence`.
 */
#ifndef RINGSIDE_SERVICES_FS_LAYOUT_H
#define RINGSIDE_SERVICES_FS_LAYOUT_H

#include <stdint.h>

#define BLOCK_SIZE 4096u
#define BLOCK_SHIFT 12
#define SECTORS_PER_BLOCK (BLOCK_SIZE / 512)
#define BITS_PER_BLOCK (BLOCK_SIZE * 8)

#define SUPER_MAGIC 0x3144495352474e49ull /* "INGRSID1" */
#define JOURNAL_MAGIC 0x4a4552445f474e52ull
#define LOG_MAGIC 0x474f4c5f59415054ull
#define LAYOUT_VERSION 1

#define ROOT_INODE 1u
#define DIRECT_BLOCKS 12u
#define POINTERS_PER_BLOCK (BLOCK_SIZE / 4)
#define MAX_FILE_BLOCKS (DIRECT_BLOCKS + POINTERS_PER_BLOCK + (uint64_t)POINTERS_PER_BLOCK * POINTERS_PER_BLOCK)
#define MAX_FILE_BYTES (MAX_FILE_BLOCKS * BLOCK_SIZE)
#define INLINE_LINK 56u
#define MAJOR_STANDARD 240u /* Linux: for local use */
#define MAX_LINKS 32000u
#define MIN_DISK_BLOCKS 256u
#define MIN_JOURNAL_BLOCKS 97u

struct disk_super {
    uint64_t magic;
    uint32_t version;
    uint32_t blocks; /* of the whole disk */
    uint32_t inodes; /* including number 0, which does not exist */
    uint32_t orphan_block;
    uint32_t bitmap_start, bitmap_blocks;
    uint32_t imap_start, imap_blocks;
    uint32_t journal_start, journal_blocks; /* header included */
    uint32_t itable_start, itable_blocks;
    uint32_t data_start;
    uint32_t zero;
    uint64_t checksum; /* of everything above */
};

struct disk_inode {
    uint32_t mode; /* as stat(2); 0: free */
    uint32_t nlink;
    uint32_t uid, gid;
    uint64_t size;
    uint64_t atime, mtime, ctime, btime; /* ns since 1970 */
    uint32_t blocks;                     /* in use, index blocks included */
    uint32_t rdev;                       /* major << 8 | minor, of a device; MAJOR_STANDARD: descriptor `minor` */
    union {
        uint32_t pointer[DIRECT_BLOCKS + 2]; /* direct, indirect, double indirect */
        char link[INLINE_LINK];
    };
    uint64_t zero;
};
_Static_assert(sizeof(struct disk_inode) == 128, "32 inodes a block");
#define INODES_PER_BLOCK (BLOCK_SIZE / (uint32_t)sizeof(struct disk_inode))

struct disk_entry {
    uint32_t ino;
    uint16_t length; /* of the entry, a multiple of 4, to the next one */
    uint8_t name_length;
    uint8_t type; /* DT_* */
    char name[];
};
#define ENTRY_BYTES(name_length) ((uint32_t)(8 + (name_length) + 3) & ~3u)

struct journal_header {
    uint64_t magic;
    uint64_t sequence; /* of the first transaction in the log, if there is one */
    uint64_t checksum;
};

#define LOG_MAX_BLOCKS 1016u
struct log_descriptor {
    uint64_t magic;
    uint64_t sequence;
    uint64_t checksum; /* of count, blocks, contents; seeded with sequence */
    uint32_t count;
    uint32_t zero;
    uint32_t block[LOG_MAX_BLOCKS];
};
_Static_assert(sizeof(struct log_descriptor) == BLOCK_SIZE, "one block");

#define ORPHAN_SLOTS (BLOCK_SIZE / 4)

/* Good enough to tell a torn block from a whole one; cheap where every instruction is simulated. `bytes` is a multiple
 * of 8. */
static inline uint64_t checksum(uint64_t seed, const void *data, uint32_t bytes)
{
    const uint64_t *word = data;
    uint64_t sum = seed ^ 0x9e3779b97f4a7c15ull;

    for (uint32_t i = 0; i < bytes / 8; i++) {
        sum = (sum ^ word[i]) * 0xff51afd7ed558ccdull;
        sum ^= sum >> 32;
    }
    return sum;
}

#endif
