/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/ttyd.c: the server of tty.
 */
#include "arch-micro/server/parts.h"

const struct part *const server_parts[] = {&tty_part, NULL};
