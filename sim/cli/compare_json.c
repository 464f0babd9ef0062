/* SPDX-License-Identifier: MIT
 *
 * sim/cli/compare_json.c: a comparison for programs (compare.h): JSON "ringside.compare/1" and CSV.
 *
 * "results" are in the order of workloads, and within one in that of architectures; so are the rows of CSV.
 */
#include <stdlib.h>

#include "sim/cli/compare.h"
#include "sim/cli/explain.h"
#include "sim/cli/tcb.h"

static json_t *archs_json(const struct comparison *c)
{
    json_t *array = json_array();

    for (size_t i = 0; i < c->columns; i++) {
        const struct session *s = &c->column[i].session;
        json_t *object = json_pack("{s:s, s:s, s:s}", "label", c->column[i].label, "name", s->arch->name, "variant",
                                   s->arch->variant);

        arch_add_tcb(&s->home, s->arch, object);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *workloads_json(const struct comparison *c)
{
    json_t *array = json_array();

    for (size_t i = 0; i < c->rows; i++)
        json_array_append_new(array, json_string(c->row[i]->name));
    return array;
}

static json_t *failure_json(const struct comparison *c, size_t row, size_t column)
{
    const struct error *error = &c->cell[row][column].error;

    return json_pack("{s:s, s:s, s:i, s:s}", "label", c->column[column].label, "workload", c->row[row]->name, "status",
                     error->status, "error", error->text);
}

static json_t *causes_json(const double *difference)
{
    json_t *object = json_object();

    for (enum cause cause = 0; cause < CAUSE_COUNT; cause++)
        json_object_set_new(object, cause_info[cause].name, json_real(difference[cause]));
    return object;
}

/* Against the first column; both cells are good and have cycles. */
static json_t *difference_json(const struct comparison *c, size_t row, size_t column)
{
    const struct record *base = &c->cell[row][0].record, *record = &c->cell[row][column].record;
    double difference[CAUSE_COUNT], cycles = cause_differences(base, record, difference);
    double from = record_per_op(base, COUNTER_cycles);
    char text[EXPLANATION_MAX];
    json_t *object;

    explain(base, record, text);
    object = json_pack("{s:s, s:s, s:s, s:f, s:o, s:s}", "label", c->column[column].label, "base", c->column[0].label,
                       "workload", c->row[row]->name, "cycles", cycles, "causes", causes_json(difference),
                       "explanation", text);
    if (from > 0)
        json_object_set_new(object, "ratio", json_real(record_per_op(record, COUNTER_cycles) / from));
    return object;
}

static void add_cell(const struct comparison *c, size_t row, size_t column, json_t *results, json_t *failures)
{
    const struct cell *cell = &c->cell[row][column];
    json_t *result;

    if (!cell->good) {
        json_array_append_new(failures, failure_json(c, row, column));
        return;
    }
    result = record_json(&cell->record);
    json_object_set_new(result, "label", json_string(c->column[column].label));
    json_array_append_new(results, result);
}

static void add_differences(const struct comparison *c, size_t row, json_t *differences)
{
    for (size_t i = 1; i < c->columns; i++)
        if (c->cell[row][0].good && c->cell[row][i].good && record_has(&c->cell[row][i].record, COUNTER_cycles))
            json_array_append_new(differences, difference_json(c, row, i));
}

json_t *comparison_json(const struct comparison *c)
{
    json_t *results = json_array(), *failures = json_array(), *differences = json_array();

    for (size_t row = 0; row < c->rows; row++) {
        for (size_t column = 0; column < c->columns; column++)
            add_cell(c, row, column, results, failures);
        add_differences(c, row, differences);
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", "ringside.compare/1", "cpu",
                     cpu_model_json(&c->column[0].session.cpu, c->column[0].session.cpu_name), "archs", archs_json(c),
                     "workloads", workloads_json(c), "results", results, "differences", differences, "failures",
                     failures);
}

void comparison_csv(const struct comparison *c, FILE *out)
{
    struct record *records = calloc(c->rows * c->columns, sizeof *records);
    size_t count = 0;

    if (!records)
        return;
    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->columns; column++)
            if (c->cell[row][column].good)
                records[count++] = c->cell[row][column].record;
    records_csv(records, count, out);
    free(records);
}
