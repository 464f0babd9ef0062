/* SPDX-License-Identifier: MIT
 *
 * guest/clock.c: nanoseconds from the clock device: cycles × a 32.32 fixed-point factor.
 */
#include "abi/devices.h"
#include "guest/clock.h"
#include "guest/layout.h"
#include "guest/print.h"
#include "guest/x86.h"

#define CLOCK_REGISTERS (DIRECT_MAP + MMIO_CLOCK)
#define NS_PER_SECOND 1000000000ul

static uint64_t ns_per_cycle_32; /* set once by clock_init */

void clock_init(void)
{
    uint64_t hz = mmio_read64(CLOCK_REGISTERS + CLOCK_HZ);

    if (!hz)
        panic("clock: no frequency");
    ns_per_cycle_32 = (NS_PER_SECOND << 32) / hz;
}

uint64_t clock_cycles(void)
{
    return mmio_read64(CLOCK_REGISTERS + CLOCK_CYCLES);
}

uint64_t clock_ns(void)
{
    return (uint64_t)((unsigned __int128)clock_cycles() * ns_per_cycle_32 >> 32);
}

uint64_t clock_ns_of(uint64_t cycles)
{
    return (uint64_t)((unsigned __int128)cycles * ns_per_cycle_32 >> 32) + 1;
}
