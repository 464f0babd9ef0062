/* SPDX-License-Identifier: MIT
 *
 * guest/ring3/log.c: see log.h.
 */
#include "guest/ring3/log.h"

#include <stdarg.h>

#include "guest/format.h"

#define LINE_BYTES 127 /* kernels take no more */

struct line {
    char text[LINE_BYTES];
    size_t bytes;
};

static void put(void *ctx, char c)
{
    struct line *line = ctx;

    if (line->bytes < sizeof(line->text))
        line->text[line->bytes++] = c;
}

static void log_list(const char *format, va_list *args)
{
    struct line line;

    line.bytes = 0;
    format_list(put, &line, format, args);
    log_send(line.text, line.bytes);
}

void log_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_list(format, &args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_list(format, &args);
    va_end(args);
    for (;;)
        __builtin_trap();
}
