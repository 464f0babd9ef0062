/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs_extent.c: data that somebody moves past fs's cache (services/fs/extent.c): where it lies, room
 * for it, and that neither the cache nor the allocator confuses it with another life of its blocks. test_crash.c cuts
 * the power.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <cmocka.h>

#include "tests/services/fs_rig.h"

#define BLOCKS 300 /* more than the direct blocks and less than the disk */

static void fill(uint8_t *data, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i / FS_BLOCK * 7 + i + seed);
}

static long open_new(struct fs_rig *r, const char *path)
{
    long fd = sys(r, open, path, O_CREAT | O_RDWR | O_TRUNC, 0644);

    assert_in_range(fd, 3, 1023);
    return fd;
}

static uint64_t handle_of(struct fs_rig *r, long fd)
{
    long handle = rig_ask(r, FS_FILE_OF, NULL, 0, (uint64_t)fd);

    assert_true(handle > 0);
    return (uint64_t)handle;
}

static void release(struct fs_rig *r, uint64_t handle)
{
    assert_int_equal(rig_ask(r, FS_RELEASE, NULL, 0, handle), 0);
}

static struct fs_extent extent_of(struct fs_rig *r, uint64_t handle, uint64_t offset, uint64_t bytes)
{
    struct fs_extent extent;

    assert_int_equal(rig_ask(r, FS_EXTENT_OF, &extent, sizeof extent, handle, offset, bytes), 0);
    return extent;
}

static struct fs_extent reserve(struct fs_rig *r, uint64_t handle, uint64_t bytes)
{
    struct fs_extent extent;

    assert_int_equal(rig_ask(r, FS_EXTENT_RESERVE, &extent, sizeof extent, handle, bytes), 0);
    return extent;
}

static long commit(struct fs_rig *r, uint64_t handle, uint64_t offset, struct fs_extent extent, uint64_t size)
{
    return rig_ask(r, FS_EXTENT_COMMIT, NULL, 0, handle, offset, extent.sector, extent.bytes, size);
}

/* A whole file from the disk itself, by its extents. */
static void read_past(struct fs_rig *r, uint64_t handle, uint8_t *data, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        struct fs_extent extent = extent_of(r, handle, done, bytes - done);

        assert_in_range(extent.bytes, FS_BLOCK, bytes - done);
        assert_true(extent.sector > 0);
        rig_move(r, BLK_READ, extent.sector, data + done, extent.bytes);
        done += extent.bytes;
    }
}

static void expect_file(struct fs_rig *r, const char *path, const uint8_t *data, size_t bytes)
{
    uint8_t *found = malloc(bytes + 1);
    long fd = sys(r, open, path, O_RDONLY);

    assert_int_equal(sys(r, read, fd, found, bytes + 1), bytes);
    assert_memory_equal(found, data, bytes);
    sys(r, close, fd);
    free(found);
}

static void test_reading_what_is_only_cached(void **state)
{
    struct fs_rig *r = *state;
    uint8_t *data = malloc(BLOCKS * FS_BLOCK), *found = malloc(BLOCKS * FS_BLOCK);
    long fd = open_new(r, "/f"), writes;
    uint64_t handle = handle_of(r, fd);

    fill(data, BLOCKS * FS_BLOCK, 1);
    assert_int_equal(sys(r, write, fd, data, BLOCKS * FS_BLOCK), BLOCKS * FS_BLOCK);
    read_past(r, handle, found, BLOCKS * FS_BLOCK);
    assert_memory_equal(found, data, BLOCKS * FS_BLOCK);
    writes = r->f.writes;
    read_past(r, handle, found, BLOCKS * FS_BLOCK);
    assert_int_equal(r->f.writes, writes);
    assert_int_equal(extent_of(r, handle, BLOCKS * FS_BLOCK, FS_BLOCK).bytes, 0);
    release(r, handle);
    free(data);
    free(found);
}

static void test_holes(void **state)
{
    struct fs_rig *r = *state;
    long fd = open_new(r, "/f");
    uint64_t handle = handle_of(r, fd);

    assert_int_equal(sys(r, pwrite64, fd, "x", 1, 3 * FS_BLOCK), 1);
    assert_int_equal(extent_of(r, handle, FS_BLOCK, 2 * FS_BLOCK).sector, 0);
    assert_int_equal(extent_of(r, handle, FS_BLOCK, 2 * FS_BLOCK).bytes, FS_BLOCK);
    assert_int_equal(extent_of(r, handle, 3 * FS_BLOCK, 2 * FS_BLOCK).bytes, FS_BLOCK);
    release(r, handle);
}

static void test_written_past_the_cache(void **state)
{
    struct fs_rig *r = *state;
    uint8_t *data = malloc(BLOCKS * FS_BLOCK);
    long fd = open_new(r, "/f");
    struct stat st;

    fill(data, BLOCKS * FS_BLOCK, 2);
    assert_int_equal(rig_extend(r, fd, data, BLOCKS * FS_BLOCK), 0);
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_int_equal(st.st_size, BLOCKS * FS_BLOCK);
    expect_file(r, "/f", data, BLOCKS * FS_BLOCK);
    rig_check(r);
    free(data);
}

/* A file that ends within its last block; what is written after its end leaves zeroes between. */
static void test_sizes(void **state)
{
    struct fs_rig *r = *state;
    uint8_t data[2 * FS_BLOCK], expected[5 * FS_BLOCK] = {0};
    long fd = open_new(r, "/f");
    uint64_t handle = handle_of(r, fd);
    struct fs_extent extent = reserve(r, handle, 2 * FS_BLOCK);

    fill(data, sizeof data, 3);
    rig_move(r, BLK_WRITE, extent.sector, data, extent.bytes);
    assert_int_equal(commit(r, handle, 0, extent, FS_BLOCK), -EINVAL);
    assert_int_equal(commit(r, handle, 0, extent, 2 * FS_BLOCK + 1), -EINVAL);
    assert_int_equal(commit(r, handle, 0, extent, FS_BLOCK + 9), 0);
    assert_int_equal(commit(r, handle, 0, extent, FS_BLOCK + 9), 0); /* as after a wait: nothing is left to do */
    memcpy(expected, data, FS_BLOCK + 9);
    expect_file(r, "/f", expected, FS_BLOCK + 9);
    extent = reserve(r, handle, FS_BLOCK);
    rig_move(r, BLK_WRITE, extent.sector, data, extent.bytes);
    assert_int_equal(commit(r, handle, 4 * FS_BLOCK, extent, 5 * FS_BLOCK), 0);
    memcpy(expected + 4 * FS_BLOCK, data, FS_BLOCK);
    expect_file(r, "/f", expected, 5 * FS_BLOCK);
    release(r, handle);
}

static void test_refusals(void **state)
{
    struct fs_rig *r = *state;
    long fd = open_new(r, "/f"), read_only = sys(r, open, "/f", O_RDONLY);
    uint64_t handle = handle_of(r, fd);
    struct fs_extent extent = reserve(r, handle, FS_BLOCK), other = extent;

    assert_int_equal(rig_ask(r, FS_FILE_OF, NULL, 0, (uint64_t)read_only, VM_WRITE), -EACCES);
    assert_int_equal(rig_ask(r, FS_EXTENT_OF, &other, sizeof other, handle, 1, FS_BLOCK), -EINVAL);
    assert_int_equal(rig_ask(r, FS_EXTENT_OF, &other, sizeof other, 9999, 0, FS_BLOCK), -EBADF);
    assert_int_equal(rig_ask(r, FS_EXTENT_RESERVE, &other, sizeof other, handle, 0), -EINVAL);
    assert_int_equal(rig_ask(r, FS_EXTENT_RESERVE, &other, 8, handle, FS_BLOCK), -EINVAL);
    other.sector += 8; /* free, but nobody's */
    assert_int_equal(commit(r, handle, 0, other, 1), -EINVAL);
    other.sector = UINT64_MAX - 7;
    assert_int_equal(commit(r, handle, 0, other, 1), -EINVAL);
    assert_int_equal(rig_ask(r, FS_EXTENT_CANCEL, NULL, 0, other.sector, FS_BLOCK), -EINVAL);
    assert_int_equal(commit(r, handle, 1ull << 60, extent, 1), -EFBIG);
    assert_int_equal(sys(r, write, fd, "x", 1), 1);
    assert_int_equal(commit(r, handle, 0, extent, 1), -EEXIST);
    assert_int_equal(rig_ask(r, FS_EXTENT_CANCEL, NULL, 0, extent.sector, extent.bytes), 0);
    assert_int_equal(commit(r, handle, FS_BLOCK, extent, 2 * FS_BLOCK), -EINVAL);
    release(r, handle);
}

/* What is reserved is given to nobody else; cancelled, it is free again, and a crash cancels it. */
static void test_reserved_room_is_nobodys(void **state)
{
    struct fs_rig *r = *state;
    long fd = open_new(r, "/f"), other = open_new(r, "/other");
    uint64_t handle = handle_of(r, fd);
    static uint8_t data[1 << 20];
    struct fs_extent extent;
    struct statfs before, after;

    assert_int_equal(sys(r, statfs, "/", &before), 0);
    extent = reserve(r, handle, before.f_bfree / 2 * FS_BLOCK);
    assert_true(extent.bytes > 64 * FS_BLOCK);
    while (sys(r, write, other, data, sizeof data) == sizeof data)
        ;
    rig_check(r);
    fill(data, FS_BLOCK, 5);
    rig_move(r, BLK_WRITE, extent.sector, data, FS_BLOCK);
    assert_int_equal(rig_ask(r, FS_EXTENT_CANCEL, NULL, 0, extent.sector + 8, extent.bytes - FS_BLOCK), 0);
    extent.bytes = FS_BLOCK;
    assert_int_equal(commit(r, handle, 0, extent, FS_BLOCK), 0);
    expect_file(r, "/f", data, FS_BLOCK);
    assert_int_equal(sys(r, write, other, data, sizeof data), sizeof data);
    assert_int_equal(sys(r, unlink, "/other"), 0);
    assert_int_equal(sys(r, close, other), 0);
    extent = reserve(r, handle, FS_BLOCK);
    release(r, handle);
    rig_sync(r);
    rig_unmount(r);
    rig_mount(r);
    assert_int_equal(sys(r, statfs, "/", &after), 0);
    assert_int_equal(after.f_bfree, before.f_bfree - 1);
}

/* A block's former life, in the cache or on its way to the disk, does not shine through. */
static void test_former_lives(void **state)
{
    struct fs_rig *r = *state;
    uint8_t *old = malloc(BLOCKS * FS_BLOCK), *new = malloc(BLOCKS * FS_BLOCK);

    fill(old, BLOCKS * FS_BLOCK, 6);
    for (unsigned round = 0; round < 12; round++) {
        long fd = open_new(r, "/f");

        assert_int_equal(sys(r, write, fd, old, BLOCKS * FS_BLOCK), BLOCKS * FS_BLOCK);
        if (round % 3)
            sys(r, fsync, fd);
        assert_int_equal(sys(r, ftruncate, fd, 0), 0);
        if (round % 2)
            sys(r, sync);
        fill(new, BLOCKS * FS_BLOCK, round);
        assert_int_equal(rig_extend(r, fd, new, BLOCKS * FS_BLOCK), 0);
        expect_file(r, "/f", new, BLOCKS * FS_BLOCK);
        sys(r, close, fd);
        rig_check(r);
    }
    free(old);
    free(new);
}

/* A read ahead that is in flight when its file is cut ends in the blocks' next life. */
static void test_read_from_a_former_life(void **state)
{
    struct fs_rig *r = *state;
    static uint8_t old[8 * FS_BLOCK], new[8 * FS_BLOCK], found[8 * FS_BLOCK];
    long fd = open_new(r, "/f");
    struct call read = {.nr = CALL_pread64, .pid = 1, .arg = {(uint64_t)fd, P(found), sizeof found, 0}};
    uint64_t handle = handle_of(r, fd);
    struct fs_extent was, extent;

    fill(old, sizeof old, 8);
    fill(new, sizeof new, 9);
    assert_int_equal(sys(r, write, fd, old, sizeof old), sizeof old);
    assert_int_equal(sys(r, fsync, fd), 0);
    was = extent_of(r, handle, 0, sizeof old);
    assert_int_equal(sys(r, fadvise64, fd, 0, 0, 4 /* POSIX_FADV_DONTNEED */), 0);
    assert_int_equal(service_call(&r->service, &read), CALL_WAIT);
    assert_int_equal(sys(r, ftruncate, fd, 0), 0);
    assert_int_equal(sys(r, sync), 0);
    assert_int_equal(rig_ask(r, FS_EXTENT_RESERVE, &extent, sizeof extent, handle, sizeof new, was.sector), 0);
    assert_memory_equal(&extent, &was, sizeof was);
    rig_move(r, BLK_WRITE, extent.sector, new, sizeof new);
    assert_int_equal(commit(r, handle, 0, extent, sizeof new), 0);
    expect_file(r, "/f", new, sizeof new);
    release(r, handle);
}

/* The disk's own cache is flushed before metadata refers to what was written past fs. */
static void test_fsync_flushes_it(void **state)
{
    struct fs_rig *r = *state;
    uint8_t data[FS_BLOCK];
    long fd = open_new(r, "/f"), flushes;

    assert_int_equal(sys(r, fsync, fd), 0);
    fill(data, sizeof data, 7);
    assert_int_equal(rig_extend(r, fd, data, sizeof data), 0);
    flushes = r->f.flushes;
    assert_int_equal(sys(r, fsync, fd), 0);
    assert_int_equal(r->f.flushes, flushes + 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_reading_what_is_only_cached),
        T(test_holes),
        T(test_written_past_the_cache),
        T(test_sizes),
        T(test_refusals),
        T(test_reserved_room_is_nobodys),
        T(test_former_lives),
        T(test_read_from_a_former_life),
        T(test_fsync_flushes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
