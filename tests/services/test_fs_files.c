/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs_files.c: descriptors, locks, attributes, devices, the terminal, and what other services ask.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <cmocka.h>

#include "tests/services/fs_rig.h"

static long request(struct fs_rig *r, uint16_t op, int pid, uint64_t arg0, uint64_t arg1, void *data, size_t size)
{
    struct call call = {.nr = CALL_execve, .pid = pid};
    struct request rq = {.service = SERVICE_FS,
                         .op = op,
                         .pid = pid,
                         .arg = {arg0, arg1},
                         .data = data,
                         .size = size,
                         .data_out = 1,
                         .call = &call};
    long result;

    while ((result = r->service.request(r->service.self, &rq)) == CALL_WAIT)
        assert_true(fake_disk_step(&r->f));
    return result;
}

static long create(struct fs_rig *r, const char *path, const char *text)
{
    long fd = sys(r, open, path, O_CREAT | O_RDWR, 0644);

    assert_true(fd >= 0);
    assert_int_equal(sys(r, write, fd, text, strlen(text)), strlen(text));
    return fd;
}

/* ---- descriptors ---- */

static void test_lowest_descriptor(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/f", "x");

    assert_int_equal(fd, 3);
    assert_int_equal(sys(r, dup, 3), 4);
    assert_int_equal(sys(r, dup, 3), 5);
    assert_int_equal(sys(r, close, 4), 0);
    assert_int_equal(sys(r, dup, 3), 4);
    assert_int_equal(sys(r, close, 0), 0);
    assert_int_equal(sys(r, dup, 3), 0);
    assert_int_equal(sys(r, dup2, 3, 100), 100);
    assert_int_equal(sys(r, dup2, 3, 3), 3);
    assert_int_equal(sys(r, dup2, 77, 77), -EBADF);
    assert_int_equal(sys(r, dup3, 3, 3, 0), -EINVAL);
    assert_int_equal(sys(r, dup3, 3, 101, O_CLOEXEC), 101);
    assert_int_equal(sys(r, fcntl, 101, F_GETFD), FD_CLOEXEC);
    assert_int_equal(sys(r, fcntl, 3, F_DUPFD, 50), 50);
    assert_int_equal(sys(r, fcntl, 3, F_DUPFD_CLOEXEC, 50), 51);
    assert_int_equal(sys(r, fcntl, 3, F_DUPFD, 2000), -EINVAL);
    assert_int_equal(sys(r, dup2, 3, 5000), -EBADF);
    assert_int_equal(sys(r, lseek, 3, 0, SEEK_SET), 0);
    assert_int_equal(sys(r, lseek, 100, 5, SEEK_CUR), 5);
    assert_int_equal(sys(r, lseek, 3, 0, SEEK_CUR), 5); /* one open file */
    request(r, FS_EXEC, 1, 0, 0, NULL, 0);
    assert_int_equal(sys(r, fcntl, 101, F_GETFD), -EBADF);
    assert_int_equal(sys(r, fcntl, 100, F_GETFD), 0);
}

static void test_too_many_descriptors(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/f", "x"), n = 0, last;

    while ((last = sys(r, dup, fd)) >= 0)
        n++;
    assert_int_equal(last, -EMFILE);
    assert_int_equal(n, 1024 - 4);
    assert_int_equal(sys(r, open, "/f", O_RDONLY), -EMFILE);
    assert_int_equal(sys(r, open, "/created-anyway", O_CREAT | O_WRONLY, 0600), -EMFILE);
    assert_int_equal(sys(r, access, "/created-anyway", 0), -ENOENT);
    assert_int_equal(sys(r, close, 500), 0);
    assert_int_equal(sys(r, open, "/f", O_RDONLY), 500);
}

static void test_status_flags(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/f", "x");
    int ends[2];

    assert_int_equal(sys(r, fcntl, fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR);
    assert_int_equal(sys(r, fcntl, fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY), 0);
    assert_int_equal(sys(r, fcntl, fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND | O_NONBLOCK);
    assert_int_equal(sys(r, fcntl, fd, 9999), -EINVAL);
    assert_int_equal(sys(r, ioctl, fd, TCGETS, 0), -ENOTTY);
    assert_int_equal(sys(r, fcntl, fd, F_GETFL) & 0100000, 0100000); /* O_LARGEFILE, as every file */
    assert_int_equal(sys(r, pipe2, ends, O_NONBLOCK), 0);
    assert_int_equal(sys(r, fcntl, ends[0], F_GETFL), O_RDONLY | O_NONBLOCK); /* but not a pipe */
    assert_int_equal(sys(r, fcntl, ends[1], F_GETFL), O_WRONLY | O_NONBLOCK);
    fd = sys(r, open, "/f", O_PATH);
    assert_int_equal(sys(r, read, fd, 0, 0), -EBADF);
    assert_int_equal(sys(r, fcntl, fd, F_SETFL, 0), -EBADF);
}

/* ---- locks ---- */

static long lock(struct fs_rig *r, int pid, long fd, int command, short type, off_t start, off_t length,
                 struct flock *out)
{
    struct flock f = {.l_type = type, .l_start = start, .l_len = length};
    struct call call = {.nr = CALL_fcntl, .pid = pid, .arg = {(uint64_t)fd, (uint64_t)command, P(&f)}};
    long result = fake_run(&r->f, &r->service, &call);

    if (out)
        *out = f;
    return result;
}

/* ---- limits ---- */

static void test_descriptor_limit(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/f", "x");
    struct pollfd p[7] = {{-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}};
    int ends[2];

    assert_int_equal(sys(r, dup2, fd, 9), 9);
    assert_int_equal(request(r, FS_LIMIT, 1, RLIMIT_NOFILE, 6, NULL, 0), 0);
    assert_int_equal(request(r, FS_LIMIT, 1, RLIMIT_CPU, 6, NULL, 0), -EINVAL);
    assert_int_equal(sys(r, dup, fd), 4);
    assert_int_equal(sys(r, pipe, ends), -EMFILE); /* room for one only */
    assert_int_equal(sys(r, open, "/f", O_RDONLY), 5);
    assert_int_equal(sys(r, open, "/new", O_CREAT | O_RDWR, 0644), -EMFILE);
    assert_int_equal(sys(r, access, "/new", 0), -ENOENT);
    assert_int_equal(sys(r, dup2, fd, 6), -EBADF);
    assert_int_equal(sys(r, fcntl, fd, F_DUPFD, 5), -EMFILE);
    assert_int_equal(sys(r, fcntl, fd, F_DUPFD, 6), -EINVAL);
    assert_int_equal(sys(r, poll, p, 7, 0), -EINVAL);
    assert_int_equal(sys(r, poll, p, 6, 0), 0);
    assert_int_equal(sys(r, read, 9, ends, 0), 0); /* what is open stays open */
    assert_int_equal(request(r, FS_FORK, 2, 1, 0, NULL, 0), 0);
    assert_int_equal(fake_call(&r->f, &r->service, 2, CALL_dup, (uint64_t)fd, 0, 0, 0, 0, 0), -EMFILE);
    assert_int_equal(request(r, FS_EXIT, 2, 0, 0, NULL, 0), 0);
    assert_int_equal(request(r, FS_LIMIT, 1, RLIMIT_NOFILE, UINT64_MAX, NULL, 0), 0);
    assert_int_equal(sys(r, dup, fd), 6);
}

static void test_size_limit(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/f", "0123456789"), in = create(r, "/in", "abcdefgh");

    assert_int_equal(request(r, FS_LIMIT, 1, RLIMIT_FSIZE, 14, NULL, 0), 0);
    assert_int_equal(sys(r, write, fd, "abcdefgh", 8), 4); /* up to the limit */
    assert_int_equal(r->f.signal, 0);
    assert_int_equal(sys(r, write, fd, "", 0), 0);
    assert_int_equal(sys(r, write, fd, "e", 1), -EFBIG);
    assert_int_equal(r->f.signal, SIGXFSZ);
    r->f.signal = 0;
    assert_int_equal(sys(r, pwrite64, fd, "xyz", 3, 12), 2);
    assert_int_equal(sys(r, ftruncate, fd, 14), 0);
    assert_int_equal(r->f.signal, 0);
    assert_int_equal(sys(r, ftruncate, fd, 15), -EFBIG);
    assert_int_equal(r->f.signal, SIGXFSZ);
    assert_int_equal(sys(r, fallocate, fd, 0, 0, 15), -EFBIG);
    assert_int_equal(sys(r, lseek, in, 0, SEEK_SET), 0);
    assert_int_equal(sys(r, lseek, fd, 9, SEEK_SET), 9);
    assert_int_equal(sys(r, sendfile, fd, in, 0, 8), 5);
    assert_int_equal(sys(r, sendfile, fd, in, 0, 8), -EFBIG);
    rig_expect(r, "/f", "012345678abcde");
    assert_int_equal(request(r, FS_FORK, 2, 1, 0, NULL, 0), 0);
    r->f.signal = 0;
    assert_int_equal(fake_call(&r->f, &r->service, 2, CALL_write, (uint64_t)fd, (uint64_t)(uintptr_t) "x", 1, 0, 0, 0),
                     -EFBIG);
    assert_int_equal(r->f.signal, SIGXFSZ);
    assert_int_equal(request(r, FS_EXIT, 2, 0, 0, NULL, 0), 0);
    assert_int_equal(request(r, FS_LIMIT, 1, RLIMIT_FSIZE, UINT64_MAX, NULL, 0), 0);
    assert_int_equal(sys(r, write, fd, "more", 4), 4);
}

static void test_record_locks(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/db", "data"), second;
    struct flock f;

    assert_int_equal(request(r, FS_FORK, 2, 1, 0, NULL, 0), 0);
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_WRLCK, 10, 20, NULL), 0);
    assert_int_equal(lock(r, 2, fd, F_SETLK, F_RDLCK, 0, 10, NULL), 0);
    assert_int_equal(lock(r, 2, fd, F_SETLK, F_RDLCK, 29, 1, NULL), -EAGAIN);
    assert_int_equal(lock(r, 2, fd, F_GETLK, F_RDLCK, 0, 0, &f), 0);
    assert_int_equal(f.l_type, F_WRLCK);
    assert_int_equal(f.l_pid, 1);
    assert_int_equal(f.l_start, 10);
    assert_int_equal(f.l_len, 20);
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_UNLCK, 15, 5, NULL), 0); /* splits */
    assert_int_equal(lock(r, 2, fd, F_SETLK, F_WRLCK, 15, 5, NULL), 0);
    assert_int_equal(lock(r, 2, fd, F_SETLK, F_WRLCK, 14, 1, NULL), -EAGAIN);
    assert_int_equal(lock(r, 2, fd, F_SETLK, F_WRLCK, 20, 1, NULL), -EAGAIN);
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_RDLCK, 10, 5, NULL), 0); /* weaker */
    assert_int_equal(lock(r, 2, fd, F_SETLK, F_RDLCK, 14, 1, NULL), 0);
    assert_int_equal(lock(r, 2, fd, F_SETLKW, F_WRLCK, 25, 1, NULL), CALL_WAIT);
    r->f.woken_count = 0;
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_UNLCK, 0, 0, NULL), 0);
    assert_int_equal(r->f.woken_count, 1);
    assert_int_equal(lock(r, 2, fd, F_SETLKW, F_WRLCK, 25, 1, NULL), 0);
    /* closing any descriptor of the file drops a process's locks */
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_WRLCK, 100, 1, NULL), 0);
    second = sys(r, dup, fd);
    assert_int_equal(sys(r, close, second), 0);
    assert_int_equal(lock(r, 2, fd, F_SETLK, F_WRLCK, 100, 1, NULL), 0);
    request(r, FS_EXIT, 2, 0, 0, NULL, 0);
    assert_int_equal(lock(r, 1, fd, F_GETLK, F_WRLCK, 0, 0, &f), 0);
    assert_int_equal(f.l_type, F_UNLCK);
    assert_int_equal(lock(r, 1, fd, F_SETLK, 7, 0, 0, NULL), -EINVAL);
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_WRLCK, -1, 0, NULL), -EINVAL);
}

static void test_read_lock_needs_reading(void **state)
{
    struct fs_rig *r = *state;
    long fd;

    sys(r, close, create(r, "/db", "data"));
    fd = sys(r, open, "/db", O_RDONLY);
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_WRLCK, 0, 1, NULL), -EBADF);
    assert_int_equal(lock(r, 1, fd, F_SETLK, F_RDLCK, 0, 1, NULL), 0);
}

static void test_flock(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/f", "x"), other = sys(r, open, "/f", O_RDONLY);

    assert_int_equal(sys(r, flock, fd, LOCK_SH), 0);
    assert_int_equal(sys(r, flock, other, LOCK_SH), 0);
    assert_int_equal(sys(r, flock, fd, LOCK_EX | LOCK_NB), -EAGAIN);
    assert_int_equal(sys(r, flock, other, LOCK_UN), 0);
    assert_int_equal(sys(r, flock, fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(sys(r, flock, other, LOCK_SH), CALL_WAIT);
    assert_int_equal(sys(r, close, fd), 0);
    assert_int_equal(sys(r, flock, other, LOCK_SH), 0);
    assert_int_equal(sys(r, flock, other, 3), -EINVAL);
}

/* ---- attributes ---- */

static void test_times(void **state)
{
    struct fs_rig *r = *state;
    struct timespec t[2] = {{100, 5}, {200, 6}};
    struct timeval v[2] = {{7, 8}, {9, 10}};
    struct stat st;
    long fd;

    r->f.now = 5000000123;
    fd = create(r, "/f", "x");
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1700000005);
    assert_int_equal(st.st_mtim.tv_nsec, 123);
    assert_int_equal(sys(r, utimensat, AT_FDCWD, "/f", t, 0), 0);
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_int_equal(st.st_atim.tv_sec, 100);
    assert_int_equal(st.st_mtim.tv_nsec, 6);
    t[0].tv_nsec = UTIME_OMIT;
    t[1].tv_nsec = UTIME_NOW;
    assert_int_equal(sys(r, utimensat, fd, 0, t, 0), 0);
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_int_equal(st.st_atim.tv_sec, 100);
    assert_int_equal(st.st_mtim.tv_sec, 1700000005);
    t[1].tv_nsec = 1000000000;
    assert_int_equal(sys(r, utimensat, AT_FDCWD, "/f", t, 0), -EINVAL);
    assert_int_equal(sys(r, utimes, "/f", v), 0);
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_int_equal(st.st_mtim.tv_nsec, 10000);
    r->f.now += 1000000000;
    assert_int_equal(sys(r, write, fd, "y", 1), 1);
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1700000006);
}

static void test_statx_and_statfs(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/f", "12345"), before;
    struct statx x;
    struct statfs s;
    struct stat st;

    assert_int_equal(
        fake_call(&r->f, &r->service, 1, CALL_statx, (uint64_t)AT_FDCWD, P("/f"), 0, STATX_BASIC_STATS, P(&x), 0), 0);
    assert_int_equal(x.stx_size, 5);
    assert_int_equal(x.stx_mode, S_IFREG | 0644);
    assert_int_equal(
        fake_call(&r->f, &r->service, 1, CALL_statx, (uint64_t)fd, P(""), AT_EMPTY_PATH, STATX_BASIC_STATS, P(&x), 0),
        0);
    assert_int_equal(x.stx_size, 5);
    assert_int_equal(sys(r, newfstatat, fd, "", &st, AT_EMPTY_PATH), 0);
    assert_int_equal(st.st_ino, x.stx_ino);
    assert_int_equal(sys(r, newfstatat, fd, "", &st, 0), -ENOENT);
    assert_int_equal(sys(r, newfstatat, 99, "", &st, AT_EMPTY_PATH), -EBADF);
    assert_int_equal(sys(r, statfs, "/", &s), 0);
    assert_int_equal(s.f_bsize, 4096);
    before = (long)s.f_bfree;
    assert_int_equal(sys(r, ftruncate, fd, 0), 0);
    assert_int_equal(sys(r, fstatfs, fd, &s), 0);
    assert_int_equal(s.f_bfree, before + 1);
    assert_int_equal(sys(r, statfs, "/none", &s), -ENOENT);
}

/* ---- devices ---- */

static void test_devices(void **state)
{
    struct fs_rig *r = *state;
    char data[5000], again[64];
    struct stat st;
    long fd = sys(r, open, "/dev/null", O_RDWR);

    assert_int_equal(sys(r, write, fd, data, 5000), 5000);
    assert_int_equal(sys(r, read, fd, data, 5000), 0);
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(st.st_rdev, makedev(1, 3));
    fd = sys(r, open, "/dev/zero", O_RDWR);
    memset(data, 1, sizeof data);
    assert_int_equal(sys(r, read, fd, data, 5000), 5000);
    assert_int_equal(data[0] | data[4095] | data[4999], 0);
    fd = sys(r, open, "/dev/full", O_RDWR);
    assert_int_equal(sys(r, write, fd, data, 1), -ENOSPC);
    fd = sys(r, open, "/dev/urandom", O_RDONLY);
    assert_int_equal(sys(r, read, fd, data, 64), 64);
    assert_int_equal(sys(r, read, fd, again, 64), 64);
    assert_memory_not_equal(data, again, 64);
    rig_sync(r);
    rig_unmount(r);
    rig_mount(r); /* the same seed */
    fd = sys(r, open, "/dev/urandom", O_RDONLY);
    assert_int_equal(sys(r, read, fd, again, 64), 64);
    assert_memory_equal(data, again, 64);
    assert_int_equal(sys(r, open, "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0666), fd + 1);
}

static void test_terminal(void **state)
{
    struct fs_rig *r = *state;
    struct pollfd p = {0, POLLIN | POLLOUT, 0};
    char data[8];
    struct stat st;

    assert_int_equal(sys(r, write, 1, "hello", 5), 5);
    assert_memory_equal(r->f.output, "hello", 5);
    assert_int_equal(sys(r, fstat, 1, &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(sys(r, poll, &p, 1, 0), 1);
    assert_int_equal(p.revents, POLLOUT);
    assert_int_equal(sys(r, read, 0, data, 8), CALL_WAIT);
    r->f.input = "typed";
    assert_int_equal(sys(r, read, 0, data, 8), 5);
    assert_int_equal(sys(r, lseek, 0, 0, SEEK_SET), -ESPIPE);
    assert_int_equal(sys(r, open, "/dev/tty", O_RDWR), 3);
    assert_int_equal(sys(r, write, 3, "!", 1), 1);
    assert_int_equal(r->f.output[5], '!');
}

static void test_standard_descriptors_by_name(void **state)
{
    struct fs_rig *r = *state;
    long fd = sys(r, open, "/dev/stdout", O_WRONLY | O_CREAT | O_TRUNC, 0666);

    assert_int_equal(fd, 3);
    assert_int_equal(sys(r, write, fd, "out", 3), 3);
    assert_memory_equal(r->f.output, "out", 3);
    assert_int_equal(sys(r, close, fd), 0);
    assert_int_equal(sys(r, close, 0), 0);
    assert_int_equal(sys(r, open, "/dev/stdin", O_RDONLY), -ENOENT);
}

static void test_synchronous_writes(void **state)
{
    struct fs_rig *r = *state;
    long fd = sys(r, open, "/f", O_CREAT | O_WRONLY | O_DSYNC, 0600), flushes = r->f.flushes;

    assert_int_equal(sys(r, write, fd, "x", 1), 1);
    assert_true(r->f.flushes > flushes);
    flushes = r->f.flushes;
    assert_int_equal(sys(r, fsync, fd), 0);
    assert_int_equal(r->f.flushes, flushes);
}

/* ---- for proc and vm ---- */

static void test_handles(void **state)
{
    struct fs_rig *r = *state;
    long fd = create(r, "/program", "0123456789"), handle, copy;
    struct fs_identity before, after;
    char data[32];

    assert_int_equal(request(r, FS_OPEN_EXEC, 1, P("/program"), 0, NULL, 0), -EACCES);
    assert_int_equal(sys(r, chmod, "/program", 0755), 0);
    assert_int_equal(request(r, FS_OPEN_EXEC, 1, P("/dev"), 0, NULL, 0), -EACCES);
    assert_int_equal(request(r, FS_OPEN_EXEC, 1, P("/none"), 0, NULL, 0), -ENOENT);
    copy = sys(r, dup, fd);
    assert_int_equal(sys(r, close, copy), 0);
    assert_int_equal(request(r, FS_OPEN_EXEC, 1, P("/program"), 0, NULL, 0), -ETXTBSY); /* open for writing */
    assert_int_equal(sys(r, close, fd), 0);
    handle = request(r, FS_OPEN_EXEC, 1, P("/program"), 0, NULL, 0);
    assert_true(handle > 0);
    fd = sys(r, open, "/program", O_RDWR);
    assert_int_equal(request(r, FS_READ_AT, 1, (uint64_t)handle, 4, data, 32), 6);
    assert_memory_equal(data, "456789", 6);
    assert_int_equal(request(r, FS_READ_AT, 1, (uint64_t)handle, 10, data, 32), 0);
    assert_int_equal(request(r, FS_STAT_OF, 1, (uint64_t)handle, 0, &before, sizeof before), 0);
    assert_int_equal(before.size, 10);
    assert_int_equal(sys(r, write, fd, "x", 1), 1);
    assert_int_equal(request(r, FS_STAT_OF, 1, (uint64_t)handle, 0, &after, sizeof after), 0);
    assert_int_not_equal(before.version, after.version);
    assert_int_equal(before.inode, after.inode);
    assert_int_equal(request(r, FS_HOLD, 1, (uint64_t)handle, 0, NULL, 0), 0);
    assert_int_equal(request(r, FS_RELEASE, 1, (uint64_t)handle, 0, NULL, 0), 0);
    assert_int_equal(request(r, FS_RELEASE, 1, (uint64_t)handle, 0, NULL, 0), 0);
    assert_int_equal(request(r, FS_RELEASE, 1, (uint64_t)handle, 0, NULL, 0), -EBADF);
    assert_int_equal(request(r, FS_FILE_OF, 1, 1, 0, NULL, 0), -ENODEV);
    handle = request(r, FS_FILE_OF, 1, (uint64_t)fd, 0, NULL, 0);
    assert_int_equal(request(r, FS_OPEN_EXEC, 1, P("/program"), 0, NULL, 0), -ETXTBSY);
    sys(r, close, fd);
    copy = request(r, FS_OPEN_EXEC, 1, P("/program"), 0, NULL, 0); /* what vm keeps writes nothing */
    assert_true(copy > 0);
    assert_int_equal(request(r, FS_RELEASE, 1, (uint64_t)copy, 0, NULL, 0), 0);
    assert_int_equal(sys(r, unlink, "/program"), 0);
    assert_int_equal(request(r, FS_READ_AT, 1, (uint64_t)handle, 0, data, 3), 3);
    assert_int_equal(request(r, FS_RELEASE, 1, (uint64_t)handle, 0, NULL, 0), 0);
    assert_int_equal(request(r, FS_RELEASE, 1, 123456789, 0, NULL, 0), -EBADF);
    assert_int_equal(request(r, 77, 1, 0, 0, NULL, 0), -ENOSYS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_lowest_descriptor),
        T(test_too_many_descriptors),
        T(test_status_flags),
        T(test_descriptor_limit),
        T(test_size_limit),
        T(test_record_locks),
        T(test_read_lock_needs_reading),
        T(test_flock),
        T(test_times),
        T(test_statx_and_statfs),
        T(test_devices),
        T(test_terminal),
        T(test_handles),
        T(test_standard_descriptors_by_name),
        T(test_synchronous_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
