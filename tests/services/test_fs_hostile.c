/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_fs_hostile.c: programs that call with anything at all.
 *
 * Every call that fs implements, with arguments that are descriptors, flags, lengths, good, bad and odd addresses in no
 * order, by several processes that also fork and exit. Nothing may crash (run it with a sanitizer), every result is one
 * that Linux could give, and the disk stays consistent.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/services/fs_rig.h"

#define ROUNDS 60000
#define ARENA (1u << 18)
#define PROCESSES 5

static const uint32_t calls[] = {
#define OPERATION(call, function) CALL_##call,
#include "services/fs/operations.def"
#undef OPERATION
};

/* What a program may pass: paths, structures and buffers are all somewhere in the arena. */
static uint64_t argument(const uint8_t *arena, uint64_t *seed)
{
    static const uint64_t odd[] = {0,         1,          2,    (uint64_t)-1, (uint64_t)-100, 1ull << 63,
                                   INT64_MAX, UINT32_MAX, 4095, 4096,         65536};
    uint64_t r = fake_random(seed);

    switch (fake_random(seed) % 8) {
    case 0:
        return odd[r % (sizeof odd / sizeof *odd)];
    case 1:
        return r % 12;
    case 2:
        return 1ull << r % 64;
    case 3:
        return r % 100000;
    case 4:
        return P(arena) + ARENA - r % 5000; /* near the end */
    case 5:
        return P(arena) + r % ARENA;
    default:
        return P(arena) + r % 32 * 64; /* a path */
    }
}

static void write_paths(uint8_t *arena, uint64_t *seed)
{
    static const char *const parts[] = {"a",        "b",       "/",         "..",        ".",
                                        "dev/null", "dev/tty", "dev/stdin", "/dev/zero", "long-long-long-name"};

    for (int i = 0; i < 32; i++) {
        char *at = (char *)arena + i * 64;

        snprintf(at, 64, "%s%s%s", parts[fake_random(seed) % 10], fake_random(seed) % 2 ? "/" : "",
                 parts[fake_random(seed) % 10]);
    }
}

static bool waits_by_nature(uint32_t nr)
{
    return nr == CALL_poll || nr == CALL_ppoll || nr == CALL_select || nr == CALL_pselect6 || nr == CALL_flock ||
           nr == CALL_fcntl || nr == CALL_read || nr == CALL_readv || nr == CALL_write || nr == CALL_writev ||
           nr == CALL_pread64 || nr == CALL_preadv || nr == CALL_sendfile;
}

static void one_call(struct fs_rig *r, uint8_t *arena, uint64_t *seed)
{
    struct call call = {.nr = calls[fake_random(seed) % (sizeof calls / sizeof *calls)],
                        .pid = 1 + (int)(fake_random(seed) % PROCESSES)};
    long result;

    for (int i = 0; i < 6; i++)
        call.arg[i] = argument(arena, seed);
    if (fake_random(seed) % 2)
        call.arg[0] = fake_random(seed) % 12; /* more often a descriptor */
    r->f.output_bytes = 0;
    result = fake_run(&r->f, &r->service, &call);
    if (result == CALL_WAIT) {
        assert_true(waits_by_nature(call.nr));
        call.flags = CALL_INTERRUPTED;
        result = fake_run(&r->f, &r->service, &call);
    }
    assert_true(result >= -4095 || result == CALL_WAIT);
    assert_int_not_equal(result, -EUCLEAN);
}

static void fork_or_exit(struct fs_rig *r, uint64_t *seed)
{
    struct call call = {.nr = CALL_fork, .pid = 1};
    struct request rq = {.service = SERVICE_FS, .pid = 2 + (int)(fake_random(seed) % (PROCESSES - 1)), .call = &call};

    rq.op = FS_EXIT;
    r->service.request(r->service.self, &rq);
    rq.op = FS_FORK;
    rq.arg[0] = 1;
    assert_int_equal(r->service.request(r->service.self, &rq), 0);
}

static void hostile(uint64_t seed, long wait_every)
{
    uint8_t *arena = aligned_alloc(4096, ARENA);
    struct fs_rig r;

    memset(arena, 0, ARENA);
    rig_create(&r, 4, 128);
    r.f.low = P(arena);
    r.f.high = P(arena) + ARENA;
    r.f.wait_every = wait_every;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 50 == 0)
            write_paths(arena, &seed);
        if (i % 400 == 399)
            fork_or_exit(&r, &seed);
        one_call(&r, arena, &seed);
    }
    r.f.wait_every = 0;
    r.f.high = 0;
    rig_destroy(&r);
    free(arena);
}

static void test_anything(void **state)
{
    hostile(1, 0);
    hostile(2, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
