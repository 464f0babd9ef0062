/* SPDX-License-Identifier: MIT
 *
 * sim/cli/table.c: see table.h.
 */
#include "sim/cli/table.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_WIDTH 80
#define GAP 2

int table_create(struct table *t, const struct table_column *columns, size_t column_count, size_t rows)
{
    *t = (struct table){.columns = column_count, .rows = rows, .cell = calloc(rows * column_count + 1, TABLE_CELL_MAX)};
    if (!t->cell)
        return 0;
    memcpy(t->column, columns, column_count * sizeof *columns);
    return 1;
}

void table_free(struct table *t)
{
    free(t->cell);
    t->cell = NULL;
}

char *table_cell(struct table *t, size_t row, size_t column)
{
    return t->cell[row * t->columns + column];
}

static unsigned column_width(const struct table *t, size_t column)
{
    size_t width = strlen(t->column[column].heading);

    for (size_t row = 0; row < t->rows; row++) {
        size_t bytes = strlen(t->cell[row * t->columns + column]);

        width = bytes > width ? bytes : width;
    }
    return (unsigned)width;
}

static unsigned total_width(const struct table *t, const unsigned *widths, const bool *shown)
{
    unsigned total = 0;

    for (size_t i = 0; i < t->columns; i++)
        if (shown[i])
            total += widths[i] + (total ? GAP : 0);
    return total;
}

/* Hides the last shown column of the highest rank. false: only those of rank 0 are left. */
static bool hide_one(const struct table *t, bool *shown)
{
    size_t worst = t->columns;

    for (size_t i = 0; i < t->columns; i++)
        if (shown[i] && t->column[i].rank && (worst == t->columns || t->column[i].rank >= t->column[worst].rank))
            worst = i;
    if (worst == t->columns)
        return false;
    shown[worst] = false;
    return true;
}

static void print_row(const struct table *t, const unsigned *widths, const bool *shown, size_t row, FILE *out)
{
    for (size_t i = 0; i < t->columns; i++) {
        const char *text = row ? t->cell[(row - 1) * t->columns + i] : t->column[i].heading;

        if (shown[i])
            fprintf(out, "%*s%*s", i ? GAP : 0, "", i ? (int)widths[i] : -(int)widths[i], text);
    }
    fputc('\n', out);
}

void table_print(const struct table *t, unsigned width, FILE *out)
{
    unsigned widths[TABLE_COLUMNS_MAX];
    bool shown[TABLE_COLUMNS_MAX];

    for (size_t i = 0; i < t->columns; i++) {
        widths[i] = column_width(t, i);
        shown[i] = true;
    }
    while (total_width(t, widths, shown) > width && hide_one(t, shown))
        ;
    for (size_t row = 0; row <= t->rows; row++)
        print_row(t, widths, shown, row, out);
}

/* ---- split ---- */

/* Is there one heading over this column and the one before it? */
static bool is_within_span(const struct table_joint *joints, size_t at)
{
    return joints[at].over && joints[at].over == joints[at - 1].over;
}

/* The columns [first, end) of a part: as many as fit, and at least one with what is glued to it. What is under one
 * heading stays together if it can. */
static size_t end_of_part(const struct table *t, const struct table_joint *joints, const unsigned *widths, size_t first,
                          unsigned width)
{
    unsigned total = widths[0];
    size_t end = first;

    while (end < t->columns) {
        size_t next = end;

        do
            total += GAP + widths[next++];
        while (next < t->columns && joints[next].glued);
        if (total > width && end > first)
            break;
        end = next;
    }
    for (size_t at = end; at > first && end < t->columns; at--)
        if (!is_within_span(joints, at))
            return at;
    return end;
}

/* Neighbours of a part that share their upper heading: [first, the result). */
static size_t end_of_span(const struct table_joint *joints, size_t first, size_t end)
{
    size_t at = first;

    while (at < end && joints[at].over == joints[first].over)
        at++;
    return at;
}

/* A span is at least as wide as what stands over it. */
static void widen_spans(const struct table_joint *joints, unsigned *widths, size_t first, size_t end)
{
    for (size_t next; first < end; first = next) {
        unsigned span = 0, wanted = joints[first].over ? (unsigned)strlen(joints[first].over) : 0;

        next = end_of_span(joints, first, end);
        for (size_t i = first; i < next; i++)
            span += widths[i] + (i > first ? GAP : 0);
        if (span < wanted)
            widths[first] += wanted - span;
    }
}

static void print_over(const struct table_joint *joints, const unsigned *widths, size_t first, size_t end, FILE *out)
{
    fprintf(out, "%*s", (int)widths[0], "");
    for (size_t next; first < end; first = next) {
        unsigned span = 0;

        next = end_of_span(joints, first, end);
        for (size_t i = first; i < next; i++)
            span += GAP + widths[i];
        fprintf(out, "%*s", (int)span, joints[first].over ? joints[first].over : "");
    }
    fputc('\n', out);
}

static bool has_over(const struct table_joint *joints, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (joints[i].over)
            return true;
    return false;
}

static void print_part(const struct table *t, const unsigned *widths, size_t first, size_t end, FILE *out)
{
    bool shown[TABLE_COLUMNS_MAX] = {[0] = true};

    for (size_t i = first; i < end; i++)
        shown[i] = true;
    for (size_t row = 0; row <= t->rows; row++)
        print_row(t, widths, shown, row, out);
}

void table_print_split(const struct table *t, const struct table_joint *joints, unsigned width, FILE *out)
{
    unsigned widths[TABLE_COLUMNS_MAX];

    for (size_t i = 0; i < t->columns; i++)
        widths[i] = column_width(t, i);
    widen_spans(joints, widths, 1, t->columns);
    for (size_t first = 1, end; first < t->columns; first = end) {
        end = end_of_part(t, joints, widths, first, width);
        widen_spans(joints, widths, first, end); /* one that is parted */
        if (has_over(joints, t->columns))
            print_over(joints, widths, first, end, out);
        print_part(t, widths, first, end, out);
    }
}

/* ---- text ---- */

void table_figure(char cell[TABLE_CELL_MAX], double value)
{
    static const char unit[] = {' ', 'k', 'M', 'G', 'T'};
    size_t scale = 0;

    if (value < 1e7 && (value == floor(value) || value >= 1e5)) {
        snprintf(cell, TABLE_CELL_MAX, "%.0f", value);
        return;
    }
    while (value >= 1e6 && scale + 1 < sizeof unit) {
        value /= 1000;
        scale++;
    }
    snprintf(cell, TABLE_CELL_MAX, "%.*f%.*s",
             scale         ? (value < 1e4 ? 1 : 0)
             : value < 100 ? 2
                           : 1,
             value, scale > 0, &unit[scale]);
}

void print_wrapped(const char *text, unsigned indent, unsigned width, FILE *out)
{
    unsigned column = 0;

    while (*text) {
        unsigned bytes = (unsigned)strcspn(text, " ");

        if (column && column + 1 + bytes > width) {
            fputc('\n', out);
            column = 0;
        }
        column += (unsigned)fprintf(out, "%*s%.*s", column ? 1 : (int)indent, "", (int)bytes, text);
        text += bytes;
        text += *text == ' ';
    }
    fputc('\n', out);
}

unsigned output_width(int fd)
{
    struct winsize size;

    if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return DEFAULT_WIDTH;
}
