/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_sums.h: the accounts of a recording, added up by domain and function, and by call if that is asked for.
 */
#ifndef RINGSIDE_SIM_CLI_TRACE_SUMS_H
#define RINGSIDE_SIM_CLI_TRACE_SUMS_H

#include "sim/cli/traced.h"

struct sum {
    const char *domain, *call, *function; /* the recording's; domains of one name are one; call NULL: all */
    struct trace_figures figures;
    uint64_t cycles;
};

struct sums {
    struct sum *list; /* the most cycles first, then by name */
    size_t count;
    uint64_t cycles; /* of all */
};

/* false: no memory. The caller frees the list. */
bool sums_make(struct sums *sums, const struct traced *t, bool by_call);

#endif
