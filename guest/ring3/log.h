/* SPDX-License-Identifier: MIT
 *
 * guest/ring3/log.h: what a server or a library has to say goes to the machine's log, by its kernel.
 */
#ifndef RINGSIDE_GUEST_RING3_LOG_H
#define RINGSIDE_GUEST_RING3_LOG_H

#include <stddef.h>

/* One line, as guest/format.h has it; no newline at the end. The kernel puts before it who says so. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Logs, then faults: whoever sees to the dead sees it. Also what guest/heap.c calls. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The image supplies it: hands a line, without NUL, to the kernel. */
void log_send(const char *text, size_t bytes);

#endif
