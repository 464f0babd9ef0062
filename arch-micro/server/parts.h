/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/parts.h: the parts that an image may list in server_parts, one a service.
 */
#ifndef RINGSIDE_ARCH_MICRO_SERVER_PARTS_H
#define RINGSIDE_ARCH_MICRO_SERVER_PARTS_H

#include "arch-micro/server/server.h"

extern const struct part blk_part, fs_part, proc_part, tty_part, vm_part;

#endif
