/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_micro_restart.c: what a server that starts again trusts, what it says of its calls when asked, and
 * its memory.
 */
#include "tests/arch/server/rig.h"

/* ---- death ---- */

static void die_in(unsigned handle)
{
    fake.behave = dies;
    say_call(handle, 10, 21);
    run();
    server.current = server.fresh;
}

static void restart(uint64_t died_at)
{
    k.events = 0;
    if (!setjmp(k.end))
        server_main(FSD, START_KEEP, died_at);
}

static void a_death_at_the_first_instruction_costs_nothing(void **state)
{
    fake.behave = door;
    say_call(3, 9, 0);
    run();
    die_in(4);
    fake.behave = answers_argument;
    restart((uint64_t)fake_read);
    assert_int_equal(k.events, 2);
    expect(0, IPC_NOTIFY, CAP_SERVER(RSD), NOTIFY_ALIVE(FSD));
    expect(1, IPC_REPLY, 4, 21);
    fake.behave = door;
    say_call(5, 10, 1);
    run();
    expect(0, IPC_REPLY, 3, 5); /* what was kept is still there */
}

static void a_death_anywhere_else_is_not_trusted(void **state)
{
    die_in(4);
    restart((uint64_t)fake_read + 1);
    assert_int_equal(k.events, 1);
    expect(0, IPC_EXIT, 1, 0);
}

static void a_call_that_kills_twice_fails(void **state)
{
    die_in(4);
    restart((uint64_t)fake_read);
    assert_int_equal(fake.entered, 2);
    fake.behave = answers_argument;
    restart((uint64_t)fake_read);
    assert_int_equal(fake.entered, 2);
    expect(1, IPC_REPLY, 4, (uint64_t)-EIO);
    say_call(4, 10, 22); /* the next one is a new one */
    run();
    expect(0, IPC_REPLY, 4, 22);
}

static void a_death_in_a_call_that_had_waited(void **state)
{
    fake.behave = door;
    say_call(4, 10, 0);
    run();
    wake_channel(CHANNEL_DOOR);
    fake.behave = dies;
    say_notify(0);
    k.events = 0;
    if (!setjmp(k.end))
        server_loop(NO_REPLY);
    k.say_first = k.say_count = 0;
    fake.behave = copies_out;
    say_call(5, 10, 0x7000);
    restart((uint64_t)fake_read);
    assert_int_equal(k.events, 5);
    assert_int_equal(k.event[0].a, 4); /* each copy names its own caller */
    expect(2, IPC_REPLY, 4, 8);
    assert_int_equal(k.event[3].a, 5);
    expect(4, IPC_REPLY, 5, 8);
}

static long kills_who_comes_in(struct call *call)
{
    return call->arg[0] != 1 && fake.open ? dies(call) : door(call);
}

/* Who opens the door is answered last, so after the death of the server in the call of who comes in. */
static void an_answer_that_was_owed_is_not_lost(void **state)
{
    fake.behave = kills_who_comes_in;
    say_call(4, 10, 0);
    say_call(5, 11, 1);
    k.events = 0;
    if (!setjmp(k.end))
        server_loop(NO_REPLY);
    k.say_first = k.say_count = 0;
    assert_int_equal(k.events, 0);
    fake.behave = door;
    restart((uint64_t)fake_read);
    assert_int_equal(k.events, 3);
    expect(0, IPC_REPLY, 4, 5);
    expect(2, IPC_REPLY, 5, 1);
}

static void a_request_is_served_again_after_a_death(void **state)
{
    fake.behave = dies;
    say_request(30, VMD);
    run();
    memset(page(), 0, sizeof *page());
    server.current = &server.request_entry;
    fake.behave = counts_done;
    restart((uint64_t)fake_request);
    assert_int_equal(k.events, 2);
    assert_int_equal(k.event[1].a, 30);
    assert_int_equal(page()->result, 42);
    assert_int_equal(page()->done, 4);
}

/* Whoever is not named is taken to be forgotten: so all that wait, and those whose answers are held back. */
static void a_beat_is_answered_with_an_account(void **state)
{
    fake.behave = door;
    say_call(4, 10, 0);
    say_call(5, 11, 0);
    run();
    fake.behave = sends_signal;
    k.request[0].status = -EAGAIN;
    k.requests = 1;
    say_call(6, 12, 0);
    run();
    say_notify(NOTIFY_BEAT);
    run();
    assert_int_equal(k.events, 4);
    expect(0, IPC_KEEP, 4, 0);
    expect(1, IPC_KEEP, 5, 0);
    expect(2, IPC_KEEP, 6, 0);
    expect(3, IPC_KEEP, 0, 0);
    say_notify(NOTIFY_FREE(PROCD));
    run();
    expect(1, IPC_REPLY, 6, (uint64_t)-EPIPE);
}

/* What a call wakes is in the account only as long as it has not been answered. */
static void an_account_of_nobody(void **state)
{
    fake.behave = door;
    say_call(4, 10, 0);
    say_call(5, 11, 1);
    say_notify(NOTIFY_BEAT);
    run();
    assert_int_equal(k.events, 3);
    expect(2, IPC_KEEP, 0, 0);
}

/* ---- memory ---- */

#define BLOCKS 64

static void memory_is_disjoint_and_comes_back(void **state)
{
    unsigned char *block[BLOCKS] = {0};
    size_t bytes[BLOCKS] = {0};
    uint32_t random = 1;

    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (random = random * 1664525 + 1013904223) >> 26;

        for (size_t b = 0; b < bytes[i]; b += 61)
            assert_int_equal(block[i][b], i);
        heap_free(block[i], bytes[i]);
        bytes[i] = (random >> 8) % (step % 3 ? 300 : 70000) + 1;
        block[i] = heap_alloc(bytes[i]);
        assert_non_null(block[i]);
        assert_int_equal((uint64_t)block[i] % (bytes[i] >= 4096 ? 4096 : 16), 0);
        memset(block[i], (int)i, bytes[i]);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        heap_free(block[i], bytes[i]);
}

#define LONG_BYTES (300ul * 4096) /* more than the server keeps */

/* What cannot be given back is not lost either. */
static void memory_that_a_device_moves_is_used_again(void **state)
{
    uint64_t before = k.heap_pages;
    void *block = heap_alloc(LONG_BYTES), *again;

    assert_true(k.heap_pages >= before + 300);
    before = k.heap_pages;
    k.moved = true;
    heap_free(block, LONG_BYTES);
    assert_int_equal(k.heap_pages, before);
    again = heap_alloc(LONG_BYTES);
    assert_ptr_equal(again, block);
    assert_int_equal(k.heap_pages, before);
    k.moved = false;
    heap_free(again, LONG_BYTES);
    assert_true(k.heap_pages < before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_death_at_the_first_instruction_costs_nothing),
        TEST(a_death_anywhere_else_is_not_trusted),
        TEST(a_call_that_kills_twice_fails),
        TEST(a_death_in_a_call_that_had_waited),
        TEST(an_answer_that_was_owed_is_not_lost),
        TEST(a_request_is_served_again_after_a_death),
        TEST(a_beat_is_answered_with_an_account),
        TEST(an_account_of_nobody),
        TEST(memory_is_disjoint_and_comes_back),
        TEST(memory_that_a_device_moves_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
