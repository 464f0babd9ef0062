/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs_names.c: directories, links, renaming, the working directory: results and errors as Linux's.
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

#include "tests/services/fs_rig.h"

static struct stat stat_of(struct fs_rig *r, const char *path)
{
    struct stat st;

    assert_int_equal(sys(r, lstat, path, &st), 0);
    return st;
}

/* ---- names ---- */

static void test_directories(void **state)
{
    struct fs_rig *r = *state;

    assert_int_equal(sys(r, mkdir, "/d", 0755), 0);
    assert_int_equal(sys(r, mkdir, "/d", 0755), -EEXIST);
    assert_int_equal(sys(r, mkdir, "/", 0755), -EEXIST);
    assert_int_equal(sys(r, mkdir, "/none/x", 0755), -ENOENT);
    assert_int_equal(sys(r, mkdir, "/d/e/", 0755), 0);
    assert_int_equal(stat_of(r, "/d").st_nlink, 3);
    assert_int_equal(sys(r, rmdir, "/d"), -ENOTEMPTY);
    assert_int_equal(sys(r, rmdir, "/d/e/."), -EINVAL);
    assert_int_equal(sys(r, rmdir, "/d/e/.."), -ENOTEMPTY);
    assert_int_equal(sys(r, rmdir, "/"), -EBUSY);
    assert_int_equal(sys(r, unlink, "/d"), -EISDIR);
    rig_put(r, "/d/f", "x");
    assert_int_equal(sys(r, rmdir, "/d/f"), -ENOTDIR);
    assert_int_equal(sys(r, unlink, "/d/f/"), -ENOTDIR);
    assert_int_equal(sys(r, unlink, "/d/f"), 0);
    assert_int_equal(sys(r, unlink, "/d/f"), -ENOENT);
    assert_int_equal(sys(r, rmdir, "/d/e"), 0);
    assert_int_equal(sys(r, rmdir, "/d"), 0);
    assert_int_equal(stat_of(r, "/").st_nlink, 3); /* with /dev */
}

static void test_names_too_long(void **state)
{
    struct fs_rig *r = *state;
    char name[300] = "/", path[5000];

    memset(name + 1, 'n', 256);
    assert_int_equal(sys(r, mkdir, name, 0755), -ENAMETOOLONG);
    name[256] = 0;
    assert_int_equal(sys(r, mkdir, name, 0755), 0);
    assert_int_equal(sys(r, rmdir, name), 0);
    memset(path, '/', sizeof path);
    path[4096] = 0;
    assert_int_equal(sys(r, mkdir, path, 0755), -ENAMETOOLONG);
    path[4095] = 0;
    assert_int_equal(sys(r, mkdir, path, 0755), -EEXIST);
}

static void test_links(void **state)
{
    struct fs_rig *r = *state;
    char target[128], long_target[300];
    struct stat st;

    rig_put(r, "/f", "data");
    assert_int_equal(sys(r, link, "/f", "/g"), 0);
    assert_int_equal(stat_of(r, "/g").st_nlink, 2);
    assert_int_equal(stat_of(r, "/g").st_ino, stat_of(r, "/f").st_ino);
    assert_int_equal(sys(r, link, "/f", "/g"), -EEXIST);
    assert_int_equal(sys(r, link, "/dev", "/h"), -EPERM);
    assert_int_equal(sys(r, unlink, "/f"), 0);
    rig_expect(r, "/g", "data");
    assert_int_equal(stat_of(r, "/g").st_nlink, 1);

    assert_int_equal(sys(r, symlink, "g", "/s"), 0);
    assert_int_equal(sys(r, symlink, "", "/t"), -ENOENT);
    assert_int_equal(sys(r, readlink, "/s", target, sizeof target), 1);
    assert_int_equal(sys(r, readlink, "/g", target, sizeof target), -EINVAL);
    assert_int_equal(sys(r, stat, "/s", &st), 0);
    assert_int_equal(st.st_size, 4);
    memset(long_target, '/', 250);
    strcpy(long_target + 250, "g");
    assert_int_equal(sys(r, symlink, long_target, "/long"), 0);
    rig_expect(r, "/long", "data");
    assert_int_equal(sys(r, symlink, "loop", "/loop"), 0);
    assert_int_equal(sys(r, stat, "/loop", &st), -ELOOP);
    assert_int_equal(sys(r, mkdir, "/dir", 0755), 0);
    assert_int_equal(sys(r, symlink, "/dir/", "/to_dir"), 0);
    rig_put(r, "/to_dir/x", "in dir");
    rig_expect(r, "/dir/x", "in dir");
    rig_expect(r, "/dir/../to_dir/./x", "in dir");
}

static void test_rename(void **state)
{
    struct fs_rig *r = *state;

    rig_put(r, "/a", "a");
    rig_put(r, "/b", "b");
    assert_int_equal(sys(r, rename, "/a", "/b"), 0);
    rig_expect(r, "/b", "a");
    assert_int_equal(sys(r, rename, "/a", "/b"), -ENOENT);
    assert_int_equal(sys(r, mkdir, "/d", 0755), 0);
    assert_int_equal(sys(r, mkdir, "/d/e", 0755), 0);
    assert_int_equal(sys(r, rename, "/d", "/d/e/f"), -EINVAL);
    assert_int_equal(sys(r, rename, "/b", "/d"), -EISDIR);
    assert_int_equal(sys(r, rename, "/d", "/b"), -ENOTDIR);
    assert_int_equal(sys(r, rename, "/d/e", "/d"), -ENOTEMPTY);
    assert_int_equal(sys(r, rename, "/d/.", "/x"), -EBUSY);
    assert_int_equal(sys(r, mkdir, "/k", 0755), 0);
    assert_int_equal(sys(r, rename, "/d/e", "/k"), 0);
    assert_int_equal(stat_of(r, "/d").st_nlink, 2);
    rig_put(r, "/k/../back", "parent is right");
    rig_expect(r, "/back", "parent is right");
    assert_int_equal(sys(r, mkdir, "/k/sub", 0755), 0);
    assert_int_equal(sys(r, rename, "/k/sub", "/d/sub"), 0);
    rig_put(r, "/d/sub/../up", "in d");
    rig_expect(r, "/d/up", "in d");
    assert_int_equal(sys(r, rename, "/k", "/d"), -ENOTEMPTY);
    assert_int_equal(sys(r, link, "/b", "/same"), 0);
    assert_int_equal(sys(r, rename, "/b", "/same"), 0);
    rig_expect(r, "/b", "a");
    assert_int_equal(fake_call(&r->f, &r->service, 1, CALL_renameat2, (uint64_t)AT_FDCWD, P("/b"), (uint64_t)AT_FDCWD,
                               P("/same"), 1, 0),
                     -EEXIST);
}

/* What a slash at the end, after a link above all, makes of a name: found by comparing random calls with Linux. */
static void test_slash_at_the_end(void **state)
{
    struct fs_rig *r = *state;

    rig_put(r, "/f", "x");
    assert_int_equal(sys(r, mkdir, "/d", 0755), 0);
    assert_int_equal(sys(r, symlink, "f", "/to_f"), 0);
    assert_int_equal(sys(r, symlink, "d", "/to_d"), 0);
    assert_int_equal(sys(r, symlink, "none", "/to_none"), 0);
    assert_int_equal(sys(r, unlink, "/to_f/"), -ENOTDIR);
    assert_int_equal(sys(r, unlink, "/to_none/"), -ENOTDIR);
    assert_int_equal(sys(r, rmdir, "/to_d/"), -ENOTDIR);
    assert_int_equal(sys(r, mkdir, "/to_none/", 0755), -EEXIST);
    assert_int_equal(sys(r, rename, "/f", "/f/"), -ENOTDIR);
    assert_int_equal(sys(r, rename, "/f", "/new/"), -ENOTDIR);
    assert_int_equal(sys(r, rename, "/d", "/e/"), 0);
    assert_int_equal(sys(r, rename, "/e", "/d"), 0);
    assert_int_equal(sys(r, open, "/to_d/", O_RDONLY | O_CREAT, 0600), -EISDIR);
    assert_int_equal(sys(r, open, "/to_f/", O_RDONLY | O_CREAT, 0600), -EISDIR);
    assert_int_equal(sys(r, open, "/d/", O_WRONLY | O_CREAT | O_EXCL, 0600), -EISDIR);
    assert_int_equal(sys(r, open, "/d/./", O_WRONLY | O_CREAT | O_EXCL, 0600), -EEXIST);
    assert_int_equal(sys(r, open, "/d", O_RDONLY | O_TRUNC), -EISDIR);
    assert_int_equal(sys(r, access, "/to_d/", 0), 0);
    assert_int_equal(sys(r, access, "/to_f/", 0), -ENOTDIR);
}

static void test_unlinked_file_lives_while_open(void **state)
{
    struct fs_rig *r = *state;
    char data[8] = {0};
    struct stat st;
    long fd;

    rig_put(r, "/f", "still");
    fd = sys(r, open, "/f", O_RDWR);
    assert_int_equal(sys(r, unlink, "/f"), 0);
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(sys(r, ftruncate, fd, 2), 0);
    assert_int_equal(sys(r, ftruncate, fd, 4), 0);
    assert_int_equal(sys(r, read, fd, data, 8), 4);
    assert_memory_equal(data, "st\0\0", 4);
    sys(r, close, fd);
}

/* A directory larger than the cache, made, read and removed with copies that wait. */
static void test_many_names(void **state)
{
    struct fs_rig *r = *state;
    struct fs_rig *s = calloc(1, sizeof *s);
    char name[80], entries[2000];
    long fd, n, seen = 0;

    rig_create(s, 32, 128);
    assert_int_equal(sys(s, mkdir, "/d", 0755), 0);
    for (int i = 0; i < 1200; i++) {
        snprintf(name, sizeof name, i % 2 ? "/d/f%d" : "/d/a-rather-long-name-that-the-name-cache-does-not-keep-%d", i);
        fd = sys(s, open, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
        assert_int_equal(fd, 3);
        sys(s, close, fd);
    }
    s->f.wait_every = 5;
    fd = sys(s, open, "/d", O_RDONLY | O_DIRECTORY);
    while ((n = sys(s, getdents64, fd, entries, sizeof entries)) > 0)
        for (long at = 0; at < n; at += *(uint16_t *)(entries + at + 16))
            seen++;
    assert_int_equal(n, 0);
    assert_int_equal(seen, 1202);
    assert_int_equal(sys(s, lseek, fd, 0, SEEK_SET), 0);
    assert_int_equal(sys(s, getdents64, fd, entries, 10), -EINVAL);
    s->f.wait_every = 0;
    rig_check(s);
    for (int i = 0; i < 1200; i++) {
        snprintf(name, sizeof name, i % 2 ? "/d/f%d" : "/d/a-rather-long-name-that-the-name-cache-does-not-keep-%d", i);
        assert_int_equal(sys(s, unlink, name), 0);
    }
    sys(s, close, fd);
    assert_int_equal(sys(s, rmdir, "/d"), 0);
    rig_destroy(s);
    free(s);
    (void)r;
}

static void test_working_directory(void **state)
{
    struct fs_rig *r = *state;
    char path[64];
    long fd;

    assert_int_equal(sys(r, getcwd, path, sizeof path), 2);
    assert_string_equal(path, "/");
    assert_int_equal(sys(r, mkdir, "/a", 0755), 0);
    assert_int_equal(sys(r, mkdir, "a/bc", 0755), 0);
    assert_int_equal(sys(r, chdir, "a/bc"), 0);
    assert_int_equal(sys(r, getcwd, path, sizeof path), 6);
    assert_string_equal(path, "/a/bc");
    assert_int_equal(sys(r, getcwd, path, 5), -ERANGE);
    rig_put(r, "here", "x");
    rig_expect(r, "/a/bc/here", "x");
    fd = sys(r, open, "/a", O_RDONLY | O_DIRECTORY);
    assert_int_equal(sys(r, openat, fd, "bc/here", O_RDONLY), fd + 1);
    assert_int_equal(sys(r, openat, fd + 1, "bc/here", O_RDONLY), -ENOTDIR);
    assert_int_equal(sys(r, openat, 77, "bc/here", O_RDONLY), -EBADF);
    assert_int_equal(sys(r, fchdir, fd), 0);
    assert_int_equal(sys(r, getcwd, path, sizeof path), 3);
    assert_int_equal(sys(r, unlinkat, fd, "bc/here", 0), 0);
    assert_int_equal(sys(r, unlinkat, fd, "bc", AT_REMOVEDIR), 0);
    sys(r, close, fd);
    sys(r, close, fd + 1);
    assert_int_equal(sys(r, chdir, "/"), 0);
}

static void test_removed_working_directory(void **state)
{
    struct fs_rig *r = *state;
    char path[64];

    assert_int_equal(sys(r, mkdir, "/gone", 0755), 0);
    assert_int_equal(sys(r, chdir, "/gone"), 0);
    assert_int_equal(sys(r, rmdir, "/gone"), 0);
    assert_int_equal(sys(r, getcwd, path, sizeof path), -ENOENT);
    assert_int_equal(sys(r, open, "x", O_CREAT | O_WRONLY, 0600), -ENOENT);
    assert_int_equal(sys(r, mkdir, "x", 0700), -ENOENT);
    assert_int_equal(sys(r, chdir, ".."), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_directories),
        T(test_names_too_long),
        T(test_links),
        T(test_rename),
        T(test_slash_at_the_end),
        T(test_unlinked_file_lives_while_open),
        T(test_many_names),
        T(test_working_directory),
        T(test_removed_working_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
