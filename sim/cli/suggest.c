/* SPDX-License-Identifier: MIT
 *
 * sim/cli/suggest.c: see suggest.h. Three rows of the classic table are enough, the third for swaps.
 */
#include "sim/cli/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 63

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned suggest_distance(const char *a, const char *b)
{
    unsigned row[3][NAME_MAX_BYTES + 1], *before = row[0], *above = row[1], *now = row[2];
    size_t rows = strlen(a), columns = strlen(b);

    if (rows > NAME_MAX_BYTES || columns > NAME_MAX_BYTES)
        return (unsigned)(rows > columns ? rows : columns);
    for (unsigned j = 0; j <= columns; j++)
        above[j] = j;
    for (unsigned i = 1; i <= rows; i++) {
        unsigned *spare = before;

        now[0] = i;
        for (unsigned j = 1; j <= columns; j++) {
            now[j] = least(above[j - 1] + !same(a[i - 1], b[j - 1]), least(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = above;
        above = now;
        now = spare;
    }
    return above[columns];
}

static bool is_near(const char *typed, const char *name, unsigned distance)
{
    size_t typed_bytes = strlen(typed);

    if (typed_bytes >= 2 && strncmp(typed, name, typed_bytes) == 0)
        return true;
    return distance <= 3 && distance * 2 < strlen(name) + 1;
}

const char *suggest(const char *typed, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned best_score = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned distance = names[i] ? suggest_distance(typed, names[i]) : 0;
        unsigned score = names[i] ? 2 * distance + (strlen(typed) != strlen(names[i])) : 0;

        if (!names[i] || !is_near(typed, names[i], distance) || (best && score >= best_score))
            continue;
        best = names[i];
        best_score = score;
    }
    return best;
}

const char *suggest_hint(char hint[HINT_MAX], const char *typed, const char *const *names, size_t count)
{
    const char *name = suggest(typed, names, count);

    hint[0] = 0;
    if (name)
        snprintf(hint, HINT_MAX, "; did you mean '%s'?", name);
    return hint;
}
