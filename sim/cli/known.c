/* SPDX-License-Identifier: MIT
 *
 * sim/cli/known.c: see known.h; cache.c has the entries, record_pack.c their content.
 */
#include "sim/cli/known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/cli/inputs.h"
#include "sim/cli/record_pack.h"

#define LENGTHS "/.lengths" /* below the results */
#define LENGTHS_MAX_BYTES (1u << 20)

static void open_lengths(struct known *k)
{
    size_t bytes = strlen(k->cache.folder);

    if (!bytes || bytes + sizeof LENGTHS > sizeof k->lengths.folder)
        return;
    snprintf(k->lengths.folder, sizeof k->lengths.folder, "%.*s%s", (int)bytes, k->cache.folder, LENGTHS);
    (void)mkdir(k->lengths.folder, 0700);
}

void known_open(struct known *k, const struct session *s)
{
    *k = (struct known){0};
    cache_open(&k->cache, !s->options->no_cache && !getenv("RINGSIDE_ACCESSES"));
    if (cache_is_on(&k->cache) && !inputs_digest(s, &k->inputs))
        cache_open(&k->cache, false);
    open_lengths(k);
}

/* The key of a run's length: what people would call the same run. */
static struct digest length_key(const struct session *s, const struct workload *w)
{
    struct digest digest;
    struct hasher h;

    hash_start(&h);
    hash_text(&h, "length", s->arch->name);
    hash_text(&h, "variant", s->arch->variant);
    hash_text(&h, "settings", s->settings);
    hash_text(&h, "workload", w->name);
    hash_text(&h, "arguments", w->arguments);
    hash_number(&h, "operations", workload_ops(w, s->options->ops));
    hash_end(&h, &digest);
    return digest;
}

uint64_t known_length(const struct known *k, const struct session *s, const struct workload *w)
{
    struct digest key = length_key(s, w);
    uint64_t length = 0;
    size_t bytes;
    void *data = cache_read(&k->lengths, &key, &bytes);

    if (data && bytes == sizeof length)
        memcpy(&length, data, bytes);
    free(data);
    return length;
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
    key = length_key(s, w);
    cache_write(&k->lengths, &key, &record->instructions, sizeof record->instructions);
}

void known_close(const struct known *k)
{
    cache_trim(&k->cache, CACHE_MAX_BYTES);
    cache_trim(&k->lengths, LENGTHS_MAX_BYTES);
}
