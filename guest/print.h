/* SPDX-License-Identifier: MIT
 *
 * guest/print.h: the kernel's log, and the end.
 */
#ifndef RINGSIDE_GUEST_PRINT_H
#define RINGSIDE_GUEST_PRINT_H

/* To PORT_DEBUG. Knows %s %c %d %u %x %p %ld %lu %lx %%. A line ends with \n. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints "panic: …" and reports a crash to the machine (POWER_PANIC). */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the machine with that exit status. */
_Noreturn void power_off(int status);

#endif
