/* SPDX-License-Identifier: MIT
 *
 * guest/print.c: a small printf to the machine's debug port, panic and power off.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/devices.h"
#include "guest/print.h"
#include "guest/x86.h"

static void put_char(char c)
{
    out8(PORT_DEBUG, (uint8_t)c);
}

static void put_string(const char *s)
{
    if (!s)
        s = "(null)";
    while (*s)
        put_char(*s++);
}

static void put_number(uint64_t value, unsigned base)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put_char(digits[--n]);
}

static void put_signed(int64_t value)
{
    if (value < 0)
        put_char('-');
    put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static uint64_t take_unsigned(va_list *args, bool is_long)
{
    return is_long ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
}

static void put_conversion(char c, bool is_long, va_list *args)
{
    switch (c) {
    case 's':
        put_string(va_arg(*args, const char *));
        break;
    case 'c':
        put_char((char)va_arg(*args, int));
        break;
    case 'd':
        put_signed(is_long ? va_arg(*args, long) : va_arg(*args, int));
        break;
    case 'u':
        put_number(take_unsigned(args, is_long), 10);
        break;
    case 'x':
        put_number(take_unsigned(args, is_long), 16);
        break;
    case 'p':
        put_string("0x");
        put_number((uint64_t)va_arg(*args, void *), 16);
        break;
    default:
        put_char(c);
    }
}

static void print_list(const char *format, va_list *args)
{
    for (; *format; format++) {
        bool is_long = false;

        if (*format != '%') {
            put_char(*format);
            continue;
        }
        format++;
        while (*format == 'l') {
            is_long = true;
            format++;
        }
        if (!*format)
            return;
        put_conversion(*format, is_long, args);
    }
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_list(format, &args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;

    put_string("panic: ");
    va_start(args, format);
    print_list(format, &args);
    va_end(args);
    put_char('\n');
    for (;;)
        out16(PORT_POWER, POWER_PANIC);
}

void power_off(int status)
{
    for (;;)
        out16(PORT_POWER, (uint16_t)(status & 0xff));
}
