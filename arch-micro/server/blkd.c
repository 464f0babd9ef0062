/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/blkd.c: the server of blk.
 */
#include "arch-micro/server/parts.h"

const struct part *const server_parts[] = {&blk_part, NULL};
