/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/log.c: a server's way to the machine's log (guest/ring3/log.h).
 */
#include "guest/ring3/log.h"

#include "arch-micro/server/kcall.h"

void log_send(const char *text, size_t bytes)
{
    kcall(IPC_LOG, (uint64_t)text, bytes, 0);
}
