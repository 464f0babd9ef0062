/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/osd.c: all services in one server (micro:single-server).
 */
#include "arch-micro/server/parts.h"

const struct part *const server_parts[] = {&blk_part, &tty_part, &fs_part, &vm_part, &proc_part, NULL};
