/* SPDX-License-Identifier: MIT
 *
 * sim/cli/workload.h: one workload on one architecture: its program, its disk, its run.
 *
 * What run and compare share, above session.h, which knows nothing of workloads. known.h has the results of earlier
 * runs.
 */
#ifndef RINGSIDE_SIM_CLI_WORKLOAD_H
#define RINGSIDE_SIM_CLI_WORKLOAD_H

#include "sim/cli/guest_disk.h"
#include "sim/cli/session.h"

/* The folder of the host that the disk's files come from. */
void workload_root(const struct session *session, char path[PATH_MAX]);
/* Is its program there, and one that can run? */
bool workload_check(const struct session *session, const struct workload *workload, struct error *error);
/* The disk that every run starts from; a run writes to it. */
bool workload_disk(const struct session *session, struct guest_disk *disk, struct error *error);

/* Runs it. Its output is kept, and shown on standard error only if it failed. `ran` says that there is a record, which
 * the caller frees: also that of a program that ended with another status than 0, which is an error nevertheless.
 * The disk is in as many slices as the session wants afterwards. */
bool workload_run(const struct session *session, const struct workload *workload, struct guest_disk *disk,
                  bool progress, struct record *record, bool *ran, struct error *error);

#endif
