/* SPDX-License-Identifier: MIT
 *
 * sim/files/disk.h: the simulated disk's contents: made from a folder of the host, written back to one.
 *
 * The format is the file system service's own (services/fs/mkfs.h). A folder is read, never written; what is
 * neither directory, regular file nor symbolic link is left out, and each hard link becomes a file of its own. Entries
 * are taken in the order of their names and all belong to root, so that the same folder gives the same disk everywhere
 * but for times of modification.
 *
 * A disk can be repeated: slices, equal disks one behind the other, for kernels that run several systems (boot.h,
 * disk_slices).
 */
#ifndef RINGSIDE_SIM_DISK_H
#define RINGSIDE_SIM_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file to add after the folder's, replacing what has its path; missing directories are made. */
struct disk_file {
    const char *path; /* absolute, on the simulated disk */
    const void *data;
    size_t bytes;
    uint32_t mode; /* permission bits */
};

/* What of the folder is not on the disk: FIFOs, sockets, devices. */
struct disk_left_out {
    size_t count;
    char first[PATH_MAX]; /* its path on the host; no control characters */
};

struct disk_spec {
    const char *folder; /* of the host, or NULL: an empty tree */
    const struct disk_file *files;
    size_t file_count;
    size_t free_bytes; /* room for the programs to write; 0: a default of 32 MiB */
    bool keep_times;   /* take the files' times of modification; else all are 0 */
    struct disk_left_out *left_out; /* filled in; NULL: nobody asks */
};

struct disk_error {
    char text[512]; /* one line, without its newline */
};

/* The disk: *bytes of memory, a multiple of 4096, to be freed with disk_free. There is always a /dev and a /tmp. NULL:
 * see `error`. */
void *disk_build(const struct disk_spec *spec, size_t *bytes, struct disk_error *error);
/* The same full of zeroes, no file system. */
void *disk_reserve(size_t bytes, struct disk_error *error);
void disk_free(void *disk, size_t bytes);
/* `slices` (at least 1) copies of a disk, one behind the other: slices * bytes of memory, to be freed with disk_free. NULL:
 * see `error`. */
void *disk_repeat(const void *disk, size_t bytes, unsigned slices, struct disk_error *error);
/* One of them: bytes / slices of memory. `bytes`: of all; `index` from 0. */
void *disk_slice(void *disk, size_t bytes, unsigned slices, unsigned index);
/* 0: there is a directory at this absolute path, or a link to one; else -errno. Looks into a copy. */
int disk_find_directory(const void *disk, size_t bytes, const char *path);
/* Writes the tree to `folder`, made if it does not exist: directories, files, links, with their permissions and times
 * of modification. Devices, and /dev and /tmp if nothing else is in them, are left out. Replays the disk's journal, in
 * a copy. */
bool disk_export(const void *disk, size_t bytes, const char *folder, struct disk_error *error);

#endif
