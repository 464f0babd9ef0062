/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/log.h: lines in the machine's log.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_LOG_H
#define RINGSIDE_ARCH_EXO_LIB_LOG_H

/* %s %d %u %x %ld %lu %lx; no newline at the end. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Logs, then faults: the env ends with it (faults.c). Also what guest/heap.c calls. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
