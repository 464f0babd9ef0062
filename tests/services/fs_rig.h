/* SPDX-License-Identifier: MIT
 *
 * tests/services/fs_rig.h: a formatted disk in memory with the fs service mounted on it, for tests.
 */
#ifndef RINGSIDE_TESTS_FS_RIG_H
#define RINGSIDE_TESTS_FS_RIG_H

#include "services/fs/fs.h"
#include "services/fs/mkfs.h"
#include "tests/services/fake_host.h"

struct fs_rig {
    struct fake_host f;
    uint8_t *disk;
    size_t bytes;
    size_t cache_blocks;
    struct fs *fs;
    struct service service;
};

/* A new disk of `mib`, mounted, with process 1 in /. cache_blocks: 0 for the default. */
void rig_create(struct fs_rig *r, size_t mib, size_t cache_blocks);
void rig_mount(struct fs_rig *r);   /* on r->disk as it is */
void rig_unmount(struct fs_rig *r); /* without syncing: as a crash */
void rig_sync(struct fs_rig *r);
void rig_check(struct fs_rig *r);   /* mkfs_check on a copy, as it is on the disk after a sync */
void rig_destroy(struct fs_rig *r); /* syncs, checks, frees; no memory may be left */
long rig_call(struct fs_rig *r, uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);
/* What another service asks of fs, for process 1; waits for the disk. `data` is given to. */
long rig_request(struct fs_rig *r, uint16_t op, const uint64_t arg[6], void *data, size_t size);
#define rig_ask(r, op, data, size, ...) rig_request((r), (op), (const uint64_t[6]){__VA_ARGS__}, (data), (size))
/* Moves `bytes` between the disk and memory past fs, and waits for it. `op`: BLK_READ or BLK_WRITE. */
void rig_move(struct fs_rig *r, uint16_t op, uint64_t sector, void *data, uint64_t bytes);
/* Whole blocks at the end of a file of whole blocks, past the cache: reserve, write, commit. 0 or -errno. */
long rig_extend(struct fs_rig *r, long fd, const void *data, uint64_t bytes);
/* CMocka fixtures: a rig with a disk of 8 MiB and a cache of 256 blocks in *state. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
/* Makes a file of that text; asserts that a file holds that text (under 256 bytes). */
void rig_put(struct fs_rig *r, const char *path, const char *text);
void rig_expect(struct fs_rig *r, const char *path, const char *text);
/* The whole tree as one number: names, types, modes, link targets, contents. */
uint64_t rig_digest(struct mkfs *m);

/* sys(&rig, open, "/x", O_RDONLY): up to four arguments. */
#define SYS_PICK(r, name, a, b, c, d, ...)                                                                             \
    rig_call((r), CALL_##name, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d))
#define sys(r, name, ...) SYS_PICK(r, name, ##__VA_ARGS__, 0, 0, 0, 0)

#endif
