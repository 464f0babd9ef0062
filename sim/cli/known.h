/* SPDX-License-Identifier: MIT
 *
 * sim/cli/known.h: results of workloads that an earlier command has left in the cache.
 *
 * A result is known by everything that it depends on (inputs.h), and is the same as that of another run but for host{}.
 * Lifecycle, for each session: known_open → known_find, known_keep in any order → known_close.
 */
#ifndef RINGSIDE_SIM_CLI_KNOWN_H
#define RINGSIDE_SIM_CLI_KNOWN_H

#include "sim/cli/cache.h"
#include "sim/cli/session.h"

struct known {
    struct cache cache;
    struct cache lengths; /* of runs, in instructions; in a folder of their own, as they are no results */
    struct digest inputs;
};

void known_open(struct known *known, const struct session *session);
/* A result of an earlier run. */
bool known_find(const struct known *known, const struct session *session, const struct workload *workload,
                struct record *record);
/* Keeps one that went well (not a crash, time limit or status but 0: the caller sees to that), if the inputs are still
 * those that `known` was opened with: a build may have gone on meanwhile. */
void known_keep(const struct known *known, const struct session *session, const struct workload *workload,
                const struct record *record);
/* How many instructions that run made when known_keep last saw it, whatever has been built since; 0: it never did. */
uint64_t known_length(const struct known *known, const struct session *session, const struct workload *workload);
/* After the last known_keep. */
void known_close(const struct known *known);

#endif
