/* SPDX-License-Identifier: MIT
 *
 * services/fs/fs.c: the service: its life, its operation table, what other services ask of it.
 *
 * Every call enters through `dispatch`, which begins a pass and afterwards frees what the call left
 * to be freed (files that lost their last name and their last descriptor), as far as that goes without waiting.
 */
#include "services/fs/internal.h"

static call_op *const fs_calls[CALL_TABLE_END] = {
#define OPERATION(call, function) [CALL_##call] = op_##function,
#include "services/fs/operations.def"
#undef OPERATION
};

static long dispatch(void *self, struct call *call)
{
    struct fs *fs = self;
    long r;

    fs->pass++;
    r = fs_calls[call->nr](fs, call);
    while (fs->orphans && r != CALL_WAIT && orphans_reap(fs, call) > 0)
        ;
    return r;
}

/* ---- life ---- */

static int create_calls(struct fs *fs)
{
    fs->calls = fs->host->alloc(fs->host->ctx, CALL_TABLE_END * sizeof *fs->calls);
    for (uint32_t i = 0; fs->calls && i < CALL_TABLE_END; i++)
        if (fs_calls[i])
            fs->calls[i] = dispatch;
    return fs->calls != NULL;
}

/* As much of the stage as a device can take in one transfer. */
static int create_stage(struct fs *fs)
{
    struct journal *j = &fs->journal;

    j->stage = fs->host->alloc(fs->host->ctx, STAGE_BLOCKS * BLOCK_SIZE);
    if (!j->stage)
        return 0;
    j->stage_dma = fs->host->dma(fs->host->ctx, j->stage);
    j->stage_blocks = 1;
    while (j->stage_blocks < STAGE_BLOCKS && fs->host->dma(fs->host->ctx, j->stage + j->stage_blocks * BLOCK_SIZE) ==
                                                 j->stage_dma + j->stage_blocks * (uint64_t)BLOCK_SIZE)
        j->stage_blocks++;
    return 1;
}

static int create_memory(struct fs *fs)
{
    const struct host *host = fs->host;

    fs->inode_pool.size = sizeof(struct inode);
    fs->file_pool.size = sizeof(struct file);
    fs->lock_pool.size = sizeof(struct lock);
    fs->process_pool.size = sizeof(struct process);
    fs->path[0] = host->alloc(host->ctx, 4 * PATH_MAX);
    fs->path[1] = fs->path[0] ? fs->path[0] + 2 * PATH_MAX : NULL;
    fs->scratch = host->alloc(host->ctx, SCRATCH + BLOCK_SIZE);
    fs->files = host->alloc(host->ctx, FILES_LIMIT / FILES_CHUNK * sizeof *fs->files);
    fs->dcache = host->alloc(host->ctx, DENTRY_SETS * DENTRY_WAYS * sizeof *fs->dcache);
    return create_calls(fs) && create_stage(fs) && !cache_create(fs) && fs->path[0] && fs->scratch && fs->files &&
           fs->dcache;
}

struct fs *fs_create(const struct host *host, const struct fs_config *config)
{
    struct fs *fs = host->alloc(host->ctx, sizeof *fs);

    if (!fs)
        return NULL;
    fs->host = host;
    memcpy(&fs->config, config, sizeof *config);
    fs->random = config->seed;
    fs->names_version = 1;
    if (create_memory(fs))
        return fs;
    fs_destroy(fs);
    return NULL;
}

static void give_back(struct fs *fs, void *memory, size_t bytes)
{
    if (memory)
        fs->host->free(fs->host->ctx, memory, bytes);
}

static void destroy_processes(struct fs *fs)
{
    for (uint32_t i = 0; i < PROCESS_HASH; i++)
        while (fs->processes[i])
            process_exit(fs, fs->processes[i]);
}

/* Also what vm still held. */
static void destroy_files(struct fs *fs)
{
    for (uint32_t i = 0; fs->files && i < FILES_LIMIT / FILES_CHUNK; i++) {
        for (uint32_t k = 0; fs->files[i] && k < FILES_CHUNK; k++)
            while (fs->files[i][k])
                file_release(fs, fs->files[i][k]);
        give_back(fs, fs->files[i], FILES_CHUNK * sizeof **fs->files);
    }
    give_back(fs, fs->files, FILES_LIMIT / FILES_CHUNK * sizeof *fs->files);
}

void fs_destroy(struct fs *fs)
{
    destroy_processes(fs);
    destroy_files(fs);
    pool_destroy(fs, &fs->inode_pool);
    pool_destroy(fs, &fs->file_pool);
    pool_destroy(fs, &fs->lock_pool);
    pool_destroy(fs, &fs->process_pool);
    cache_destroy(fs);
    give_back(fs, fs->bitmap, (fs->super.bitmap_blocks + fs->super.imap_blocks) * sizeof *fs->bitmap);
    give_back(fs, fs->hold_tx, HOLD_MAPS * (size_t)fs->super.bitmap_blocks * (BITS_PER_BLOCK / 8));
    give_back(fs, fs->journal.stage, STAGE_BLOCKS * BLOCK_SIZE);
    give_back(fs, fs->calls, CALL_TABLE_END * sizeof *fs->calls);
    give_back(fs, fs->dcache, DENTRY_SETS * DENTRY_WAYS * sizeof *fs->dcache);
    give_back(fs, fs->path[0], 4 * PATH_MAX);
    give_back(fs, fs->scratch, SCRATCH + BLOCK_SIZE);
    give_back(fs, fs, sizeof *fs);
}

long fs_mount(struct fs *fs, struct call *call)
{
    struct inode *root;
    long r;

    fs->pass++;
    r = fs->mounted ? 0 : recover(fs, call);
    if (!r)
        r = inode_get(fs, call, ROOT_INODE, &root);
    if (!r && !S_ISDIR(root->d->mode))
        r = -EUCLEAN;
    if (!r)
        fs->mounted = 1;
    return r;
}

/* ---- process 1 ---- */

static long standard_file(struct fs *fs, struct process *p, uint32_t fd)
{
    uint32_t terminal = fs->config.tty_mask >> fd & 1;
    struct file *file = file_create(fs, FILE_TTY, terminal ? O_RDWR : fd ? O_WRONLY : O_RDONLY);

    if (!file)
        return -ENOMEM;
    file->line = fd == 2;
    file->writer = fd == 1; /* which bit of tty_mask speaks for it */
    fd_set(fs, p, fd, file, 0);
    return 0;
}

long fs_start(struct fs *fs, struct call *call, const char *cwd)
{
    struct process *p = process_of(fs, 1);
    struct walk w;
    long r = p ? 0 : -ENOMEM;

    fs->pass++;
    str_copy(fs->path[0], cwd, PATH_MAX);
    if (!r)
        r = path_walk(fs, call, NULL, 0, WALK_FOLLOW | WALK_SLASH, &w);
    if (!r)
        r = !w.ino ? -ENOENT : w.type != 4 ? -ENOTDIR : inode_get(fs, call, w.ino, &w.dir);
    for (uint32_t fd = 0; !r && fd < 3; fd++)
        r = p->fd[fd] ? 0 : standard_file(fs, p, fd);
    if (r)
        return r;
    if (p->cwd)
        inode_release(fs, p->cwd);
    inode_hold(fs, w.dir);
    p->cwd = w.dir;
    return 0;
}

struct service fs_service(struct fs *fs)
{
    return (struct service){.name = "fs", .self = fs, .calls = fs->calls, .request = fs_request};
}
