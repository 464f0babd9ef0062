/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/log.h: what a server has to say goes to the machine's log, by the kernel.
 */
#ifndef RINGSIDE_ARCH_MICRO_SERVER_LOG_H
#define RINGSIDE_ARCH_MICRO_SERVER_LOG_H

/* One line: %s, %d, %u, %x with an optional l. The kernel puts the server's name before it. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Logs, then dies: the supervisor sees it. Also what guest/heap.c calls. */
void panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
