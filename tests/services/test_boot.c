/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_boot.c: what process 1 is given and what its end means, and that the last steps wait as long as
 * they must.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "services/boot/boot.h"
#include "services/requests.h"

struct memory {
    size_t live;
    bool none;
};

static void *memory_alloc(void *ctx, size_t bytes)
{
    struct memory *memory = ctx;

    if (memory->none)
        return NULL;
    memory->live += bytes;
    return calloc(1, bytes);
}

static void memory_free(void *ctx, void *block, size_t bytes)
{
    ((struct memory *)ctx)->live -= bytes;
    free(block);
}

static struct memory memory;
static const struct host host = {.ctx = &memory, .alloc = memory_alloc, .free = memory_free};

static void expect_strings(const char *text, size_t bytes, uint32_t argc, uint32_t envc, const char *const *expected)
{
    static struct boot_info boot;
    const char **array;

    boot.argc = argc;
    boot.envc = envc;
    memcpy(boot.text, text, bytes);
    array = boot_arguments(&host, &boot);
    assert_non_null(array);
    for (uint32_t i = 0; i < argc; i++)
        assert_string_equal(array[i], *expected++);
    assert_null(array[argc]);
    for (uint32_t i = 0; i < envc; i++)
        assert_string_equal(array[argc + 1 + i], *expected++);
    assert_null(array[argc + 1 + envc]);
    boot_arguments_free(&host, &boot, array);
    assert_int_equal(memory.live, 0);
}

static void arguments_and_environment_follow_the_path(void **state)
{
    static const char text[] = "/bin/p\0p\0-x\0\0A=1\0B=", alone[] = "/bin/p";

    expect_strings(text, sizeof text, 3, 2, (const char *const[]){"p", "-x", "", "A=1", "B="});
    expect_strings(text, sizeof text, 0, 1, (const char *const[]){"p"});
    expect_strings(text, sizeof text, 1, 0, (const char *const[]){"p"});
    expect_strings(alone, sizeof alone, 0, 0, NULL);
}

static void without_memory_there_is_no_process(void **state)
{
    static const struct boot_info boot = {.text = "/bin/p", .argc = 0};

    memory.none = true;
    assert_null(boot_arguments(&host, &boot));
    boot_arguments_free(&host, &boot, NULL);
    assert_int_equal(boot_program(&host, &boot, NULL, NULL, NULL), -ENOMEM);
    memory.none = false;
}

static void statuses_are_a_shells(void **state)
{
    assert_int_equal(boot_failure_status(-ENOENT), 127);
    assert_int_equal(boot_failure_status(-EACCES), 126);
    assert_int_equal(boot_exit_status(0), 0);
    assert_int_equal(boot_exit_status(3 << 8), 3);
    assert_int_equal(boot_exit_status(9), 137);
    assert_int_equal(boot_exit_status(11 | 0x80), 139); /* with a core dump */
}

/* ---- the end ---- */

static struct {
    unsigned syncs, drains, sleeps;
    bool drained_early;
} end;

static long sync_in_three(void *self, struct call *call)
{
    return ++end.syncs < 3 ? call_wait(call, 1, CALL_FOREVER) : -EIO;
}

static long drain_in_two(void *self, struct request *rq)
{
    assert_int_equal(rq->op, TTY_DRAIN);
    end.drained_early |= end.syncs < 3;
    return ++end.drains < 2 ? call_wait(rq->call, 2, CALL_FOREVER) : 0;
}

static void count_sleep(const struct call *call)
{
    assert_int_equal(call->channel, end.drains ? 2 : 1);
    end.sleeps++;
}

static void the_end_waits_for_disk_then_output(void **state)
{
    static call_op *const calls[CALL_TABLE_END] = {[CALL_SYNC_ALL] = sync_in_three};
    struct service fs = {.calls = calls}, tty = {.request = drain_in_two};

    boot_finish(&fs, &tty, count_sleep);
    assert_int_equal(end.syncs, 3);
    assert_int_equal(end.drains, 2);
    assert_int_equal(end.sleeps, 3);
    assert_false(end.drained_early);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_and_environment_follow_the_path),
        cmocka_unit_test(without_memory_there_is_no_process),
        cmocka_unit_test(statuses_are_a_shells),
        cmocka_unit_test(the_end_waits_for_disk_then_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
