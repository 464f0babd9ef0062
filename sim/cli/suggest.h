/* SPDX-License-Identifier: MIT
 *
 * sim/cli/suggest.h: the name that somebody may have meant.
 */
#ifndef RINGSIDE_SIM_CLI_SUGGEST_H
#define RINGSIDE_SIM_CLI_SUGGEST_H

#include <stddef.h>

/* Edit distance: insertions, deletions, replacements and swaps of neighbours (optimal string alignment). Names longer
 * than 63 bytes are at a distance of their length. */
unsigned suggest_distance(const char *a, const char *b);

/* The nearest of `count` names (NULL entries are skipped), of equals one of the same length, then the first, or NULL if
 * none is near: nearer than half its length and at most 3 away, or `typed` is its beginning. */
const char *suggest(const char *typed, const char *const *names, size_t count);

#define HINT_MAX 96
/* "; did you mean 'NAME'?" or "" in `hint`, which is returned. */
const char *suggest_hint(char hint[HINT_MAX], const char *typed, const char *const *names, size_t count);

#endif
