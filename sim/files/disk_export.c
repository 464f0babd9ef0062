/* SPDX-License-Identifier: MIT
 *
 * sim/files/disk_export.c: from a disk in memory to a folder of the host (disk.h).
 *
 * Three walks: what is worth exporting of /dev and /tmp; everything; the directories' permissions and times once more,
 * which filling them has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/files/disk_internal.h"

struct export
{
    struct mkfs *m;
    struct disk_error *error;
    char path[PATH_MAX]; /* on the host */
    size_t root;         /* length of the folder's own path in it */
    bool keep_dev, keep_tmp;
    bool directories; /* second walk: set the directories' times, which the files' making has changed */
};

static bool below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return !strncmp(path, folder, n) && (path[n] == 0 || path[n] == '/');
}

/* First walk: is there anything in /dev but devices, anything in /tmp? */
static int look(void *ctx, const char *path, const struct mkfs_attr *attr)
{
    struct export *x = ctx;

    x->keep_dev |= below(path, "/dev") && path[4] && !S_ISCHR(attr->mode);
    x->keep_tmp |= below(path, "/tmp") && path[4];
    return 0;
}

static bool write_all(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(fd, data, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool write_file(struct export *x, const char *path, const struct mkfs_attr *attr)
{
    int fd = open(x->path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    char *piece = malloc(1u << 20);
    bool good = fd >= 0 && piece;
    long n = 1;

    for (uint64_t at = 0; good && at < attr->size; at += (uint64_t)n) {
        n = mkfs_read(x->m, path, at, piece, 1u << 20);
        if (n <= 0)
            errno = n ? (int)-n : EIO;
        good = n > 0 && write_all(fd, piece, (size_t)n);
    }
    good = good && !fchmod(fd, attr->mode & 07777);
    free(piece);
    if (fd >= 0 && close(fd))
        good = false;
    return good;
}

static bool write_link(struct export *x, const char *path, const struct mkfs_attr *attr)
{
    char target[PATH_MAX];
    long n = mkfs_read(x->m, path, 0, target, sizeof target - 1);

    if (n < 0) {
        errno = (int)-n;
        return false;
    }
    target[n] = 0;
    unlink(x->path);
    return !symlink(target, x->path);
}

static bool set_time(struct export *x, const struct mkfs_attr *attr)
{
    struct timespec t = {.tv_sec = (time_t)(attr->mtime_ns / NS), .tv_nsec = (long)(attr->mtime_ns % NS)};
    struct timespec both[2] = {t, t};

    return !utimensat(AT_FDCWD, x->path, both, AT_SYMLINK_NOFOLLOW);
}

static bool write_one(struct export *x, const char *path, const struct mkfs_attr *attr)
{
    if (x->directories)
        return !S_ISDIR(attr->mode) || (!chmod(x->path, attr->mode & 07777) && set_time(x, attr));
    if (S_ISDIR(attr->mode))
        return !mkdir(x->path, 0700) || errno == EEXIST;
    return (S_ISLNK(attr->mode) ? write_link(x, path, attr) : write_file(x, path, attr)) && set_time(x, attr);
}

static int export_one(void *ctx, const char *path, const struct mkfs_attr *attr)
{
    struct export *x = ctx;

    if (S_ISCHR(attr->mode) || (below(path, "/dev") && !x->keep_dev) || (below(path, "/tmp") && !x->keep_tmp))
        return 0;
    if (x->root + strlen(path) >= PATH_MAX)
        return !disk_fail(x->error, "%s: the path is too long", path);
    strcpy(x->path + x->root, path);
    return write_one(x, path, attr) ? 0 : !disk_fail(x->error, "%s: %s", x->path, strerror(errno));
}

static bool export_tree(struct export *x)
{
    int r = mkfs_walk(x->m, "/", look, x);

    if (!r)
        r = mkfs_walk(x->m, "/", export_one, x);
    x->directories = true;
    if (!r)
        r = mkfs_walk(x->m, "/", export_one, x);
    if (r < 0)
        disk_fail(x->error, "the simulated disk is damaged: %s", strerror(-r));
    return !r;
}

bool disk_export(const void *disk, size_t bytes, const char *folder, struct disk_error *error)
{
    struct export x = {.error = error, .root = strlen(folder)};
    void *copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool good = false;
    int r;

    if (copy == MAP_FAILED)
        return disk_fail(error, "no memory for a copy of the simulated disk");
    memcpy(copy, disk, bytes);
    r = x.root < PATH_MAX ? mkfs_open(&x.m, &disk_memory, copy, bytes) : -ENAMETOOLONG;
    if (r)
        disk_fail(error, "the simulated disk is damaged: %s", strerror(-r));
    else if (mkdir(strcpy(x.path, folder), 0777) && errno != EEXIST)
        disk_fail(error, "%s: %s", folder, strerror(errno));
    else
        good = export_tree(&x);
    if (!r)
        mkfs_close(x.m);
    munmap(copy, bytes);
    return good;
}

/* ---- looking ---- */

static int stop(void *ctx, const char *path, const struct mkfs_attr *attr)
{
    return 1;
}

/* "/." follows a link at the end, and wants a directory. */
int disk_find_directory(const void *disk, size_t bytes, const char *path)
{
    char inside[PATH_MAX];
    struct disk_error ignored;
    struct mkfs *m = NULL;
    void *copy;
    int r;

    if (snprintf(inside, sizeof inside, "%s/.", path) >= (int)sizeof inside)
        return -ENAMETOOLONG;
    copy = disk_repeat(disk, bytes, 1, &ignored);
    if (!copy)
        return -ENOMEM;
    r = mkfs_open(&m, &disk_memory, copy, bytes);
    if (!r) {
        r = mkfs_walk(m, inside, stop, NULL);
        mkfs_close(m);
    }
    disk_free(copy, bytes);
    return r < 0 ? r : 0;
}
