/* SPDX-License-Identifier: MIT
 *
 * guest/print.c: the log on the machine's debug port, panic and power off.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/devices.h"
#include "guest/format.h"
#include "guest/print.h"
#include "guest/x86.h"

static void put_char(void *ctx, char c)
{
    out8(PORT_DEBUG, (uint8_t)c);
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_list(put_char, NULL, format, &args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;

    print("panic: ");
    va_start(args, format);
    format_list(put_char, NULL, format, &args);
    va_end(args);
    put_char(NULL, '\n');
    for (;;)
        out16(PORT_POWER, POWER_PANIC);
}

void power_off(int status)
{
    for (;;)
        out16(PORT_POWER, (uint16_t)(status & 0xff));
}
