/* SPDX-License-Identifier: MIT
 *
 * services/fs/mkfs_internal.h: what mkfs.c, mkfs_check.c and format.c share.
 */
#ifndef RINGSIDE_SERVICES_FS_MKFS_INTERNAL_H
#define RINGSIDE_SERVICES_FS_MKFS_INTERNAL_H

#include "services/fs/internal.h"
#include "services/fs/mkfs.h"

struct mkfs {
    struct mkfs_memory memory;
    uint8_t *disk;
    uint64_t bytes;
    struct host host;
    struct fs *fs;
    struct call call;
    char path[PATH_MAX]; /* of mkfs_walk */
    uint8_t *seen;       /* directories that mkfs_walk has visited */
};

struct call *mkfs_call(struct mkfs *m, uint32_t nr); /* a new one */
/* The inode of a path, links not followed; valid until the next operation. */
long mkfs_find(struct mkfs *m, const char *path, struct inode **out);
int format_disk(uint8_t *disk, size_t bytes);

#endif
