/* SPDX-License-Identifier: MIT
 *
 * tests/arch/server/rig.c: see rig.h.
 */
#include "tests/arch/server/rig.h"

#include <sys/mman.h>

#define CLOCK_NS 1000000000ul /* cycles of the fake clock in a second: a cycle is a ns */

/* ---- the kernel ---- */

struct rig_kernel k;

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
    if (k.moved)
        return (uint64_t)-EBUSY;
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

void say(uint64_t label, uint64_t word)
{
    uint64_t *said = k.said[k.say_count++];

    assert_true(k.say_count <= 64);
    memset(said, 0, sizeof k.said[0]);
    said[0] = label;
    said[1] = word;
}

void say_call(unsigned handle, int pid, uint64_t argument)
{
    say(LABEL(MSG_CALL, CALL_read, handle, pid), argument);
}

void say_notify(uint64_t bits)
{
    say(LABEL(MSG_NOTIFY, 0, 0, 0), bits);
}

struct message *page(void)
{
    return (struct message *)SERVER_MESSAGE_PAGE;
}

void say_request(unsigned handle, int from)
{
    *page() = (struct message){.service = SERVICE_FS, .op = FS_READ_AT, .pid = 10, .nr = CALL_read, .done = 3};
    say(LABEL(MSG_REQUEST, FS_READ_AT, handle, from), 0);
}

void run(void)
{
    k.events = 0;
    if (!setjmp(k.end))
        server_loop(NO_REPLY);
    k.say_first = k.say_count = 0;
    server.current = server.fresh; /* a death left it at the entry */
}

void set_time(uint64_t ns)
{
    *(uint64_t *)(SERVER_DEVICES + (MMIO_CLOCK - MMIO_BASE) + CLOCK_CYCLES) = ns;
}

/* ---- the service ---- */

struct rig_service fake;

long fake_read(void *self, struct call *call)
{
    fake.flags[fake.entered++ % 16] = call->flags;
    return fake.behave(call);
}

long fake_request(void *self, struct request *rq)
{
    return fake.behave(rq->call);
}

static call_op *calls[CALL_TABLE_END] = {[CALL_read] = fake_read, [CALL_write] = fake_read};

static void create(enum server_why why)
{
    server_add(SERVICE_FS, (struct service){.name = "fs", .calls = calls, .request = fake_request});
}

static void destroy(void)
{
}

uint64_t timer_due = CALL_FOREVER;
unsigned timer_calls;

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

int set_up(void **state)
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

void expect(unsigned i, uint64_t nr, uint64_t a, uint64_t b)
{
    assert_true(i < k.events);
    assert_int_equal(k.event[i].nr, nr);
    assert_int_equal(k.event[i].a, a);
    assert_int_equal(k.event[i].b, b);
}

int tear_down(void **state)
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

long answers_argument(struct call *call)
{
    return (long)call->arg[0];
}

long door(struct call *call)
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

long waits_for_disk(struct call *call)
{
    return fake.open ? 6 : call_wait(call, CHANNEL(SERVICE_BLK, 1), CALL_FOREVER);
}

long sends_signal(struct call *call)
{
    struct request rq = {.service = SERVICE_PROC, .op = PROC_SIGNAL, .pid = call->pid, .arg = {13}, .call = call};

    server.host.ask(NULL, &rq);
    return -EPIPE;
}

long copies_out(struct call *call)
{
    long r = server.host.copy_out(NULL, call, call->arg[0], "payload", 8);

    return r ? r : 8;
}

long dies(struct call *call)
{
    longjmp(k.end, 1);
}

long counts_done(struct call *call)
{
    call->done++;
    return 42;
}
