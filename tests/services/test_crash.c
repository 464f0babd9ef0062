/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_crash.c: the power goes at the worst moment.
 *
 * A workload of calls that each change the tree atomically runs twice. The first time the tree's digest is taken after
 * every call. The second time the disk records its writes; then, for every k, a disk with only the first k of them (the
 * next one torn, or those since the last flush shuffled and partly lost) is mounted. It must mount and pass
 * mkfs_check, and the tree must be one that existed: not older than the last completed fsync, not newer than
 * the call that was being made.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/services/fs_rig.h"

#define STEPS 1400
#define DISK_MIB 2

struct history {
    uint64_t digest[STEPS + 1];      /* after so many steps */
    size_t begin[STEPS], end[STEPS]; /* of the record, around each step */
    bool durable[STEPS];
    struct fs_rig rig; /* the second run; stopped without a last sync */
    uint8_t *base;     /* the disk before it */
};

/* ---- the workload ---- */

static const char *const names[] = {"/a",   "/b",     "/d", "/d/a", "/d/b",
                                    "/d/e", "/d/e/a", "/e", "/e/x", "/long-name-number-one-that-fills-directories"};

static const char *name(uint64_t *seed)
{
    return names[fake_random(seed) % (sizeof names / sizeof *names)];
}

/* Adds to a file's end without crossing a block's, so that it is one transaction; whole blocks also past the cache. */
static void append(struct fs_rig *r, const char *path, uint64_t *seed)
{
    char data[4096];
    struct stat st;
    long fd = sys(r, open, path, O_WRONLY | O_APPEND);
    size_t n;

    if (fd < 0)
        return;
    assert_int_equal(sys(r, fstat, fd, &st), 0);
    n = 4096 - (size_t)st.st_size % 4096;
    n = fake_random(seed) % 2 ? n : fake_random(seed) % n + 1;
    memset(data, 'a' + (int)(fake_random(seed) % 26), n);
    if (n == sizeof data && data[0] % 2)
        rig_extend(r, fd, data, n);
    else
        sys(r, write, fd, data, n);
    sys(r, close, fd);
}

/* Shrinks to whole blocks only: a block that is cut and then written again is overwritten in place, as by pwrite, and
 * such data is not part of a transaction (nor is it on Linux). */
static void truncate_one(struct fs_rig *r, const char *path, uint64_t size)
{
    struct stat st;

    if (sys(r, stat, path, &st))
        return;
    sys(r, truncate, path, (long)size < st.st_size ? size & ~4095ull : size);
}

static void sync_one(struct fs_rig *r, const char *path)
{
    long fd = sys(r, open, path, O_RDONLY);

    if (fd < 0) {
        assert_int_equal(sys(r, sync), 0);
        return;
    }
    assert_int_equal(sys(r, fsync, fd), 0);
    sys(r, close, fd);
}

/* One step. true: when it returns, everything so far is durable. A file with fsync: only what was last changed there
 * has to be, so the step that counts as durable is sync. */
static bool step(struct fs_rig *r, uint64_t *seed)
{
    const char *path = name(seed), *other = name(seed);
    uint64_t what = fake_random(seed) % 20;
    long fd;

    switch (what) {
    case 0:
    case 1:
    case 2:
        fd = sys(r, open, path, O_CREAT | O_WRONLY, 0600 + what);
        if (fd >= 0)
            sys(r, close, fd);
        break;
    case 3:
        sys(r, mkdir, path, 0755);
        break;
    case 4:
        sys(r, rmdir, path);
        break;
    case 5:
        sys(r, unlink, path);
        break;
    case 6:
    case 7:
        sys(r, rename, path, other);
        break;
    case 8:
        sys(r, link, path, other);
        break;
    case 9:
        sys(r, symlink,
            fake_random(seed) % 2 ? "short" : "/a/target/of/more/than/fifty-six/bytes/goes/into/a/block/of/its/own",
            path);
        break;
    case 10:
        truncate_one(r, path, fake_random(seed) % 70000);
        break;
    case 11:
    case 16:
    case 17:
        assert_int_equal(sys(r, sync), 0);
        return true;
    case 12:
        sync_one(r, path);
        break;
    default:
        append(r, path, seed);
    }
    return false;
}

static uint64_t digest_of(const uint8_t *disk, size_t bytes, uint8_t *copy)
{
    struct mkfs *m;
    char why[256];
    uint64_t sum;

    memcpy(copy, disk, bytes);
    if (mkfs_open(&m, &fake_memory, copy, bytes))
        fail_msg("does not mount");
    if (mkfs_check(m, why, sizeof why))
        fail_msg("%s", why);
    sum = rig_digest(m);
    assert_int_equal(mkfs_close(m), 0);
    return sum;
}

static void first_run(struct history *h, uint64_t seed)
{
    struct fs_rig r;
    uint8_t *copy = malloc(DISK_MIB << 20);

    rig_create(&r, DISK_MIB, 0);
    h->digest[0] = digest_of(r.disk, r.bytes, copy);
    for (int i = 0; i < STEPS; i++) {
        step(&r, &seed);
        rig_sync(&r);
        h->digest[i + 1] = digest_of(r.disk, r.bytes, copy);
    }
    rig_destroy(&r);
    free(copy);
}

static void second_run(struct history *h, uint64_t seed, bool shuffle, long lose_every)
{
    struct fs_rig *r = &h->rig;

    rig_create(r, DISK_MIB, 0);
    rig_sync(r);
    h->base = malloc(r->bytes);
    memcpy(h->base, r->disk, r->bytes);
    r->f.record = true;
    r->f.shuffle = shuffle;
    r->f.lose_every = lose_every;
    for (int i = 0; i < STEPS; i++) {
        h->begin[i] = r->f.log_count;
        h->durable[i] = step(r, &seed);
        h->end[i] = r->f.log_count;
    }
}

static struct history *make_history(uint64_t seed, bool shuffle, long lose_every)
{
    struct history *h = calloc(1, sizeof *h);

    first_run(h, seed);
    second_run(h, seed, shuffle, lose_every);
    return h;
}

static void free_history(struct history *h)
{
    rig_unmount(&h->rig);
    fake_host_end(&h->rig.f);
    free(h->rig.disk);
    free(h->base);
    free(h);
}

/* ---- after the cut ---- */

/* Is this a tree that may be found after the first k writes? */
static bool possible(const struct history *h, size_t k, uint64_t digest)
{
    int first = 0, last = 0;

    for (int i = 0; i < STEPS; i++) {
        if (h->durable[i] && h->end[i] <= k)
            first = i + 1;
        if (h->begin[i] <= k)
            last = i + 1;
    }
    for (int i = first; i <= last; i++)
        if (h->digest[i] == digest)
            return true;
    return false;
}

static void verify(const struct history *h, size_t k, const uint8_t *disk, uint8_t *copy, const char *what)
{
    uint64_t digest = digest_of(disk, h->rig.bytes, copy);

    if (!possible(h, k, digest))
        fail_msg("cut at write %zu of %zu (%s): a tree that never was, or an old one", k, h->rig.f.log_count, what);
}

static void apply(uint8_t *disk, const struct fake_write *w, uint64_t bytes)
{
    if (!w->flush)
        memcpy(disk + w->at, w->data, bytes);
}

static void cut_everywhere(uint64_t seed, bool shuffle, long lose_every)
{
    struct history *h = make_history(seed, shuffle, lose_every);
    const struct fake_host *f = &h->rig.f;
    size_t bytes = h->rig.bytes;
    uint8_t *disk = malloc(bytes), *torn = malloc(bytes), *copy = malloc(bytes);

    memcpy(disk, h->base, bytes);
    assert_true(f->log_count > 400);
    assert_true(!lose_every || f->losses > 50);
    for (size_t k = 0; k <= f->log_count; k++) {
        verify(h, k, disk, copy, "clean");
        if (k == f->log_count)
            break;
        if (f->log[k].bytes > 512) {
            memcpy(torn, disk, bytes);
            apply(torn, &f->log[k], (fake_random(&seed) % (f->log[k].bytes / 512)) * 512);
            verify(h, k, torn, copy, "torn");
        }
        apply(disk, &f->log[k], f->log[k].bytes);
    }
    free(disk);
    free(torn);
    free(copy);
    free_history(h);
}

static void test_cut_before_every_write(void **state)
{
    cut_everywhere(11, false, 0);
    cut_everywhere(12, false, 0);
}

static void test_cut_with_requests_out_of_order(void **state)
{
    cut_everywhere(13, true, 0);
}

/* Before the power goes, the driver has died many times, and what it had in flight was begun again. */
static void test_cut_after_deaths_of_the_driver(void **state)
{
    cut_everywhere(14, false, 20);
    cut_everywhere(15, true, 20);
}

/* Everything up to the last flush is there; of what came after it, any part in any order. */
static void lose_some(const struct history *h, size_t k, uint64_t *seed, uint8_t *disk)
{
    const struct fake_host *f = &h->rig.f;
    size_t from = 0, n;

    for (size_t i = 0; i < k; i++)
        if (f->log[i].flush)
            from = i;
    memcpy(disk, h->base, h->rig.bytes);
    for (size_t i = 0; i < from; i++)
        apply(disk, &f->log[i], f->log[i].bytes);
    n = k - from;
    for (size_t tries = 0; n && tries < n; tries++) {
        const struct fake_write *w = &f->log[from + fake_random(seed) % n];

        if (!w->flush)
            apply(disk, w, fake_random(seed) % 4 ? w->bytes : fake_random(seed) % (w->bytes / 512 + 1) * 512);
    }
}

static void test_unflushed_writes_are_lost(void **state)
{
    uint64_t seed = 99;
    uint8_t *disk = malloc(DISK_MIB << 20), *copy = malloc(DISK_MIB << 20);

    for (int round = 0; round < 3; round++) {
        struct history *h = make_history(20 + (uint64_t)round, round == 2, 0);

        for (int i = 0; i < 300; i++) {
            size_t k = fake_random(&seed) % (h->rig.f.log_count + 1);

            lose_some(h, k, &seed, disk);
            verify(h, k, disk, copy, "reordered");
        }
        free_history(h);
    }
    free(disk);
    free(copy);
}

/* ---- a crash while recovering from a crash ---- */

static void recover_and_cut(const struct history *h, const uint8_t *crashed, uint64_t digest, uint8_t *copy)
{
    struct fs_rig r = {.bytes = h->rig.bytes};
    uint8_t *disk = malloc(r.bytes);

    r.disk = malloc(r.bytes);
    memcpy(r.disk, crashed, r.bytes);
    memcpy(disk, crashed, r.bytes);
    fake_host_init(&r.f, r.disk, r.bytes);
    r.f.record = true;
    rig_mount(&r);
    for (size_t i = 0; i < r.f.log_count; i++) {
        apply(disk, &r.f.log[i], r.f.log[i].bytes);
        assert_int_equal(digest_of(disk, r.bytes, copy), digest);
    }
    rig_unmount(&r);
    fake_host_end(&r.f);
    free(r.disk);
    free(disk);
}

static void test_cut_during_recovery(void **state)
{
    struct history *h = make_history(31, false, 0);
    size_t bytes = h->rig.bytes;
    uint8_t *disk = malloc(bytes), *copy = malloc(bytes);

    memcpy(disk, h->base, bytes);
    for (size_t k = 0; k < h->rig.f.log_count; k++) {
        if (k % 29 == 28)
            recover_and_cut(h, disk, digest_of(disk, bytes, copy), copy);
        apply(disk, &h->rig.f.log[k], h->rig.f.log[k].bytes);
    }
    free(disk);
    free(copy);
    free_history(h);
}

/* ---- bytes written over old ones ---- */

#define DB_BLOCKS 40
#define DB_ROUNDS 60

struct stamps {
    uint64_t value[DB_BLOCKS];
};

/* Each block holds its last stamp throughout. Which stamps were durable, and which written, when the record was so
 * long. */
static void overwrite(struct fs_rig *r, struct stamps *durable, struct stamps *written, size_t *at)
{
    struct stamps now = {{0}};
    uint64_t data[512], seed = 5;
    long fd = sys(r, open, "/db", O_CREAT | O_RDWR, 0600);

    for (int round = 0; round < DB_ROUNDS; round++) {
        for (int i = 0; i < 4; i++) {
            uint64_t block = fake_random(&seed) % DB_BLOCKS, stamp = (uint64_t)round * 4 + (uint64_t)i + 1;

            for (int w = 0; w < 512; w++)
                data[w] = stamp;
            assert_int_equal(sys(r, pwrite64, fd, data, 4096, block * 4096), 4096);
            now.value[block] = stamp;
        }
        written[round] = now;
        assert_int_equal(sys(r, fsync, fd), 0);
        durable[round] = now;
        at[round] = r->f.log_count;
    }
    sys(r, close, fd);
}

static void check_stamps(uint8_t *copy, size_t bytes, const struct stamps *least, const struct stamps *most)
{
    uint64_t data[512];
    struct mkfs *m;
    char why[256];

    assert_int_equal(mkfs_open(&m, &fake_memory, copy, bytes), 0);
    if (mkfs_check(m, why, sizeof why))
        fail_msg("%s", why);
    for (uint64_t b = 0; b < DB_BLOCKS; b++) {
        memset(data, 0, sizeof data);
        if (mkfs_read(m, "/db", b * 4096, data, 4096) <= 0)
            assert_true(!least || least->value[b] == 0);
        assert_true(!least || data[0] >= least->value[b]);
        assert_true(data[0] <= most->value[b]);
    }
    assert_int_equal(mkfs_close(m), 0);
}

static void test_synced_bytes_survive(void **state)
{
    static struct stamps durable[DB_ROUNDS], written[DB_ROUNDS];
    size_t at[DB_ROUNDS];
    struct fs_rig r;
    uint8_t *disk = malloc(DISK_MIB << 20), *copy = malloc(DISK_MIB << 20);
    int round = 0;

    rig_create(&r, DISK_MIB, 0);
    rig_sync(&r);
    memcpy(disk, r.disk, r.bytes);
    r.f.record = true;
    overwrite(&r, durable, written, at);
    for (size_t k = 0; k < r.f.log_count; k++) {
        while (round + 1 < DB_ROUNDS && at[round] <= k)
            round++;
        memcpy(copy, disk, r.bytes);
        check_stamps(copy, r.bytes, round ? &durable[round - 1] : NULL, &written[round]);
        apply(disk, &r.f.log[k], r.f.log[k].bytes);
    }
    rig_destroy(&r);
    free(disk);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_before_every_write),    cmocka_unit_test(test_cut_with_requests_out_of_order),
        cmocka_unit_test(test_unflushed_writes_are_lost), cmocka_unit_test(test_cut_during_recovery),
        cmocka_unit_test(test_synced_bytes_survive),      cmocka_unit_test(test_cut_after_deaths_of_the_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
