/* SPDX-License-Identifier: MIT
 *
 * sim/cli/page.h: a comparison as one HTML page that needs nothing else: the figures, and one operation of each workload
 * step by step.
 */
#ifndef RINGSIDE_SIM_CLI_PAGE_H
#define RINGSIDE_SIM_CLI_PAGE_H

#include "sim/cli/compare.h"

/* Before anything is run for it: can the file be written? */
bool page_check(const char *path, struct error *error);
/* Writes the file, or replaces it. `steps`: an array of what `trace --format steps` writes; a borrowed reference. */
bool write_page(const struct comparison *comparison, json_t *steps, const char *path, struct error *error);

/* One operation of each cell that has cycles: runs them. A new reference; NULL with `error`. One that cannot be recorded is
 * not there. (page_steps.c) */
json_t *page_steps(const struct comparison *comparison, struct error *error);

#endif
