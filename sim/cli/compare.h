/* SPDX-License-Identifier: MIT
 *
 * sim/cli/compare.h: a comparison: every chosen workload on every chosen architecture, and its forms for people and
 * programs.
 *
 * Columns are architectures with their settings, the first one is what the others are compared with; rows are
 * workloads. JSON is the schema "ringside.compare/1": the CPU model with its numbers, the architectures with the size of
 * what runs in ring 0, the records of "ringside.run/1" with the column's "label", what failed, and the differences in
 * cycles by cause.
 */
#ifndef RINGSIDE_SIM_CLI_COMPARE_H
#define RINGSIDE_SIM_CLI_COMPARE_H

#include "sim/cli/known.h"
#include "sim/cli/options.h"
#include "sim/cli/record.h"
#include "sim/cli/session.h"

#define COLUMNS_MAX 10
#define ROWS_MAX WORDS_MAX
#define LABEL_MAX 128

struct column {
    char label[LABEL_MAX];  /* as it was typed: "micro:mach,pcid=off" */
    char words[LABEL_MAX];  /* the same, cut at the commas; options.set points into it */
    struct options options; /* the command's, with this column's settings */
    struct session session;
    struct known known;
};

struct cell {
    bool good;            /* there is a record */
    struct record record; /* freed by the comparison's owner */
    struct error error;   /* else why not; status 0: it has not run yet */
};

struct comparison {
    struct column column[COLUMNS_MAX];
    size_t columns;
    struct choice choice[ROWS_MAX];
    const struct workload *row[ROWS_MAX]; /* those of choice */
    size_t rows;
    struct cell cell[ROWS_MAX][COLUMNS_MAX];
};

/* Makes the columns of a command's words, "ARCH[:VARIANT][,KEY=VALUE…]", or the default ones. A --set holds for those
 * that know its key. */
bool choose_columns(struct comparison *comparison, const struct options *options, struct error *error);

void comparison_tables(const struct comparison *comparison, unsigned width, bool bold, FILE *out);
/* The tables' counters, as {title, counters, ratio}: a new reference. */
json_t *comparison_groups(void);
/* A line for each workload and architecture after the first; `width` 0: never wrapped. */
void comparison_explanations(const struct comparison *comparison, unsigned width, bool bold, FILE *out);
/* What became of faults that were injected; nothing, if none were. */
void comparison_faults(const struct comparison *comparison, bool bold, FILE *out);
/* A new reference. */
json_t *comparison_json(const struct comparison *comparison);
/* The rows of `run --csv`. */
void comparison_csv(const struct comparison *comparison, FILE *out);

#endif
