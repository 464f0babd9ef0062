/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_lines.h: which source lines a block of code is made of, by the line tables of its file.
 */
#ifndef RINGSIDE_SIM_CLI_TRACE_LINES_H
#define RINGSIDE_SIM_CLI_TRACE_LINES_H

#include "sim/trace/trace.h"

/* A line, and how many of the block's instructions are its. Neither file nor line is known: NULL and 0. */
struct line_part {
    const char *file; /* as the compiler was called */
    unsigned line, instructions;
};
#define LINE_PARTS_MAX 64

struct code_lines;

/* NULL: no memory. Texts live as long as it does. */
struct code_lines *lines_open(void);
void lines_close(struct code_lines *lines);
/* In the order of the code; at least one. `*start_file`: where the function begins that the block is in, or NULL. */
size_t lines_of(struct code_lines *lines, const struct trace_account *account, struct line_part parts[LINE_PARTS_MAX],
                const char **start_file);

#endif
