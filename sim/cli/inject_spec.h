/* SPDX-License-Identifier: MIT
 *
 * sim/cli/inject_spec.h: the words of --inject (docs/faults.md):
 *
 *     SPEC  = FAULT {"," FAULT}
 *     FAULT = KIND "=" SERVER "@op:" N ["+" K]
 *     KIND  = "crash" | "wild-write" | "hang"      SERVER = "procd" | "vmd" | "fsd" | "blkd" | "ttyd" | "kernel"
 *
 * N is 1 or more, K 0 or more. A server may go without its d.
 */
#ifndef RINGSIDE_SIM_CLI_INJECT_SPEC_H
#define RINGSIDE_SIM_CLI_INJECT_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "sim/cli/error.h"
#include "sim/inject.h"

/* Takes `text` apart. false: `error` names the column of the mistake, in bytes from 1, after `option`, the option's
 * name. */
bool parse_faults(const char *option, const char *text, struct fault_spec list[FAULTS_MAX], size_t *count,
                  struct error *error);

#endif
