/* SPDX-License-Identifier: MIT
 *
 * services/fs/internal.h: the structures that the layers of fs share.
 *
 * From below: io (tickets of the disk) → cache (buffers) → journal (transactions) → alloc (bitmaps) → inode
 * → map (blocks of a file) → dir, dcache → path → file (open files, descriptors) → rw, poll, lock → calls.
 * A layer calls those to its left only; the one exception is that running out of buffers or blocks may
 * start a commit.
 *
 * How a call stays free of state across a wait
 *   Every entry into the service begins a new *pass*. A function that may need the disk returns 0, -errno or
 *   CALL_WAIT; CALL_WAIT unwinds to the placement, and the call is handed in again and repeats
 *   itself, this time finding the block in the cache. What a pass has touched (buffers, inodes) carries
 *   the pass's number and is not evicted before the pass ends, so that pointers stay valid without
 *   reference counts on every error path. Changes begin only after the last function that can wait
 *   or fail: tx_begin is the mark, nothing after it returns an error.
 */
#ifndef RINGSIDE_SERVICES_FS_INTERNAL_H
#define RINGSIDE_SERVICES_FS_INTERNAL_H

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>

#include "services/fs/fs.h"
#include "services/fs/layout.h"
#include "services/pipe/pipe.h"
#include "services/requests.h"
#include "services/string.h"

/* ---- memory in equal pieces ---- */

struct pool {
    uint32_t size; /* bytes of a piece */
    void *free;    /* list through the first word */
    void *chunks;  /* likewise, for fs_destroy */
};

void *pool_get(struct fs *fs, struct pool *pool); /* zeroed; NULL without memory */
void pool_put(struct pool *pool, void *piece);
void pool_destroy(struct fs *fs, struct pool *pool);

/* ---- buffers ---- */

enum buf_flags {
    BUF_VALID = 1,   /* data is the block's contents */
    BUF_READING = 2, /* the disk fills it */
    BUF_WRITING = 4, /* the disk takes it to its place */
    BUF_LOGGED = 8,  /* the log holds contents that its place does not */
};

enum buf_list {
    LIST_NONE,
    LIST_DIRTY,  /* file data to be written to its place */
    LIST_TX,     /* metadata changed by the running transaction */
    LIST_LOGGED, /* metadata committed to the log, to be written to its place */
    LIST_COUNT
};

#define NO_BLOCK 0xffffffffu

struct buf {
    uint8_t *data;
    uint32_t block; /* NO_BLOCK: holds nothing */
    uint32_t pass;  /* last pass that touched it */
    uint16_t pins;
    uint8_t flags, list;
    uint16_t io; /* slot of the transfer in flight */
    struct buf *hash_next;
    struct buf *older, *newer; /* LRU ring */
    struct buf *prev, *next;   /* of its list */
    uint64_t dma;
};

struct list {
    struct buf *first, *last;
    uint32_t count;
};

enum io_kind { IO_FREE, IO_READ, IO_WRITE, IO_LOG, IO_FLUSH };
#define IO_SLOTS 64
#define IO_BLOCKS_MAX 32 /* blocks in one request */

struct io {
    uint64_t ticket, dma;
    struct buf *first; /* of `count` neighbours; NULL: no buffer */
    uint32_t block;
    uint16_t count;
    uint8_t kind, lost; /* lost: begun again so often */
};

struct cache {
    struct buf *bufs;
    uint32_t count, used; /* bufs[used…] never had memory */
    struct buf **hash;
    uint32_t hash_mask;
    struct buf lru; /* ring head: lru.newer is the oldest */
    struct list lists[LIST_COUNT];
    struct io io[IO_SLOTS];
    uint32_t busy[IO_FLUSH + 1]; /* transfers in flight by kind */
    uint32_t io_next;            /* where to look for a free slot */
    uint32_t unflushed;          /* something was written since the last flush */
};

/* ---- journal ---- */

enum phase {
    PHASE_RUNNING, /* calls may change things */
    PHASE_DATA,    /* file data goes to its place */
    PHASE_DATA_FLUSH,
    PHASE_LOG, /* descriptor and blocks go to the log */
    PHASE_LOG_FLUSH,
    PHASE_PLACE, /* the log is nearly full: metadata goes to its place */
    PHASE_PLACE_FLUSH,
    PHASE_HEADER, /* the log starts again */
    PHASE_HEADER_FLUSH,
    PHASE_COUNT
};

struct journal {
    enum phase phase;
    uint32_t log_at;             /* next free log block */
    uint32_t log_size;           /* log blocks */
    uint32_t limit;              /* blocks in one transaction */
    struct buf *cursor;          /* next buffer to go to the log */
    uint32_t cursor_at;          /* … and the log block that it goes to */
    int begun;                   /* PHASE_LOG: descriptor is staged */
    uint64_t sequence;           /* of the running transaction */
    uint64_t tx_since;           /* ns: about when the running transaction got its first block */
    uint64_t started, completed; /* commit cycles */
    int want_place, flushing, failed;
    uint8_t *stage;        /* blocks on their way to the log go in one transfer */
    uint32_t stage_blocks; /* its size: contiguous for the device */
    uint64_t stage_dma;
};

/* ---- inodes ---- */

enum {
    INODE_ORPHAN = 1, /* has a slot in the orphan block */
    INODE_TRIM = 2,   /* blocks beyond size are to be freed */
};

struct inode {
    uint32_t ino;
    uint32_t refs; /* open files, working directories; orphans count themselves */
    uint32_t pass;
    uint16_t flags, slot; /* slot: in the orphan block */
    uint32_t writers;     /* open files that may write it */
    struct buf *buf;      /* pinned while refs */
    struct disk_inode *d; /* in buf */
    struct inode *hash_next;
    struct inode *orphan_next;
    struct lock *locks;
    uint64_t version;    /* of the contents */
    uint64_t sync_cycle; /* the commit cycle that makes its last change durable */
    uint32_t goal;       /* where the next block should be */
};

#define INODE_HASH 256

/* ---- descriptors ---- */

enum file_kind {
    FILE_REGULAR,
    FILE_DIRECTORY,
    FILE_PIPE,
    FILE_TTY,
    FILE_NULL,
    FILE_ZERO,
    FILE_FULL,
    FILE_RANDOM,
    FILE_KINDS
};

struct file {
    uint32_t refs;        /* descriptors and handles */
    uint32_t id;          /* index in fs->files: the handle */
    uint32_t flags;       /* O_* */
    uint8_t kind, writer; /* writer: which end of a pipe */
    uint8_t line;         /* of a tty */
    uint64_t pos;
    uint32_t next_index; /* block after the last one read: reading on is sequential */
    struct inode *inode; /* NULL: not on this disk */
    struct pipe *pipe;
};

#define FD_LIMIT 1024u

struct process {
    int32_t pid;
    uint32_t umask;
    uint32_t slots;  /* entries in fd */
    uint32_t lowest; /* no free descriptor below it */
    uint32_t fd_limit;   /* RLIMIT_NOFILE, at most FD_LIMIT */
    uint64_t size_limit; /* RLIMIT_FSIZE */
    struct file **fd;
    uint64_t cloexec[FD_LIMIT / 64]; /* bit a descriptor */
    struct inode *cwd;
    struct process *hash_next;
};

#define PROCESS_HASH 64
#define FILES_LIMIT 16384u
#define FILES_CHUNK 512u

struct lock {
    struct lock *next;
    uint64_t start, last; /* last byte included */
    int32_t pid;          /* owner of a POSIX lock, or 0 */
    struct file *file;    /* owner of a flock or OFD lock, or NULL */
    uint8_t type, whole;  /* F_RDLCK F_WRLCK; whole: by flock */
};

/* ---- name cache ---- */

#define DENTRY_NAME 47
struct dentry {
    uint32_t dir, ino; /* dir 0: empty; ino 0: no such name */
    uint32_t hash;
    uint8_t type, length;
    char name[DENTRY_NAME + 3];
};
#define DENTRY_SETS 256
#define DENTRY_WAYS 4

/* ---- the service ---- */

struct fs {
    const struct host *host;
    struct fs_config config;
    uint32_t pass, clock_pass;
    uint64_t clock; /* ns since boot, as of clock_pass */
    int mounted, damaged;
    uint64_t version;

    struct disk_super super;
    struct cache cache;
    struct journal journal;

    /* allocation: bitmap blocks are pinned */
    struct buf **bitmap, **imap, *orphan_buf;
    uint64_t *hold_tx, *hold_log;             /* freed, but not to be reused before commit, before the log restarts */
    uint64_t *reserved;                       /* free, but promised: extent.c */
    uint32_t hold_words, hold_low, hold_high; /* words of them that may be non-zero */
    uint32_t free_blocks, held_blocks, reserved_blocks, free_inodes;
    uint32_t rotor, inode_rotor;
#define PICKED 8
    uint32_t picked[PICKED], picked_next, picked_pass; /* so that two picks of one call differ */

    /* inodes */
    struct pool inode_pool;
    struct inode *inode_hash[INODE_HASH];
    uint32_t inode_count, inode_hand;
    struct inode *orphans;
    struct dentry *dcache;
    uint32_t dcache_turn;
    uint32_t names_version; /* changes with every change of a directory */

    /* descriptors */
    struct pool file_pool, lock_pool, process_pool;
    struct process *processes[PROCESS_HASH];
    int size_limits; /* some process has a RLIMIT_FSIZE, or had one */
    struct file ***files;
    uint32_t file_hint;

    uint64_t random;
    char *path[2];    /* names copied in from the caller, PATH_MAX * 2 each */
    uint8_t *scratch; /* SCRATCH bytes: getdents64, poll, iovecs; one block more: random bytes */
#define SCRATCH (4 * BLOCK_SIZE)
    call_op **calls;

    /* mount */
    int mount_step;
    uint32_t mount_at, mount_index;
    uint64_t mount_sum, mount_sequence;
};

/* The time of this pass in ns since boot. Reading a clock costs more than a short call does: once a pass is enough. */
static inline uint64_t fs_clock(struct fs *fs)
{
    if (fs->clock_pass != fs->pass) {
        fs->clock_pass = fs->pass;
        fs->clock = fs->host->now(fs->host->ctx);
    }
    return fs->clock;
}

static inline uint64_t fs_now(struct fs *fs)
{
    return fs->config.wall_ns + fs_clock(fs);
}

static inline void fs_pass(struct fs *fs)
{
    fs->pass++;
}

#include "services/fs/layers.h"

#endif
