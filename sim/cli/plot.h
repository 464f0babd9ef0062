/* SPDX-License-Identifier: MIT
 *
 * sim/cli/plot.h: figures of results: from the JSON of `compare` to a table of numbers a figure, its CSV, and gnuplot.
 *
 * A figure is a table of panels, rows and series. The functions that make one take numbers from results and nothing
 * else, so that a figure shows nothing that the result files lack; what is missing stays empty. The scripts in plots/
 * draw the CSV and know its shape, not its meaning: a header, then "panel,row,series…", each panel with the same rows.
 *
 * Lifecycle: results_read for each file → for each figure table_…, plot_write, draw, plot_free → results_free.
 */
#ifndef RINGSIDE_SIM_CLI_PLOT_H
#define RINGSIDE_SIM_CLI_PLOT_H

#include <jansson.h>

#include "sim/cli/catalogue.h"

#define PLOT_NAME_MAX 96
#define PLOT_ARCHS_MAX 16
#define PLOT_FILES_MAX 64

/* ---- results (plot_results.c); strings belong to the files ---- */

struct plot_arch {
    const char *label, *name;
    double tcb_bytes, tcb_lines; /* NAN: not known */
};

/* A file's CPU. Files with the same one share it. */
struct plot_cpu {
    const char *name, *title, *version;
    json_int_t cpus;
    json_t *numbers; /* SECTION → KEY → number */
    const char *path;
};

struct plot_result {
    size_t cpu, arch; /* indices */
    const char *workload;
    json_t *json;
};

struct plot_results {
    json_t *file[PLOT_FILES_MAX];
    size_t files;
    struct plot_arch arch[PLOT_ARCHS_MAX];
    size_t archs;
    struct plot_cpu cpu[PLOT_FILES_MAX]; /* the first file's is the one that figures are of, the others are swept */
    size_t cpus;
    struct plot_result *result;
    size_t results;
};

/* Adds what a file of "ringside.compare/1" has. */
bool results_read(struct plot_results *results, const char *path, struct error *error);
void results_free(struct plot_results *results);
/* NULL: there is none that measured something. The first one, if there are several. */
const struct plot_result *results_find(const struct plot_results *results, size_t cpu, size_t arch,
                                       const char *workload);
/* NAN: it does not have it. Of causes, per operation. */
double result_counter(const struct plot_result *result, const char *counter);
double result_cause(const struct plot_result *result, const char *cause);
/* A number of a CPU model; false: it has no such one. */
bool cpu_number(const struct plot_cpu *cpu, const char *section, const char *key, json_int_t *number);

/* ---- tables (plot_table.c) ---- */

struct plot_table {
    size_t panels, rows, series;
    char (*panel)[PLOT_NAME_MAX], (*row)[PLOT_NAME_MAX], (*serie)[PLOT_NAME_MAX];
    double *value; /* NAN: none */
    char why[160]; /* there is no such figure */
};

/* Without values and names; false: no memory. */
bool plot_make(struct plot_table *table, size_t panels, size_t rows, size_t series);
void plot_free(struct plot_table *table);
double *plot_at(const struct plot_table *table, size_t panel, size_t row, size_t serie);
__attribute__((format(printf, 2, 3))) void plot_name(char name[PLOT_NAME_MAX], const char *format, ...);
/* What could end a field or a line, or begin an escape or a command of gnuplot's, becomes '?'. */
void plot_clean(char *text);
/* The same as refuse(), for a figure. */
__attribute__((format(printf, 2, 3))) bool plot_lacks(struct plot_table *table, const char *format, ...);
/* Takes panels, and rows if `rows`, without any value away; false: nothing is left. */
bool plot_trim(struct plot_table *table, bool rows);
bool plot_write(const struct plot_table *table, const char *path, struct error *error);

/* ---- figures (plot_figures.c, plot_sweeps.c) ---- */

/* false: `why` says what the results lack. */
typedef bool plot_figure(struct plot_table *table, const struct plot_results *results);
plot_figure figure_relative, figure_causes, figure_events, figure_tcb;
plot_figure figure_ctx, figure_pipe, figure_write, figure_cr3, figure_syscall;

/* ---- drawing (plot_draw.c) ---- */

/* Runs the script plots/NAME.gp for DIR/NAME.csv → DIR/NAME.svg and DIR/NAME.png. */
bool plot_draw(const struct home *home, const char *dir, const char *name, const struct plot_table *table,
               const char *caption, struct error *error);

#endif
