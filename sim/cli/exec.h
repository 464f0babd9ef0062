/* SPDX-License-Identifier: MIT
 *
 * sim/cli/exec.h: one program of the host on the machine: `exec`, and `trace` and `report-functions` of a program.
 */
#ifndef RINGSIDE_SIM_CLI_EXEC_H
#define RINGSIDE_SIM_CLI_EXEC_H

#include "sim/cli/session.h"

/* The exit status: the program's, or that of `error`. `tracer`: NULL, or who records it. */
int exec_program(const struct options *options, const struct tracer *tracer, struct error *error);

#endif
