/* SPDX-License-Identifier: MIT
 *
 * services/fs/mkfs.h: makes a file system, with the same source that mounts it.
 *
 * Used on the host (sim/files/disk.c builds the simulated disk from a folder with it, and
 * reads a disk back into a folder) and by tests. It drives the service's own layers
 * over a disk in memory: no second implementation of the format.
 */
#ifndef RINGSIDE_SERVICES_FS_MKFS_H
#define RINGSIDE_SERVICES_FS_MKFS_H

#include <stddef.h>
#include <stdint.h>

struct mkfs;

/* Where mkfs gets its memory: as in struct host (zeroed, page aligned from 4096 bytes on). */
struct mkfs_memory {
    void *ctx;
    void *(*alloc)(void *ctx, size_t bytes);
    void (*free)(void *ctx, void *memory, size_t bytes);
};

struct mkfs_attr {
    uint32_t mode; /* S_IFMT and permission bits, as stat(2) */
    uint32_t uid, gid;
    uint64_t mtime_ns;
    uint64_t size; /* filled in by mkfs_walk */
};

/* Formats `disk` (zeroed memory of `bytes`, a multiple of 4096, at least 1 MiB) and mounts it: a root directory, and
 * /dev with null, zero, full, random, urandom, tty, stdin, stdout and stderr. `memory` is copied. All results: 0 or
 * -errno. */
int mkfs_format(struct mkfs **out, const struct mkfs_memory *memory, void *disk, size_t bytes);
/* Mounts an existing disk in memory, replaying its journal. -EINVAL: not our file system; -EUCLEAN: damaged. */
int mkfs_open(struct mkfs **out, const struct mkfs_memory *memory, void *disk, size_t bytes);
/* Paths are absolute. An existing directory or file keeps its inode and takes the new attributes (and data). */
int mkfs_directory(struct mkfs *m, const char *path, const struct mkfs_attr *attr);
int mkfs_file(struct mkfs *m, const char *path, const struct mkfs_attr *attr, const void *data, size_t bytes);
int mkfs_symlink(struct mkfs *m, const char *path, const struct mkfs_attr *attr, const char *target);
/* Calls `visit` for every name below `path`, parents first, in the order of the directory. Non-zero from visit stops
 * and is returned. */
int mkfs_walk(struct mkfs *m, const char *path, int (*visit)(void *ctx, const char *path, const struct mkfs_attr *attr),
              void *ctx);
/* Bytes read (file data, or a link's target), or -errno. */
long mkfs_read(struct mkfs *m, const char *path, uint64_t offset, void *data, size_t bytes);
/* Verifies every invariant (reference counts, allocation, directory structure); 0, or -EUCLEAN with one line in `why`.
 */
int mkfs_check(struct mkfs *m, char *why, size_t why_bytes);
/* Writes everything back and frees; the disk is clean. */
int mkfs_close(struct mkfs *m);

#endif
