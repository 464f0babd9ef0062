/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_micro_requests.c: what servers ask of one another, on both sides.
 */
#include "tests/arch/server/rig.h"

/* ---- requests of others ---- */

static void a_request_is_answered_in_the_message_page(void **state)
{
    fake.behave = counts_done;
    say_request(30, VMD);
    run();
    assert_int_equal(k.events, 1);
    assert_int_equal(k.event[0].a, 30);
    assert_int_equal(page()->result, 42);
    assert_int_equal(page()->done, 4);
}

/* Every server can send to every other one. */
static void who_has_no_business_here_is_refused(void **state)
{
    static const int others[] = {FSD, BLKD, TTYD};

    fake.behave = counts_done;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        say_request(30, others[i]);
        run();
        assert_int_equal(page()->result, -EPERM);
        assert_int_equal(page()->done, 3);
    }
    say_request(30, VMD);
    page()->op = OP_QUIT;
    run();
    assert_int_equal(page()->result, -EPERM);
}

/* vmd waits for what fsd waits for: the news goes through. */
static void who_was_told_to_wait_is_told_of_the_wake(void **state)
{
    fake.behave = waits_for_disk;
    say_request(30, VMD);
    run();
    assert_int_equal(page()->result, CALL_WAIT);
    assert_int_equal(page()->channel, CHANNEL(SERVICE_BLK, 1));
    say_notify(NOTIFY_WAKE(SERVICE_BLK));
    run();
    assert_int_equal(k.events, 1);
    expect(0, IPC_NOTIFY, CAP_SERVER(VMD), NOTIFY_WAKE(SERVICE_BLK));
    say_notify(NOTIFY_WAKE(SERVICE_BLK));
    run();
    assert_int_equal(k.events, 0); /* once for each time it was told */
}

static long opens_door(struct call *call)
{
    call->arg[0] = 1;
    return door(call);
}

/* The asker blocks until it is answered, and whom we would ask for the call that it woke may wait for it. */
static void a_request_is_answered_before_anything_else(void **state)
{
    fake.behave = door;
    say_call(4, 10, 0);
    run();
    fake.behave = opens_door;
    say_request(30, VMD);
    run();
    assert_int_equal(k.events, 2);
    assert_int_equal(k.event[0].a, 30);
    expect(1, IPC_REPLY, 4, 1);
}

static long takes_payload(struct request *rq)
{
    char text[8];

    return serve_take(NULL, rq, text, 2, 4) ? -1 : serve_take(NULL, rq, text, 0, 9) == -EFAULT;
}

static long request_with_payload(struct call *call)
{
    return takes_payload(&server.request);
}

static void payload_comes_straight_from_the_asker(void **state)
{
    fake.behave = request_with_payload;
    *page() = (struct message){.service = SERVICE_FS, .op = FS_OPEN_EXEC, .data = 0x5000, .size = 8};
    say(LABEL(MSG_REQUEST, FS_OPEN_EXEC, 30, PROCD), 0);
    run();
    assert_int_equal(page()->result, 1);
    assert_int_equal(k.events, 2);
    assert_int_equal(k.event[0].nr, IPC_COPY);
    assert_int_equal(k.event[0].a, 30);
    assert_int_equal(k.event[0].c, 0x5002);
    assert_int_equal(k.event[0].d, 4);
    assert_int_equal(k.event[0].e, 0);
}

/* ---- asking others ---- */

static void a_signal_is_pending_before_its_call_is_answered(void **state)
{
    fake.behave = sends_signal;
    k.request[0].status = -EAGAIN;
    k.request[1].status = -EAGAIN;
    k.requests = 2;
    say_call(4, 10, 0);
    run();
    assert_int_equal(k.events, 1); /* procd is busy: no answer */
    expect(0, IPC_REQUEST, CAP_SERVER(PROCD), REQUEST_TRY);
    say_notify(NOTIFY_FREE(PROCD));
    run();
    assert_int_equal(k.events, 1); /* still busy */
    say_notify(NOTIFY_FREE(PROCD));
    run();
    assert_int_equal(k.events, 2);
    expect(0, IPC_REQUEST, CAP_SERVER(PROCD), REQUEST_TRY);
    assert_int_equal(k.event[0].message.op, PROC_SIGNAL);
    assert_int_equal(k.event[0].message.arg[0], 13);
    assert_int_equal(k.event[0].message.pid, 10);
    expect(1, IPC_REPLY, 4, (uint64_t)-EPIPE);
}

static void signals_keep_their_order(void **state)
{
    fake.behave = sends_signal;
    k.request[0].status = -EAGAIN;
    k.requests = 1;
    say_call(4, 10, 0);
    say_call(5, 11, 0);
    run();
    assert_int_equal(k.events, 1); /* the second one does not overtake */
    say_notify(NOTIFY_FREE(PROCD));
    run();
    assert_int_equal(k.events, 4);
    assert_int_equal(k.event[0].message.pid, 10);
    assert_int_equal(k.event[1].message.pid, 11);
    expect(2, IPC_REPLY, 4, (uint64_t)-EPIPE);
    expect(3, IPC_REPLY, 5, (uint64_t)-EPIPE);
}

static void a_free_procd_takes_a_signal_at_once(void **state)
{
    fake.behave = sends_signal;
    say_call(4, 10, 0);
    run();
    assert_int_equal(k.events, 2);
    expect(0, IPC_REQUEST, CAP_SERVER(PROCD), REQUEST_TRY);
    expect(1, IPC_REPLY, 4, (uint64_t)-EPIPE);
}

static long asks_disk(struct call *call)
{
    struct request rq = {.service = SERVICE_BLK, .op = BLK_DONE, .arg = {9}, .call = call};

    return server.host.ask(NULL, &rq);
}

static void downwards_it_blocks_and_upwards_it_does_not(void **state)
{
    fake.behave = asks_disk;
    k.request[0].result = 8;
    k.requests = 1;
    say_call(4, 10, 0);
    run();
    expect(0, IPC_REQUEST, CAP_SERVER(BLKD), 0);
    assert_int_equal(k.event[0].message.served, 0); /* the disk's driver needs nothing of the program */
    expect(1, IPC_REPLY, 4, 8);
}

static void what_the_driver_died_of_it_is_asked_once_more(void **state)
{
    fake.behave = asks_disk;
    k.requests = 4;
    k.request[0].status = -EPIPE;
    k.request[1].result = 8;
    k.request[2].status = k.request[3].status = -EPIPE;
    say_call(4, 10, 0);
    say_call(5, 10, 0);
    run();
    assert_int_equal(k.event[1].message.op, BLK_DONE);
    assert_int_equal(k.event[1].message.arg[0], 9);
    expect(2, IPC_REPLY, 4, 8);
    expect(4, IPC_REQUEST, CAP_SERVER(BLKD), 0);
    expect(5, IPC_REPLY, 5, (uint64_t)-EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_in_the_message_page),
        TEST(who_has_no_business_here_is_refused),
        TEST(who_was_told_to_wait_is_told_of_the_wake),
        TEST(a_request_is_answered_before_anything_else),
        TEST(payload_comes_straight_from_the_asker),
        TEST(a_signal_is_pending_before_its_call_is_answered),
        TEST(signals_keep_their_order),
        TEST(a_free_procd_takes_a_signal_at_once),
        TEST(downwards_it_blocks_and_upwards_it_does_not),
        TEST(what_the_driver_died_of_it_is_asked_once_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
