/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_virtio.c: the virtio devices from below: registers and hand-made rings, right ones and hostile ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "sim/devices/virtio.h"
#include "sim/devices/virtio_blk.h"
#include "sim/devices/virtio_console.h"
#include "tests/fake_bus.h"

#define VECTOR 0x30
#define QUEUE_SIZE 8
#define TABLE 0x10000u
#define AVAILABLE 0x11000u
#define USED 0x12000u
#define HEADER 0x20000u
#define DATA 0x21000u
#define STATUS 0x20100u
#define DISK_BYTES (64 * 1024)

struct rig {
    struct fake *fake;
    struct cpu_model cpu;
    unsigned char disk[DISK_BYTES];
    struct virtio_blk *blk;
    struct bus_device device;
};

static uint32_t get(struct rig *r, unsigned offset)
{
    return (uint32_t)r->device.read(r->device.self, offset, 4);
}

static void put(struct rig *r, unsigned offset, uint32_t value)
{
    r->device.write(r->device.self, offset, 4, value);
}

static struct vring_desc *table(struct rig *r)
{
    return (struct vring_desc *)(r->fake->ram + TABLE);
}

static struct vring_avail *available(struct rig *r)
{
    return (struct vring_avail *)(r->fake->ram + AVAILABLE);
}

static struct vring_used *used(struct rig *r)
{
    return (struct vring_used *)(r->fake->ram + USED);
}

static void negotiate(struct rig *r)
{
    put(r, VIRTIO_MMIO_STATUS, 0);
    put(r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    put(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    put(r, VIRTIO_MMIO_DRIVER_FEATURES, 1);
    put(r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
}

static void set_up_queue(struct rig *r, uint32_t size)
{
    put(r, VIRTIO_MMIO_QUEUE_SEL, 0);
    put(r, VIRTIO_MMIO_QUEUE_NUM, size);
    put(r, VIRTIO_MMIO_QUEUE_DESC_LOW, TABLE);
    put(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW, AVAILABLE);
    put(r, VIRTIO_MMIO_QUEUE_USED_LOW, USED);
    put(r, VIRTIO_MMIO_QUEUE_READY, 1);
}

static void start(struct rig *r)
{
    memset(r->fake->ram + TABLE, 0, 0x3000);
    negotiate(r);
    set_up_queue(r, QUEUE_SIZE);
    put(r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
}

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    r->fake = fake_create();
    r->cpu = (struct cpu_model){.disk_latency_us = 20, .disk_bytes_per_us = 512};
    r->blk = virtio_blk_create(&r->fake->bus, &r->cpu, VECTOR, r->disk, sizeof r->disk);
    r->device = virtio_blk_device(r->blk);
    start(r);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    virtio_blk_destroy(r->blk);
    fake_destroy(r->fake);
    free(r);
    return 0;
}

static void offer(struct rig *r, uint16_t head)
{
    available(r)->ring[available(r)->idx % QUEUE_SIZE] = head;
    available(r)->idx++;
}

/* A request in descriptors 0, 1, 2: header, data, status. */
static void request(struct rig *r, uint32_t type, uint64_t sector, uint32_t bytes)
{
    struct virtio_blk_outhdr header = {.type = type, .sector = sector};

    memcpy(r->fake->ram + HEADER, &header, sizeof header);
    r->fake->ram[STATUS] = 0xee;
    table(r)[0] = (struct vring_desc){HEADER, sizeof header, VRING_DESC_F_NEXT, 1};
    table(r)[1] =
        (struct vring_desc){DATA, bytes, VRING_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0), 2};
    table(r)[2] = (struct vring_desc){STATUS, 1, VRING_DESC_F_WRITE, 0};
    offer(r, 0);
    put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

static int is_broken(struct rig *r)
{
    return (get(r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
}

static void registers_say_what_the_device_is(void **state)
{
    struct rig *r = *state;

    assert_int_equal(get(r, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
    assert_int_equal(get(r, VIRTIO_MMIO_VERSION), 2);
    assert_int_equal(get(r, VIRTIO_MMIO_DEVICE_ID), 2);
    assert_int_equal(get(r, VIRTIO_MMIO_CONFIG), DISK_BYTES / 512);
    assert_int_equal(r->device.read(r->device.self, VIRTIO_MMIO_CONFIG, 8), DISK_BYTES / 512);
    assert_int_equal(r->device.read(r->device.self, 4092, 8), 0);
    assert_int_equal(r->device.read(r->device.self, VIRTIO_MMIO_MAGIC_VALUE, 1), 0); /* 32 bits only */
}

static void features_that_are_not_offered_are_refused(void **state)
{
    struct rig *r = *state;

    put(r, VIRTIO_MMIO_STATUS, 0);
    put(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    put(r, VIRTIO_MMIO_DRIVER_FEATURES, 1 | 1 << 1); /* bit 33, IOMMU */
    put(r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
    assert_false(get(r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK);
    put(r, VIRTIO_MMIO_DRIVER_FEATURES, 0); /* without VERSION_1 */
    put(r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
    assert_false(get(r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK);
    negotiate(r);
    assert_true(get(r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK);
}

static void a_request_takes_its_time(void **state)
{
    struct rig *r = *state;

    memset(r->fake->ram + DATA, 0x5a, 1024);
    request(r, VIRTIO_BLK_T_OUT, 3, 1024);
    assert_int_equal(r->disk[3 * 512], 0);
    assert_int_equal(used(r)->idx, 0);
    assert_true(fake_step(r->fake));
    /* 20 us, and 16 + 1024 + 1 bytes at 512 a us */
    assert_int_equal(r->fake->now, 20000 + (16 + 1024 + 1) * 1000 / 512);
    assert_int_equal(used(r)->idx, 1);
    assert_int_equal(r->fake->ram[STATUS], VIRTIO_BLK_S_OK);
    assert_int_equal(r->disk[3 * 512], 0x5a);
    assert_int_equal(r->disk[5 * 512 - 1], 0x5a);
    assert_int_equal(r->disk[5 * 512], 0);
    assert_int_equal(r->fake->interrupts[VECTOR], 1);
    assert_int_equal(get(r, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
    put(r, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
    assert_int_equal(get(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void a_request_beyond_the_end_fails_alone(void **state)
{
    static const struct {
        uint64_t sector;
        uint32_t bytes;
    } bad[] = {{128, 512}, {127, 1024},          {UINT64_MAX, 512}, {UINT64_MAX / 512 + 1, 512},
               {0, 100},   {0, DISK_BYTES + 512}};
    struct rig *r = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        request(r, VIRTIO_BLK_T_IN, bad[i].sector, bad[i].bytes);
        fake_run(r->fake, 10);
        assert_int_equal(r->fake->ram[STATUS], VIRTIO_BLK_S_IOERR);
        assert_false(is_broken(r));
    }
    request(r, 99, 0, 512);
    fake_run(r->fake, 10);
    assert_int_equal(r->fake->ram[STATUS], VIRTIO_BLK_S_UNSUPP);
    request(r, VIRTIO_BLK_T_IN, 127, 512);
    fake_run(r->fake, 10);
    assert_int_equal(r->fake->ram[STATUS], VIRTIO_BLK_S_OK);
}

static void the_driver_may_ask_for_silence(void **state)
{
    struct rig *r = *state;

    available(r)->flags = VRING_AVAIL_F_NO_INTERRUPT;
    request(r, VIRTIO_BLK_T_IN, 0, 512);
    fake_run(r->fake, 10);
    assert_int_equal(used(r)->idx, 1);
    assert_int_equal(r->fake->interrupts[VECTOR], 0);
}

static void a_reset_forgets_requests_in_flight(void **state)
{
    struct rig *r = *state;

    request(r, VIRTIO_BLK_T_OUT, 0, 512);
    start(r);
    r->fake->now += 10000;
    request(r, VIRTIO_BLK_T_IN, 0, 512); /* due later than the event of the first */
    fake_step(r->fake);
    assert_int_equal(used(r)->idx, 0);
    fake_step(r->fake);
    assert_int_equal(used(r)->idx, 1);
}

/* ---- hostile rings: each must break the device, not the simulator ---- */

static void break_loop(struct rig *r)
{
    table(r)[0] = (struct vring_desc){HEADER, 16, VRING_DESC_F_NEXT, 1};
    table(r)[1] = (struct vring_desc){DATA, 512, VRING_DESC_F_NEXT, 0};
    offer(r, 0);
}

static void break_head(struct rig *r)
{
    offer(r, QUEUE_SIZE);
}

static void break_next(struct rig *r)
{
    table(r)[0] = (struct vring_desc){HEADER, 16, VRING_DESC_F_NEXT, 0xffff};
    offer(r, 0);
}

static void break_index(struct rig *r)
{
    available(r)->idx += QUEUE_SIZE + 1;
}

static void break_indirect(struct rig *r)
{
    table(r)[0] = (struct vring_desc){HEADER, 16, VRING_DESC_F_INDIRECT, 0};
    offer(r, 0);
}

static void break_order(struct rig *r)
{
    table(r)[0] = (struct vring_desc){STATUS, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1};
    table(r)[1] = (struct vring_desc){HEADER, 16, 0, 0};
    offer(r, 0);
}

static void break_header(struct rig *r)
{
    table(r)[0] = (struct vring_desc){HEADER, 15, VRING_DESC_F_NEXT, 1};
    table(r)[1] = (struct vring_desc){STATUS, 1, VRING_DESC_F_WRITE, 0};
    offer(r, 0);
}

static void break_status(struct rig *r)
{
    table(r)[0] = (struct vring_desc){HEADER, 16, 0, 0};
    offer(r, 0);
}

static void break_address(struct rig *r)
{
    memset(r->fake->ram + HEADER, 0, 16);
    table(r)[0] = (struct vring_desc){HEADER, 16, VRING_DESC_F_NEXT, 1};
    table(r)[1] = (struct vring_desc){UINT64_MAX - 100, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2};
    table(r)[2] = (struct vring_desc){STATUS, 1, VRING_DESC_F_WRITE, 0};
    offer(r, 0);
}

static void break_status_address(struct rig *r)
{
    memset(r->fake->ram + HEADER, 0, 16);
    table(r)[0] = (struct vring_desc){HEADER, 16, VRING_DESC_F_NEXT, 1};
    table(r)[1] = (struct vring_desc){FAKE_RAM, 1, VRING_DESC_F_WRITE, 0};
    offer(r, 0);
}

/* The same head again and again while nothing completes. */
static void break_flood(struct rig *r)
{
    table(r)[0] = (struct vring_desc){HEADER, 16, VRING_DESC_F_NEXT, 1};
    table(r)[1] = (struct vring_desc){STATUS, 1, VRING_DESC_F_WRITE, 0};
    for (int i = 0; i < QUEUE_SIZE; i++)
        offer(r, 0);
    put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    assert_false(is_broken(r));
    offer(r, 0);
}

static void broken_rings_break_the_device(void **state)
{
    static void (*const breakers[])(struct rig *) = {
        break_loop,   break_head,   break_next,    break_index,          break_indirect, break_order,
        break_header, break_status, break_address, break_status_address, break_flood,
    };
    struct rig *r = *state;

    for (size_t i = 0; i < sizeof breakers / sizeof *breakers; i++) {
        start(r);
        assert_false(is_broken(r));
        breakers[i](r);
        put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
        fake_run(r->fake, 100);
        assert_true(is_broken(r));
        assert_true(get(r, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
        request(r, VIRTIO_BLK_T_IN, 0, 512); /* nothing happens any more */
        fake_run(r->fake, 100);
        assert_int_equal(r->fake->ram[STATUS], 0xee);
        start(r);
        request(r, VIRTIO_BLK_T_IN, 0, 512); /* until the reset */
        fake_run(r->fake, 100);
        assert_int_equal(r->fake->ram[STATUS], VIRTIO_BLK_S_OK);
    }
}

static void bad_queues_break_the_device(void **state)
{
    static const uint32_t bad_size[] = {0, 3, 256, UINT32_MAX};
    struct rig *r = *state;

    for (size_t i = 0; i < sizeof bad_size / sizeof *bad_size; i++) {
        negotiate(r);
        set_up_queue(r, bad_size[i]);
        assert_int_equal(get(r, VIRTIO_MMIO_QUEUE_READY), 0);
        assert_true(is_broken(r));
    }
    negotiate(r);
    put(r, VIRTIO_MMIO_QUEUE_DESC_HIGH, 1); /* above RAM: found out at the first use */
    set_up_queue(r, QUEUE_SIZE);
    put(r, VIRTIO_MMIO_QUEUE_SEL, 5); /* no such queue */
    put(r, VIRTIO_MMIO_QUEUE_NUM, 8);
    assert_int_equal(get(r, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
    put(r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
    offer(r, 0);
    put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    assert_true(is_broken(r));
}

/* Rings of random bytes, biased towards plausible ones, and random register writes: no crash, no hang. The sanitizers
 * watch the version in build/asan. */
static void random_rings_do_no_harm(void **state)
{
    struct rig *r = *state;
    uint64_t x = 88172645463325252ull;
    unsigned broken = 0, alive = 0;

    for (unsigned round = 0; round < 3000; round++) {
        start(r);
        for (unsigned i = 0; i < QUEUE_SIZE; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            table(r)[i] = (struct vring_desc){x % (FAKE_RAM + 4096), (x >> 24) % 2000, (x >> 40) & 3,
                                              (x >> 50) % (QUEUE_SIZE + 1)};
            available(r)->ring[i] = (x >> 56) % (QUEUE_SIZE + 1);
        }
        available(r)->idx = x % 10;
        put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
        r->device.write(r->device.self, x % 4096, 1 << (x >> 20) % 4, x >> 8);
        fake_run(r->fake, 64);
        *(is_broken(r) ? &broken : &alive) += 1;
    }
    assert_true(broken > 100 && alive > 20);
}

/* ---- the console from below ---- */

struct tape {
    const char *input;
    size_t at;
    int delays; /* answers of "nothing yet" before each input */
    char output[64];
    size_t length;
};

static long tape_input(void *ctx, void *to, size_t bytes)
{
    struct tape *t = ctx;
    size_t left = strlen(t->input) - t->at;

    if (t->delays-- > 0)
        return -1;
    if (bytes > left)
        bytes = left;
    memcpy(to, t->input + t->at, bytes);
    t->at += bytes;
    return (long)bytes;
}

static void tape_output(void *ctx, const void *from, size_t bytes)
{
    struct tape *t = ctx;

    memcpy(t->output + t->length, from, bytes);
    t->length += bytes;
}

static void the_console_asks_again_when_there_is_nothing_yet(void **state)
{
    struct rig *r = *state;
    struct tape tape = {.input = "hello", .delays = 3};
    struct console_streams streams = {.ctx = &tape, .input = tape_input, .output = tape_output};
    struct virtio_console *console = virtio_console_create(&r->fake->bus, VECTOR, &streams);
    struct bus_device blk = r->device;

    r->device = virtio_console_device(console);
    start(r);
    table(r)[0] = (struct vring_desc){DATA, 4, VRING_DESC_F_WRITE, 0};
    offer(r, 0);
    put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    fake_run(r->fake, 100);
    assert_int_equal(r->fake->now, 5000 + 3 * 1000000);
    assert_int_equal(used(r)->idx, 1);
    assert_int_equal(used(r)->ring[0].len, 4);
    assert_memory_equal(r->fake->ram + DATA, "hell", 4);
    for (unsigned expected = 1, i = 1; i < 4; i++, expected = 0) { /* "o", then the end again and again */
        offer(r, 0);
        put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
        fake_run(r->fake, 100);
        assert_int_equal(used(r)->ring[i].len, expected);
    }
    table(r)[0].flags = 0; /* a receive buffer that cannot be written */
    offer(r, 0);
    put(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    assert_true(is_broken(r));
    virtio_console_destroy(console);
    r->device = blk;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(registers_say_what_the_device_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(features_that_are_not_offered_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_takes_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_beyond_the_end_fails_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_driver_may_ask_for_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reset_forgets_requests_in_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_rings_break_the_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_queues_break_the_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_rings_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_console_asks_again_when_there_is_nothing_yet, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
