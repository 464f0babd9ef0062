/* SPDX-License-Identifier: MIT
 *
 * sim/cli/table.h: a table of text that fits a width.
 *
 * The first column is set left, the others right. If all do not fit, columns are left out, those of the highest `rank`
 * first; rank 0 always stays. Or the table is split: then nothing is left out, and the first column is printed again
 * before each part. Plain text: no colour, no line drawing, two blanks between columns.
 */
#ifndef RINGSIDE_SIM_CLI_TABLE_H
#define RINGSIDE_SIM_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 32
#define TABLE_CELL_MAX 32

struct table_column {
    const char *heading;
    unsigned rank;
};

/* Of a split table: how a column belongs to its neighbours. */
struct table_joint {
    const char *over; /* a heading over all neighbours that share this pointer; NULL: none */
    bool glued;       /* never parted from the column before it */
};

struct table {
    struct table_column column[TABLE_COLUMNS_MAX];
    size_t columns, rows;
    char (*cell)[TABLE_CELL_MAX]; /* rows × columns */
};

/* NULL-cell tables are never returned: false without memory. Cells begin empty. */
int table_create(struct table *table, const struct table_column *columns, size_t column_count, size_t rows);
void table_free(struct table *table);
char *table_cell(struct table *table, size_t row, size_t column); /* TABLE_CELL_MAX bytes */
void table_print(const struct table *table, unsigned width, FILE *out);
/* `joints` has an element a column. */
void table_print_split(const struct table *table, const struct table_joint *joints, unsigned width, FILE *out);

/* A figure in at most 7 characters: whole below ten million, else two or one decimals, then k, M, G, T. */
void table_figure(char cell[TABLE_CELL_MAX], double value);

/* `text` in lines of at most `width`, each after `indent` blanks (the first too). */
void print_wrapped(const char *text, unsigned indent, unsigned width, FILE *out);
/* Columns of `fd` if it is a terminal, else 80. */
unsigned output_width(int fd);

#endif
