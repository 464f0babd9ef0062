/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/memory.h: a server's heap: guest/heap.h over pages that the kernel gives.
 */
#ifndef RINGSIDE_ARCH_MICRO_SERVER_MEMORY_H
#define RINGSIDE_ARCH_MICRO_SERVER_MEMORY_H

#include <stddef.h>

#include "guest/heap.h"

/* Gives all free pages back to the kernel; how many are left, in use. */
size_t memory_shrink(void);

#endif
