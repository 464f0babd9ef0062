/* SPDX-License-Identifier: MIT
 *
 * guest/lapic.c: the local APIC: its one-shot timer and end of interrupt (Intel SDM vol. 3A ch. 10).
 *
 * The timer counts at a rate that only measuring tells.
 */
#include "abi/devices.h"
#include "guest/clock.h"
#include "guest/layout.h"
#include "guest/print.h"
#include "guest/x86.h"

#define REGISTERS (DIRECT_MAP + MMIO_LAPIC)
enum lapic_register {
    LAPIC_TPR = 0x080,
    LAPIC_EOI = 0x0b0,
    LAPIC_SPURIOUS = 0x0f0,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0,
};
#define SPURIOUS_ENABLE 0x100u
#define LVT_MASKED 0x10000u
#define DIVIDE_BY_1 0xbu
#define MEASURE_NS 5000

static uint64_t ticks_per_ns_32; /* set once by lapic_start: 32.32 fixed point */

static void write_register(enum lapic_register which, uint32_t value)
{
    mmio_write32(REGISTERS + which, value);
}

static uint32_t timer_current(void)
{
    return mmio_read32(REGISTERS + LAPIC_TIMER_CURRENT);
}

/* The same two reads, in the same order, at both ends: their own duration cancels out. */
static void measure(void)
{
    uint64_t begin, end;
    uint32_t from, to;

    write_register(LAPIC_TIMER_INITIAL, UINT32_MAX);
    begin = clock_ns();
    from = timer_current();
    do {
        end = clock_ns();
        to = timer_current();
    } while (end - begin < MEASURE_NS);
    write_register(LAPIC_TIMER_INITIAL, 0);
    if (to >= from)
        panic("lapic: the timer does not count");
    ticks_per_ns_32 = ((uint64_t)(from - to) << 32) / (end - begin);
}

void lapic_start(void)
{
    write_register(LAPIC_TPR, 0);
    write_register(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    write_register(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
    write_register(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    measure();
    write_register(LAPIC_LVT_TIMER, VECTOR_TIMER);
}

void lapic_timer(uint64_t ns)
{
    unsigned __int128 ticks = ((unsigned __int128)ns * ticks_per_ns_32 >> 32) + 1;

    write_register(LAPIC_TIMER_INITIAL, ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
}

void lapic_end_of_interrupt(void)
{
    write_register(LAPIC_EOI, 0);
}
