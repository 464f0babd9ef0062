/* SPDX-License-Identifier: MIT
 *
 * sim/cli/commands.h: one function a command. Each returns the exit status; with `error` filled, main prints it.
 */
#ifndef RINGSIDE_SIM_CLI_COMMANDS_H
#define RINGSIDE_SIM_CLI_COMMANDS_H

#include "sim/cli/error.h"
#include "sim/cli/options.h"

int command_run(const struct options *options, struct error *error);
int command_compare(const struct options *options, struct error *error);
int command_plot(const struct options *options, struct error *error);
int command_exec(const struct options *options, struct error *error);
int command_trace(const struct options *options, struct error *error);
int command_functions(const struct options *options, struct error *error);
int command_list(const struct options *options, struct error *error);
int command_doctor(const struct options *options, struct error *error);

#endif
