/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs.c: opening, contents, limits and costs, on the archive that kernels link: results and errors
 * as Linux's.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <cmocka.h>

#include "tests/services/fs_rig.h"

static struct stat stat_of(struct fs_rig *r, const char *path)
{
    struct stat st;

    assert_int_equal(sys(r, lstat, path, &st), 0);
    return st;
}

/* ---- open ---- */

static void test_open_flags(void **state)
{
    struct fs_rig *r = *state;
    char data[8];
    long fd;

    assert_int_equal(sys(r, open, "/none", O_RDONLY), -ENOENT);
    assert_int_equal(sys(r, open, "", O_RDONLY), -ENOENT);
    rig_put(r, "/f", "hello");
    rig_expect(r, "/f", "hello");
    assert_int_equal(sys(r, open, "/f", O_CREAT | O_EXCL | O_WRONLY, 0600), -EEXIST);
    assert_int_equal(sys(r, open, "/f/x", O_RDONLY), -ENOTDIR);
    assert_int_equal(sys(r, open, "/f/", O_RDONLY), -ENOTDIR);
    assert_int_equal(sys(r, open, "/new/", O_CREAT | O_WRONLY, 0600), -EISDIR);
    assert_int_equal(sys(r, open, "/", O_WRONLY), -EISDIR);
    assert_int_equal(sys(r, open, "/", O_RDONLY | O_CREAT, 0600), -EISDIR);
    assert_int_equal(sys(r, open, "/f", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    assert_int_equal(sys(r, symlink, "f", "/l"), 0);
    assert_int_equal(sys(r, open, "/l", O_RDONLY | O_NOFOLLOW), -ELOOP);
    assert_int_equal(sys(r, open, "/l", O_CREAT | O_EXCL | O_WRONLY, 0600), -EEXIST);
    fd = sys(r, open, "/l", O_WRONLY);
    assert_int_equal(sys(r, read, fd, data, 1), -EBADF);
    assert_int_equal(sys(r, close, fd), 0);
    assert_int_equal(sys(r, close, fd), -EBADF);
    assert_int_equal(sys(r, open, 16, O_RDONLY), -EFAULT);
}

static void test_create_through_dangling_link(void **state)
{
    struct fs_rig *r = *state;

    assert_int_equal(sys(r, symlink, "target", "/dangling"), 0);
    assert_int_equal(sys(r, open, "/dangling", O_RDONLY), -ENOENT);
    rig_put(r, "/dangling", "through");
    rig_expect(r, "/target", "through");
}

static void test_append_and_truncate(void **state)
{
    struct fs_rig *r = *state;
    long fd;

    rig_put(r, "/f", "one");
    fd = sys(r, open, "/f", O_WRONLY | O_APPEND);
    assert_int_equal(sys(r, write, fd, "two", 3), 3);
    assert_int_equal(sys(r, lseek, fd, 0, SEEK_CUR), 6);
    sys(r, close, fd);
    rig_expect(r, "/f", "onetwo");
    assert_int_equal(sys(r, truncate, "/f", 2), 0);
    rig_expect(r, "/f", "on");
    assert_int_equal(sys(r, truncate, "/f", -1), -EINVAL);
    assert_int_equal(sys(r, truncate, "/", 0), -EISDIR);
    rig_put(r, "/f", "x");
    rig_expect(r, "/f", "x");
}

static void test_mode_and_umask(void **state)
{
    struct fs_rig *r = *state;
    long fd;

    assert_int_equal(sys(r, umask, 027), 022);
    fd = sys(r, creat, "/f", 0666);
    sys(r, close, fd);
    assert_int_equal(stat_of(r, "/f").st_mode, S_IFREG | 0640);
    assert_int_equal(sys(r, chmod, "/f", 04711), 0);
    assert_int_equal(stat_of(r, "/f").st_mode, S_IFREG | 04711);
    assert_int_equal(sys(r, chown, "/f", 5, 6), 0);
    assert_int_equal(stat_of(r, "/f").st_mode, S_IFREG | 0711);
    assert_int_equal(stat_of(r, "/f").st_uid, 5);
    assert_int_equal(sys(r, access, "/f", 1), 0);
    assert_int_equal(sys(r, chmod, "/f", 0600), 0);
    assert_int_equal(sys(r, access, "/f", 1), -EACCES);
    assert_int_equal(sys(r, access, "/f", 6), 0);
    assert_int_equal(sys(r, access, "/f", 8), -EINVAL);
}

/* ---- contents ---- */

/* Random writes and truncations of one file against an array. */
static void model_file(struct fs_rig *r, uint64_t seed, int steps, size_t most)
{
    uint8_t *model = calloc(1, most), *data = calloc(1, most);
    size_t size = 0;
    long fd = sys(r, open, "/model", O_CREAT | O_RDWR | O_TRUNC, 0644);

    for (int i = 0; i < steps; i++) {
        size_t at = fake_random(&seed) % most, n = fake_random(&seed) % 20000 + 1;

        n = n < most - at ? n : most - at;
        switch (fake_random(&seed) % 8) {
        case 0:
            assert_int_equal(sys(r, ftruncate, fd, at), 0);
            if (at < size)
                memset(model + at, 0, size - at);
            size = at;
            break;
        case 1:
        case 2:
        case 3:
            memset(data, (int)(i | 1), n);
            assert_int_equal(sys(r, pwrite64, fd, data, n, at), n);
            memset(model + at, (int)(i | 1), n);
            size = at + n > size ? at + n : size;
            break;
        default:
            n = at >= size ? 0 : n < size - at ? n : size - at;
            assert_int_equal(sys(r, pread64, fd, data, n + (n == 0), at), n);
            assert_memory_equal(data, model + at, n);
        }
        if (i % 40 == 39)
            assert_int_equal(sys(r, fsync, fd), 0);
    }
    assert_int_equal(stat_of(r, "/model").st_size, size);
    assert_int_equal(sys(r, close, fd), 0);
    free(model);
    free(data);
}

static void test_contents_against_model(void **state)
{
    struct fs_rig *r = *state;

    model_file(r, 1, 600, 300000);
    rig_check(r);
    model_file(r, 2, 200, 6000000 / 2);
}

static void test_contents_with_waits_and_shuffle(void **state)
{
    struct fs_rig *r = *state;

    r->f.wait_every = 3;
    r->f.shuffle = true;
    r->f.depth = 3;
    model_file(r, 3, 300, 300000);
    r->f.wait_every = 0;
}

static void test_holes(void **state)
{
    struct fs_rig *r = *state;
    uint64_t far = (12 + 1024 + 5000) * 4096ull + 17;
    long fd = sys(r, open, "/sparse", O_CREAT | O_RDWR, 0600);
    char data[32];

    assert_int_equal(sys(r, pwrite64, fd, "end", 3, far), 3);
    assert_int_equal(stat_of(r, "/sparse").st_size, far + 3);
    assert_int_equal(stat_of(r, "/sparse").st_blocks, 3 * 8);
    assert_int_equal(sys(r, pread64, fd, data, 16, far - 8), 11);
    assert_memory_equal(data, "\0\0\0\0\0\0\0\0end", 11);
    assert_int_equal(sys(r, pread64, fd, data, 16, 5000), 16);
    assert_memory_equal(data, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(sys(r, lseek, fd, -3, SEEK_END), far);
    assert_int_equal(sys(r, lseek, fd, 5000, SEEK_DATA), far & ~4095ull);
    assert_int_equal(sys(r, lseek, fd, 5000, SEEK_HOLE), 5000);
    assert_int_equal(sys(r, lseek, fd, far, SEEK_HOLE), far + 3);
    assert_int_equal(sys(r, lseek, fd, far + 3, SEEK_DATA), -ENXIO);
    assert_int_equal(sys(r, lseek, fd, -1, SEEK_SET), -EINVAL);
    assert_int_equal(sys(r, lseek, fd, 0, 9), -EINVAL);
    assert_int_equal(sys(r, ftruncate, fd, 0), 0);
    assert_int_equal(stat_of(r, "/sparse").st_blocks, 0);
    sys(r, close, fd);
}

static void test_vectors(void **state)
{
    struct fs_rig *r = *state;
    char a[4] = {0}, b[8] = {0};
    struct iovec w[3] = {{"abc", 3}, {NULL, 0}, {"defgh", 5}}, v[2] = {{a, 3}, {b, 8}};
    long fd = sys(r, open, "/v", O_CREAT | O_RDWR, 0600);

    r->f.wait_every = 2;
    assert_int_equal(sys(r, writev, fd, w, 3), 8);
    assert_int_equal(sys(r, preadv, fd, v, 2, 0), 8);
    assert_string_equal(a, "abc");
    assert_string_equal(b, "defgh");
    assert_int_equal(sys(r, pwritev, fd, w, 1, 5), 3);
    assert_int_equal(sys(r, lseek, fd, 0, SEEK_SET), 0);
    assert_int_equal(sys(r, readv, fd, v, 2), 8);
    assert_string_equal(b, "deabc");
    r->f.wait_every = 0;
    assert_int_equal(sys(r, readv, fd, v, 1025), -EINVAL);
    sys(r, close, fd);
}

static void test_bad_pointers_change_nothing(void **state)
{
    struct fs_rig *r = *state;
    long fd = sys(r, open, "/f", O_CREAT | O_RDWR, 0600);

    assert_int_equal(sys(r, write, fd, 8, 10), -EFAULT);
    assert_int_equal(stat_of(r, "/f").st_size, 0);
    assert_int_equal(stat_of(r, "/f").st_blocks, 0);
    assert_int_equal(sys(r, write, fd, "data", 4), 4);
    assert_int_equal(sys(r, pread64, fd, 8, 4, 0), -EFAULT);
    assert_int_equal(sys(r, stat, "/f", 8), -EFAULT);
    sys(r, close, fd);
}

static void test_sendfile(void **state)
{
    struct fs_rig *r = *state;
    uint64_t offset = 2;
    long in, out;

    rig_put(r, "/in", "0123456789");
    in = sys(r, open, "/in", O_RDONLY);
    out = sys(r, open, "/out", O_CREAT | O_WRONLY, 0600);
    assert_int_equal(sys(r, sendfile, out, in, &offset, 5), 5);
    assert_int_equal(offset, 7);
    assert_int_equal(sys(r, sendfile, out, in, 0, 100), 10);
    rig_expect(r, "/out", "234560123456789");
    offset = (uint64_t)-1;
    assert_int_equal(sys(r, sendfile, out, in, &offset, 5), -EINVAL);
    assert_int_equal(sys(r, sendfile, out, in, 0, -1), -EINVAL);
    assert_int_equal(sys(r, sendfile, out, in, 8, 1), -EFAULT);
    sys(r, close, in);
    sys(r, close, out);
}

static void test_sendfile_to_a_pipe(void **state)
{
    struct fs_rig *r = *state;
    static uint8_t data[80000], back[80000];
    struct call call = {.nr = CALL_sendfile, .pid = 1};
    uint64_t offset = 5;
    int end[2];
    long in = sys(r, open, "/in", O_CREAT | O_RDWR, 0600);

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 4096);
    assert_int_equal(sys(r, write, in, data, sizeof data), sizeof data);
    assert_int_equal(sys(r, pipe2, end, O_NONBLOCK), 0);
    assert_int_equal(sys(r, sendfile, end[1], in, &offset, 10000), 10000);
    assert_int_equal(offset, 10005);
    assert_int_equal(sys(r, read, end[0], back, 6000), 6000);
    assert_int_equal(sys(r, sendfile, end[1], in, &offset, 70000), 65536 - 4000); /* around the ring's end */
    assert_int_equal(sys(r, sendfile, end[1], in, &offset, 1), -EAGAIN);
    assert_int_equal(sys(r, fcntl, end[1], F_SETFL, 0), 0);
    call.arg[0] = (uint64_t)end[1];
    call.arg[1] = (uint64_t)in;
    call.arg[2] = (uint64_t)(uintptr_t)&offset;
    call.arg[3] = 5;
    assert_int_equal(fake_run(&r->f, &r->service, &call), CALL_WAIT);
    call.flags = CALL_INTERRUPTED;
    assert_int_equal(service_call(&r->service, &call), -ERESTART);
    assert_int_equal(sys(r, read, end[0], back + 6000, 65536), 65536);
    assert_memory_equal(back, data + 5, 6000 + 65536);
    call.flags = 0;
    assert_int_equal(fake_run(&r->f, &r->service, &call), 5);
    assert_int_equal(offset, 5 + 6000 + 65536 + 5);
    assert_int_equal(sys(r, sendfile, end[1], in, &offset, 80000), 80000 - 71546); /* to the end of the file */
    assert_int_equal(sys(r, sendfile, end[1], in, &offset, 1), 0);
    assert_int_equal(sys(r, sendfile, in, end[0], 0, 1), -EINVAL);
    assert_int_equal(sys(r, close, end[0]), 0);
    offset = 0;
    r->f.signal = 0;
    assert_int_equal(sys(r, sendfile, end[1], in, &offset, 1), -EPIPE);
    assert_int_equal(r->f.signal, SIGPIPE);
    assert_int_equal(offset, 0);
}

static void test_buffers_that_cannot_be(void **state)
{
    struct fs_rig *r = *state;
    long fd = sys(r, open, "/f", O_CREAT | O_RDWR, 0600);
    char byte = 'x';

    assert_int_equal(sys(r, write, fd, &byte, -1l), -EFAULT);
    assert_int_equal(sys(r, read, fd, &byte, -1l), -EFAULT);
    assert_int_equal(sys(r, pwrite64, fd, &byte, 1ul << 47, 0), -EFAULT);
    assert_int_equal(sys(r, pread64, fd, &byte, 1ul << 47, 0), -EFAULT);
    assert_int_equal(sys(r, read, fd, 1ul << 20, 1ul << 40), 0); /* there may be that much: nothing to read */
    assert_int_equal(sys(r, read, 99, &byte, -1l), -EBADF);
}

/* ---- limits ---- */

static void test_disk_full(void **state)
{
    struct fs_rig *r = *state;
    char *data = calloc(1, 65536);
    long fd = sys(r, open, "/big", O_CREAT | O_WRONLY, 0600), n, total = 0, again = 0;

    while ((n = sys(r, write, fd, data, 65536)) > 0)
        total += n;
    assert_int_equal(n, -ENOSPC);
    assert_true(total > 6 << 20);
    assert_int_equal(sys(r, mkdir, "/no-room", 0755), -ENOSPC);
    rig_check(r);
    assert_int_equal(sys(r, ftruncate, fd, 0), 0);
    sys(r, lseek, fd, 0, SEEK_SET);
    while ((n = sys(r, write, fd, data, 65536)) > 0)
        again += n;
    assert_int_equal(again, total);
    sys(r, close, fd);
    assert_int_equal(sys(r, unlink, "/big"), 0);
    assert_int_equal(sys(r, mkdir, "/room", 0755), 0);
    free(data);
}

static void test_out_of_inodes(void **state)
{
    struct fs_rig *r = *state;
    char name[32];
    long fd = 0;
    int i;

    for (i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "/i%d", i);
        fd = sys(r, open, name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            break;
        sys(r, close, fd);
    }
    assert_int_equal(fd, -ENOSPC);
    assert_int_equal(sys(r, unlink, "/i0"), 0);
    fd = sys(r, open, name, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(fd, 3);
    sys(r, close, fd);
}

static void test_write_errors_make_it_read_only(void **state)
{
    struct fs_rig *s = calloc(1, sizeof *s);
    long fd;

    rig_create(s, 4, 0);
    fd = sys(s, open, "/f", O_CREAT | O_RDWR, 0600);
    assert_int_equal(sys(s, write, fd, "x", 1), 1);
    s->f.fail_write_at = 1;
    assert_int_equal(sys(s, fsync, fd), -EIO);
    assert_int_equal(sys(s, write, fd, "y", 1), -EROFS);
    assert_int_equal(sys(s, mkdir, "/d", 0755), -EROFS);
    rig_unmount(s);
    fake_host_end(&s->f);
    free(s->disk);
    free(s);
}

static void test_no_memory(void **state)
{
    struct fs_config config = {.cache_blocks = 128};
    uint8_t *disk = calloc(1, 4 << 20);
    struct fake_host f;

    for (long at = 1; at < 12; at++) {
        struct fs *fs;

        fake_host_init(&f, disk, 4 << 20);
        f.fail_at = at;
        fs = fs_create(&f.host, &config);
        if (fs)
            fs_destroy(fs);
        fake_host_end(&f);
    }
    free(disk);
}

/* ---- the promise about copies ---- */

static void test_one_copy_a_block(void **state)
{
    struct fs_rig *r = *state;
    char *data = aligned_alloc(4096, 65536);
    long fd = sys(r, open, "/f", O_CREAT | O_RDWR, 0600);

    memset(data, 1, 65536);
    assert_int_equal(sys(r, write, fd, data, 65536), 65536);
    r->f.copies = r->f.copied = r->f.largest = 0;
    assert_int_equal(sys(r, pwrite64, fd, data, 4096, 8192), 4096);
    assert_int_equal(r->f.copies, 1);
    assert_int_equal(r->f.copied, 4096);
    assert_int_equal(sys(r, pread64, fd, data, 65536, 0), 65536);
    assert_int_equal(r->f.copies, 17);
    assert_int_equal(r->f.copied, 4096 + 65536);
    assert_int_equal(r->f.largest, 4096);
    sys(r, close, fd);
    free(data);
}

/* What is cached needs no disk; a cold sequential read takes few requests. */
static void test_disk_requests(void **state)
{
    struct fs_rig *r = *state;
    char *data = calloc(1, 1 << 18);
    struct stat st;
    long fd = sys(r, open, "/f", O_CREAT | O_RDWR, 0600);

    assert_int_equal(sys(r, write, fd, data, 1 << 18), 1 << 18);
    sys(r, close, fd);
    rig_sync(r);
    rig_unmount(r);
    r->f.reads = 0;
    rig_mount(r);
    assert_in_range(r->f.reads, 3, 6);
    fd = sys(r, open, "/f", O_RDONLY);
    r->f.reads = 0;
    for (int i = 0; i < 64; i++)
        assert_int_equal(sys(r, read, fd, data, 4096), 4096);
    assert_in_range(r->f.reads, 2, 8);
    r->f.reads = 0;
    assert_int_equal(sys(r, pread64, fd, data, 1 << 18, 0), 1 << 18);
    assert_int_equal(sys(r, stat, "/f", &st), 0);
    assert_int_equal(r->f.reads, 0);
    assert_int_equal(sys(r, fadvise64, fd, 0, 0, 4), 0); /* POSIX_FADV_DONTNEED */
    assert_int_equal(sys(r, pread64, fd, data, 1 << 18, 0), 1 << 18);
    assert_in_range(r->f.reads, 2, 4);
    sys(r, close, fd);
    free(data);
}

static void test_fsync_group_and_clean(void **state)
{
    struct fs_rig *r = *state;
    long fd = sys(r, open, "/f", O_CREAT | O_RDWR, 0600), flushes;

    assert_int_equal(sys(r, write, fd, "x", 1), 1);
    assert_int_equal(sys(r, fsync, fd), 0);
    flushes = r->f.flushes;
    assert_in_range(flushes, 1, 2);
    assert_int_equal(sys(r, fsync, fd), 0);
    assert_int_equal(sys(r, sync), 0);
    assert_int_equal(r->f.flushes, flushes);
    sys(r, close, fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_open_flags),
        T(test_create_through_dangling_link),
        T(test_append_and_truncate),
        T(test_mode_and_umask),
        T(test_contents_against_model),
        T(test_contents_with_waits_and_shuffle),
        T(test_holes),
        T(test_vectors),
        T(test_bad_pointers_change_nothing),
        T(test_sendfile),
        T(test_sendfile_to_a_pipe),
        T(test_buffers_that_cannot_be),
        T(test_disk_full),
        T(test_out_of_inodes),
        T(test_write_errors_make_it_read_only),
        T(test_no_memory),
        T(test_one_copy_a_block),
        T(test_disk_requests),
        T(test_fsync_group_and_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
