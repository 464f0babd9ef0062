/* SPDX-License-Identifier: MIT
 *
 * tests/arch/keep.c: see keep.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/arch/keep.h"

void *read_whole(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    void *data;

    if (!file)
        fail_msg("cannot read %s", path);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    data = malloc(*bytes);
    if (!data || fread(data, 1, *bytes, file) != *bytes)
        fail_msg("cannot read %s", path);
    fclose(file);
    return data;
}

void keep_text(char *text, size_t size, const void *from, size_t bytes)
{
    size_t used = strlen(text);

    if (bytes > size - used - 1)
        bytes = size - used - 1;
    memcpy(text + used, from, bytes);
    text[used + bytes] = 0;
}
