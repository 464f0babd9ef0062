/* SPDX-License-Identifier: MIT
 *
 * services/fs/layers.h: what each layer of fs offers the others, from the lowest up. Part of internal.h.
 *
 * Functions that take a call may return CALL_WAIT. Those that do not, cannot fail unless it says so.
 */
#ifndef RINGSIDE_SERVICES_FS_LAYERS_H
#define RINGSIDE_SERVICES_FS_LAYERS_H

#include "services/fs/internal.h"

/* io.c */
long io_submit(struct fs *fs, struct call *call, int kind, uint32_t block, struct buf *first, uint32_t count,
               uint64_t dma);
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
long buf_new(struct fs *fs, struct call *call, uint32_t block,
             struct buf **out); /* contents undefined unless BUF_VALID */
struct buf *buf_find(struct fs *fs, uint32_t block);
void buf_cancel(struct fs *fs, struct buf *buf); /* after buf_new: forget it unless valid */
void buf_drop(struct fs *fs, uint32_t block);    /* if it is clean: the next read asks the disk */
void buf_forget(struct fs *fs, uint32_t block);  /* the block was freed: drop changes */
void buf_dirty(struct fs *fs, struct buf *buf);  /* file data changed */
void buf_list(struct fs *fs, struct buf *buf, int list);
long buf_write_list(struct fs *fs, struct call *call, int list); /* … to their places, until all writes have ended */
uint32_t buf_run(struct fs *fs, struct buf *first, int list);    /* how many neighbours can go in one write */

/* journal.c */
/* Room for `blocks` more changed metadata blocks in the running transaction, or CALL_WAIT. */
long tx_begin(struct fs *fs, struct call *call, uint32_t blocks);
void tx_dirty(struct fs *fs, struct buf *buf);
long journal_advance(struct fs *fs, struct call *call);              /* 0: nothing in progress */
void journal_start(struct fs *fs);                                   /* begin a commit if none is in progress */
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
uint32_t blocks_free_from(const struct fs *fs, uint32_t block, uint32_t count); /* how many can be taken in a row */
void block_promise(struct fs *fs, uint32_t block, int on); /* a free block is reserved from now on, or no more */
int block_reserved(const struct fs *fs, uint32_t block);
#define HOLD_MAPS 3 /* bitmaps in memory only */
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
long inode_fresh(struct fs *fs, struct call *call, struct inode **out);             /* a free inode, not taken yet */
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
    uint32_t block;     /* of the file at this index; 0: hole */
    uint32_t *slot;     /* the deepest pointer that exists */
    struct buf *holder; /* … and the buffer it is in */
    uint32_t missing;   /* index blocks needed below it */
    uint32_t offset[2]; /* positions in them, from the top */
    uint32_t fresh[3];  /* picked: index blocks, then the data block */
    struct buf *fresh_buf[3];
};
long map_find(struct fs *fs, struct call *call, struct inode *ip, uint64_t index, struct map *map);
long map_prepare(struct fs *fs, struct call *call, struct inode *ip, struct map *map); /* for map->block == 0 */
/* The same for a data block that is reserved and needs no buffer. */
long map_prepare_at(struct fs *fs, struct call *call, struct inode *ip, struct map *map, uint32_t block);
struct buf *map_commit(struct fs *fs, struct inode *ip, struct map *map); /* in a transaction; the data's, or NULL */
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
long dir_slot(struct fs *fs, struct call *call, struct inode *dir, struct name name, struct buf **buf,
              uint32_t *offset);
long dir_room(struct fs *fs, struct call *call, struct inode *dir, struct name name, struct place *place);
void dir_insert(struct fs *fs, struct inode *dir, struct name name, struct place *place, uint32_t ino, uint8_t type);
void dir_erase(struct fs *fs, struct inode *dir, struct name name, struct buf *buf, uint32_t offset);
void dir_point(struct fs *fs, struct inode *dir, struct name name, struct buf *buf, uint32_t offset, uint32_t ino,
               uint8_t type);
long dir_empty(struct fs *fs, struct call *call, struct inode *dir); /* 0, -ENOTEMPTY */
void dir_format(uint8_t *block, uint32_t self, uint32_t parent);
long dir_block(struct fs *fs, struct call *call, struct inode *dir, uint64_t index, struct buf **out);
const struct disk_entry *dir_entry(const uint8_t *block, uint32_t offset); /* NULL: damaged */
long dir_name_of(struct fs *fs, struct call *call, struct inode *dir, uint32_t ino, struct name *out);
uint8_t dir_type(uint32_t mode);

/* path.c */
/* FOLLOW: a link that is the last name; SLASH: one before a slash at the end, which all follow but those that want a
 * NAME to make or remove. */
enum { WALK_FOLLOW = 1, WALK_EMPTY = 2, WALK_NAME = 4, WALK_SLASH = 8 };
enum { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
struct walk {
    struct inode *dir; /* holds the last name */
    struct name name;
    uint32_t ino;        /* 0: no such name */
    uint8_t type;        /* DT_* */
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
/* A limit of setrlimit is told; how much of `bytes` may be written at `pos` under RLIMIT_FSIZE, or -EFBIG. */
long process_limit(struct fs *fs, struct process *p, uint64_t resource, uint64_t limit);
long size_room(struct fs *fs, struct call *call, uint64_t pos, uint64_t bytes);
void signal_caller(struct fs *fs, struct call *call, int signo);
struct file *file_create(struct fs *fs, int kind, uint32_t flags); /* one reference; NULL: too many */
void file_release(struct fs *fs, struct file *file);
struct file *file_of_handle(struct fs *fs, uint64_t handle);
long fd_install(struct fs *fs, struct process *p, struct file *file, uint32_t from,
                int cloexec);                                  /* takes the reference over */
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
long regular_block(struct fs *fs, struct call *call, struct inode *ip, uint64_t index, uint64_t want,
                   const uint8_t **data);
extern const uint8_t zero_block[BLOCK_SIZE];
/* How many blocks after the one found lie right behind it on the disk, as far as its own index block tells. */
uint32_t regular_contiguous(const struct inode *ip, const struct map *map, uint64_t index, uint64_t want);

#define TRANSFER_MAX 0x7ffff000ull /* bytes a call moves at most; as Linux: MAX_RW_COUNT */

/* stream.c: any file. `at`: a position instead of the file's own, or NULL. */
long file_read(struct fs *fs, struct call *call, struct file *file, uint64_t to, uint64_t bytes, const uint64_t *at,
               int nonblock);
long file_write(struct fs *fs, struct call *call, struct file *file, uint64_t from, uint64_t bytes, const uint64_t *at);
unsigned file_poll(struct fs *fs, struct call *call, struct file *file);
long tty_ask(struct fs *fs, struct call *call, const struct file *file, uint16_t op, uint64_t arg1, uint64_t arg2,
             uint64_t arg3);
static inline int file_readable(const struct file *f)
{
    return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_WRONLY;
}
static inline int file_writable(const struct file *f)
{
    return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_RDONLY;
}

/* calls_open.c */
long create_inode(struct fs *fs, struct call *call, struct walk *w, uint32_t mode, const char *target,
                  struct inode **out);

/* The open file that a call's first argument names, or NULL. */
static inline struct file *call_file(struct fs *fs, struct call *call)
{
    struct process *p = process_of(fs, call->pid);

    return p ? fd_file(p, (uint32_t)call->arg[0]) : NULL;
}

/* requests.c */
long fs_request(void *self, struct request *rq);

/* extent.c */
long request_extent_of(struct fs *fs, struct request *rq);
long request_extent_reserve(struct fs *fs, struct request *rq);
long request_extent_commit(struct fs *fs, struct request *rq);
long request_extent_cancel(struct fs *fs, struct request *rq);

/* calls_*.c */
#define OPERATION(call, function) call_op op_##function;
#include "services/fs/operations.def"
#undef OPERATION

#endif
