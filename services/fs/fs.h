/* SPDX-License-Identifier: MIT
 *
 * services/fs/fs.h: descriptors, the name space, the on-disk file system, the buffer cache.
 *
 * Layers inside, one file each: disk layout, blocks and buffer cache, journal,
 * allocation, inodes, directories, paths, open files and descriptors, calls.
 * Pipes (services/pipe) and terminals (asked of tty) are kinds of open file.
 */
#ifndef RINGSIDE_SERVICES_FS_H
#define RINGSIDE_SERVICES_FS_H

#include "services/host.h"

struct fs_config {
    uint64_t wall_ns;    /* CLOCK_REALTIME at boot, for time stamps */
    uint64_t seed;       /* /dev/urandom */
    size_t cache_blocks; /* size of the buffer cache in 4 KiB blocks; 0: a default */
    uint32_t tty_mask;   /* descriptors 0-2 of the first process that are terminals (else they look like pipes) */
};

struct fs;

struct fs *fs_create(const struct host *host, const struct fs_config *config);
/* Mounts: replays the journal if it must. May CALL_WAIT like any call (nr CALL_SYNC_ALL, pid 0). -EINVAL: not our
 * file system; -EUCLEAN: damaged. */
long fs_mount(struct fs *fs, struct call *call);
void fs_destroy(struct fs *fs);
struct service fs_service(struct fs *fs);

/* Process 1 gets descriptors 0, 1, 2 and its working directory. May CALL_WAIT. */
long fs_start(struct fs *fs, struct call *call, const char *cwd);

#endif
