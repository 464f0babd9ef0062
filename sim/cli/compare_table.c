/* SPDX-License-Identifier: MIT
 *
 * sim/cli/compare_table.c: a comparison for people (compare.h): a table for each group of counters, then a line for
 * each difference.
 *
 * Within a table the architectures stand side by side, counter by counter. Nothing is left out of a comparison: what
 * does not fit the line goes into further parts of the table. A counter that nobody counted (count model) is not there.
 */
#include <string.h>

#include "sim/cli/compare.h"
#include "sim/cli/explain.h"
#include "sim/cli/table.h"

#define GROUP_MAX 3

static const struct group {
    const char *title;
    enum counter counter[GROUP_MAX];
    const char *name[GROUP_MAX]; /* over its columns */
    size_t counters;
    bool ratio; /* to the first column */
} groups[] = {
    {"Cycles", {COUNTER_cycles}, {NULL}, 1, true},
    {"Switches", {COUNTER_mode_switches, COUNTER_context_switches}, {"mode switches", "context switches"}, 2, false},
    {"TLBs",
     {COUNTER_tlb_flushes, COUNTER_dtlb_misses, COUNTER_stlb_misses},
     {"flushes", "data TLB misses", "page walks"},
     3,
     false},
    {"Copies", {COUNTER_copies, COUNTER_bytes_copied}, {"copies", "bytes copied"}, 2, false},
    {"Messages", {COUNTER_messages}, {NULL}, 1, false},
    {"Calls of a library OS", {COUNTER_library_calls, COUNTER_reflected_calls}, {"by a jump", "reflected"}, 2, false},
    {"VM exits", {COUNTER_vm_exits}, {NULL}, 1, false},
};

json_t *comparison_groups(void)
{
    json_t *array = json_array();

    for (const struct group *g = groups; g < groups + sizeof groups / sizeof *groups; g++) {
        json_t *counters = json_array();

        for (size_t i = 0; i < g->counters; i++)
            json_array_append_new(counters, json_string(counter_info[g->counter[i]].name));
        json_array_append_new(array, json_pack("{s:s, s:o, s:b}", "title", g->title, "counters", counters, "ratio", g->ratio));
    }
    return array;
}

static void print_title(const char *title, bool bold, FILE *out)
{
    fprintf(out, "\n%s%s%s", bold ? "\033[1m" : "", title, bold ? "\033[0m" : "");
}

/* ---- what is in a table ---- */

/* One column of a table after the workloads: a counter of an architecture, or the ratio of it. */
struct figure {
    enum counter counter;
    size_t column;
    bool ratio;
};

struct sheet {
    const struct comparison *comparison;
    struct figure figure[TABLE_COLUMNS_MAX];
    struct table_column heading[TABLE_COLUMNS_MAX];
    struct table_joint joint[TABLE_COLUMNS_MAX];
    size_t columns;
};

/* All runs of a command have the same model. */
static bool is_counted(const struct comparison *c, enum counter counter)
{
    return c->column[0].options.model == MODEL_TIMING || counter_info[counter].in_count_model;
}

static void add_figure(struct sheet *s, struct figure figure, const char *over)
{
    const char *label = s->comparison->column[figure.column].label;

    s->figure[s->columns] = figure;
    s->joint[s->columns] = (struct table_joint){over, figure.ratio};
    s->heading[s->columns++] = (struct table_column){figure.ratio ? "ratio" : label, 0};
}

static void add_counter(struct sheet *s, const struct group *g, size_t index)
{
    for (size_t i = 0; i < s->comparison->columns; i++) {
        add_figure(s, (struct figure){g->counter[index], i, false}, g->name[index]);
        if (g->ratio && i > 0)
            add_figure(s, (struct figure){g->counter[index], i, true}, g->name[index]);
    }
}

static void plan_sheet(struct sheet *s, const struct comparison *c, const struct group *g)
{
    *s = (struct sheet){.comparison = c, .heading = {{"workload", 0}}, .columns = 1};
    for (size_t i = 0; i < g->counters; i++)
        if (is_counted(c, g->counter[i]))
            add_counter(s, g, i);
}

/* Is any of its figures not 0? */
static bool has_anything(const struct sheet *s)
{
    const struct comparison *c = s->comparison;

    for (size_t row = 0; row < c->rows; row++)
        for (size_t i = 1; i < s->columns; i++) {
            const struct cell *cell = &c->cell[row][s->figure[i].column];

            if (cell->good && record_has(&cell->record, s->figure[i].counter) && cell->record.counter[s->figure[i].counter])
                return true;
        }
    return false;
}

/* ---- cells ---- */

static void fill_ratio(char cell[TABLE_CELL_MAX], const struct cell *base, const struct cell *other,
                       enum counter counter)
{
    double from = base->good && record_has(&base->record, counter) ? record_per_op(&base->record, counter) : 0;

    if (from > 0 && other->good && record_has(&other->record, counter))
        snprintf(cell, TABLE_CELL_MAX, "%.2f", record_per_op(&other->record, counter) / from);
    else
        strcpy(cell, "-");
}

static void fill_cell(char text[TABLE_CELL_MAX], const struct cell *row, const struct figure *figure)
{
    const struct cell *cell = &row[figure->column];

    if (figure->ratio)
        fill_ratio(text, &row[0], cell, figure->counter);
    else if (cell->good && cell->record.not_applicable)
        strcpy(text, "n/a");
    else if (cell->good)
        table_figure(text, record_per_op(&cell->record, figure->counter));
    else
        strcpy(text, "failed");
}

static void print_sheet(const struct sheet *s, unsigned width, FILE *out)
{
    const struct comparison *c = s->comparison;
    struct table t;

    if (!table_create(&t, s->heading, s->columns, c->rows))
        return;
    for (size_t row = 0; row < c->rows; row++) {
        snprintf(table_cell(&t, row, 0), TABLE_CELL_MAX, "%s", c->row[row]->name);
        for (size_t i = 1; i < s->columns; i++)
            fill_cell(table_cell(&t, row, i), c->cell[row], &s->figure[i]);
    }
    table_print_split(&t, s->joint, width, out);
    table_free(&t);
}

void comparison_tables(const struct comparison *c, unsigned width, bool bold, FILE *out)
{
    struct sheet s;

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        plan_sheet(&s, c, &groups[i]);
        if (s.columns == 1)
            continue;
        print_title(groups[i].title, bold, out);
        fputs(has_anything(&s) ? "\n" : ": none\n", out);
        if (has_anything(&s))
            print_sheet(&s, width, out);
    }
}

/* ---- differences ---- */

static void print_difference(const struct comparison *c, size_t row, size_t column, unsigned width, FILE *out)
{
    const struct cell *base = &c->cell[row][0], *other = &c->cell[row][column];
    char why[EXPLANATION_MAX], line[EXPLANATION_MAX + 2 * LABEL_MAX];

    if (!base->good || !other->good || !explain(&base->record, &other->record, why))
        return;
    snprintf(line, sizeof line, "%s: %s %s", c->row[row]->name, c->column[column].label, why);
    print_wrapped(line, 0, width ? width : (unsigned)sizeof line, out);
}

void comparison_explanations(const struct comparison *c, unsigned width, bool bold, FILE *out)
{
    if (c->columns < 2 || !is_counted(c, COUNTER_cycles))
        return;
    print_title("Cycles by cause", bold, out);
    fprintf(out, ", against %s\n", c->column[0].label);
    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 1; column < c->columns; column++)
            print_difference(c, row, column, width, out);
}

/* ---- faults ---- */

void comparison_faults(const struct comparison *c, bool bold, FILE *out)
{
    bool any = false;

    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->columns; column++) {
            const struct cell *cell = &c->cell[row][column];

            for (size_t i = 0; cell->good && i < cell->record.fault_count; i++, any = true) {
                if (!any) {
                    print_title("Faults", bold, out);
                    fputc('\n', out);
                }
                fprintf(out, "%s: %s: ", c->row[row]->name, c->column[column].label);
                record_fault(&cell->record, i, out);
            }
        }
}
