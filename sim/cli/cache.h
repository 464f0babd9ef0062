/* SPDX-License-Identifier: MIT
 *
 * sim/cli/cache.h: results of earlier runs, found by the digest of everything that they depend on.
 *
 * A folder of small files, one an entry, named by its key: $XDG_CACHE_HOME/ringside, or ~/.cache/ringside. It is a
 * convenience, never a dependence: where it cannot be read or written there is no cache, and no word about it. An entry
 * carries a digest of its own content; one that does not match is as if it were not there, and is written anew. Writers
 * rename a whole file into place, so that any number of processes may use one cache at once.
 *
 * Lifecycle: cache_open → cache_read, cache_write in any order → cache_trim once, if something was written.
 */
#ifndef RINGSIDE_SIM_CLI_CACHE_H
#define RINGSIDE_SIM_CLI_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "sim/cli/digest.h"

#define CACHE_MAX_BYTES (64ull << 20)

struct cache {
    char folder[PATH_MAX]; /* empty: no cache */
};

/* Finds the folder and makes it. With `wanted` false, or where there is none, the cache is one that never has anything.
 */
void cache_open(struct cache *cache, bool wanted);
bool cache_is_on(const struct cache *cache);
/* The entry's content in memory that the caller frees; NULL if there is no sound one. */
void *cache_read(const struct cache *cache, const struct digest *key, size_t *bytes);
void cache_write(const struct cache *cache, const struct digest *key, const void *data, size_t bytes);
/* Removes the entries that were unused for longest until the rest has at most `max_bytes`. */
void cache_trim(const struct cache *cache, unsigned long long max_bytes);

#endif
