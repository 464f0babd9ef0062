/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_micro_server.c: the servers' runtime (arch-micro/server) on the host: what waits, what wakes it, who
 * is answered when, and what a restart trusts.
 *
 * The kernel is this file: it says messages from a list, notes each kernel call, and answers copies and requests as
 * a test wants it. The server is fsd, with one operation that behaves as a test wants it. When there is nothing left to
 * say, the loop is left by longjmp; the server's state stays, and a test may say more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define SERVER_ON_HOST
#include "abi/devices.h"
#include "arch-micro/server/memory.h"
#include "arch-micro/server/parts.h"

enum { PROCD, VMD, FSD, BLKD, TTYD, RSD };
#define NS(n) ((n)*1000ul)
#define CLOCK_NS 1000000000ul /* cycles of the fake clock in a second: a cycle is a ns */
#define NOBODY 0

/* ---- the kernel ---- */

struct event {
    uint64_t nr, a, b, c, d, e;
    struct message message; /* of IPC_REQUEST: as sent */
};

static struct {
    uint64_t said[64][7];
    unsigned say_first, say_count;
    struct event event[256];
    unsigned events;
    uint64_t heap_pages, heap_most;
    jmp_buf end;

    long copy[16]; /* what the next copies answer; 0 when used up */
    unsigned copies, copies_done;
    uint64_t absent;
    struct {
        long status, result;
        uint64_t channel;
    } request[16]; /* what the next requests answer */
    unsigned requests, requests_done;
} k;

static struct event *note(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    struct event *event = &k.event[k.events];

    assert_true(k.events < 256);
    *event = (struct event){.nr = nr, .a = a, .b = b, .c = c, .d = d, .e = e};
    k.events++;
    return event;
}

static uint64_t answer_request(struct event *event)
{
    struct message *page = (struct message *)SERVER_MESSAGE_PAGE;
    unsigned i = k.requests_done++;

    event->message = *page;
    page->result = i < k.requests ? k.request[i].result : 0;
    page->channel = i < k.requests ? k.request[i].channel : 0;
    page->until = CALL_FOREVER;
    return i < k.requests ? (uint64_t)k.request[i].status : 0;
}

static uint64_t grow(uint64_t pages)
{
    void *at = (void *)(SERVER_HEAP_BASE + k.heap_most * 4096);

    assert_ptr_equal(mmap(at, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                     at);
    k.heap_most += pages;
    k.heap_pages += pages;
    return (uint64_t)at;
}

static uint64_t shrink(uint64_t address, uint64_t pages)
{
    assert_int_equal(munmap((void *)address, pages * 4096), 0);
    k.heap_pages -= pages;
    return 0;
}

uint64_t kcall6(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t *rdx)
{
    struct event *event;

    if (nr == IPC_GROW)
        return grow(a);
    if (nr == IPC_SHRINK)
        return shrink(a, b);
    event = note(nr, a, b, c, d, e);
    if (nr == IPC_REQUEST)
        return answer_request(event);
    if (nr == IPC_EXIT)
        longjmp(k.end, 1);
    if (nr == IPC_COPY && k.copies_done < k.copies) {
        *rdx = k.absent;
        return (uint64_t)k.copy[k.copies_done++];
    }
    return 0;
}

/* An answer is noted as IPC_REPLY, whichever way it goes. */
uint64_t ipc_reply_wait(uint64_t handle, long result, uint64_t word[6])
{
    const uint64_t *said = k.said[k.say_first];

    if (handle)
        note(IPC_REPLY, handle, (uint64_t)result, 0, 0, 0);
    if (k.say_first == k.say_count)
        longjmp(k.end, 1);
    k.say_first++;
    memcpy(word, said + 1, 6 * sizeof *word);
    return said[0];
}

static void say(uint64_t label, uint64_t word)
{
    uint64_t *said = k.said[k.say_count++];

    assert_true(k.say_count <= 64);
    memset(said, 0, sizeof k.said[0]);
    said[0] = label;
    said[1] = word;
}

static void say_call(unsigned handle, int pid, uint64_t argument)
{
    say(LABEL(MSG_CALL, CALL_read, handle, pid), argument);
}

static void say_notify(uint64_t bits)
{
    say(LABEL(MSG_NOTIFY, 0, 0, 0), bits);
}

static void run(void)
{
    k.events = 0;
    if (!setjmp(k.end))
        server_loop(NO_REPLY);
    k.say_first = k.say_count = 0;
    server.current = server.fresh; /* a death left it at the entry */
}

static void set_time(uint64_t ns)
{
    *(uint64_t *)(SERVER_DEVICES + (MMIO_CLOCK - MMIO_BASE) + CLOCK_CYCLES) = ns;
}

/* ---- the service ---- */

static struct {
    long (*behave)(struct call *call);
    unsigned entered;
    uint32_t flags[16]; /* of the calls handed in */
    unsigned open;      /* behave's own */
} fake;

static long op_read(void *self, struct call *call)
{
    fake.flags[fake.entered++ % 16] = call->flags;
    return fake.behave(call);
}

static long fake_request(void *self, struct request *rq)
{
    return fake.behave(rq->call);
}

static call_op *calls[CALL_TABLE_END] = {[CALL_read] = op_read, [CALL_write] = op_read};

static void create(enum server_why why)
{
    server_add(SERVICE_FS, (struct service){.name = "fs", .calls = calls, .request = fake_request});
}

static void destroy(void)
{
}

static uint64_t timer_due = CALL_FOREVER;
static unsigned timer_calls;

static uint64_t next_timer(void)
{
    return timer_due;
}

static void timer(void)
{
    timer_calls++;
    timer_due = CALL_FOREVER;
}

static const struct part part = {.create = create, .destroy = destroy, .next_timer = next_timer, .timer = timer};
const struct part *const server_parts[] = {&part, NULL};

static void map_at(uint64_t address, size_t bytes)
{
    void *at = (void *)address;

    assert_ptr_equal(mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), at);
}

static int set_up(void **state)
{
    static const char *const names[] = {"procd", "vmd", "fsd", "blkd", "ttyd", "rsd"};
    struct boot_info *boot = (struct boot_info *)SERVER_BOOT_INFO;

    memset(&k, 0, sizeof k);
    memset(&fake, 0, sizeof fake);
    memset(&server, 0, sizeof server);
    timer_due = CALL_FOREVER;
    timer_calls = 0;
    map_at(SERVER_MESSAGE_PAGE, 4096);
    map_at(SERVER_BOOT_INFO, 3 * 4096);
    map_at(SERVER_DEVICES + (MMIO_CLOCK - MMIO_BASE), 4096);
    *(uint64_t *)(SERVER_DEVICES + (MMIO_CLOCK - MMIO_BASE) + CLOCK_HZ) = CLOCK_NS;
    boot->module_count = 6;
    for (unsigned n = 0; n < 6; n++)
        strcpy(boot->modules[n].name, names[n]);
    if (!setjmp(k.end))
        server_main(FSD, START_BOOT, 0);
    return 0;
}

static void expect(unsigned i, uint64_t nr, uint64_t a, uint64_t b)
{
    assert_true(i < k.events);
    assert_int_equal(k.event[i].nr, nr);
    assert_int_equal(k.event[i].a, a);
    assert_int_equal(k.event[i].b, b);
}

/* All memory has been given back. */
static int tear_down(void **state)
{
    say(LABEL(MSG_REQUEST, OP_QUIT, 99, PROCD), 0);
    *(struct message *)SERVER_MESSAGE_PAGE = (struct message){.service = SERVICE_FS, .op = OP_QUIT};
    run();
    assert_int_equal(k.events, 2); /* no complaint of a leak */
    expect(0, IPC_REPLY, 99, 0);
    expect(1, IPC_EXIT, 0, 0);
    assert_int_equal(k.heap_pages, 0);
    return 0;
}

/* ---- behaviours ---- */

static long answers_argument(struct call *call)
{
    return (long)call->arg[0];
}

#define CHANNEL_DOOR CHANNEL(SERVICE_FS, 7)

/* Argument 0 waits for the door, 1 opens it. */
static long door(struct call *call)
{
    if (call->arg[0] == 1) {
        fake.open = 1;
        server.host.wake(NULL, CHANNEL_DOOR);
        return 1;
    }
    if (call->flags & CALL_INTERRUPTED)
        return -ERESTART;
    return fake.open ? 5 : call_wait(call, CHANNEL_DOOR, CALL_FOREVER);
}

/* Waits for the time in the argument. */
static long sleeps(struct call *call)
{
    return call->flags & CALL_TIMED_OUT ? 3 : call_wait(call, 0, call->arg[0]);
}

static long waits_for_disk(struct call *call)
{
    return fake.open ? 6 : call_wait(call, CHANNEL(SERVICE_BLK, 1), CALL_FOREVER);
}

static long sends_signal(struct call *call)
{
    struct request rq = {.service = SERVICE_PROC, .op = PROC_SIGNAL, .pid = call->pid, .arg = {13}, .call = call};

    server.host.ask(NULL, &rq);
    return -EPIPE;
}

static long copies_out(struct call *call)
{
    long r = server.host.copy_out(NULL, call, call->arg[0], "payload", 8);

    return r ? r : 8;
}

static long dies(struct call *call)
{
    longjmp(k.end, 1);
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

/* ---- requests of others ---- */

static struct message *page(void)
{
    return (struct message *)SERVER_MESSAGE_PAGE;
}

static void say_request(unsigned handle, int from)
{
    *page() = (struct message){.service = SERVICE_FS, .op = FS_READ_AT, .pid = 10, .nr = CALL_read, .done = 3};
    say(LABEL(MSG_REQUEST, FS_READ_AT, handle, from), 0);
}

static long counts_done(struct call *call)
{
    call->done++;
    return 42;
}

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
    restart((uint64_t)op_read);
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
    restart((uint64_t)op_read + 1);
    assert_int_equal(k.events, 1);
    expect(0, IPC_EXIT, 1, 0);
}

static void a_call_that_kills_twice_fails(void **state)
{
    die_in(4);
    restart((uint64_t)op_read);
    assert_int_equal(fake.entered, 2);
    fake.behave = answers_argument;
    restart((uint64_t)op_read);
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
    restart((uint64_t)op_read);
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
    restart((uint64_t)op_read);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
        TEST(a_copy_of_what_is_there),
        TEST(beyond_the_grant),
        TEST(an_absent_page_that_comes_at_once),
        TEST(an_absent_page_that_is_nobodys),
        TEST(an_absent_page_that_takes_time),
        TEST(a_request_copies_from_the_program_it_serves),
        TEST(poll_is_local_here),
        TEST(a_death_at_the_first_instruction_costs_nothing),
        TEST(a_death_anywhere_else_is_not_trusted),
        TEST(a_call_that_kills_twice_fails),
        TEST(a_death_in_a_call_that_had_waited),
        TEST(an_answer_that_was_owed_is_not_lost),
        TEST(a_request_is_served_again_after_a_death),
        TEST(a_beat_is_answered_with_an_account),
        TEST(an_account_of_nobody),
        TEST(memory_is_disjoint_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
