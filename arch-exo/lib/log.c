/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/log.c: the library's way to the machine's log (guest/ring3/log.h).
 */
#include "guest/ring3/log.h"

#include "arch-exo/lib/exo_call.h"

void log_send(const char *text, size_t bytes)
{
    exo_call(EXO_LOG, (uint64_t)text, bytes, 0);
}
