/* SPDX-License-Identifier: MIT
 *
 * sim/cli/parameters.h: a workload as a word names it: "WORKLOAD" or "WORKLOAD:KEY=VALUE,KEY=VALUE".
 *
 * What can be set is PARAMETER in workloads/workloads.def. A program takes its parameters after its operations, in the
 * order of that file; without any it uses its defaults, so that "ctx" and its results stay what they are. Every
 * workload has the key "ops", the number of its operations: for this one it prevails over --ops.
 */
#ifndef RINGSIDE_SIM_CLI_PARAMETERS_H
#define RINGSIDE_SIM_CLI_PARAMETERS_H

#include "sim/cli/catalogue.h"

#define CHOICE_NAME_MAX 64
#define CHOICE_TEXT_MAX 128

/* `workload` points into the rest: a choice must stay where it was made. */
struct choice {
    struct workload workload;
    char name[CHOICE_NAME_MAX];       /* the word */
    char arguments[CHOICE_TEXT_MAX];  /* those of workloads.def, then all parameters, if the word has any */
    char parameters[CHOICE_TEXT_MAX]; /* "key=value key=value": all of them, in effect */
};

bool choose_workload(struct choice *choice, const char *word, struct error *error);

#endif
