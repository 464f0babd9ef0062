/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/machine.h: the clock, the consoles and the services' callbacks that are the same in every library.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_MACHINE_H
#define RINGSIDE_ARCH_EXO_LIB_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/device.h"
#include "services/host.h"

/* First of all. Leaves copy_in, copy_out, wake and ask to the library. */
void machine_init(struct host *host);
/* ns since power on */
uint64_t clock_ns(void);
/* A console's registers, by their physical address (abi/devices.h); panics if it is not the group's. */
struct device console_at(uint64_t address);
/* Where a copy to or from the program (guest/usercopy.S) that faulted at `rip` is abandoned; 0: no copy. */
uint64_t copy_fixup(uint64_t rip);
/* Not the library's own part of the space: a program may name it. */
bool is_programs(uint64_t address, size_t bytes);

#endif
