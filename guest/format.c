/* SPDX-License-Identifier: MIT
 *
 * guest/format.c: see format.h.
 */
#include "guest/format.h"

#include <stdbool.h>
#include <stdint.h>

struct output {
    void (*put)(void *ctx, char c);
    void *ctx;
    va_list *args;
};

static void put_char(const struct output *out, char c)
{
    out->put(out->ctx, c);
}

static void put_string(const struct output *out, const char *s)
{
    if (!s)
        s = "(null)";
    while (*s)
        put_char(out, *s++);
}

static void put_number(const struct output *out, uint64_t value, unsigned base)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put_char(out, digits[--n]);
}

static void put_signed(const struct output *out, int64_t value)
{
    if (value < 0)
        put_char(out, '-');
    put_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static uint64_t take_unsigned(const struct output *out, bool is_long)
{
    return is_long ? va_arg(*out->args, unsigned long) : va_arg(*out->args, unsigned);
}

static void put_conversion(const struct output *out, char c, bool is_long)
{
    switch (c) {
    case 's':
        put_string(out, va_arg(*out->args, const char *));
        break;
    case 'c':
        put_char(out, (char)va_arg(*out->args, int));
        break;
    case 'd':
        put_signed(out, is_long ? va_arg(*out->args, long) : va_arg(*out->args, int));
        break;
    case 'u':
        put_number(out, take_unsigned(out, is_long), 10);
        break;
    case 'x':
        put_number(out, take_unsigned(out, is_long), 16);
        break;
    case 'p':
        put_string(out, "0x");
        put_number(out, (uint64_t)va_arg(*out->args, void *), 16);
        break;
    default:
        put_char(out, c);
    }
}

void format_list(void (*put)(void *ctx, char c), void *ctx, const char *format, va_list *args)
{
    const struct output out = {put, ctx, args};

    for (; *format; format++) {
        bool is_long = false;

        if (*format != '%') {
            put_char(&out, *format);
            continue;
        }
        format++;
        while (*format == 'l') {
            is_long = true;
            format++;
        }
        if (!*format)
            return;
        put_conversion(&out, *format, is_long);
    }
}
