/* SPDX-License-Identifier: MIT
 *
 * sim/cli/record_text.c: records as a table for people and as comma-separated values for gnuplot.
 */
#include <string.h>

#include "sim/cli/record.h"
#include "sim/cli/table.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Columns after the workload, from left to right; ranks say which stay when the line is short. */
static const struct {
    struct table_column column;
    enum counter counter;
} figures[] = {
    {{"cycles", 1}, COUNTER_cycles},        {{"instrs", 2}, COUNTER_instructions}, {{"mode", 3}, COUNTER_mode_switches},
    {{"ctx", 4}, COUNTER_context_switches}, {{"cr3", 9}, COUNTER_cr3_writes},      {{"exc", 10}, COUNTER_exceptions},
    {{"irq", 13}, COUNTER_interrupts},      {{"flush", 14}, COUNTER_tlb_flushes},  {{"dTLB", 7}, COUNTER_dtlb_misses},
    {{"walks", 12}, COUNTER_stlb_misses},   {{"L1D", 11}, COUNTER_l1d_misses},     {{"L3", 15}, COUNTER_l3_misses},
    {{"copies", 5}, COUNTER_copies},        {{"bytes", 6}, COUNTER_bytes_copied},  {{"msgs", 8}, COUNTER_messages},
    {{"vmexit", 16}, COUNTER_vm_exits},
};

/* Has any of them counted it? */
static bool is_counted(const struct record *records, size_t count, enum counter counter)
{
    for (size_t i = 0; i < count; i++)
        if (record_has(&records[i], counter))
            return true;
    return false;
}

static void fill_row(struct table *t, size_t row, const struct record *r, const enum counter *counters)
{
    snprintf(table_cell(t, row, 0), TABLE_CELL_MAX, "%.*s", TABLE_CELL_MAX - 1, r->workload);
    for (size_t i = 1; i < t->columns; i++) {
        if (record_has(r, counters[i]))
            table_figure(table_cell(t, row, i), record_per_op(r, counters[i]));
        else
            strcpy(table_cell(t, row, i), r->not_applicable ? "n/a" : "-");
    }
}

void records_table(const struct record *records, size_t count, unsigned width, FILE *out)
{
    struct table_column columns[COUNT(figures) + 1] = {{"workload", 0}};
    enum counter counters[COUNT(figures) + 1];
    size_t column_count = 1;
    struct table t;

    for (size_t i = 0; i < COUNT(figures); i++) {
        if (!is_counted(records, count, figures[i].counter))
            continue;
        counters[column_count] = figures[i].counter;
        columns[column_count++] = figures[i].column;
    }
    if (!table_create(&t, columns, column_count, count))
        return;
    for (size_t i = 0; i < count; i++)
        fill_row(&t, i, &records[i], counters);
    table_print(&t, width, out);
    table_free(&t);
}

/* ---- CSV ---- */

static void csv_heading(FILE *out)
{
    fprintf(out, "arch,variant,workload,cpu,cpus,model,settings,ops,exit");
    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        fprintf(out, ",%s", counter_info[c].name);
    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        fprintf(out, ",total_%s", counter_info[c].name);
    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        fprintf(out, ",cause_%s", cause_info[c].name);
    fputc('\n', out);
}

/* Names of programs may hold anything: quoted as RFC 4180 says. */
static void csv_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', out);
}

static void csv_row(const struct record *r, FILE *out)
{
    fprintf(out, "%s,%s,", r->arch->name, r->arch->variant);
    csv_text(r->workload, out);
    fprintf(out, ",%s,%u,%s,%s,%llu,%d", r->cpu, r->cpus, r->model == MODEL_TIMING ? "timing" : "count", r->settings,
            (unsigned long long)r->ops, r->exit_status);
    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        fprintf(out, record_has(r, c) ? ",%.10g" : ",", record_per_op(r, c));
    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        fprintf(out, record_has(r, c) ? ",%llu" : ",", (unsigned long long)r->counter[c]);
    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        fprintf(out, record_has(r, COUNTER_cycles) ? ",%llu" : ",", (unsigned long long)r->cause[c]);
    fputc('\n', out);
}

void records_csv(const struct record *records, size_t count, FILE *out)
{
    csv_heading(out);
    for (size_t i = 0; i < count; i++)
        csv_row(&records[i], out);
}
