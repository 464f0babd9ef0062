/* SPDX-License-Identifier: MIT
 *
 * sim/cli/output.h: a file that a user wants written: whole under its name, or not there.
 *
 * It is written under another name in the same folder, and renamed when all of it is on the disk: whatever fails before,
 * what was there stays. A link stays a link; its target is replaced. What is no regular file (a FIFO, a device), and all
 * in /dev and /proc, is written as it is.
 *
 * Exit status, everywhere: a path that cannot be opened is wrong usage, a write that fails is the host's.
 */
#ifndef RINGSIDE_SIM_CLI_OUTPUT_H
#define RINGSIDE_SIM_CLI_OUTPUT_H

#include <limits.h>
#include <stdio.h>

#include "sim/cli/error.h"

struct output {
    FILE *file;
    const char *what, *path; /* "the trace"; as the user has it. The caller's */
    char final[PATH_MAX];    /* no link */
    char fresh[PATH_MAX];    /* what is renamed to it; empty: written as it is */
};

/* Could `path` be opened? Nothing is made, and nothing changed: for the checks before a run. */
bool output_check(const char *what, const char *path, struct error *error);
/* Refused: two options whose files are the same regular file. A path may be NULL. */
bool outputs_differ(const char *option, const char *path, const char *other_option, const char *other_path,
                    struct error *error);
bool output_open(struct output *output, const char *what, const char *path, struct error *error);
/* Ends what output_open began. With good = false (and `error` filled) nothing is kept. */
bool output_close(struct output *output, bool good, struct error *error);

#endif
