/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/clock.h: time, without a kernel call.
 */
#ifndef RINGSIDE_ARCH_MICRO_SERVER_CLOCK_H
#define RINGSIDE_ARCH_MICRO_SERVER_CLOCK_H

#include <stdint.h>

uint64_t server_now(void); /* ns since power on */

#endif
