/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/clock.c: nanoseconds from the clock device, which every server may read: cycles × a 32.32
 * fixed-point factor, as guest/clock.c has it.
 */
#include "arch-micro/server/clock.h"

#include "abi/devices.h"
#include "abi/ipc.h"

#define NS_PER_SECOND 1000000000ul

static uint64_t ns_per_cycle_32; /* 0: not known yet */

static uint64_t read_clock(unsigned reg)
{
    return *(volatile uint64_t *)(SERVER_DEVICES + (MMIO_CLOCK - MMIO_BASE) + reg);
}

uint64_t server_now(void)
{
    if (!ns_per_cycle_32)
        ns_per_cycle_32 = (NS_PER_SECOND << 32) / read_clock(CLOCK_HZ);
    return (uint64_t)((unsigned __int128)read_clock(CLOCK_CYCLES) * ns_per_cycle_32 >> 32);
}
