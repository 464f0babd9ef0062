/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/log.c: see log.h.
 */
#include "arch-exo/lib/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "arch-exo/lib/exo_call.h"

struct line {
    char text[120];
    size_t bytes;
};

static void put(struct line *line, char c)
{
    if (line->bytes < sizeof(line->text))
        line->text[line->bytes++] = c;
}

static void put_string(struct line *line, const char *s)
{
    while (*s)
        put(line, *s++);
}

static void put_number(struct line *line, uint64_t value, unsigned base)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put(line, digits[--n]);
}

static void put_signed(struct line *line, int64_t value)
{
    if (value < 0)
        put(line, '-');
    put_number(line, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void put_conversion(struct line *line, char c, bool is_long, va_list *args)
{
    if (c == 's')
        put_string(line, va_arg(*args, const char *));
    else if (c == 'd')
        put_signed(line, is_long ? va_arg(*args, long) : va_arg(*args, int));
    else if (c == 'u' || c == 'x')
        put_number(line, is_long ? va_arg(*args, unsigned long) : va_arg(*args, unsigned), c == 'u' ? 10 : 16);
    else
        put(line, c);
}

static void log_list(const char *format, va_list *args)
{
    struct line line;

    line.bytes = 0;
    for (; *format; format++) {
        bool is_long = false;

        if (*format != '%') {
            put(&line, *format);
            continue;
        }
        if (*++format == 'l') {
            is_long = true;
            format++;
        }
        put_conversion(&line, *format, is_long, args);
    }
    exo_call(EXO_LOG, (uint64_t)line.text, line.bytes, 0);
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
