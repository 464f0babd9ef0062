/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs_disk.c: folders of the host onto a simulated disk and back (sim/files/disk.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/fs/mkfs.h"
#include "sim/files/disk.h"
#include "tests/services/fake_host.h"

struct folder {
    char path[64];
};

static void shell(const char *format, const char *path)
{
    char command[1024];

    snprintf(command, sizeof command, format, path, path, path);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    struct folder *f = calloc(1, sizeof *f);

    strcpy(f->path, "/tmp/ringside-disk-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *f = *state;

    shell("chmod -R u+rwx %s && rm -rf %s", f->path);
    free(f);
    return 0;
}

static void test_there_and_back(void **state)
{
    struct folder *f = *state;
    char in[100], out[100];
    struct disk_spec spec = {.folder = in, .keep_times = true};
    struct disk_error error = {{0}};
    size_t bytes;
    void *disk;

    snprintf(in, sizeof in, "%s/in", f->path);
    snprintf(out, sizeof out, "%s/out", f->path);
    shell("mkdir -p %s/in/deep/er/still && cd %s/in && head -c 3000000 /dev/zero | tr '\\0' x > big && echo hi > "
          "deep/er/f && "
          "ln -s ../f deep/er/still/l && ln -s /nowhere/at/all/that/is/longer/than/what/fits/into/an/inode/itself "
          "dangling && : > empty && "
          "chmod 751 deep && chmod 4755 empty && touch -d @1000000000.5 deep/er/f && touch -d @1000000001 deep/er && "
          "mkfifo fifo && truncate -s 50M sparse",
          f->path);
    disk = disk_build(&spec, &bytes, &error);
    assert_string_equal(error.text, "");
    assert_non_null(disk);
    assert_true(disk_export(disk, bytes, out, &error));
    disk_free(disk, bytes);
    shell("cd %s && rm in/fifo && diff -r --no-dereference in out && (cd in && find . ! -name . -printf '%%P %%m %%T@ "
          "%%y %%l\\n' | sort) > a && "
          "(cd out && find . ! -name . -printf '%%P %%m %%T@ %%y %%l\\n' | sort) > b && grep -v ' l ' a > al && grep "
          "-v ' l ' b > bl && cmp al bl",
          f->path);
}

static void test_same_folder_same_disk(void **state)
{
    struct folder *f = *state;
    struct disk_spec spec = {.folder = f->path, .free_bytes = 1 << 20};
    struct disk_error error;
    size_t bytes, again;
    void *a, *b;

    shell("cd %s && mkdir z a && echo 1 > z/1 && echo 2 > a/2 && touch q w e r t y", f->path);
    a = disk_build(&spec, &bytes, &error);
    shell("cd %s && touch z/1 && mv q x && mv x q", f->path);
    b = disk_build(&spec, &again, &error);
    assert_int_equal(bytes, again);
    assert_memory_equal(a, b, bytes);
    disk_free(a, bytes);
    disk_free(b, again);
}

static void test_extra_files(void **state)
{
    struct folder *f = *state;
    const struct disk_file files[] = {
        {"/bin/prog", "new program", 11, 0755},
        {"/a/b/c/d", "", 0, 0600},
    };
    struct disk_spec spec = {.folder = f->path, .files = files, .file_count = 2};
    struct disk_error error = {{0}};
    size_t bytes;
    void *disk;
    char out[100];

    shell("cd %s && mkdir bin && echo old > bin/prog && echo keep > bin/other", f->path);
    disk = disk_build(&spec, &bytes, &error);
    assert_string_equal(error.text, "");
    snprintf(out, sizeof out, "%s/out", f->path);
    assert_true(disk_export(disk, bytes, out, &error));
    shell("cd %s && test \"$(cat out/bin/prog)\" = 'new program' && test \"$(cat out/bin/other)\" = keep && test -f "
          "out/a/b/c/d && "
          "test -x out/bin/prog && ! test -e out/dev && ! test -e out/tmp && test \"$(cat bin/prog)\" = old",
          f->path);
    disk_free(disk, bytes);
}

/* Each slice is the disk, and what is done to one does not show in another. */
static void test_slices(void **state)
{
    struct folder *f = *state;
    struct disk_spec spec = {.folder = f->path, .free_bytes = 1 << 20};
    struct disk_error error = {{0}};
    char out[2][100];
    size_t bytes;
    void *disk, *three;

    shell("cd %s && echo one > f", f->path);
    disk = disk_build(&spec, &bytes, &error);
    three = disk_repeat(disk, bytes, 3, &error);
    assert_non_null(three);
    for (unsigned i = 0; i < 3; i++)
        assert_memory_equal(disk_slice(three, 3 * bytes, 3, i), disk, bytes);
    memset(disk_slice(three, 3 * bytes, 3, 1), 0, bytes);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(out[i], sizeof out[i], "%s/out%u", f->path, i);
        assert_true(disk_export(disk_slice(three, 3 * bytes, 3, 2 * i), bytes, out[i], &error));
    }
    assert_false(disk_export(disk_slice(three, 3 * bytes, 3, 1), bytes, out[0], &error));
    shell("cd %s && cmp f out0/f && cmp f out1/f", f->path);
    disk_free(three, 3 * bytes);
    disk_free(disk, bytes);
}

static void test_many_small_files(void **state)
{
    struct folder *f = *state;
    struct disk_spec spec = {.folder = f->path, .free_bytes = 1 << 20};
    struct disk_error error = {{0}};
    struct mkfs *m;
    size_t bytes;
    char why[256];
    void *disk;

    shell("cd %s && for d in 1 2 3 4; do mkdir $d; for i in $(seq 600); do echo $i > $d/file$i; done; done", f->path);
    disk = disk_build(&spec, &bytes, &error);
    assert_string_equal(error.text, "");
    assert_non_null(disk);
    assert_int_equal(mkfs_open(&m, &fake_memory, disk, bytes), 0);
    assert_int_equal(mkfs_check(m, why, sizeof why), 0);
    mkfs_close(m);
    disk_free(disk, bytes);
}

static void test_errors_are_one_line(void **state)
{
    struct folder *f = *state;
    struct disk_spec spec = {.folder = "/does/not/exist"};
    struct disk_error error = {{0}};
    char zero[8192] = {0};
    size_t bytes;
    void *disk;

    assert_null(disk_build(&spec, &bytes, &error));
    assert_string_equal(error.text, "/does/not/exist: No such file or directory");
    assert_false(disk_export(zero, sizeof zero, f->path, &error));
    assert_non_null(strstr(error.text, "damaged"));
    spec.folder = NULL;
    disk = disk_build(&spec, &bytes, &error);
    assert_false(disk_export(disk, bytes, "/proc/none/x", &error));
    disk_free(disk, bytes);
    assert_non_null(strstr(error.text, "/proc/none/x: "));
    assert_null(strchr(error.text, '\n'));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_there_and_back),   T(test_same_folder_same_disk), T(test_extra_files),
        T(test_slices),           T(test_many_small_files),      T(test_errors_are_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
