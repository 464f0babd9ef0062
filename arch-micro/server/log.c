/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/log.c: see log.h.
 */
#include "arch-micro/server/log.h"

#include <stdarg.h>
#include <stddef.h>

#include "arch-micro/server/kcall.h"
#include "guest/format.h"

struct line {
    char text[200];
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
    kcall(IPC_LOG, (uint64_t)line.text, line.bytes, 0);
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
