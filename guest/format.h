/* SPDX-License-Identifier: MIT
 *
 * guest/format.h: a small printf, for kernels and for servers and libraries that have a log of their own.
 */
#ifndef RINGSIDE_GUEST_FORMAT_H
#define RINGSIDE_GUEST_FORMAT_H

#include <stdarg.h>

/* Calls put(ctx, c) for each character. Knows %s %c %d %u %x %p %ld %lu %lx %%. */
void format_list(void (*put)(void *ctx, char c), void *ctx, const char *format, va_list *args);

#endif
