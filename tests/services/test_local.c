/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_local.c: calls in a placement that has all services in its own domain: where numbers lead, how
 * often a call is handed in, what of a payload can be had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/local.h"
#include "tests/services/fake_world.h"

#define SELF(n) ((void *)(uintptr_t)(n))

static long by_fs(void *self, struct call *call)
{
    return 1;
}

static long by_vm(void *self, struct call *call)
{
    return 2;
}

static long unknown(void *self, struct call *call)
{
    return -ENOSYS;
}

static call_op *const fs_calls[CALL_TABLE_END] = {
    [CALL_read] = by_fs, [CALL_mmap] = by_fs, [CALL_SYNC_ALL] = by_fs, [CALL_FAULT] = by_fs};
static call_op *const vm_calls[CALL_TABLE_END] = {[CALL_mmap] = by_vm, [CALL_FAULT] = by_vm, [CALL_SYNC_ALL] = by_vm};

static void expect_route(const struct route *routes, uint32_t number, call_op *op, void *self)
{
    assert_ptr_equal(local_route(routes, number)->op, op);
    assert_ptr_equal(local_route(routes, number)->self, self);
}

/* Each number is one service's, whatever else the others' tables hold. */
static void numbers_lead_to_their_service(void **state)
{
    static struct route routes[ROUTES];
    const struct service services[SERVICE_COUNT] = {[SERVICE_FS] = {.self = SELF(10), .calls = fs_calls},
                                                    [SERVICE_VM] = {.self = SELF(20), .calls = vm_calls}};

    local_routes(routes, services, unknown);
    expect_route(routes, CALL_read, by_fs, SELF(10));
    expect_route(routes, CALL_mmap, by_vm, SELF(20));
    expect_route(routes, CALL_FAULT, by_vm, SELF(20));
    expect_route(routes, CALL_SYNC_ALL, by_fs, SELF(10));
    expect_route(routes, CALL_write, unknown, NULL);  /* not in its service's table */
    expect_route(routes, CALL_getpid, unknown, NULL); /* a service that is not there */
    expect_route(routes, CALL_TABLE_END, unknown, NULL);
    expect_route(routes, UINT32_MAX, unknown, NULL);
}

static void a_call_is_its_callers_registers(void **state)
{
    const struct user_regs regs = {.rdi = 1, .rsi = 2, .rdx = 3, .r10 = 4, .r8 = 5, .r9 = 6};
    struct call call = {.flags = 9, .done = 9, .note = 9};

    local_call(&call, CALL_mmap, 7, &regs);
    assert_int_equal(call.nr, CALL_mmap);
    assert_int_equal(call.pid, 7);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(call.arg[i], i + 1);
    assert_int_equal(call.flags | call.done | call.note, 0);
}

static void who_dies_waits_no_more(void **state)
{
    const struct route route = {unknown, NULL};
    struct call call = {.nr = CALL_read};
    bool dying = false;

    assert_int_equal(local_complete(&route, &call, 5, NULL, &dying, NULL), 5);
    dying = true;
    assert_int_equal(local_complete(&route, &call, CALL_WAIT, NULL, &dying, NULL), CALL_WAIT);
}

/* ---- waiting ---- */

static struct {
    unsigned entered, slept;
    uint32_t flags[4];     /* as the call was handed in */
    bool interruptible[4]; /* of each sleep */
} wait;

static long wait_thrice(void *self, struct call *call)
{
    wait.flags[wait.entered++] = call->flags;
    return wait.entered < 3 ? call_wait(call, 1, 2) : 7;
}

static uint32_t sleep_out(uint64_t channel, uint64_t until, bool interruptible)
{
    wait.interruptible[wait.slept++] = interruptible;
    return CALL_TIMED_OUT;
}

static void complete_in_three(struct world *w)
{
    const struct route route = {wait_thrice, NULL};
    struct call call = {.nr = CALL_read, .pid = 1};
    bool dying = false;

    memset(&wait, 0, sizeof wait);
    assert_int_equal(local_complete(&route, &call, CALL_WAIT, w->proc, &dying, sleep_out), 7);
    assert_int_equal(wait.entered, 3);
}

static void a_call_is_handed_in_again_after_each_sleep(void **state)
{
    struct world *w = world_with_proc();

    complete_in_three(w);
    assert_int_equal(wait.slept, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(wait.flags[i], CALL_TIMED_OUT);
        assert_true(wait.interruptible[i]);
    }
    world_end(w);
}

/* Told of it, the service goes on waiting: deaf, and is told again afterwards. */
static void a_signal_interrupts_instead_of_a_sleep(void **state)
{
    struct world *w = world_with_proc();

    assert_int_equal(CALLS(w, 1, CALL_kill, 1, 15), 0);
    complete_in_three(w);
    assert_int_equal(wait.slept, 1);
    assert_false(wait.interruptible[0]);
    assert_int_equal(wait.flags[0], CALL_INTERRUPTED);
    assert_int_equal(wait.flags[1], CALL_TIMED_OUT);
    assert_int_equal(wait.flags[2], CALL_INTERRUPTED);
    world_end(w);
}

/* ---- services ---- */

static long answer(void *self, struct request *rq)
{
    return (long)(uintptr_t)self + rq->op;
}

static void services_ask_each_other(void **state)
{
    const struct service services[SERVICE_COUNT] = {[SERVICE_FS] = {.self = SELF(10), .request = answer}};

    assert_int_equal(local_ask(services, &(struct request){.service = SERVICE_FS, .op = 3}), 13);
    assert_int_equal(local_ask(services, &(struct request){.service = SERVICE_VM}), -ENOSYS);
    assert_int_equal(local_ask(services, &(struct request){.service = UINT16_MAX}), -ENOSYS);
}

static void a_payload_has_an_end(void **state)
{
    char data[8] = "abcdefg", part[8] = "";
    struct request rq = {.data = data, .size = 4};

    assert_int_equal(local_take(NULL, &rq, part, 2, 2), 0);
    assert_string_equal(part, "cd");
    assert_int_equal(local_give(NULL, &rq, 0, "xy", 2), 0);
    assert_string_equal(data, "xycdefg");
    assert_int_equal(local_take(NULL, &rq, part, 4, 0), 0);
    assert_int_equal(local_take(NULL, &rq, part, 2, 3), -EFAULT);
    assert_int_equal(local_take(NULL, &rq, part, 5, 0), -EFAULT);
    assert_int_equal(local_give(NULL, &rq, SIZE_MAX, "xy", 2), -EFAULT);
    assert_int_equal(local_give(NULL, &rq, 1, "xy", SIZE_MAX), -EFAULT);
    assert_string_equal(data, "xycdefg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_lead_to_their_service), cmocka_unit_test(a_call_is_its_callers_registers),
        cmocka_unit_test(who_dies_waits_no_more),        cmocka_unit_test(services_ask_each_other),
        cmocka_unit_test(a_payload_has_an_end),          cmocka_unit_test(a_call_is_handed_in_again_after_each_sleep),
        cmocka_unit_test(a_signal_interrupts_instead_of_a_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
