/* SPDX-License-Identifier: MIT
 *
 * sim/cli/record_pack.c: see record_pack.h. The struct goes as it is, its arrays behind it, its architecture as an
 * index. A pointer that struct record gets needs its line in each of the two functions.
 */
#include "sim/cli/record_pack.h"

#include <stdlib.h>
#include <string.h>

struct packed {
    struct record record; /* its pointers are NULL */
    size_t arch;
};

static size_t packed_bytes(const struct record *r)
{
    return sizeof(struct packed) + r->domain_count * sizeof *r->domains + r->exit_count * sizeof *r->exits +
           r->warning_count * sizeof *r->warnings;
}

/* Returns where the next array goes. */
static char *put(char *to, const void *array, size_t bytes)
{
    return bytes ? (char *)memcpy(to, array, bytes) + bytes : to;
}

void *record_pack(const struct record *r, size_t *bytes)
{
    struct packed *p;
    char *to;

    *bytes = packed_bytes(r);
    p = calloc(1, *bytes);
    if (!p)
        return NULL;
    p->record = *r;
    p->record.arch = NULL;
    p->record.domains = NULL;
    p->record.exits = NULL;
    p->record.warnings = NULL;
    p->arch = (size_t)(r->arch - archs);
    to = (char *)(p + 1);
    to = put(to, r->domains, r->domain_count * sizeof *r->domains);
    to = put(to, r->exits, r->exit_count * sizeof *r->exits);
    put(to, r->warnings, r->warning_count * sizeof *r->warnings);
    return p;
}

static bool is_packed(const struct packed *p, size_t bytes)
{
    size_t rest = bytes - sizeof *p;

    return p->arch < arch_count && p->record.ops > 0 && p->record.fault_count <= FAULTS_MAX &&
           p->record.domain_count <= rest / sizeof *p->record.domains &&
           p->record.exit_count <= rest / sizeof *p->record.exits &&
           p->record.warning_count <= rest / sizeof *p->record.warnings && packed_bytes(&p->record) == bytes;
}

static void *take(const char **from, size_t bytes)
{
    void *to = malloc(bytes ? bytes : 1);

    if (to && bytes)
        memcpy(to, *from, bytes);
    *from += bytes;
    return to;
}

bool record_unpack(struct record *r, const void *data, size_t bytes)
{
    const char *arrays = (const char *)data + sizeof(struct packed);
    struct packed p;

    if (bytes < sizeof p)
        return false;
    memcpy(&p, data, sizeof p);
    if (!is_packed(&p, bytes))
        return false;
    *r = p.record;
    r->arch = &archs[p.arch];
    r->domains = take(&arrays, r->domain_count * sizeof *r->domains);
    r->exits = take(&arrays, r->exit_count * sizeof *r->exits);
    r->warnings = take(&arrays, r->warning_count * sizeof *r->warnings);
    if (r->domains && r->exits && r->warnings)
        return true;
    record_free(r);
    return false;
}
