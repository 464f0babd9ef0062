/* SPDX-License-Identifier: MIT
 *
 * sim/cli/inputs.h: everything that a workload's result depends on, as one digest.
 *
 * That is: this program and its libraries; kernel image and modules; the files of the disk, programs among them, with
 * their times; settings, CPU model, CPUs, model, seed, time limit, faults; and the workload with its operations. The host is
 * not among them: same inputs, same numbers, on every host.
 */
#ifndef RINGSIDE_SIM_CLI_INPUTS_H
#define RINGSIDE_SIM_CLI_INPUTS_H

#include "sim/cli/digest.h"
#include "sim/cli/session.h"

/* Of what all workloads of a session share. false: something cannot be read, so nothing is known. */
bool inputs_digest(const struct session *session, struct digest *digest);
/* Of one workload's run, given that. */
struct digest inputs_of_run(const struct digest *inputs, const struct session *session,
                            const struct workload *workload);

#endif
