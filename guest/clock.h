/* SPDX-License-Identifier: MIT
 *
 * guest/clock.h: time from the machine's clock device, and the one-shot timer of the local APIC.
 *
 * RDTSC is no clock in ring 0 of this machine (abi/devices.h); a register read is.
 */
#ifndef RINGSIDE_GUEST_CLOCK_H
#define RINGSIDE_GUEST_CLOCK_H

#include <stdint.h>

/* Once, after paging_init. */
void clock_init(void);
uint64_t clock_ns(void); /* since power on */
uint64_t clock_cycles(void);
/* When the clock will say `cycles`, or a little later. */
uint64_t clock_ns_of(uint64_t cycles);

/* Enables the CPU's local APIC and measures its timer against the clock. Each CPU, after clock_init. */
void lapic_start(void);
/* VECTOR_TIMER once, `ns` from now (rounded up); replaces the previous request. */
void lapic_timer(uint64_t ns);
void lapic_end_of_interrupt(void);

#endif
