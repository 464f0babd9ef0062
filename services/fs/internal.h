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
    BUF_VALID = 1,    /* data is the block's contents */
    BUF_READING = 2,  /* the disk fills it */
    BUF_WRITING = 4,  /* the disk takes it to its place */
    BUF_LOGGED = 8,   /* the log holds contents that its place does not */
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
    uint64_t ticket;
    struct buf *first; /* of `count` neighbours; NULL: no buffer */
    uint16_t count;
    uint8_t kind;
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
    PHASE_RUNNING,   /* calls may change things */
    PHASE_DATA,      /* file data goes to its place */
    PHASE_DATA_FLUSH,
    PHASE_LOG,       /* descriptor and blocks go to the log */
    PHASE_LOG_FLUSH,
    PHASE_PLACE,     /* the log is nearly full: metadata goes to its place */
    PHASE_PLACE_FLUSH,
    PHASE_HEADER,    /* the log starts again */
    PHASE_HEADER_FLUSH,
    PHASE_COUNT
};

struct journal {
    enum phase phase;
    uint32_t log_at;    /* next free log block */
    uint32_t log_size;  /* log blocks */
    uint32_t limit;     /* blocks in one transaction */
    struct buf *cursor; /* next buffer to go to the log */
    uint32_t cursor_at; /* … and the log block that it goes to */
    int begun;          /* PHASE_LOG: descriptor is staged */
    uint64_t sequence;  /* of the running transaction */
    uint64_t tx_since;  /* ns: about when the running transaction got its first block */
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

enum file_kind { FILE_REGULAR, FILE_DIRECTORY, FILE_PIPE, FILE_TTY, FILE_NULL, FILE_ZERO, FILE_FULL, FILE_RANDOM, FILE_KINDS };

struct file {
    uint32_t refs; /* descriptors and handles */
    uint32_t id;   /* index in fs->files: the handle */
    uint32_t flags; /* O_* */
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
    uint32_t slots; /* entries in fd */
    uint32_t lowest; /* no free descriptor below it */
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
    uint64_t *hold_tx, *hold_log; /* freed, but not to be reused before commit, before the log restarts */
    uint32_t hold_words, hold_low, hold_high; /* words of them that may be non-zero */
    uint32_t free_blocks, held_blocks, free_inodes;
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

/* io.c */
long io_submit(struct fs *fs, struct call *call, int kind, uint32_t block, struct buf *first, uint32_t count, uint64_t dma);
long io_wait_slot(struct fs *fs, struct call *call, uint32_t slot); /* 0: that transfer has ended */
long io_wait_kind(struct fs *fs, struct call *call, int kind);      /* 0: none of that kind is in flight */
long io_wait_any(struct fs *fs, struct call *call);                 /* 0: something ended, or nothing was in flight */

/* cache.c */
int cache_create(struct fs *fs);
void cache_destroy(struct fs *fs);
void cache_drop_clean(struct fs *fs); /* forgets what need not be kept: for tests of cold caches and after replay */
long buf_get(struct fs *fs, struct call *call, uint32_t block, struct buf **out); /* valid contents */
/* The same; if it must be read, up to `ahead` further blocks that follow it on the disk come along. */
long buf_get_ahead(struct fs *fs, struct call *call, uint32_t block, uint32_t ahead, struct buf **out);
long buf_new(struct fs *fs, struct call *call, uint32_t block, struct buf **out); /* contents undefined unless BUF_VALID */
struct buf *buf_find(struct fs *fs, uint32_t block);
void buf_cancel(struct fs *fs, struct buf *buf); /* after buf_new: forget it unless valid */
void buf_forget(struct fs *fs, uint32_t block);  /* the block was freed: drop changes */
void buf_dirty(struct fs *fs, struct buf *buf);  /* file data changed */
void buf_list(struct fs *fs, struct buf *buf, int list);
long buf_write_list(struct fs *fs, struct call *call, int list); /* … to their places, until all writes have ended */
uint32_t buf_run(struct fs *fs, struct buf *first, int list); /* how many neighbours can go in one write */

/* journal.c */
/* Room for `blocks` more changed metadata blocks in the running transaction, or CALL_WAIT. */
long tx_begin(struct fs *fs, struct call *call, uint32_t blocks);
void tx_dirty(struct fs *fs, struct buf *buf);
long journal_advance(struct fs *fs, struct call *call); /* 0: nothing in progress */
void journal_start(struct fs *fs);                      /* begin a commit if none is in progress */
long journal_sync(struct fs *fs, struct call *call, uint64_t cycle); /* until that cycle is complete */
int journal_clean(const struct fs *fs);
#define TX_SMALL 16
#define STAGE_BLOCKS 16u

/* recover.c */
long recover(struct fs *fs, struct call *call);

/* alloc.c */
long alloc_mount(struct fs *fs, struct call *call);
long block_reserve(struct fs *fs, struct call *call, uint32_t count); /* 0: as many can be taken; -ENOSPC; CALL_WAIT */
uint32_t block_pick(struct fs *fs, uint32_t goal); /* a free one; not taken yet. Call block_reserve first */
void block_take(struct fs *fs, uint32_t block);
void block_free(struct fs *fs, uint32_t block, int metadata);
uint32_t inode_pick(struct fs *fs); /* 0: none */
void inode_take(struct fs *fs, uint32_t ino);
void inode_untake(struct fs *fs, uint32_t ino);
int inode_taken(struct fs *fs, uint32_t ino);
void holds_commit(struct fs *fs);
void holds_restart(struct fs *fs);
static inline int block_valid(const struct fs *fs, uint32_t block)
{
    return block >= fs->super.data_start && block < fs->super.blocks;
}

/* inode.c */
long inode_get(struct fs *fs, struct call *call, uint32_t ino, struct inode **out); /* valid for this pass */
long inode_fresh(struct fs *fs, struct call *call, struct inode **out); /* a free inode, not taken yet */
void inode_hold(struct fs *fs, struct inode *ip);
void inode_release(struct fs *fs, struct inode *ip);
void inode_changed(struct fs *fs, struct inode *ip); /* within a transaction: ip->d was changed */
void inode_init(struct fs *fs, struct inode *ip, uint32_t mode, uint32_t nlink); /* within a transaction */
int orphan_room(struct fs *fs);
void orphan_add(struct fs *fs, struct inode *ip);
void orphan_remove(struct fs *fs, struct inode *ip);
void inode_unlinked(struct fs *fs, struct inode *ip); /* within a transaction: one name less */
long orphans_mount(struct fs *fs, struct call *call);
int orphans_reap(struct fs *fs, struct call *call); /* 1: freed something; 0: nothing to do; CALL_WAIT, -errno */
long inode_resize(struct fs *fs, struct call *call, struct inode *ip, uint64_t size); /* truncate */
/* To grow a file: get the block its end is in, and in the transaction clear what lies beyond. */
long inode_tail(struct fs *fs, struct call *call, struct inode *ip, struct buf **out);
void inode_clear_tail(struct fs *fs, struct inode *ip, struct buf *tail);
long inode_trimmed(struct fs *fs, struct call *call, struct inode *ip); /* 0: no old blocks beyond its end */

/* map.c */
struct map {
    uint32_t block;         /* of the file at this index; 0: hole */
    uint32_t *slot;         /* the deepest pointer that exists */
    struct buf *holder;     /* … and the buffer it is in */
    uint32_t missing;       /* index blocks needed below it */
    uint32_t offset[2];     /* positions in them, from the top */
    uint32_t fresh[3];      /* picked: index blocks, then the data block */
    struct buf *fresh_buf[3];
};
long map_find(struct fs *fs, struct call *call, struct inode *ip, uint64_t index, struct map *map);
long map_prepare(struct fs *fs, struct call *call, struct inode *ip, struct map *map); /* for map->block == 0 */
struct buf *map_commit(struct fs *fs, struct inode *ip, struct map *map); /* within a transaction */
void map_cancel(struct fs *fs, struct map *map);
long map_trim(struct fs *fs, struct call *call, struct inode *ip, uint64_t keep); /* frees blocks from index `keep` */
int map_has_beyond(const struct inode *ip, uint64_t keep);

/* dcache.c */
uint32_t name_hash(const char *name, uint32_t length);
struct dentry *dcache_find(struct fs *fs, uint32_t dir, const char *name, uint32_t length);
void dcache_set(struct fs *fs, uint32_t dir, const char *name, uint32_t length, uint32_t ino, uint8_t type);

/* dir.c */
struct name {
    const char *at;
    uint32_t length;
};
struct place { /* where a new entry goes */
    struct buf *buf;
    uint32_t offset;
    int fresh; /* a new block, by map */
    struct map map;
};
long dir_find(struct fs *fs, struct call *call, struct inode *dir, struct name name, uint32_t *ino, uint8_t *type);
long dir_slot(struct fs *fs, struct call *call, struct inode *dir, struct name name, struct buf **buf, uint32_t *offset);
long dir_room(struct fs *fs, struct call *call, struct inode *dir, struct name name, struct place *place);
void dir_insert(struct fs *fs, struct inode *dir, struct name name, struct place *place, uint32_t ino, uint8_t type);
void dir_erase(struct fs *fs, struct inode *dir, struct name name, struct buf *buf, uint32_t offset);
void dir_point(struct fs *fs, struct inode *dir, struct name name, struct buf *buf, uint32_t offset, uint32_t ino, uint8_t type);
long dir_empty(struct fs *fs, struct call *call, struct inode *dir); /* 0, -ENOTEMPTY */
void dir_format(uint8_t *block, uint32_t self, uint32_t parent);
long dir_block(struct fs *fs, struct call *call, struct inode *dir, uint64_t index, struct buf **out);
const struct disk_entry *dir_entry(const uint8_t *block, uint32_t offset); /* NULL: damaged */
long dir_name_of(struct fs *fs, struct call *call, struct inode *dir, uint32_t ino, struct name *out);
uint8_t dir_type(uint32_t mode);

/* path.c */
enum { WALK_FOLLOW = 1, WALK_EMPTY = 2 };
enum { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
struct walk {
    struct inode *dir; /* holds the last name */
    struct name name;
    uint32_t ino; /* 0: no such name */
    uint8_t type; /* DT_* */
    uint8_t last, slash; /* slash: the path ended in one */
};
long path_copy(struct fs *fs, struct call *call, uint64_t from, int which);
long path_walk(struct fs *fs, struct call *call, struct inode *base, int which, int flags, struct walk *w);
long path_base(struct fs *fs, struct process *p, int dirfd, int which, struct inode **base);
/* path_copy, path_base and path_walk in one */
long path_at(struct fs *fs, struct call *call, int dirfd, uint64_t from, int which, int flags, struct walk *w);
/* … and the inode it names; flags as path_at */
long path_inode(struct fs *fs, struct call *call, int dirfd, uint64_t from, int flags, struct inode **out);

/* file.c */
struct process *process_of(struct fs *fs, int pid); /* NULL without memory: made when new */
long process_fork(struct fs *fs, int child, int parent);
void process_exec(struct fs *fs, struct process *p);
void process_exit(struct fs *fs, struct process *p);
struct file *file_create(struct fs *fs, int kind, uint32_t flags); /* one reference; NULL: too many */
void file_release(struct fs *fs, struct file *file);
struct file *file_of_handle(struct fs *fs, uint64_t handle);
long fd_install(struct fs *fs, struct process *p, struct file *file, uint32_t from, int cloexec); /* takes the reference over */
long fd_room(struct fs *fs, struct process *p, uint32_t from); /* the descriptor that fd_install would use */
void fd_set(struct fs *fs, struct process *p, uint32_t fd, struct file *file, int cloexec);
long fd_close(struct fs *fs, struct process *p, uint64_t fd);
static inline struct file *fd_file(const struct process *p, uint64_t fd)
{
    return fd < p->slots ? p->fd[fd] : NULL;
}

/* lock.c */
long lock_posix(struct fs *fs, struct call *call, struct file *file, int command, uint64_t address);
long lock_flock(struct fs *fs, struct call *call, struct file *file, int operation);
void locks_drop_process(struct fs *fs, struct inode *ip, int32_t pid);
void locks_drop_file(struct fs *fs, struct inode *ip, const struct file *file);

/* rw.c: regular files. One piece: at most to the end of a block. */
long regular_read(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes, uint64_t pos);
/* From the caller's memory at `from`, or from `data` if that is not NULL. */
long regular_write(struct fs *fs, struct call *call, struct inode *ip, const void *data, uint64_t from, uint64_t bytes,
                   uint64_t pos);
/* A block of a file in the service's memory: *data is NULL for a hole. `want`: blocks that will be read next. */
long regular_block(struct fs *fs, struct call *call, struct inode *ip, uint64_t index, uint64_t want, const uint8_t **data);
extern const uint8_t zero_block[BLOCK_SIZE];

/* stream.c: any file. `at`: a position instead of the file's own, or NULL. */
long file_read(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes, const uint64_t *at, int nonblock);
long file_write(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes, const uint64_t *at);
unsigned file_poll(struct fs *fs, struct call *call, struct file *file);
long tty_ask(struct fs *fs, struct call *call, const struct file *file, uint16_t op, uint64_t arg1, uint64_t arg2, uint64_t arg3);
static inline int file_readable(const struct file *f)
{
    return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_WRONLY;
}
static inline int file_writable(const struct file *f)
{
    return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_RDONLY;
}

/* calls_open.c */
long create_inode(struct fs *fs, struct call *call, struct walk *w, uint32_t mode, const char *target, struct inode **out);

/* The open file that a call's first argument names, or NULL. */
static inline struct file *call_file(struct fs *fs, struct call *call)
{
    struct process *p = process_of(fs, call->pid);

    return p ? fd_file(p, (uint32_t)call->arg[0]) : NULL;
}

/* requests.c */
long fs_request(void *self, struct request *rq);

/* calls: the operation tables of calls_*.c are joined in fs.c */
#define FS_OP(name) long op_##name(void *service, struct call *call)
FS_OP(read); FS_OP(write); FS_OP(pread64); FS_OP(pwrite64); FS_OP(readv); FS_OP(writev); FS_OP(preadv); FS_OP(pwritev);
FS_OP(lseek); FS_OP(sendfile); FS_OP(fsync); FS_OP(sync); FS_OP(ftruncate); FS_OP(truncate); FS_OP(fadvise64); FS_OP(fallocate);
FS_OP(open); FS_OP(openat); FS_OP(creat); FS_OP(close); FS_OP(dup); FS_OP(dup2); FS_OP(dup3); FS_OP(fcntl); FS_OP(flock);
FS_OP(ioctl); FS_OP(pipe); FS_OP(pipe2); FS_OP(umask); FS_OP(sync_all);
FS_OP(stat); FS_OP(lstat); FS_OP(fstat); FS_OP(newfstatat); FS_OP(statx); FS_OP(statfs); FS_OP(fstatfs);
FS_OP(access); FS_OP(faccessat); FS_OP(faccessat2); FS_OP(chmod); FS_OP(fchmod); FS_OP(fchmodat);
FS_OP(chown); FS_OP(lchown); FS_OP(fchown); FS_OP(fchownat); FS_OP(utimes); FS_OP(utimensat);
FS_OP(mkdir); FS_OP(mkdirat); FS_OP(rmdir); FS_OP(unlink); FS_OP(unlinkat); FS_OP(rename); FS_OP(renameat); FS_OP(renameat2);
FS_OP(link); FS_OP(linkat); FS_OP(symlink); FS_OP(symlinkat); FS_OP(readlink); FS_OP(readlinkat);
FS_OP(getdents64); FS_OP(getcwd); FS_OP(chdir); FS_OP(fchdir);
FS_OP(poll); FS_OP(ppoll); FS_OP(select); FS_OP(pselect6);

#endif
