/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_blk.c: the block driver (the archive that kernels link) on the block device model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/blk/blk.h"
#include "services/requests.h"
#include "sim/devices/virtio_blk.h"
#include "tests/fake_bus.h"

#define VECTOR 0x30
#define DISK_BYTES (1u << 20)
#define SECTORS (DISK_BYTES / 512)

struct rig {
    struct fake *fake;
    struct cpu_model cpu;
    unsigned char *disk;
    struct virtio_blk *model;
    struct bus_device page;
    struct device device;
    struct blk *blk;
    struct service service;
    struct call call;
    unsigned char *buffer; /* 64 KiB that the device reaches */
    uint64_t dma;
};

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    r->fake = fake_create();
    r->disk = calloc(1, DISK_BYTES);
    r->cpu = (struct cpu_model){.disk_latency_us = 20, .disk_bytes_per_us = 2000};
    r->model = virtio_blk_create(&r->fake->bus, &r->cpu, VECTOR, r->disk, DISK_BYTES);
    r->page = virtio_blk_device(r->model);
    r->device = fake_device(&r->page);
    r->buffer = fake_alloc(r->fake, 65536);
    r->dma = fake_dma(r->fake, r->buffer);
    r->blk = blk_create(&r->fake->host, &r->device);
    assert_non_null(r->blk);
    r->service = blk_service(r->blk);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    blk_destroy(r->blk);
    assert_int_equal(r->fake->live, 65536);
    virtio_blk_destroy(r->model);
    fake_destroy(r->fake);
    free(r->disk);
    free(r);
    return 0;
}

static long ask(struct rig *r, unsigned op, uint64_t a, uint64_t b, uint64_t c)
{
    struct request rq = {.service = SERVICE_BLK, .op = (uint16_t)op, .arg = {a, b, c}, .call = &r->call};

    return r->service.request(r->service.self, &rq);
}

/* Lets time pass until the ticket is done, as a placement would: the interrupt, then the call again. */
static long wait_for(struct rig *r, long ticket)
{
    long result;

    assert_true(ticket > 0);
    while ((result = ask(r, BLK_DONE, (uint64_t)ticket, 0, 0)) == CALL_WAIT) {
        unsigned before = r->fake->interrupts[VECTOR];

        assert_true(r->call.channel == CHANNEL(SERVICE_BLK, ticket));
        assert_true(fake_step(r->fake));
        if (r->fake->interrupts[VECTOR] != before)
            blk_event(r->blk);
    }
    return result;
}

static void what_is_written_is_read(void **state)
{
    struct rig *r = *state;

    assert_int_equal(ask(r, BLK_SIZE, 0, 0, 0), SECTORS);
    for (unsigned i = 0; i < 8192; i++)
        r->buffer[i] = (unsigned char)(i * 7);
    assert_int_equal(wait_for(r, ask(r, BLK_WRITE, 10, 8192, r->dma)), 0);
    assert_memory_equal(r->disk + 10 * 512, r->buffer, 8192);
    assert_int_equal(wait_for(r, ask(r, BLK_READ, 10, 8192, r->dma + 16384)), 0);
    assert_memory_equal(r->buffer + 16384, r->buffer, 8192);
    assert_int_equal(r->fake->copies, 0); /* all by DMA */
}

static void a_ticket_is_good_once(void **state)
{
    struct rig *r = *state;
    long ticket = ask(r, BLK_READ, 0, 512, r->dma);

    assert_int_equal(wait_for(r, ticket), 0);
    assert_int_equal(ask(r, BLK_DONE, (uint64_t)ticket, 0, 0), -ESTALE);
    assert_int_equal(ask(r, BLK_DONE, 0, 0, 0), -ESTALE);
    assert_int_equal(ask(r, BLK_DONE, UINT64_MAX, 0, 0), -ESTALE);
    assert_true(ask(r, BLK_READ, 0, 512, r->dma) != ticket);
}

/* The driver died and was started anew: whoever still has tickets of the old one must not get the new one's results. */
static void an_instance_knows_only_its_own_tickets(void **state)
{
    struct rig *r = *state;
    long old[4], new[4];

    for (int i = 0; i < 4; i++)
        old[i] = ask(r, BLK_READ, 0, 512, r->dma);
    r->fake->now += 4096; /* ns: no time at all for a death and a restart */
    blk_destroy(r->blk);
    r->blk = blk_create(&r->fake->host, &r->device);
    assert_non_null(r->blk);
    r->service = blk_service(r->blk);
    for (int i = 0; i < 4; i++)
        new[i] = ask(r, BLK_READ, 0, 512, r->dma);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ask(r, BLK_DONE, (uint64_t)old[i], 0, 0), -ESTALE);
    for (int i = 0; i < 4; i++)
        assert_int_equal(wait_for(r, new[i]), 0);
}

/* The asker died and was started anew: it waits for what the old one had begun, and finds no tickets taken. */
static void a_new_asker_finds_nothing_in_flight(void **state)
{
    struct rig *r = *state;
    long first = ask(r, BLK_WRITE, 3, 512, r->dma);

    memset(r->buffer, 5, 512);
    for (unsigned i = 1; i < 256; i++) {
        while (ask(r, BLK_READ, 0, 512, r->dma + 4096) == CALL_WAIT) {
            assert_true(fake_step(r->fake));
            blk_event(r->blk);
        }
    }
    while (ask(r, BLK_FORGET, 0, 0, 0) == CALL_WAIT) {
        unsigned before = r->fake->interrupts[VECTOR];

        assert_true(r->call.channel == CHANNEL(SERVICE_BLK, 0));
        while (r->fake->interrupts[VECTOR] == before)
            assert_true(fake_step(r->fake));
        blk_event(r->blk);
    }
    assert_false(fake_step(r->fake));
    assert_int_equal(r->disk[3 * 512], 5);
    assert_int_equal(ask(r, BLK_DONE, (uint64_t)first, 0, 0), -ESTALE);
    assert_int_equal(wait_for(r, ask(r, BLK_READ, 3, 512, r->dma)), 0);
}

static void requests_keep_their_order_and_a_flush_is_a_barrier(void **state)
{
    struct rig *r = *state;
    long first, second, flush;

    memset(r->buffer, 1, 512);
    memset(r->buffer + 512, 2, 512);
    first = ask(r, BLK_WRITE, 7, 512, r->dma);
    second = ask(r, BLK_WRITE, 7, 512, r->dma + 512);
    flush = ask(r, BLK_FLUSH, 0, 0, 0);
    assert_int_equal(wait_for(r, flush), 0);
    assert_int_equal(r->disk[7 * 512], 2);
    assert_int_equal(ask(r, BLK_DONE, (uint64_t)first, 0, 0), 0); /* both were done before it */
    assert_int_equal(ask(r, BLK_DONE, (uint64_t)second, 0, 0), 0);
    assert_true(fake_woken(r->fake, CHANNEL(SERVICE_BLK, flush)));
    assert_false(fake_woken(r->fake, CHANNEL(SERVICE_BLK, first))); /* nobody waited for it */
}

static void a_full_queue_waits_for_the_device(void **state)
{
    struct rig *r = *state;
    long ticket[64], result;
    unsigned n = 0;

    while ((result = ask(r, BLK_WRITE, n, 512, r->dma)) > 0 && n < 64)
        ticket[n++] = result;
    assert_int_equal(result, CALL_WAIT);
    assert_true(r->call.channel == CHANNEL(SERVICE_BLK, 0));
    assert_int_equal(n, 32);
    r->fake->wake_count = 0;
    assert_true(fake_step(r->fake));
    blk_event(r->blk);
    assert_true(fake_woken(r->fake, CHANNEL(SERVICE_BLK, 0)));
    assert_true(ask(r, BLK_WRITE, 0, 512, r->dma) > 0); /* though no result was collected */
    assert_int_equal(ask(r, BLK_DONE, (uint64_t)ticket[0], 0, 0), 0);
}

/* An asker may begin far more than the queue holds and collect later. */
static void uncollected_results_do_not_stop_the_queue(void **state)
{
    struct rig *r = *state;
    long ticket[256];

    for (unsigned i = 0; i < 256; i++) {
        r->buffer[0] = (unsigned char)i;
        while ((ticket[i] = ask(r, BLK_WRITE, i, 512, r->dma)) == CALL_WAIT) {
            assert_true(fake_step(r->fake));
            blk_event(r->blk);
        }
    }
    fake_run(r->fake, 1000);
    blk_event(r->blk);
    assert_int_equal(ask(r, BLK_READ, 0, 512, r->dma), CALL_WAIT); /* out of tickets */
    r->fake->wake_count = 0;
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(ask(r, BLK_DONE, (uint64_t)ticket[i], 0, 0), 0);
    assert_true(fake_woken(r->fake, CHANNEL(SERVICE_BLK, 0)));
    assert_true(ask(r, BLK_READ, 0, 512, r->dma) > 0);
}

static void descriptors_are_never_lost(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 1000; i++) {
        r->buffer[0] = (unsigned char)i;
        assert_int_equal(wait_for(r, ask(r, i % 3 ? BLK_WRITE : BLK_FLUSH, i % SECTORS, 512, r->dma)), 0);
        if (i % 3)
            assert_int_equal(r->disk[i % SECTORS * 512], (unsigned char)i);
    }
}

static void impossible_requests_are_refused(void **state)
{
    struct rig *r = *state;

    assert_int_equal(ask(r, BLK_READ, SECTORS, 512, r->dma), -EIO);
    assert_int_equal(ask(r, BLK_READ, SECTORS - 1, 1024, r->dma), -EIO);
    assert_int_equal(ask(r, BLK_READ, UINT64_MAX, 512, r->dma), -EIO);
    assert_int_equal(ask(r, BLK_READ, 0, 0, r->dma), -EINVAL);
    assert_int_equal(ask(r, BLK_READ, 0, 513, r->dma), -EINVAL);
    assert_int_equal(ask(r, 99, 0, 0, 0), -ENOSYS);
    assert_int_equal(r->fake->events, 0);
}

static void a_broken_device_fails_what_waits_and_what_follows(void **state)
{
    struct rig *r = *state;
    long good = ask(r, BLK_READ, 0, 512, r->dma);
    long bad = ask(r, BLK_READ, 0, 512, FAKE_RAM + 4096); /* not RAM */
    long later = ask(r, BLK_READ, 0, 512, r->dma);

    assert_int_equal(wait_for(r, bad), -EIO);
    assert_int_equal(ask(r, BLK_DONE, (uint64_t)good, 0, 0), 0);
    assert_int_equal(ask(r, BLK_DONE, (uint64_t)later, 0, 0), -EIO);
    assert_int_equal(ask(r, BLK_READ, 0, 512, r->dma), -EIO);
    assert_int_equal(ask(r, BLK_FLUSH, 0, 0, 0), -EIO);
}

/* The power goes at write number `at`. */
struct cut {
    uint64_t at, last_number, last_sector;
};

static bool cut_power(void *ctx, uint64_t number, uint64_t sector, size_t bytes)
{
    struct cut *cut = ctx;

    cut->last_number = number;
    cut->last_sector = sector;
    return number != cut->at;
}

static void a_power_cut_loses_a_write_and_all_after_it(void **state)
{
    struct rig *r = *state;
    struct cut cut = {.at = 2};

    virtio_blk_set_filter(r->model, cut_power, &cut);
    memset(r->buffer, 9, 512);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(wait_for(r, ask(r, BLK_WRITE, i * 3, 512, r->dma)), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(r->disk[i * 3 * 512], i < 2 ? 9 : 0);
    assert_int_equal(cut.last_number, 2);
    assert_int_equal(cut.last_sector, 6);
}

static void no_device_or_no_memory_is_no_driver(void **state)
{
    struct rig *r = *state;
    size_t live = r->fake->live;

    for (size_t i = 1; i <= 4; i++) { /* blk, its page, the queue, its page */
        r->fake->fail_after = i;
        assert_null(blk_create(&r->fake->host, &r->device));
        assert_int_equal(r->fake->live, live);
    }
    r->fake->fail_after = 0;
    blk_destroy(r->blk); /* the failed ones have reset the device */
    r->blk = blk_create(&r->fake->host, &r->device);
    assert_non_null(r->blk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ticket_is_good_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_instance_knows_only_its_own_tickets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_asker_finds_nothing_in_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_keep_their_order_and_a_flush_is_a_barrier, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_waits_for_the_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uncollected_results_do_not_stop_the_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_are_never_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impossible_requests_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_device_fails_what_waits_and_what_follows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_power_cut_loses_a_write_and_all_after_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_device_or_no_memory_is_no_driver, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
