/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_exo_copier.c: the exokernel's specialised library (arch-exo/copier/): the work of the `copy` workload
 * without a copy of its data, counted by the machine against the default library and the monolithic kernel; and that
 * neither the program nor the disk can tell otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/arch/expect.h"

#define COPIER "exo:copier"
#define MOVED "build/programs/arch/moved"
#define FILE_BYTES (1 << 20) /* of one operation of `copy` */
#define PAGE 4096
#define DISK_MAX (16 << 20)

/* The workload on each of the three. */
struct runs {
    json_t *copier, *libos, *monolithic;
};

static int set_up(void **state)
{
    struct runs *r = calloc(1, sizeof *r);

    *r = (struct runs){record_run(COPIER " copy"), record_run("exo copy"), record_run("monolithic copy")};
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct runs *r = *state;

    json_decref(r->copier);
    json_decref(r->libos);
    json_decref(r->monolithic);
    free(r);
    return 0;
}

static double counted(json_t *run, const char *counter)
{
    return record_per_op(record_of(run, "copy"), counter);
}

/* `exec ARCH -- moved HOW`: its output, and its record's counter for one operation. */
static double moved(const char *arch, const char *how, const char *counter, char *text, size_t bytes)
{
    char command[256], path[] = "/tmp/ringside-moved-XXXXXX";
    json_t *record;
    double n = 0;

    close(mkstemp(path));
    snprintf(command, sizeof command, "build/ringside exec %s --json=%s -- " MOVED " %s 2>&1", arch, path, how);
    if (record_command(command, text, bytes) != 0 || strstr(text, "frames"))
        fail_msg("%s: %s", command, text);
    record = json_load_file(path, 0, NULL);
    assert_non_null(record);
    if (counter)
        n = record_per_op(json_array_get(json_object_get(record, "results"), 0), counter);
    json_decref(record);
    unlink(path);
    return n;
}

/* ---- counts ---- */

/* What is left are the names of two files and what the journal writes, which is the same everywhere. */
static void expect_no_payload(json_t *copier, json_t *other)
{
    const double pages = FILE_BYTES / PAGE;

    assert_true(counted(other, "copies") - counted(copier, "copies") == 2 * pages);
    assert_true(counted(other, "bytes_copied") - counted(copier, "bytes_copied") == 2.0 * FILE_BYTES);
}

static void test_copy(void **state)
{
    const struct runs *r = *state;

    expect_no_payload(r->copier, r->libos);
    expect_no_payload(r->copier, r->monolithic);
    assert_true(counted(r->copier, "bytes_copied") < FILE_BYTES / 32);
    assert_true(counted(r->copier, "context_switches") == 0);
    assert_true(8 * counted(r->copier, "cycles") < counted(r->libos, "cycles"));
    assert_true(8 * counted(r->copier, "cycles") < counted(r->monolithic, "cycles"));
}

/* 64 KiB from one file to another: reads and writes alone. */
static void test_data(void **state)
{
    char text[1024];

    (void)state;
    assert_true(moved(COPIER, "data", "copies", text, sizeof text) == 0);
    assert_true(moved(COPIER, "data", "bytes_copied", text, sizeof text) == 0);
    assert_true(moved("exo", "data", "copies", text, sizeof text) == 32);
    assert_true(moved("monolithic", "data", "bytes_copied", text, sizeof text) == 2 * 65536);
}

/* Simulated time, the disk's included; deterministic. */
static void test_overlap(void **state)
{
    char copier[1024], libos[1024], monolithic[1024];

    (void)state;
    moved(COPIER, "time", NULL, copier, sizeof copier);
    moved("exo", "time", NULL, libos, sizeof libos);
    moved("monolithic", "time", NULL, monolithic, sizeof monolithic);
    assert_true(atol(copier) > 0);
    assert_true(2 * atol(copier) < atol(libos));
    assert_true(2 * atol(copier) < atol(monolithic));
}

/* ---- nobody can tell ---- */

static void expect_same(const char *how)
{
    char command[256], native[1024], guest[1024];

    snprintf(command, sizeof command,
             "d=$(mktemp -d) && m=$PWD/" MOVED " && (cd $d && $m %s 2>&1); r=$?; rm -rf $d; exit $r", how);
    assert_int_equal(record_command(command, native, sizeof native), 0);
    snprintf(command, sizeof command, "build/ringside exec " COPIER " --model count -- " MOVED " %s 2>&1", how);
    assert_int_equal(record_command(command, guest, sizeof guest), 0);
    assert_string_equal(guest, native);
}

static void test_as_native(void **state)
{
    (void)state;
    expect_same("check 1");
    expect_same("check 2");
    expect_same("check 3");
    expect_same("data");
    expect_same("memory");
}

/* The disk that it leaves is as another architecture would have left it. */
static void test_files(void **state)
{
    char text[1024];

    (void)state;
    assert_int_equal(record_command("d=$(mktemp -d) && "
                                    "build/ringside exec " COPIER " --model count --save $d/copier -- " MOVED
                                    " data && "
                                    "build/ringside exec monolithic --model count --save $d/plain -- " MOVED " data && "
                                    "cmp $d/copier/moved.from $d/copier/moved.to && diff -r $d/copier $d/plain; "
                                    "r=$?; rm -rf $d; exit $r",
                                    text, sizeof text),
                     0);
}

/* ---- the power goes ---- */

static size_t read_whole(const char *folder, const char *name, char **data)
{
    char path[64];
    FILE *file;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    *data = calloc(1, DISK_MAX);
    file = fopen(path, "r");
    n = file ? fread(*data, 1, DISK_MAX, file) : 0;
    if (file)
        fclose(file);
    return n;
}

/* Whole pages of what was copied, no other, and at least as many as were said to be durable. */
static size_t check_disk(const char *folder, const char *said, unsigned ms)
{
    const char *last = strrchr(said, '\n');
    char *from, *to;
    size_t source = read_whole(folder, "moved.from", &from), bytes = read_whole(folder, "moved.to", &to);

    while (last && last > said && last[-1] != '\n')
        last--;
    if (bytes % PAGE || (last && bytes < strtoul(last, NULL, 10)))
        fail_msg("cut at %u ms: %zu bytes, said: %s", ms, bytes, said);
    for (size_t i = 0; i < bytes; i++)
        if (from[i % source] != to[i])
            fail_msg("cut at %u ms: byte %zu of %zu was never written", ms, i, bytes);
    free(from);
    free(to);
    return bytes;
}

static size_t cut_at(unsigned ms)
{
    char command[256], said[4096], folder[] = "/tmp/ringside-cut-XXXXXX", disk[64];
    size_t bytes;

    assert_non_null(mkdtemp(folder));
    snprintf(disk, sizeof disk, "%s/disk", folder);
    snprintf(command, sizeof command,
             "build/ringside exec " COPIER " --time-limit %u --save %s -- " MOVED " durable 2>/dev/null", ms, disk);
    record_command(command, said, sizeof said);
    bytes = check_disk(disk, said, ms);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(record_command(command, said, sizeof said), 0);
    return bytes;
}

static void test_power_cuts(void **state)
{
    size_t bytes, last = 0;
    unsigned sizes = 0;

    (void)state;
    for (unsigned ms = 9; ms < 36; ms++, last = bytes) {
        bytes = cut_at(ms);
        sizes += bytes != last;
    }
    assert_true(sizes > 12);
}

/* ---- all workloads, and ends ---- */

static bool is_applicable(json_t *run, const char *workload)
{
    return !json_is_true(json_object_get(record_of(run, workload), "not_applicable"));
}

static void test_not_applicable(void **state)
{
    static const char *const one_process[] = {"null", "read", "write", "stat", "open", "fault", "prot", "copy", "sqlite"};
    static const char *const several[] = {"pipe", "pipe-bw", "ctx", "ipc", "fork", "exec", "shell"};
    json_t *run = record_run(COPIER " --model count");

    (void)state;
    for (size_t i = 0; i < sizeof one_process / sizeof one_process[0]; i++)
        assert_true(is_applicable(run, one_process[i]));
    for (size_t i = 0; i < sizeof several / sizeof several[0]; i++)
        assert_false(is_applicable(run, several[i]));
    json_decref(run);
}

static void test_clean(void **state)
{
    (void)state;
    expect_clean(COPIER);
}

static void test_ends(void **state)
{
    (void)state;
    expect_end(COPIER, "segv", 139);
    expect_end(COPIER, "abort", 134);
    expect_end(COPIER, "kill", 137);
    expect_end(COPIER, "exit-300", 300 & 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),      cmocka_unit_test(test_data),  cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_as_native), cmocka_unit_test(test_files), cmocka_unit_test(test_not_applicable),
        cmocka_unit_test(test_clean),     cmocka_unit_test(test_ends),  cmocka_unit_test(test_power_cuts),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
