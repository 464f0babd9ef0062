/* SPDX-License-Identifier: MIT
 *
 * sim/cli/plot_table.c: the tables that figures are drawn from, and their CSV (plot.h).
 *
 * Names come from files that anybody may have written. In CSV they are quoted, and characters that could end a field or
 * a line, or begin an escape of gnuplot's, become '?'.
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/output.h"
#include "sim/cli/plot.h"

bool plot_make(struct plot_table *t, size_t panels, size_t rows, size_t series)
{
    size_t values = panels * rows * series;

    t->panels = panels;
    t->rows = rows;
    t->series = series;
    t->panel = calloc(panels + 1, sizeof *t->panel);
    t->row = calloc(rows + 1, sizeof *t->row);
    t->serie = calloc(series + 1, sizeof *t->serie);
    t->value = calloc(values + 1, sizeof *t->value);
    if (!t->panel || !t->row || !t->serie || !t->value)
        return plot_lacks(t, "out of memory");
    for (size_t i = 0; i < values; i++)
        t->value[i] = NAN;
    return true;
}

void plot_free(struct plot_table *t)
{
    free(t->panel);
    free(t->row);
    free(t->serie);
    free(t->value);
}

double *plot_at(const struct plot_table *t, size_t panel, size_t row, size_t serie)
{
    return &t->value[(panel * t->rows + row) * t->series + serie];
}

void plot_name(char name[PLOT_NAME_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, PLOT_NAME_MAX, format, arguments);
    va_end(arguments);
}

bool plot_lacks(struct plot_table *t, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(t->why, sizeof t->why, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- trimming ---- */

static bool row_is_empty(const struct plot_table *t, size_t panel, size_t row)
{
    for (size_t s = 0; s < t->series; s++)
        if (!isnan(*plot_at(t, panel, row, s)))
            return false;
    return true;
}

static void drop_panel(struct plot_table *t, size_t panel)
{
    size_t after = t->panels - panel - 1;

    memmove(plot_at(t, panel, 0, 0), plot_at(t, panel + 1, 0, 0), after * t->rows * t->series * sizeof *t->value);
    memmove(t->panel[panel], t->panel[panel + 1], after * sizeof *t->panel);
    t->panels--;
}

/* From the last panel to the first: then what is yet to be moved lies as it lay. */
static void drop_row(struct plot_table *t, size_t row)
{
    for (size_t p = t->panels; p-- > 0;) {
        double *from = plot_at(t, p, row, 0) + t->series;

        memmove(from - t->series, from, (size_t)(t->value + t->panels * t->rows * t->series - from) * sizeof *from);
    }
    memmove(t->row[row], t->row[row + 1], (t->rows - row - 1) * sizeof *t->row);
    t->rows--;
}

bool plot_trim(struct plot_table *t, bool rows)
{
    for (size_t p = t->panels; p-- > 0;) {
        bool empty = true;

        for (size_t row = 0; row < t->rows; row++)
            empty = empty && row_is_empty(t, p, row);
        if (empty)
            drop_panel(t, p);
    }
    for (size_t row = t->rows; rows && row-- > 0;) {
        bool empty = true;

        for (size_t p = 0; p < t->panels; p++)
            empty = empty && row_is_empty(t, p, row);
        if (empty)
            drop_row(t, row);
    }
    return t->panels && t->rows;
}

/* ---- CSV ---- */

void plot_clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127 || strchr("\"\\`", *text))
            *text = '?';
}

static void write_name(const char *name, FILE *out)
{
    char text[PLOT_NAME_MAX];

    snprintf(text, sizeof text, "%s", name);
    plot_clean(text);
    fprintf(out, "\"%s\"", text);
}

static void write_row(const struct plot_table *t, size_t panel, size_t row, FILE *out)
{
    write_name(t->panel[panel], out);
    fputc(',', out);
    if (t->row[row][strspn(t->row[row], "0123456789")])
        write_name(t->row[row], out);
    else
        fputs(t->row[row], out); /* gnuplot takes what is quoted for text */
    for (size_t s = 0; s < t->series; s++)
        fprintf(out, isnan(*plot_at(t, panel, row, s)) ? "," : ",%.10g", *plot_at(t, panel, row, s));
    fputc('\n', out);
}

bool plot_write(const struct plot_table *t, const char *path, struct error *error)
{
    struct output output;

    if (!output_open(&output, "the figure's table", path, error))
        return false;
    fputs("panel,row", output.file);
    for (size_t s = 0; s < t->series; s++) {
        fputc(',', output.file);
        write_name(t->serie[s], output.file);
    }
    fputc('\n', output.file);
    for (size_t p = 0; p < t->panels; p++)
        for (size_t row = 0; row < t->rows; row++)
            write_row(t, p, row, output.file);
    return output_close(&output, true, error);
}
