/* SPDX-License-Identifier: MIT
 *
 * sim/cli/error.c: see error.h.
 */
#include "sim/cli/error.h"

#include <stdarg.h>
#include <stdio.h>

bool refuse(struct error *error, int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    for (char *c = error->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    error->status = status;
    return false;
}
