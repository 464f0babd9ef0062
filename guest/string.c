/* SPDX-License-Identifier: MIT
 *
 * guest/string.c: the four functions that GCC may call from any freestanding code.
 *
 * Long moves are REP MOVS, which the machine counts as one copy; moves below SMALL_BYTES are loads and stores, as in
 * any tuned kernel: starting REP MOVS costs more than the move.
 */
#include <stddef.h>
#include <stdint.h>

#define SMALL_BYTES 64

/* Keeps GCC from turning the loops below into calls of themselves. */
#define NO_IDIOMS __attribute__((optimize("no-tree-loop-distribute-patterns")))

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

NO_IDIOMS static void move_small(uint8_t *d, const uint8_t *s, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8, d += 8, s += 8)
        *(word *)d = *(const word *)s;
    while (bytes--)
        *d++ = *s++;
}

/* Also right for overlapping buffers with d below s: each word is read before a later one is written over it. */
static void move_up(uint8_t *d, const uint8_t *s, size_t bytes)
{
    size_t quads = bytes / 8;

    if (bytes >= SMALL_BYTES) {
        __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(quads) : : "memory");
        bytes %= 8;
    }
    move_small(d, s, bytes);
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    move_up(to, from, bytes);
    return to;
}

NO_IDIOMS static void move_down(uint8_t *d, const uint8_t *s, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8)
        *(word *)(d + bytes - 8) = *(const word *)(s + bytes - 8);
    while (bytes--)
        d[bytes] = s[bytes];
}

void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    if (d > s && d < s + bytes)
        move_down(d, s, bytes);
    else
        move_up(d, s, bytes);
    return to;
}

NO_IDIOMS void *memset(void *to, int value, size_t bytes)
{
    uint8_t *d = to;
    uint64_t pattern = (uint8_t)value * 0x0101010101010101ul;
    size_t quads = bytes / 8;

    if (bytes >= SMALL_BYTES)
        __asm__ volatile("rep stosq" : "+D"(d), "+c"(quads) : "a"(pattern) : "memory");
    else
        for (; quads; quads--, d += 8)
            *(word *)d = pattern;
    for (bytes %= 8; bytes; bytes--)
        *d++ = (uint8_t)value;
    return to;
}

NO_IDIOMS int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;

    for (; bytes >= 8 && *(const word *)x == *(const word *)y; bytes -= 8)
        x += 8, y += 8;
    for (; bytes; bytes--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}
