/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/fsd.c: the server of fs, and of pipes, which fs holds.
 */
#include "arch-micro/server/parts.h"

const struct part *const server_parts[] = {&fs_part, NULL};
