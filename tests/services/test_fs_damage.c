/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs_damage.c: disks that are not what they should be: thousands of seeded mutations of a good one.
 *
 * Whatever is on the disk, mounting and using it must end with a result: no crash, no endless loop, no access out of
 * bounds (run it with a sanitizer to see the last). And mkfs_check must notice damage that matters.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "services/fs/layout.h"
#include "tests/services/fs_rig.h"

#define DISK_BYTES (2u << 20)
#define ROUNDS 4000

/* A disk with something of everything, and a log that has not been replayed. */
static uint8_t *good_disk(void)
{
    struct fs_rig r;
    char data[5000], path[64];
    uint8_t *disk;
    long fd;

    rig_create(&r, DISK_BYTES >> 20, 0);
    memset(data, 'd', sizeof data);
    assert_int_equal(sys(&r, mkdir, "/dir", 0755), 0);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "/dir/file%d", i);
        fd = sys(&r, open, path, O_CREAT | O_WRONLY, 0644);
        sys(&r, pwrite64, fd, data, i * 100, i % 7 * 30000);
        sys(&r, close, fd);
    }
    fd = sys(&r, open, "/large", O_CREAT | O_WRONLY, 0644);
    sys(&r, pwrite64, fd, data, 5000, (12 + 1024 + 2000) * 4096ull);
    assert_int_equal(sys(&r, symlink, "dir/file1", "/link"), 0);
    rig_sync(&r);
    assert_int_equal(sys(&r, mkdir, "/dir/later", 0755), 0);
    assert_int_equal(sys(&r, rename, "/dir/file3", "/dir/later/moved"), 0);
    assert_int_equal(sys(&r, unlink, "/dir/file4"), 0);
    assert_int_equal(sys(&r, fsync, fd), 0);
    assert_int_equal(sys(&r, sync), 0);
    disk = malloc(DISK_BYTES);
    memcpy(disk, r.disk, DISK_BYTES);
    rig_destroy(&r);
    return disk;
}

static int visit(void *ctx, const char *path, const struct mkfs_attr *attr)
{
    char data[6000];

    mkfs_read(ctx, path, 0, data, sizeof data);
    mkfs_read(ctx, path, attr->size / 2, data, sizeof data);
    return 0;
}

/* Changes after the damage, so that freeing and allocating meet it too. */
static void use(struct mkfs *m)
{
    struct mkfs_attr attr = {.mode = 0644};
    char data[9000] = {0}, path[64];

    mkfs_walk(m, "/", visit, m);
    mkfs_directory(m, "/dir/new", &attr);
    mkfs_symlink(m, "/link2", &attr, "/dir");
    for (int i = 0; i < 40; i += 3) {
        snprintf(path, sizeof path, "/dir/file%d", i);
        mkfs_file(m, path, &attr, data, sizeof data);
    }
    mkfs_file(m, "/large", &attr, data, 10);
    mkfs_file(m, "/dir/later/moved", &attr, data, 1);
}

/* Where it hurts: mostly tables, inodes and directories; also anywhere. */
static uint64_t somewhere(const uint8_t *disk, uint64_t *seed)
{
    const struct disk_super *s = (const struct disk_super *)disk;
    uint64_t in = fake_random(seed);

    switch (fake_random(seed) % 8) {
    case 0:
        return in % DISK_BYTES;
    case 1:
        return BLOCK_SIZE + in % (3 * BLOCK_SIZE); /* orphans, bitmaps */
    case 2:
        return (uint64_t)s->journal_start * BLOCK_SIZE + in % (20 * BLOCK_SIZE);
    case 3:
    case 4:
    case 5:
        return (uint64_t)s->itable_start * BLOCK_SIZE + in % (60 * sizeof(struct disk_inode));
    default:
        return (uint64_t)s->data_start * BLOCK_SIZE + in % (80 * BLOCK_SIZE);
    }
}

static void mutate(uint8_t *disk, uint64_t *seed)
{
    static const uint32_t evil[] = {0, 1, 2, 0xffffffff, 0x80000000, 511, 512, 0x7fffffff, 4096};
    int n = (int)(fake_random(seed) % 8) + 1;

    for (int i = 0; i < n; i++) {
        uint64_t at = somewhere(disk, seed) & ~3ull;

        switch (fake_random(seed) % 4) {
        case 0:
            disk[at] ^= (uint8_t)(1u << fake_random(seed) % 8);
            break;
        case 1:
            memcpy(disk + at, &evil[fake_random(seed) % 9], 4);
            break;
        case 2: /* a small number: a plausible inode or block */
            *(uint32_t *)(disk + at) = (uint32_t)(fake_random(seed) % 600);
            break;
        default:
            disk[at + fake_random(seed) % 4] = (uint8_t)fake_random(seed);
        }
    }
}

static void test_mutations(void **state)
{
    uint8_t *good = good_disk(), *disk = malloc(DISK_BYTES);
    long mounted = 0, noticed = 0;
    uint64_t seed = 77;
    char why[256];

    for (int i = 0; i < ROUNDS; i++) {
        struct mkfs *m;
        int r;

        memcpy(disk, good, DISK_BYTES);
        mutate(disk, &seed);
        r = mkfs_open(&m, &fake_memory, disk, DISK_BYTES);
        assert_true(r == 0 || r == -EINVAL || r == -EUCLEAN);
        if (r)
            continue;
        mounted++;
        r = mkfs_check(m, why, sizeof why);
        noticed += r != 0;
        use(m);
        mkfs_close(m);
    }
    assert_true(mounted > ROUNDS / 4);
    assert_true(noticed > ROUNDS / 4);
    free(good);
    free(disk);
}

static void test_noise(void **state)
{
    uint8_t *disk = malloc(DISK_BYTES);
    uint64_t seed = 5;
    struct mkfs *m;

    for (int i = 0; i < 20; i++) {
        for (size_t k = 0; k < DISK_BYTES / 8; k++)
            ((uint64_t *)disk)[k] = fake_random(&seed);
        assert_int_equal(mkfs_open(&m, &fake_memory, disk, DISK_BYTES), -EINVAL);
    }
    memset(disk, 0, DISK_BYTES);
    assert_int_equal(mkfs_open(&m, &fake_memory, disk, DISK_BYTES), -EINVAL);
    assert_int_equal(mkfs_open(&m, &fake_memory, disk, 4096), -EINVAL);
    assert_int_equal(mkfs_format(&m, &fake_memory, disk, 4096), -EINVAL);
    free(disk);
}

/* Each damage by hand that the check must name. */
static void damage(const uint8_t *good, void (*hurt)(uint8_t *disk, const struct disk_super *s), const char *expect)
{
    uint8_t *disk = malloc(DISK_BYTES);
    struct mkfs *m;
    char why[256] = "";

    memcpy(disk, good, DISK_BYTES);
    hurt(disk, (const struct disk_super *)disk);
    assert_int_equal(mkfs_open(&m, &fake_memory, disk, DISK_BYTES), 0);
    assert_int_equal(mkfs_check(m, why, sizeof why), -EUCLEAN);
    if (!strstr(why, expect))
        fail_msg("expected \"%s\", got \"%s\"", expect, why);
    mkfs_close(m);
    free(disk);
}

static struct disk_inode *inode_of(uint8_t *disk, const struct disk_super *s, uint32_t ino)
{
    return (struct disk_inode *)(disk + (uint64_t)s->itable_start * BLOCK_SIZE) + ino;
}

static void hurt_links(uint8_t *disk, const struct disk_super *s)
{
    inode_of(disk, s, 3)->nlink++;
}

static void hurt_bitmap(uint8_t *disk, const struct disk_super *s)
{
    disk[s->bitmap_start * BLOCK_SIZE + s->data_start / 8 + 20] ^= 1;
}

static void hurt_owner(uint8_t *disk, const struct disk_super *s)
{
    inode_of(disk, s, 2)->pointer[1] = inode_of(disk, s, 2)->pointer[0];
}

static void hurt_type(uint8_t *disk, const struct disk_super *s)
{
    inode_of(disk, s, 3)->mode = S_IFREG | 0644;
}

static void hurt_entry(uint8_t *disk, const struct disk_super *s)
{
    disk[s->data_start * BLOCK_SIZE + 4] = 3; /* the length of "." in the root */
}

static void test_check_names_the_damage(void **state)
{
    uint8_t *disk = calloc(1, DISK_BYTES);
    struct mkfs *m;
    char why[256];

    assert_int_equal(mkfs_format(&m, &fake_memory, disk, DISK_BYTES), 0);
    assert_int_equal(mkfs_check(m, why, sizeof why), 0);
    assert_int_equal(mkfs_close(m), 0);
    damage(disk, hurt_links, "inode 3: wrong link count");
    damage(disk, hurt_bitmap, "marked");
    damage(disk, hurt_owner, "inode 2: a block has two owners");
    damage(disk, hurt_type, "inode 2: an entry of the wrong type");
    damage(disk, hurt_entry, "inode 1: a malformed entry");
    free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_check_names_the_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
