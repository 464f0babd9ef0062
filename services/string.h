/* SPDX-License-Identifier: MIT
 *
 * services/string.h: the few string helpers that services need.
 *
 * Services are freestanding: of the C library they may use memcpy, memmove, memset and memcmp, which
 * every placement provides; those are declared here. Everything else is a static inline, so that an archive
 * has no further external symbol. Lengths are in bytes, never counting the NUL.
 */
#ifndef RINGSIDE_SERVICES_STRING_H
#define RINGSIDE_SERVICES_STRING_H

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

static inline size_t str_len(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

/* The length of s, or `limit` if there is no NUL in its first `limit` bytes. */
static inline size_t str_len_max(const char *s, size_t limit)
{
    size_t n = 0;

    while (n < limit && s[n])
        n++;
    return n;
}

static inline int str_eq(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Copies with its NUL, cut to fit in `size` bytes (> 0). Returns the length of what was written. */
static inline size_t str_copy(char *to, const char *from, size_t size)
{
    size_t n = 0;

    for (; n + 1 < size && from[n]; n++)
        to[n] = from[n];
    to[n] = 0;
    return n;
}

/* Appends to the string in `to` (a buffer of `size` bytes), cut to fit. Returns the new length. */
static inline size_t str_append(char *to, const char *from, size_t size)
{
    size_t n = str_len(to);

    return n + str_copy(to + n, from, size - n);
}

/* Appends an unsigned number in decimal. */
static inline size_t str_append_number(char *to, uint64_t value, size_t size)
{
    char digits[21];
    size_t at = sizeof digits - 1;

    digits[at] = 0;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return str_append(to, digits + at, size);
}

static inline int str_starts(const char *s, const char *prefix)
{
    while (*prefix && *s == *prefix) {
        s++;
        prefix++;
    }
    return !*prefix;
}

/* A loop that the compiler does not turn into a call of memcmp: for short names. */
static inline int bytes_eq(const char *a, const char *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

#endif
