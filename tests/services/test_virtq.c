/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_virtq.c: the driver side of a virtqueue against a device that is the test: it reads the rings,
 * answers in any order, and lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "services/virtio/virtq.h"
#include "tests/fake_bus.h"

#define SIZE 8

struct rig {
    struct fake *fake;
    uint32_t reg[1024]; /* a device that remembers */
    unsigned notified;
    uint32_t refused; /* status bits that do not stick */
    struct device device;
    struct virtq *queue;
};

static uint32_t read_register(void *ctx, unsigned offset)
{
    return ((struct rig *)ctx)->reg[offset / 4];
}

static void write_register(void *ctx, unsigned offset, uint32_t value)
{
    struct rig *r = ctx;

    if (offset == VIRTIO_MMIO_QUEUE_NOTIFY)
        r->notified++;
    if (offset == VIRTIO_MMIO_STATUS)
        value &= ~r->refused;
    r->reg[offset / 4] = value;
}

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    r->fake = fake_create();
    r->device = (struct device){r, read_register, write_register};
    r->reg[VIRTIO_MMIO_MAGIC_VALUE / 4] = 0x74726976;
    r->reg[VIRTIO_MMIO_VERSION / 4] = 2;
    r->reg[VIRTIO_MMIO_DEVICE_ID / 4] = 2;
    r->reg[VIRTIO_MMIO_DEVICE_FEATURES / 4] = UINT32_MAX;
    r->reg[VIRTIO_MMIO_QUEUE_NUM_MAX / 4] = SIZE;
    r->queue = virtq_create(&r->fake->host, &r->device, 0, SIZE);
    assert_non_null(r->queue);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    virtq_destroy(r->queue);
    assert_int_equal(r->fake->live, 0);
    fake_destroy(r->fake);
    free(r);
    return 0;
}

static void *ring(struct rig *r, unsigned low)
{
    return r->fake->ram + r->reg[low / 4];
}

static struct vring_avail *available(struct rig *r)
{
    return ring(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW);
}

static struct vring_used *used(struct rig *r)
{
    return ring(r, VIRTIO_MMIO_QUEUE_USED_LOW);
}

static struct vring_desc *table(struct rig *r)
{
    return ring(r, VIRTIO_MMIO_QUEUE_DESC_LOW);
}

static void answer(struct rig *r, uint32_t head, uint32_t written)
{
    used(r)->ring[used(r)->idx % SIZE] = (struct vring_used_elem){head, written};
    used(r)->idx++;
}

static long add(struct rig *r, unsigned count, unsigned token)
{
    const struct virtq_segment segment[4] = {{0x1000, 1, 0}, {0x2000, 2, 0}, {0x3000, 3, 1}, {0x4000, 4, 1}};

    return virtq_add(r->queue, segment, count, token);
}

static void a_device_is_agreed_with_or_refused(void **state)
{
    struct rig *r = *state;
    uint64_t features;

    assert_int_equal(virtio_start(&r->device, 2, 1ull << 9, &features), 0);
    assert_true(features == (1ull << 9 | 1ull << VIRTIO_F_VERSION_1));
    assert_int_equal(virtio_start(&r->device, 3, 0, &features), -ENODEV);
    r->refused = VIRTIO_CONFIG_S_FEATURES_OK;
    assert_int_equal(virtio_start(&r->device, 2, 0, &features), -ENODEV);
    r->refused = 0;
    r->reg[VIRTIO_MMIO_DEVICE_FEATURES / 4] = 0; /* an old device */
    assert_int_equal(virtio_start(&r->device, 2, 0, &features), -ENODEV);
    r->reg[VIRTIO_MMIO_MAGIC_VALUE / 4] = 0;
    assert_int_equal(virtio_start(&r->device, 2, 0, &features), -ENODEV);
}

static void rings_lie_in_one_page_without_overlap(void **state)
{
    struct rig *r = *state;
    uint64_t page = r->reg[VIRTIO_MMIO_QUEUE_DESC_LOW / 4];

    assert_int_equal(page % 4096, 0);
    assert_true((unsigned char *)available(r) >= (unsigned char *)(table(r) + SIZE));
    assert_true((unsigned char *)used(r) >= (unsigned char *)available(r) + 6 + 2 * SIZE);
    assert_int_equal(r->reg[VIRTIO_MMIO_QUEUE_USED_LOW / 4] % 4, 0);
    assert_null(virtq_create(&r->fake->host, &r->device, 0, 2 * SIZE)); /* more than the device has */
    r->reg[VIRTIO_MMIO_QUEUE_NUM_MAX / 4] = 1024;
    assert_null(virtq_create(&r->fake->host, &r->device, 0, 2 * VIRTQ_SIZE_MAX)); /* more than a page holds */
}

static void a_request_is_a_chain(void **state)
{
    struct rig *r = *state;
    const struct vring_desc *d;

    assert_int_equal(add(r, 3, 5), 0);
    assert_int_equal(available(r)->idx, 1);
    d = &table(r)[available(r)->ring[0]];
    assert_int_equal(d->addr, 0x1000);
    assert_int_equal(d->flags, VRING_DESC_F_NEXT);
    d = &table(r)[d->next];
    assert_int_equal(d->len, 2);
    d = &table(r)[d->next];
    assert_int_equal(d->flags, VRING_DESC_F_WRITE);
    assert_int_equal(r->notified, 0);
    virtq_kick(r->queue);
    assert_int_equal(r->notified, 1);
    used(r)->flags = VRING_USED_F_NO_NOTIFY;
    virtq_kick(r->queue);
    assert_int_equal(r->notified, 1);
}

static void answers_come_in_any_order(void **state)
{
    struct rig *r = *state;
    uint32_t written;

    assert_int_equal(add(r, 2, 0), 0);
    assert_int_equal(add(r, 2, 1), 0);
    assert_int_equal(add(r, 4, 2), 0);
    assert_int_equal(add(r, 1, 3), -EAGAIN); /* eight descriptors are taken */
    answer(r, available(r)->ring[2], 7);
    answer(r, available(r)->ring[0], 0);
    assert_int_equal(virtq_reap(r->queue, &written), 2);
    assert_int_equal(written, 7);
    assert_int_equal(virtq_reap(r->queue, &written), 0);
    assert_int_equal(virtq_reap(r->queue, &written), -EAGAIN);
    assert_int_equal(add(r, 4, 3), 0);
    assert_int_equal(add(r, 2, 1), -EAGAIN); /* that token is still out */
    assert_int_equal(add(r, 2, 0), 0);
    assert_int_equal(add(r, 1, SIZE), -EAGAIN);
    assert_int_equal(add(r, 0, 4), -EAGAIN);
}

static void nonsense_is_noticed(void **state)
{
    struct rig *r = *state;
    uint32_t written;

    assert_int_equal(add(r, 2, 0), 0);
    answer(r, SIZE, 0); /* no such descriptor */
    assert_int_equal(virtq_reap(r->queue, &written), -EIO);
    used(r)->idx = 0;
    answer(r, available(r)->ring[0] ^ 4, 0); /* not a head */
    assert_int_equal(virtq_reap(r->queue, &written), -EIO);
    used(r)->idx = 0;
    answer(r, available(r)->ring[0], 0);
    answer(r, available(r)->ring[0], 0); /* twice */
    assert_int_equal(virtq_reap(r->queue, &written), 0);
    assert_int_equal(virtq_reap(r->queue, &written), -EIO);
}

static void interrupts_are_asked_for_and_acknowledged(void **state)
{
    struct rig *r = *state;

    virtq_interrupts(r->queue, 0);
    assert_int_equal(available(r)->flags, VRING_AVAIL_F_NO_INTERRUPT);
    virtq_interrupts(r->queue, 1);
    assert_int_equal(available(r)->flags, 0);
    r->reg[VIRTIO_MMIO_INTERRUPT_STATUS / 4] = VIRTIO_MMIO_INT_VRING;
    assert_int_equal(virtio_acknowledge(&r->device), 0);
    assert_int_equal(r->reg[VIRTIO_MMIO_INTERRUPT_ACK / 4], VIRTIO_MMIO_INT_VRING);
    r->reg[VIRTIO_MMIO_INTERRUPT_STATUS / 4] = VIRTIO_MMIO_INT_CONFIG;
    assert_int_equal(virtio_acknowledge(&r->device), 0);
    r->reg[VIRTIO_MMIO_STATUS / 4] = VIRTIO_CONFIG_S_NEEDS_RESET;
    assert_int_equal(virtio_acknowledge(&r->device), -EIO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_device_is_agreed_with_or_refused),
        TEST(rings_lie_in_one_page_without_overlap),
        TEST(a_request_is_a_chain),
        TEST(answers_come_in_any_order),
        TEST(nonsense_is_noticed),
        TEST(interrupts_are_asked_for_and_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
