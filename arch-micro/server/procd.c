/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/procd.c: the server of proc.
 */
#include "arch-micro/server/parts.h"

const struct part *const server_parts[] = {&proc_part, NULL};
