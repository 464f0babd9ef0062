/* SPDX-License-Identifier: MIT
 *
 * sim/cli/cpu_variant.h: a CPU model with some of its numbers changed (--cpu-set), its name, and its version.
 *
 * A variant shows: its name is "MODEL+KEY=VALUE+KEY=VALUE", and its version differs, because a version is made of the
 * numbers themselves.
 */
#ifndef RINGSIDE_SIM_CLI_CPU_VARIANT_H
#define RINGSIDE_SIM_CLI_CPU_VARIANT_H

#include <jansson.h>

#include "sim/cli/error.h"
#include "sim/cpu_model.h"

#define CPU_NAME_MAX 128   /* of a variant */
#define CPU_VERSION_MAX 13 /* twelve hexadecimal digits */

/* Makes the changes, "KEY=VALUE" each, and the name. */
bool cpu_variant(struct cpu_model *model, const char *const *changes, size_t count, char name[CPU_NAME_MAX],
                 struct error *error);
/* The same for the same numbers and title, another one otherwise. */
void cpu_version(const struct cpu_model *model, char version[CPU_VERSION_MAX]);
/* {"name", "model", "title", "version", "hz", "numbers": {SECTION: {KEY: number}}}, a new reference. */
json_t *cpu_model_json(const struct cpu_model *model, const char *name);

#endif
