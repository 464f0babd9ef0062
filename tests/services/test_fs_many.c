/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs_many.c: many processes at once, a cache too small for them, a disk that answers out of order.
 *
 * Each process works on a file of its own against a model, makes and removes names in a directory that all share, and
 * syncs. Its call is handed in again only when the very channel it waits for has been woken, so a wake-up that
 * fs forgets shows as a standstill. At the end the disk must be consistent and hold what the models say; and so it must
 * be (consistent) if the power goes at any time before, with any part of the writes since the last flush lost.
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

#define PROCESSES 10
#define STEPS 250
#define FILE_BYTES 200000

struct worker {
    struct call call;
    bool waiting;
    uint64_t seed;
    int step;
    long expect; /* result of the call, or -1: see check */
    uint8_t *model, *data;
    size_t size, at, n;
    long fd;
    bool made[4]; /* its names in the shared directory */
    char path[64];
};

static void begin(struct worker *w, uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, long expect)
{
    int pid = w->call.pid;

    w->call = (struct call){.nr = nr, .pid = pid, .arg = {a0, a1, a2, a3}};
    w->expect = expect;
}

static void begin_write(struct worker *w)
{
    w->at = fake_random(&w->seed) % FILE_BYTES;
    w->n = fake_random(&w->seed) % 30000 + 1;
    w->n = w->n < FILE_BYTES - w->at ? w->n : FILE_BYTES - w->at;
    memset(w->data, w->step | 1, w->n);
    memset(w->model + w->at, w->step | 1, w->n);
    w->size = w->at + w->n > w->size ? w->at + w->n : w->size;
    begin(w, CALL_pwrite64, (uint64_t)w->fd, P(w->data), w->n, w->at, (long)w->n);
}

static void begin_read(struct worker *w)
{
    w->at = fake_random(&w->seed) % FILE_BYTES;
    w->n = fake_random(&w->seed) % 30000 + 1;
    w->n = w->at >= w->size ? 0 : w->n < w->size - w->at ? w->n : w->size - w->at;
    begin(w, CALL_pread64, (uint64_t)w->fd, P(w->data), w->n + (w->n == 0), w->at, (long)w->n);
}

static void begin_truncate(struct worker *w)
{
    size_t size = fake_random(&w->seed) % FILE_BYTES;

    if (size < w->size)
        memset(w->model + size, 0, w->size - size);
    w->size = size;
    begin(w, CALL_ftruncate, (uint64_t)w->fd, size, 0, 0, 0);
}

/* Makes or removes one of its names: a directory, or a link to its file. */
static void begin_name(struct worker *w)
{
    unsigned which = fake_random(&w->seed) % 4;

    snprintf(w->path, sizeof w->path, "/shared/name-of-process-%d-number-%u", w->call.pid, which);
    if (which % 2)
        begin(w, w->made[which] ? CALL_rmdir : CALL_mkdir, P(w->path), 0700, 0, 0, 0);
    else
        begin(w, w->made[which] ? CALL_unlink : CALL_symlink, w->made[which] ? P(w->path) : P("somewhere"), P(w->path),
              0, 0, 0);
    w->made[which] = !w->made[which];
}

static void begin_next(struct worker *w)
{
    switch (fake_random(&w->seed) % 10) {
    case 0:
        begin_truncate(w);
        break;
    case 1:
        begin(w, CALL_fsync, (uint64_t)w->fd, 0, 0, 0, 0);
        break;
    case 2:
    case 3:
        begin_name(w);
        break;
    case 4:
    case 5:
    case 6:
        begin_write(w);
        break;
    default:
        begin_read(w);
    }
}

static void ended(struct worker *w, long result)
{
    if (result != w->expect)
        fail_msg("process %d, step %d, call %u: %ld instead of %ld", w->call.pid, w->step, w->call.nr, result,
                 w->expect);
    if (w->call.nr == CALL_pread64)
        assert_memory_equal(w->data, w->model + w->at, w->n);
    w->step++;
    if (w->step < STEPS)
        begin_next(w);
}

static bool hand_in(struct fs_rig *r, struct worker *w)
{
    long result = service_call(&r->service, &w->call);

    w->waiting = result == CALL_WAIT;
    if (!w->waiting)
        ended(w, result);
    return !w->waiting;
}

/* Completes a request and wakes exactly those that wait for it. */
static bool disk_step(struct fs_rig *r, struct worker *workers)
{
    if (!fake_disk_step(&r->f))
        return false;
    for (int i = 0; i < PROCESSES; i++) {
        struct worker *w = &workers[i];

        if (w->call.channel == CHANNEL(SERVICE_BLK, r->f.last_ticket) || w->call.channel == CHANNEL(SERVICE_BLK, 0))
            w->waiting = false;
    }
    return true;
}

/* Time-outs are over at once. */
static bool wake_timed(struct worker *workers)
{
    bool any = false;

    for (int i = 0; i < PROCESSES; i++)
        if (workers[i].waiting && workers[i].call.until != CALL_FOREVER) {
            workers[i].waiting = false;
            any = true;
        }
    return any;
}

static bool run_one(struct fs_rig *r, struct worker *workers, uint64_t *seed)
{
    int first = (int)(fake_random(seed) % PROCESSES);

    for (int i = 0; i < PROCESSES; i++) {
        struct worker *w = &workers[(first + i) % PROCESSES];

        if (!w->waiting && w->step < STEPS) {
            hand_in(r, w);
            return true;
        }
    }
    return false;
}

static bool finished(const struct worker *workers)
{
    for (int i = 0; i < PROCESSES; i++)
        if (workers[i].step < STEPS)
            return false;
    return true;
}

static void set_up_workers(struct fs_rig *r, struct worker *workers, uint64_t seed)
{
    assert_int_equal(sys(r, mkdir, "/shared", 0755), 0);
    for (int i = 0; i < PROCESSES; i++) {
        struct worker *w = &workers[i];

        memset(w, 0, sizeof *w);
        w->call.pid = i + 2;
        w->seed = seed + (uint64_t)i;
        w->model = calloc(1, FILE_BYTES);
        w->data = calloc(1, FILE_BYTES);
        snprintf(w->path, sizeof w->path, "/own%d", i);
        w->fd = fake_call(&r->f, &r->service, i + 2, CALL_open, P(w->path), O_CREAT | O_RDWR, 0600, 0, 0, 0);
        assert_int_equal(w->fd, 0);
        begin_next(w);
    }
}

static void check_files(struct fs_rig *r, struct worker *workers)
{
    for (int i = 0; i < PROCESSES; i++) {
        struct worker *w = &workers[i];

        memset(w->data, 0, FILE_BYTES);
        assert_int_equal(fake_call(&r->f, &r->service, w->call.pid, CALL_pread64, 0, P(w->data), FILE_BYTES, 0, 0, 0),
                         w->size);
        assert_memory_equal(w->data, w->model, w->size);
        free(w->model);
        free(w->data);
    }
}

/* ---- power cuts ---- */

static void apply(uint8_t *disk, const struct fake_write *w)
{
    if (!w->flush)
        memcpy(disk + w->at, w->data, w->bytes);
}

static void check_disk(uint8_t *disk, size_t bytes, size_t cut)
{
    struct mkfs *m;
    char why[256];
    int r = mkfs_open(&m, &fake_memory, disk, bytes);

    if (r)
        fail_msg("cut at write %zu: does not mount: %d", cut, r);
    if (mkfs_check(m, why, sizeof why))
        fail_msg("cut at write %zu: %s", cut, why);
    assert_int_equal(mkfs_close(m), 0);
}

/* `base`: the disk before the record; it is brought forward to the last flush before each cut. */
static void cut_anywhere(const struct fake_host *f, uint8_t *base, size_t bytes, uint64_t seed)
{
    uint8_t *disk = malloc(bytes);
    size_t applied = 0;

    for (size_t k = 0; k < f->log_count; k++) {
        if (f->log[k].flush)
            for (; applied < k; applied++)
                apply(base, &f->log[applied]);
        if (fake_random(&seed) % (f->log_count / 150 + 1))
            continue;
        memcpy(disk, base, bytes);
        for (size_t i = applied; i < k; i++)
            if (fake_random(&seed) % 4)
                apply(disk, &f->log[applied + fake_random(&seed) % (k - applied)]);
        check_disk(disk, bytes, k);
    }
    free(disk);
}

static void many(uint64_t seed, size_t cache, unsigned depth, long wait_every, size_t mib)
{
    struct worker *workers = calloc(PROCESSES, sizeof *workers);
    uint8_t *base = malloc(mib << 20);
    struct fs_rig r;
    long turns = 0, waits = 0;

    rig_create(&r, mib, cache);
    set_up_workers(&r, workers, seed);
    rig_sync(&r);
    memcpy(base, r.disk, r.bytes);
    r.f.record = true;
    r.f.depth = depth;
    r.f.shuffle = true;
    r.f.wait_every = wait_every;
    while (!finished(workers)) {
        bool disk_first = fake_random(&seed) % 3 == 0;

        if (++turns > 20000000)
            fail_msg("they run for ever");
        for (int i = 0; i < PROCESSES; i++)
            waits += workers[i].waiting;
        if (disk_first && disk_step(&r, workers))
            continue;
        if (!run_one(&r, workers, &seed) && !disk_step(&r, workers) && !wake_timed(workers))
            fail_msg("standstill: all wait, and nothing is in flight");
        if (fake_random(&seed) % 16 == 0)
            wake_timed(workers);
    }
    assert_true(waits > turns); /* they did get in each other's way */
    r.f.wait_every = 0;
    check_files(&r, workers);
    free(workers);
    cut_anywhere(&r.f, base, r.bytes, seed);
    free(base);
    rig_destroy(&r);
}

static void test_small_cache(void **state)
{
    many(1, 128, 4, 0, 16);
    many(2, 128, 1, 0, 16);
}

static void test_copies_that_wait(void **state)
{
    many(3, 256, 8, 3, 16);
}

static void test_small_disk(void **state)
{
    many(4, 0, 16, 10, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_cache),
        cmocka_unit_test(test_copies_that_wait),
        cmocka_unit_test(test_small_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
