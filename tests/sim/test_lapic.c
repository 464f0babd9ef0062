/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_lapic.c: the local APIC against a naive reference, and the manual's cases by hand.
 *
 * The reference keeps 256 booleans for each set and lets its timer count cycle by cycle; the model computes. Random
 * sequences of register accesses, messages and passing time must look the same in both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sim/devices/lapic.h"
#include "tests/sim/random.h"

/* What a LAPIC sent. */
struct sent {
    unsigned count;
    struct lapic_ipi last;
};

static void record(void *ctx, const struct lapic_ipi *ipi)
{
    struct sent *sent = ctx;
    sent->count++;
    sent->last = *ipi;
}

static void power_on(struct lapic *lapic, unsigned id, struct sent *sent)
{
    *sent = (struct sent){0};
    lapic_create(lapic, id, record, sent);
    lapic_write(lapic, LAPIC_SVR, 0x1ff, 0);
}

/* The reference. */

struct ref {
    bool irr[256], isr[256];
    unsigned tpr;
    bool periodic, masked;
    unsigned vector;
    unsigned initial, count, divide, phase;
};

static unsigned ref_divide(unsigned configuration)
{
    static const unsigned divide[16] = {[0] = 2, [1] = 4, [2] = 8, [3] = 16, [8] = 32, [9] = 64, [10] = 128, [11] = 1};
    return divide[configuration & 0xb];
}

static int ref_top(const bool set[256])
{
    for (int vector = 255; vector >= 0; vector--)
        if (set[vector])
            return vector;
    return -1;
}

static unsigned ref_priority(const struct ref *ref)
{
    int served = ref_top(ref->isr);
    unsigned served_class = served < 0 ? 0 : (unsigned)served / 16;
    return ref->tpr / 16 >= served_class ? ref->tpr : served_class * 16;
}

static int ref_pending(const struct ref *ref)
{
    int top = ref_top(ref->irr);
    return top >= 0 && (unsigned)top / 16 > ref_priority(ref) / 16 ? top : -1;
}

static void ref_cycle(struct ref *ref)
{
    if (!ref->count || ++ref->phase < ref->divide)
        return;
    ref->phase = 0;
    if (--ref->count)
        return;
    if (ref->periodic)
        ref->count = ref->initial;
    if (!ref->masked)
        ref->irr[ref->vector] = true;
}

/* Cycles until the reference's timer interrupts; LAPIC_NEVER. */
static uint64_t ref_next(const struct ref *ref)
{
    if (!ref->count || ref->masked)
        return LAPIC_NEVER;
    return (uint64_t)ref->count * ref->divide - ref->phase;
}

/* Both. */

struct pair {
    struct lapic lapic;
    struct ref ref;
    struct random random;
    uint64_t now;
    unsigned taken;
};

static void compare(struct pair *pair)
{
    struct lapic *lapic = &pair->lapic;
    uint64_t next = ref_next(&pair->ref);
    assert_int_equal(lapic_next_timer(lapic), next == LAPIC_NEVER ? LAPIC_NEVER : pair->now + next);
    assert_int_equal(lapic_pending(lapic), ref_pending(&pair->ref));
    assert_int_equal(lapic_read(lapic, LAPIC_PPR, pair->now), ref_priority(&pair->ref));
    assert_int_equal(lapic_read(lapic, LAPIC_TIMER_CURRENT, pair->now), pair->ref.count);
    unsigned word = random_below(&pair->random, 8);
    uint32_t irr = lapic_read(lapic, LAPIC_IRR + 16 * word, pair->now), isr = lapic_read(lapic, LAPIC_ISR + 16 * word, pair->now);
    for (unsigned bit = 0; bit < 32; bit++) {
        assert_int_equal(irr >> bit & 1, pair->ref.irr[word * 32 + bit]);
        assert_int_equal(isr >> bit & 1, pair->ref.isr[word * 32 + bit]);
    }
}

static void pass_time(struct pair *pair)
{
    unsigned cycles = random_below(&pair->random, 400);
    pair->now += cycles;
    while (cycles--)
        ref_cycle(&pair->ref);
    if (random_below(&pair->random, 2))
        lapic_tick(&pair->lapic, pair->now);
    else
        lapic_read(&pair->lapic, LAPIC_ID, pair->now); /* an access lets the timer run too */
}

static void write_timer(struct pair *pair)
{
    struct ref *ref = &pair->ref;
    struct random *random = &pair->random;
    uint32_t value;
    switch (random_below(random, 3)) {
    case 0:
        value = (16 + random_below(random, 240)) | random_below(random, 2) * LAPIC_LVT_PERIODIC |
                (random_below(random, 4) == 0) * LAPIC_LVT_MASKED;
        lapic_write(&pair->lapic, LAPIC_LVT_TIMER, value, pair->now);
        ref->vector = value & 0xff;
        ref->periodic = value & LAPIC_LVT_PERIODIC;
        ref->masked = value & LAPIC_LVT_MASKED;
        break;
    case 1:
        value = random_below(random, 16);
        lapic_write(&pair->lapic, LAPIC_TIMER_DIVIDE, value, pair->now);
        ref->divide = ref_divide(value);
        ref->phase = 0;
        break;
    default:
        value = random_below(random, 8) ? random_below(random, 60) : 0;
        lapic_write(&pair->lapic, LAPIC_TIMER_INITIAL, value, pair->now);
        ref->initial = ref->count = value;
        ref->phase = 0;
    }
}

static void interrupt(struct pair *pair)
{
    struct ref *ref = &pair->ref;
    int served, pending;
    unsigned vector = 16 + random_below(&pair->random, 240);
    switch (random_below(&pair->random, 4)) {
    case 0:
        assert_true(lapic_raise(&pair->lapic, vector));
        ref->irr[vector] = true;
        break;
    case 1:
        ref->tpr = random_below(&pair->random, 3) ? 0 : random_below(&pair->random, 256);
        lapic_write(&pair->lapic, LAPIC_TPR, ref->tpr, pair->now);
        break;
    case 2:
        served = ref_top(ref->isr);
        if (served >= 0)
            ref->isr[served] = false;
        lapic_write(&pair->lapic, LAPIC_EOI, 0, pair->now);
        break;
    default:
        pending = lapic_pending(&pair->lapic);
        assert_int_equal(pending, ref_pending(ref));
        if (pending < 0)
            return;
        lapic_accept(&pair->lapic, (unsigned)pending);
        ref->irr[pending] = false;
        ref->isr[pending] = true;
        pair->taken++;
    }
}

static void test_random_sequences(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sent sent;
        struct pair pair = {.random = {.state = seed}, .ref = {.masked = true, .divide = 2}};
        power_on(&pair.lapic, 0, &sent);
        for (int i = 0; i < 10000; i++) {
            unsigned what = random_below(&pair.random, 8);
            if (what < 3)
                pass_time(&pair);
            else if (what == 3)
                write_timer(&pair);
            else
                interrupt(&pair);
            compare(&pair);
        }
        assert_true(pair.taken > 100);
        assert_int_equal(sent.count, 0);
    }
}

/* By hand. */

static void test_power_on(void **state)
{
    struct lapic lapic;
    lapic_create(&lapic, 3, NULL, NULL);
    assert_int_equal(lapic_read(&lapic, LAPIC_ID, 0), 3u << 24);
    assert_int_equal(lapic_read(&lapic, LAPIC_VERSION, 0), 0x50014);
    assert_int_equal(lapic_read(&lapic, LAPIC_SVR, 0), 0xff);
    assert_int_equal(lapic_read(&lapic, LAPIC_DFR, 0), 0xffffffff);
    for (uint32_t entry = LAPIC_LVT_TIMER; entry <= LAPIC_LVT_ERROR; entry += 16)
        assert_int_equal(lapic_read(&lapic, entry, 0), LAPIC_LVT_MASKED);
    assert_int_equal(lapic_next_timer(&lapic), LAPIC_NEVER);
    assert_int_equal(lapic_pending(&lapic), -1);
    lapic_write(&lapic, LAPIC_ICR_LOW, 0x40, 0); /* to nowhere, harmless */
}

static void test_disabled_by_software(void **state)
{
    struct lapic lapic;
    struct sent sent;
    lapic_create(&lapic, 0, record, &sent);
    assert_false(lapic_raise(&lapic, 0x40));
    assert_int_equal(lapic_pending(&lapic), -1);
    lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20, 0);
    assert_int_equal(lapic_read(&lapic, LAPIC_LVT_TIMER, 0), LAPIC_LVT_MASKED | 0x20);
    lapic_write(&lapic, LAPIC_SVR, 0x1ff, 0);
    lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20, 0);
    assert_int_equal(lapic_read(&lapic, LAPIC_LVT_TIMER, 0), 0x20);
    assert_true(lapic_raise(&lapic, 0x40));
    lapic_write(&lapic, LAPIC_SVR, 0xff, 0); /* off again: what waits stays, the LVT is masked */
    assert_int_equal(lapic_read(&lapic, LAPIC_LVT_TIMER, 0), LAPIC_LVT_MASKED | 0x20);
    assert_int_equal(lapic_pending(&lapic), 0x40);
    assert_false(lapic_raise(&lapic, 0x41));
}

static void test_priorities(void **state)
{
    struct lapic lapic;
    struct sent sent;
    power_on(&lapic, 0, &sent);
    lapic_raise(&lapic, 0x31);
    lapic_raise(&lapic, 0x42);
    assert_int_equal(lapic_pending(&lapic), 0x42);
    lapic_accept(&lapic, 0x42);
    assert_int_equal(lapic_pending(&lapic), -1); /* a lower class waits for EOI */
    lapic_raise(&lapic, 0x4f);
    assert_int_equal(lapic_pending(&lapic), -1); /* so does the same class */
    lapic_raise(&lapic, 0x50);
    assert_int_equal(lapic_pending(&lapic), 0x50); /* a higher one interrupts */
    lapic_accept(&lapic, 0x50);
    assert_int_equal(lapic_read(&lapic, LAPIC_PPR, 0), 0x50);
    lapic_write(&lapic, LAPIC_EOI, 0, 0); /* ends the highest */
    assert_int_equal(lapic_read(&lapic, LAPIC_PPR, 0), 0x40);
    lapic_write(&lapic, LAPIC_EOI, 0, 0);
    assert_int_equal(lapic_pending(&lapic), 0x4f);
    lapic_write(&lapic, LAPIC_TPR, 0x4a, 0);
    assert_int_equal(lapic_pending(&lapic), -1);
    assert_int_equal(lapic_read(&lapic, LAPIC_PPR, 0), 0x4a);
    lapic_write(&lapic, LAPIC_TPR, 0x3f, 0);
    assert_int_equal(lapic_pending(&lapic), 0x4f);
    lapic_write(&lapic, LAPIC_EOI, 0, 0); /* nothing in service: nothing happens */
    assert_int_equal(lapic_pending(&lapic), 0x4f);
}

static void test_one_shot(void **state)
{
    struct lapic lapic;
    struct sent sent;
    power_on(&lapic, 0, &sent);
    lapic_write(&lapic, LAPIC_TIMER_DIVIDE, 0x3, 1000); /* 16 */
    lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20, 1000);
    lapic_write(&lapic, LAPIC_TIMER_INITIAL, 10, 1000);
    assert_int_equal(lapic_next_timer(&lapic), 1160);
    assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, 1015), 10);
    assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, 1016), 9);
    assert_false(lapic_tick(&lapic, 1159));
    assert_int_equal(lapic_pending(&lapic), -1);
    assert_true(lapic_tick(&lapic, 1160));
    assert_int_equal(lapic_pending(&lapic), 0x20);
    assert_int_equal(lapic_next_timer(&lapic), LAPIC_NEVER);
    assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, 5000), 0);
    assert_false(lapic_tick(&lapic, 5000));
}

static void test_periodic(void **state)
{
    struct lapic lapic;
    struct sent sent;
    power_on(&lapic, 0, &sent);
    lapic_write(&lapic, LAPIC_TIMER_DIVIDE, 0xb, 0); /* 1 */
    lapic_write(&lapic, LAPIC_LVT_TIMER, LAPIC_LVT_PERIODIC | 0x20, 0);
    lapic_write(&lapic, LAPIC_TIMER_INITIAL, 100, 0);
    assert_true(lapic_tick(&lapic, 100));
    assert_int_equal(lapic_next_timer(&lapic), 200);
    assert_true(lapic_tick(&lapic, 555)); /* several periods: one interrupt, and no drift */
    assert_int_equal(lapic_next_timer(&lapic), 600);
    lapic_write(&lapic, LAPIC_TIMER_INITIAL, 0, 560); /* stops it */
    assert_int_equal(lapic_next_timer(&lapic), LAPIC_NEVER);
    assert_false(lapic_tick(&lapic, 10000));
}

/* The largest count with the largest divisor does not overflow. */
static void test_long_timer(void **state)
{
    struct lapic lapic;
    struct sent sent;
    power_on(&lapic, 0, &sent);
    lapic_write(&lapic, LAPIC_TIMER_DIVIDE, 0xa, 7);
    lapic_write(&lapic, LAPIC_LVT_TIMER, 0x20, 7);
    lapic_write(&lapic, LAPIC_TIMER_INITIAL, 0xffffffff, 7);
    assert_int_equal(lapic_next_timer(&lapic), 7 + 0xffffffffull * 128);
    assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, 7 + 0xfffffffeull * 128), 1);
}

static void test_errors(void **state)
{
    struct lapic lapic;
    struct sent sent;
    power_on(&lapic, 0, &sent);
    assert_false(lapic_raise(&lapic, 15));
    assert_int_equal(lapic_read(&lapic, LAPIC_ESR, 0), 0); /* a write brings the news */
    lapic_write(&lapic, LAPIC_ESR, 0, 0);
    assert_int_equal(lapic_read(&lapic, LAPIC_ESR, 0), LAPIC_ERROR_RECEIVED_VECTOR);
    lapic_write(&lapic, LAPIC_LVT_ERROR, 0x77, 0);
    lapic_write(&lapic, LAPIC_ICR_LOW, 8, 0);
    assert_int_equal(sent.count, 0);
    assert_int_equal(lapic_pending(&lapic), 0x77);
    assert_int_equal(lapic_read(&lapic, 0x3f0, 0), 0);
    lapic_write(&lapic, LAPIC_ESR, 0, 0);
    assert_int_equal(lapic_read(&lapic, LAPIC_ESR, 0), LAPIC_ERROR_SEND_VECTOR | LAPIC_ERROR_REGISTER);
    lapic_write(&lapic, LAPIC_LVT_ERROR, 3, 0); /* an error vector that is an error: no recursion */
    lapic_write(&lapic, 0x3f0, 1, 0);
    lapic_write(&lapic, LAPIC_ESR, 0, 0);
    assert_int_equal(lapic_read(&lapic, LAPIC_ESR, 0), LAPIC_ERROR_REGISTER);
}

static void test_read_only(void **state)
{
    static const uint32_t offsets[] = {LAPIC_ID,  LAPIC_VERSION, LAPIC_PPR, LAPIC_TIMER_CURRENT, LAPIC_ISR, LAPIC_ISR + 0x70,
                                       LAPIC_TMR, LAPIC_IRR,     LAPIC_IRR + 0x70};
    struct lapic lapic;
    struct sent sent;
    power_on(&lapic, 5, &sent);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        uint32_t before = lapic_read(&lapic, offsets[i], 0);
        lapic_write(&lapic, offsets[i], ~before, 0);
        assert_int_equal(lapic_read(&lapic, offsets[i], 0), before);
    }
    lapic_write(&lapic, LAPIC_ESR, 0, 0);
    assert_int_equal(lapic_read(&lapic, LAPIC_ESR, 0), 0);
}

/* IPIs: four CPUs with logical addresses 1, 2, 4, 8. */

struct four {
    struct lapic lapic[4];
    const struct lapic *all[4];
    struct sent sent;
};

static void four_power_on(struct four *four)
{
    for (unsigned i = 0; i < 4; i++) {
        power_on(&four->lapic[i], i, &four->sent);
        lapic_write(&four->lapic[i], LAPIC_LDR, 1u << (24 + i), 0);
        four->all[i] = &four->lapic[i];
    }
}

/* CPU 1 writes ICR; the destinations, or UINT32_MAX if nothing was sent. */
static uint32_t send(struct four *four, uint32_t high, uint32_t low)
{
    unsigned before = four->sent.count;
    lapic_write(&four->lapic[1], LAPIC_ICR_HIGH, high << 24, 0);
    lapic_write(&four->lapic[1], LAPIC_ICR_LOW, low, 0);
    if (four->sent.count == before)
        return UINT32_MAX;
    assert_int_equal(four->sent.last.sender, 1);
    return lapic_destinations(four->all, 4, &four->sent.last);
}

static void test_ipi_destinations(void **state)
{
    static struct four four;
    four_power_on(&four);
    assert_int_equal(send(&four, 2, 0x40), 4);
    assert_int_equal(four.sent.last.vector, 0x40);
    assert_int_equal(four.sent.last.delivery, LAPIC_FIXED);
    assert_int_equal(send(&four, 9, 0x40), 0);
    assert_int_equal(send(&four, 0xff, 0x40), 15);
    assert_int_equal(send(&four, 0x0a, 0x840), 0xa);   /* logical */
    assert_int_equal(send(&four, 0xff, 0x840), 0xf);
    assert_int_equal(send(&four, 2, 0x40040), 2);      /* self */
    assert_int_equal(send(&four, 2, 0x80040), 15);     /* all */
    assert_int_equal(send(&four, 2, 0xc0040), 13);     /* others */
    assert_int_equal(send(&four, 2, 0x1040), 4);
    assert_int_equal(lapic_read(&four.lapic[1], LAPIC_ICR_LOW, 0), 0x40); /* never busy */
    assert_int_equal(lapic_read(&four.lapic[1], LAPIC_ICR_HIGH, 0), 2u << 24);
}

static void test_ipi_kinds(void **state)
{
    static struct four four;
    four_power_on(&four);
    assert_int_equal(send(&four, 3, 0x4500), 8); /* INIT */
    assert_int_equal(four.sent.last.delivery, LAPIC_INIT);
    assert_int_equal(send(&four, 3, 0x8500), UINT32_MAX); /* INIT level de-assert does nothing */
    assert_int_equal(send(&four, 3, 0x4608), 8);          /* SIPI at 0x8000 */
    assert_int_equal(four.sent.last.delivery, LAPIC_SIPI);
    assert_int_equal(four.sent.last.vector, 8);
    assert_int_equal(send(&four, 0, 0xc4500), 13);
    assert_int_equal(send(&four, 0, 0x84500), UINT32_MAX); /* INIT to oneself too: not valid */
    assert_int_equal(send(&four, 0, 0x44600), UINT32_MAX);
    assert_int_equal(send(&four, 0, 0x400), 1);          /* NMI */
    assert_int_equal(send(&four, 0, 0x200), UINT32_MAX); /* SMI is not modelled */
    assert_int_equal(send(&four, 0, 0x340), UINT32_MAX); /* reserved */
}

static void test_lowest_priority(void **state)
{
    static struct four four;
    four_power_on(&four);
    assert_int_equal(send(&four, 0x0f, 0x940), 1);
    lapic_write(&four.lapic[0], LAPIC_TPR, 0x20, 0);
    assert_int_equal(send(&four, 0x0f, 0x940), 2);
    lapic_raise(&four.lapic[1], 0x30);
    lapic_accept(&four.lapic[1], 0x30);
    assert_int_equal(send(&four, 0x0b, 0x940), 8);
}

static void test_clusters(void **state)
{
    static struct four four;
    four_power_on(&four);
    for (unsigned i = 0; i < 4; i++) {
        lapic_write(&four.lapic[i], LAPIC_DFR, 0, 0);
        assert_int_equal(lapic_read(&four.lapic[i], LAPIC_DFR, 0), 0x0fffffff);
        lapic_write(&four.lapic[i], LAPIC_LDR, (i / 2) << 28 | 1u << (24 + i % 2), 0);
    }
    assert_int_equal(send(&four, 0x03, 0x840), 3);
    assert_int_equal(send(&four, 0x13, 0x840), 12);
    assert_int_equal(send(&four, 0x12, 0x840), 8);
    assert_int_equal(send(&four, 0xff, 0x840), 15);
}

static void test_init(void **state)
{
    struct lapic lapic, fresh;
    struct sent sent;
    lapic_create(&fresh, 2, record, &sent);
    power_on(&lapic, 2, &sent);
    lapic_raise(&lapic, 0x90);
    lapic_write(&lapic, LAPIC_TIMER_INITIAL, 55, 9);
    lapic_init(&lapic);
    assert_memory_equal(&lapic, &fresh, sizeof lapic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_sequences),
        cmocka_unit_test(test_power_on),
        cmocka_unit_test(test_disabled_by_software),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_one_shot),
        cmocka_unit_test(test_periodic),
        cmocka_unit_test(test_long_timer),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_ipi_destinations),
        cmocka_unit_test(test_ipi_kinds),
        cmocka_unit_test(test_lowest_priority),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_init),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
