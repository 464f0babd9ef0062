/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_micro_server.c: calls in the servers' runtime: what waits, what wakes it, who is answered when, and
 * where payload comes from.
 */
#include "tests/arch/server/rig.h"

/* Waits for the time in the argument. */
static long sleeps(struct call *call)
{
    return call->flags & CALL_TIMED_OUT ? 3 : call_wait(call, 0, call->arg[0]);
}

static long ignores_interruption(struct call *call)
{
    return fake.open ? 1 : call_wait(call, CHANNEL_DOOR, CALL_FOREVER);
}

/* ---- calls ---- */

static void a_call_is_answered_with_the_wait(void **state)
{
    fake.behave = answers_argument;
    say_call(4, 10, 77);
    say_call(5, 11, 78);
    run();
    assert_int_equal(k.events, 2);
    expect(0, IPC_REPLY, 4, 77);
    expect(1, IPC_REPLY, 5, 78);
    assert_int_equal(fake.flags[0], 0);
}

static void a_number_that_no_service_has(void **state)
{
    say(LABEL(MSG_CALL, CALL_getpid, 4, 10), 0);
    say(LABEL(MSG_CALL, 0xffff, 5, 10), 0);
    run();
    expect(0, IPC_REPLY, 4, (uint64_t)-ENOSYS);
    expect(1, IPC_REPLY, 5, (uint64_t)-ENOSYS);
}

static void a_wait_ends_with_its_channel_and_who_wakes_is_answered_last(void **state)
{
    fake.behave = door;
    say_call(4, 10, 0);
    say_call(5, 11, 0);
    run();
    assert_int_equal(k.events, 0);
    say_call(6, 12, 1);
    run();
    assert_int_equal(k.events, 3);
    expect(0, IPC_REPLY, 4, 5);
    expect(1, IPC_REPLY, 5, 5);
    expect(2, IPC_REPLY, 6, 1);
}

static void another_servers_wake_reaches_all_that_wait_for_its_service(void **state)
{
    fake.behave = waits_for_disk;
    say_call(4, 10, 0);
    run();
    say_notify(NOTIFY_WAKE(SERVICE_TTY));
    run();
    assert_int_equal(fake.entered, 1);
    fake.open = 1;
    say_notify(NOTIFY_WAKE(SERVICE_BLK));
    run();
    assert_int_equal(k.events, 1);
    expect(0, IPC_REPLY, 4, 6);
}

static void deadlines(void **state)
{
    fake.behave = sleeps;
    say_call(4, 10, NS(20));
    say_call(5, 10, NS(30));
    say_call(6, 10, NS(10));
    run();
    assert_int_equal(k.events, 2); /* the later one needs no alarm yet */
    expect(0, IPC_ALARM, NS(20), 0);
    expect(1, IPC_ALARM, NS(10), 0);
    set_time(NS(11));
    say_notify(NOTIFY_ALARM);
    run();
    assert_int_equal(k.events, 2);
    expect(0, IPC_ALARM, NS(20), 0);
    expect(1, IPC_REPLY, 6, 3);
    set_time(NS(40));
    say_notify(NOTIFY_ALARM);
    run();
    assert_int_equal(k.events, 2);
    expect(0, IPC_REPLY, 5, 3);
    expect(1, IPC_REPLY, 4, 3);
}

static void a_parts_timer(void **state)
{
    timer_due = NS(50);
    fake.behave = sleeps;
    say_call(4, 10, NS(90));
    run();
    expect(0, IPC_ALARM, NS(50), 0);
    set_time(NS(50));
    say_notify(NOTIFY_ALARM);
    run();
    assert_int_equal(timer_calls, 1);
    expect(0, IPC_ALARM, NS(90), 0);
}

static void an_interrupted_wait(void **state)
{
    fake.behave = door;
    say_call(4, 10, 0);
    say(LABEL(MSG_INTERRUPT, 0, 4, 10), 0);
    run();
    assert_int_equal(k.events, 1);
    expect(0, IPC_REPLY, 4, (uint64_t)-ERESTART);
    assert_int_equal(fake.flags[1], CALL_INTERRUPTED);
}

/* It is told once, and again after each wake that did not end it. */
static void an_interruption_that_is_not_heeded(void **state)
{
    fake.behave = ignores_interruption;
    say_call(4, 10, 0);
    say(LABEL(MSG_INTERRUPT, 0, 4, 10), 0);
    say(LABEL(MSG_INTERRUPT, 0, 4, 10), 0);
    run();
    assert_int_equal(fake.entered, 2);
    wake_channel(CHANNEL_DOOR);
    say_notify(0);
    run();
    assert_int_equal(fake.entered, 4);
    assert_int_equal(fake.flags[2], 0);
    assert_int_equal(fake.flags[3], CALL_INTERRUPTED);
    fake.open = 1;
    wake_channel(CHANNEL_DOOR);
    say_notify(0);
    run();
    expect(0, IPC_REPLY, 4, 1);
}

static void who_is_gone_is_forgotten(void **state)
{
    fake.behave = door;
    say_call(4, 10, 0);
    say_call(5, 11, 0);
    say(LABEL(MSG_GONE, 0, 4, 10), 0);
    say(LABEL(MSG_GONE, 0, 9, 10), 0);
    say_call(6, 12, 1);
    run();
    assert_int_equal(k.events, 2);
    expect(0, IPC_REPLY, 5, 5);
    expect(1, IPC_REPLY, 6, 1);
}

/* ---- copies ---- */

static void a_copy_of_what_is_there(void **state)
{
    fake.behave = copies_out;
    say_call(4, 10, 0x7000);
    run();
    assert_int_equal(k.event[0].nr, IPC_COPY);
    assert_int_equal(k.event[0].a, 4);
    assert_int_equal(k.event[0].c, 0x7000);
    assert_int_equal(k.event[0].e, COPY_OUT);
    expect(1, IPC_REPLY, 4, 8);
}

static void beyond_the_grant(void **state)
{
    fake.behave = copies_out;
    k.copy[0] = -EPERM;
    k.copies = 1;
    say_call(4, 10, 0x7000);
    run();
    expect(1, IPC_REPLY, 4, (uint64_t)-EFAULT);
}

static void an_absent_page_that_comes_at_once(void **state)
{
    fake.behave = copies_out;
    k.copy[0] = -EAGAIN;
    k.copies = 1;
    k.absent = 0x7abc;
    say_call(4, 10, 0x7000);
    run();
    expect(1, IPC_REQUEST, CAP_SERVER(VMD), REQUEST_TRY);
    assert_int_equal(k.event[1].message.op, OP_FAULT);
    assert_int_equal(k.event[1].message.pid, 10);
    assert_int_equal(k.event[1].message.arg[0], 0x7abc);
    assert_int_equal(k.event[1].message.arg[1], VM_WRITE);
    assert_int_equal(k.event[2].nr, IPC_COPY);
    expect(3, IPC_REPLY, 4, 8);
}

static void an_absent_page_that_is_nobodys(void **state)
{
    fake.behave = copies_out;
    k.copy[0] = -EAGAIN;
    k.copies = 1;
    k.request[0].result = -EACCES;
    k.requests = 1;
    say_call(4, 10, 0x7000);
    run();
    expect(2, IPC_REPLY, 4, (uint64_t)-EFAULT);
}

static void an_absent_page_that_takes_time(void **state)
{
    fake.behave = copies_out;
    k.copy[0] = k.copy[1] = -EAGAIN;
    k.copies = 2;
    k.request[0].result = CALL_WAIT;
    k.request[0].channel = CHANNEL_PAGE;
    k.request[1].status = -EAGAIN; /* vmd is busy */
    k.requests = 2;
    say_call(4, 10, 0x7000);
    run();
    assert_int_equal(k.events, 2);
    say_notify(NOTIFY_WAKE(SERVICE_VM));
    run();
    assert_int_equal(k.events, 2); /* again not there; and nobody to ask */
    say_notify(NOTIFY_FREE(VMD));
    run();
    assert_int_equal(k.events, 2);
    expect(1, IPC_REPLY, 4, 8);
}

static void a_request_copies_from_the_program_it_serves(void **state)
{
    fake.behave = copies_out;
    say_request(30, PROCD);
    run();
    assert_int_equal(k.event[0].a, 30);
    assert_int_equal(k.event[0].e, COPY_OUT | COPY_SERVED);
}

static void poll_is_local_here(void **state)
{
    fake.behave = door;
    server.host.wake(NULL, CHANNEL_POLL);
    assert_int_equal(k.events, 0);
    server.services[SERVICE_FS].request = NULL; /* as in ttyd */
    server.host.wake(NULL, CHANNEL_POLL);
    expect(0, IPC_NOTIFY, CAP_SERVER(FSD), NOTIFY_POLL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_answered_with_the_wait),
        TEST(a_number_that_no_service_has),
        TEST(a_wait_ends_with_its_channel_and_who_wakes_is_answered_last),
        TEST(another_servers_wake_reaches_all_that_wait_for_its_service),
        TEST(deadlines),
        TEST(a_parts_timer),
        TEST(an_interrupted_wait),
        TEST(an_interruption_that_is_not_heeded),
        TEST(who_is_gone_is_forgotten),
        TEST(a_copy_of_what_is_there),
        TEST(beyond_the_grant),
        TEST(an_absent_page_that_comes_at_once),
        TEST(an_absent_page_that_is_nobodys),
        TEST(an_absent_page_that_takes_time),
        TEST(a_request_copies_from_the_program_it_serves),
        TEST(poll_is_local_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
