/* SPDX-License-Identifier: MIT
 *
 * sim/cli/known.c: see known.h; cache.c has the entries, record_pack.c their content.
 */
#include "sim/cli/known.h"

#include <stdlib.h>

#include "sim/cli/inputs.h"
#include "sim/cli/record_pack.h"

void known_open(struct known *k, const struct session *s)
{
    *k = (struct known){0};
    cache_open(&k->cache, !s->options->no_cache);
    if (cache_is_on(&k->cache) && !inputs_digest(s, &k->inputs))
        cache_open(&k->cache, false);
}

bool known_find(const struct known *k, const struct session *s, const struct workload *w, struct record *record)
{
    struct digest key = inputs_of_run(&k->inputs, s, w);
    size_t bytes;
    void *data = cache_read(&k->cache, &key, &bytes);
    bool good = data && record_unpack(record, data, bytes);

    free(data);
    if (good)
        record->cached = true;
    return good;
}

void known_keep(const struct known *k, const struct session *s, const struct workload *w, const struct record *record)
{
    struct digest now, key = inputs_of_run(&k->inputs, s, w);
    size_t bytes;
    void *data;

    if (!cache_is_on(&k->cache) || !inputs_digest(s, &now) || !digest_equal(&now, &k->inputs))
        return;
    data = record_pack(record, &bytes);
    if (data)
        cache_write(&k->cache, &key, data, bytes);
    free(data);
}

void known_close(const struct known *k)
{
    cache_trim(&k->cache, CACHE_MAX_BYTES);
}
