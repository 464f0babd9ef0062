/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/vmd.c: the server of vm.
 */
#include "arch-micro/server/parts.h"

const struct part *const server_parts[] = {&vm_part, NULL};
