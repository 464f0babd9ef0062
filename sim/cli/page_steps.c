/* SPDX-License-Identifier: MIT
 *
 * sim/cli/page_steps.c: one operation of each workload on each architecture, step by step, for the page (page.h).
 *
 * Each is a run of its own, of one operation, in a process of its own; what it says is what `trace --format steps` writes.
 * Of that the page needs less, and it has room for some hundred steps of each: those in the middle become one.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/cli/page.h"
#include "sim/cli/pool.h"
#include "sim/cli/traced.h"
#include "sim/cli/workload.h"

enum { STEPS_SHOWN = 240, FUNCTIONS_SHOWN = 3 };

struct recording {
    const struct comparison *comparison;
    struct guest_disk *disk;
    struct {
        size_t row, column;
    } cell[ROWS_MAX * COLUMNS_MAX];
    size_t count;
};

/* ---- one run, in a process of its own ---- */

static bool take(void *out, const struct session *session, struct machine *machine, const struct record *record,
                 struct error *error)
{
    struct traced traced = {.machine = machine,
                            .trace = machine_trace(machine),
                            .record = record,
                            .hz = session->cpu.hz,
                            .options = session->options,
                            .out = out};

    return !traced.trace->failed && trace_steps(&traced, error);
}

static int record_one(void *ctx, size_t index, int descriptor)
{
    struct recording *r = ctx;
    const struct column *column = &r->comparison->column[r->cell[index].column];
    struct options options = column->options;
    struct session session = column->session;
    FILE *out = fdopen(descriptor, "w");
    struct tracer tracer = {TRACE_FUNCTIONS, take, out};
    struct error error = {0};
    struct record record;
    bool ran;

    options.ops = 1;
    session.options = &options;
    session.tracer = &tracer;
    if (!out || !workload_run(&session, r->comparison->row[r->cell[index].row], r->disk, false, &record, &ran, &error))
        return 1;
    return fflush(out) == 0 ? 0 : 1;
}

/* ---- what the page needs of it ---- */

static const char *main_cause(const json_t *step)
{
    const char *name, *best = "work";
    json_int_t most = 0;
    json_t *value;

    json_object_foreach(json_object_get(step, "causes"), name, value) if (json_integer_value(value) > most)
    {
        most = json_integer_value(value);
        best = name;
    }
    return best;
}

static json_t *function_names(const json_t *step)
{
    json_t *names = json_array(), *function;
    size_t i;

    json_array_foreach(json_object_get(step, "functions"), i, function) if (i < FUNCTIONS_SHOWN)
        json_array_append(names, json_object_get(function, "name"));
    if (!json_array_size(names) && json_object_get(step, "function"))
        json_array_append(names, json_object_get(step, "function"));
    return names;
}

static json_t *shortened(const json_t *step)
{
    static const char *const kept[] = {"at", "cycles", "kind", "lane", "from", "to", "name", "bytes", "halted"};
    json_t *less = json_object();

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_get(step, kept[i]))
            json_object_set(less, kept[i], json_object_get(step, kept[i]));
    json_object_set_new(less, "cause", json_string(main_cause(step)));
    json_object_set_new(less, "functions", function_names(step));
    return less;
}

/* The steps from `from` on, `count` of them, as one. */
static json_t *merged(const json_t *steps, size_t from, size_t count)
{
    json_t *one = shortened(json_array_get(steps, from));
    json_int_t cycles = 0;

    for (size_t i = 0; i < count; i++)
        cycles += json_integer_value(json_object_get(json_array_get(steps, from + i), "cycles"));
    json_object_set_new(one, "cycles", json_integer(cycles));
    json_object_set_new(one, "kind", json_string("merged"));
    json_object_set_new(one, "merged", json_integer((json_int_t)count));
    json_object_del(one, "to");
    json_object_del(one, "from");
    json_object_del(one, "name");
    return one;
}

static json_t *some_steps(const json_t *steps)
{
    size_t count = json_array_size(steps), shown = count > STEPS_SHOWN ? STEPS_SHOWN / 2 : count;
    json_t *array = json_array();

    for (size_t i = 0; i < shown; i++)
        json_array_append_new(array, shortened(json_array_get(steps, i)));
    if (shown < count)
        json_array_append_new(array, merged(steps, shown, count - STEPS_SHOWN));
    for (size_t i = count - (shown < count ? STEPS_SHOWN - shown : 0); i < count; i++)
        json_array_append_new(array, shortened(json_array_get(steps, i)));
    return array;
}

static void add_trace(json_t *all, const char *label, const struct pool_answer *answer)
{
    json_t *whole = answer->status == 0 ? json_loadb(answer->data, answer->bytes, 0, NULL) : NULL;
    json_t *less;

    if (!whole)
        return;
    less = json_pack("{s:s, s:O, s:O, s:O, s:o}", "arch", label, "workload", json_object_get(whole, "workload"), "total_cycles",
                     json_object_get(whole, "total_cycles"), "lanes", json_object_get(whole, "lanes"), "steps",
                     some_steps(json_object_get(whole, "steps")));
    if (less)
        json_array_append_new(all, less);
    json_decref(whole);
}

/* ---- all ---- */

static void choose(struct recording *r)
{
    const struct comparison *c = r->comparison;

    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->columns; column++) {
            const struct cell *cell = &c->cell[row][column];

            if (!cell->good || cell->record.not_applicable || !record_has(&cell->record, COUNTER_cycles))
                continue;
            r->cell[r->count].row = row;
            r->cell[r->count++].column = column;
        }
}

static void show_progress(void *ctx, size_t done, size_t count)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < count ? "\r%zu of %zu recordings" : "\r\033[K", done, count);
}

json_t *page_steps(const struct comparison *c, struct error *error)
{
    struct guest_disk disk;
    struct recording r = {.comparison = c, .disk = &disk};
    struct pool pool = {.work = record_one, .progress = show_progress, .ctx = &r, .workers = c->column[0].options.jobs};
    struct pool_answer *answers;
    json_t *all = json_array();

    choose(&r);
    answers = calloc(r.count + 1, sizeof *answers);
    if (!answers || !workload_disk(&c->column[0].session, &disk, error)) {
        free(answers);
        json_decref(all);
        return NULL;
    }
    pool_run(&pool, answers, r.count);
    for (size_t i = 0; i < r.count; i++) {
        add_trace(all, c->column[r.cell[i].column].label, &answers[i]);
        free(answers[i].data);
    }
    free(answers);
    guest_disk_free(&disk);
    return all;
}
