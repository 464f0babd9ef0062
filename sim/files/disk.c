/* SPDX-License-Identifier: MIT
 *
 * sim/files/disk.c: from a folder of the host to a disk in memory (disk.h).
 *
 * Two passes over the folder: the first adds up what the disk must hold, the second puts it there. Symbolic links are
 * never followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/fs/mkfs.h"
#include "sim/files/disk.h"
#include "sim/files/disk_internal.h"

#define BLOCK 4096u
#define DEFAULT_FREE (32u << 20)

bool disk_fail(struct disk_error *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    for (char *at = error->text; *at; at++)
        if (*at == '\n')
            *at = '?';
    return false;
}

/* ---- memory for mkfs ---- */

static void *memory_alloc(void *ctx, size_t bytes)
{
    size_t size = (bytes + 15) & ~(size_t)15;
    void *memory =
        bytes >= BLOCK ? aligned_alloc(BLOCK, (bytes + BLOCK - 1) & ~(size_t)(BLOCK - 1)) : aligned_alloc(16, size);

    return memory ? memset(memory, 0, bytes) : NULL;
}

static void memory_free(void *ctx, void *memory, size_t bytes)
{
    free(memory);
}

const struct mkfs_memory disk_memory = {.alloc = memory_alloc, .free = memory_free};

/* ---- walking the host's folder ---- */

struct tree {
    const struct disk_spec *spec;
    struct disk_error *error;
    struct mkfs *m;          /* second pass */
    uint64_t blocks, inodes; /* first pass */
    char host[PATH_MAX], guest[PATH_MAX];
};

typedef bool tree_visit(struct tree *t, const struct stat *st);

static int no_dots(const struct dirent *e)
{
    return strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool push(char *path, const char *name)
{
    size_t n = strlen(path), more = strlen(name);

    if (n + more + 2 > PATH_MAX)
        return false;
    if (!n || path[n - 1] != '/')
        path[n++] = '/';
    memcpy(path + n, name, more + 1);
    return true;
}

static bool visit_folder(struct tree *t, tree_visit *visit);

static bool visit_entry(struct tree *t, const char *name, tree_visit *visit)
{
    size_t host = strlen(t->host), guest = strlen(t->guest);
    struct stat st;
    bool good;

    if (!push(t->host, name) || !push(t->guest, name))
        return disk_fail(t->error, "%s/%s: the path is too long", t->host, name);
    if (lstat(t->host, &st))
        return disk_fail(t->error, "%s: %s", t->host, strerror(errno));
    good = visit(t, &st);
    if (good && S_ISDIR(st.st_mode))
        good = visit_folder(t, visit) && (!t->m || visit(t, &st)); /* again: its time, which filling it has changed */
    t->host[host] = 0;
    t->guest[guest] = 0;
    return good;
}

static bool visit_folder(struct tree *t, tree_visit *visit)
{
    struct dirent **names;
    int n = scandir(t->host, &names, no_dots, by_name);
    bool good = true;

    if (n < 0)
        return disk_fail(t->error, "%s: %s", t->host, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (good)
            good = visit_entry(t, names[i]->d_name, visit);
        free(names[i]);
    }
    free(names);
    return good;
}

static bool visit_tree(struct tree *t, tree_visit *visit)
{
    if (!t->spec->folder)
        return true;
    if (strlen(t->spec->folder) >= PATH_MAX)
        return disk_fail(t->error, "%.64s...: the path is too long", t->spec->folder);
    strcpy(t->host, t->spec->folder);
    strcpy(t->guest, "/");
    return visit_folder(t, visit);
}

/* ---- first pass: how large ---- */

static uint64_t blocks_of(uint64_t bytes)
{
    uint64_t blocks = (bytes + BLOCK - 1) / BLOCK;

    return blocks + blocks / 1024 + 3;
}

static void note_left_out(struct disk_left_out *left_out, const char *path)
{
    if (!left_out || left_out->count++)
        return;
    snprintf(left_out->first, sizeof left_out->first, "%s", path);
    for (char *at = left_out->first; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
}

static bool count(struct tree *t, const struct stat *st)
{
    if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode))
        note_left_out(t->spec->left_out, t->host);
    t->inodes++;
    t->blocks += S_ISREG(st->st_mode) ? blocks_of((uint64_t)st->st_size) : 2;
    return true;
}

/* The tree, the room asked for, and the tables; an inode for four blocks is what mkfs makes. */
static uint64_t disk_blocks(const struct tree *t)
{
    uint64_t room = t->spec->free_bytes ? t->spec->free_bytes : DEFAULT_FREE;
    uint64_t blocks = t->blocks + t->inodes / 32 + room / BLOCK + 256;

    if (blocks < (t->inodes + 256) * 4)
        blocks = (t->inodes + 256) * 4;
    return blocks + blocks / 16 + 160;
}

/* ---- second pass: fill ---- */

static bool put_error(struct tree *t, const char *path, long r)
{
    return r ? disk_fail(t->error, "%s: cannot be put on the simulated disk: %s", path, strerror((int)-r)) : true;
}

static void *map_file(const char *path, size_t *bytes)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    void *data = MAP_FAILED;
    struct stat st;

    if (fd >= 0 && !fstat(fd, &st)) {
        *bytes = (size_t)st.st_size;
        data = *bytes ? mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    }
    if (fd >= 0)
        close(fd);
    return data;
}

static bool put_file(struct tree *t, const struct mkfs_attr *attr)
{
    size_t bytes = 0;
    void *data = map_file(t->host, &bytes);
    long r;

    if (data == MAP_FAILED)
        return disk_fail(t->error, "%s: %s", t->host, strerror(errno));
    r = mkfs_file(t->m, t->guest, attr, data, bytes);
    if (data)
        munmap(data, bytes);
    return put_error(t, t->host, r);
}

static bool put_link(struct tree *t, const struct mkfs_attr *attr)
{
    char target[PATH_MAX];
    ssize_t n = readlink(t->host, target, sizeof target - 1);

    if (n < 0)
        return disk_fail(t->error, "%s: %s", t->host, strerror(errno));
    target[n] = 0;
    return put_error(t, t->host, mkfs_symlink(t->m, t->guest, attr, target));
}

static bool put(struct tree *t, const struct stat *st)
{
    struct mkfs_attr attr = {.mode = st->st_mode & 07777};

    if (t->spec->keep_times && st->st_mtim.tv_sec > 0)
        attr.mtime_ns = (uint64_t)st->st_mtim.tv_sec * NS + (uint64_t)st->st_mtim.tv_nsec;
    if (S_ISDIR(st->st_mode))
        return put_error(t, t->host, mkfs_directory(t->m, t->guest, &attr));
    if (S_ISREG(st->st_mode))
        return put_file(t, &attr);
    return !S_ISLNK(st->st_mode) || put_link(t, &attr);
}

/* The directories above `path`, those that are missing. */
static long put_parents(struct mkfs *m, const char *path)
{
    static const struct mkfs_attr attr = {.mode = 0755};
    char part[PATH_MAX];
    long r = 0;

    for (const char *at = strchr(path + 1, '/'); !r && at; at = strchr(at + 1, '/')) {
        if ((size_t)(at - path) >= sizeof part)
            return -ENAMETOOLONG;
        memcpy(part, path, (size_t)(at - path));
        part[at - path] = 0;
        r = mkfs_directory(m, part, &attr);
    }
    return r;
}

static bool put_extra(struct tree *t)
{
    for (size_t i = 0; i < t->spec->file_count; i++) {
        const struct disk_file *f = &t->spec->files[i];
        struct mkfs_attr attr = {.mode = f->mode};
        long r = put_parents(t->m, f->path);

        if (!r)
            r = mkfs_file(t->m, f->path, &attr, f->data, f->bytes);
        if (r)
            return put_error(t, f->path, r);
    }
    return true;
}

static bool fill(struct tree *t, void *disk, size_t bytes)
{
    static const struct mkfs_attr sticky = {.mode = 01777};
    long r = mkfs_format(&t->m, &disk_memory, disk, bytes);
    bool good = !r && !(r = mkfs_directory(t->m, "/tmp", &sticky)) ? visit_tree(t, put) && put_extra(t)
                                                                   : put_error(t, "/tmp", r);

    if (!t->m)
        return false;
    r = mkfs_close(t->m);
    return good && put_error(t, "/", r);
}

void *disk_reserve(size_t bytes, struct disk_error *error)
{
    void *disk = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (disk != MAP_FAILED)
        return disk;
    disk_fail(error, "no memory for a simulated disk of %zu MiB", bytes >> 20);
    return NULL;
}

void *disk_build(const struct disk_spec *spec, size_t *bytes, struct disk_error *error)
{
    struct tree t = {.spec = spec, .error = error};
    void *disk;

    for (size_t i = 0; i < spec->file_count; i++) {
        t.blocks += blocks_of(spec->files[i].bytes) + 8;
        t.inodes += 8;
    }
    if (!visit_tree(&t, count))
        return NULL;
    *bytes = disk_blocks(&t) * BLOCK;
    disk = disk_reserve(*bytes, error);
    if (!disk || fill(&t, disk, *bytes))
        return disk;
    disk_free(disk, *bytes);
    return NULL;
}

/* ---- slices ---- */

/* Blocks of zeroes stay what the host has not given memory for. */
static void copy_blocks(char *to, const char *from, size_t bytes)
{
    static const char zero[BLOCK];

    for (size_t at = 0; at < bytes; at += BLOCK)
        if (memcmp(from + at, zero, BLOCK))
            memcpy(to + at, from + at, BLOCK);
}

void *disk_repeat(const void *disk, size_t bytes, unsigned slices, struct disk_error *error)
{
    char *copies = disk_reserve(bytes * slices, error);

    for (unsigned i = 0; copies && i < slices; i++)
        copy_blocks(copies + i * bytes, disk, bytes);
    return copies;
}

void *disk_slice(void *disk, size_t bytes, unsigned slices, unsigned index)
{
    return (char *)disk + bytes / slices * index;
}

void disk_free(void *disk, size_t bytes)
{
    if (disk)
        munmap(disk, bytes);
}
