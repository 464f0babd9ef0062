/* SPDX-License-Identifier: MIT
 *
 * sim/cli/compare.c: `ringside compare`: workloads on several architectures side by side.
 *
 * All names are looked up and all programs checked first. Results that are known (known.h) are taken from the cache;
 * each other run gets a process of its own (pool.h), which also gives it a disk of its own: the pages of the one disk
 * that was made before. A run that fails is one line, and its cell says so; the others go on. What is printed does not
 * depend on which run ended first.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/compare.h"
#include "sim/cli/page.h"
#include "sim/cli/pool.h"
#include "sim/cli/record_pack.h"
#include "sim/cli/table.h"
#include "sim/cli/workload.h"

/* Runs that are to be made. */
struct runs {
    struct comparison *comparison;
    struct guest_disk disk;
    struct {
        size_t row, column;
    } run[ROWS_MAX * COLUMNS_MAX];
    size_t count;
    struct progress progress;
};

/* ---- planning ---- */

static bool add_row(struct comparison *c, const char *word, struct error *error)
{
    struct choice *choice = &c->choice[c->rows];

    c->row[c->rows++] = &choice->workload;
    return choose_workload(choice, word, error);
}

static bool choose_workloads(struct comparison *c, const struct options *o, struct error *error)
{
    if (o->program)
        return refuse(error, STATUS_USAGE,
                      "compare takes architectures, not a program after --; that is 'ringside exec'");
    for (size_t i = 0; i < o->onlys; i++)
        if (!add_row(c, o->only[i], error))
            return false;
    for (size_t i = 0; o->onlys == 0 && i < workload_count && i < ROWS_MAX; i++)
        if (!add_row(c, workloads[i].name, error))
            return false;
    return true;
}

static bool check_programs(const struct comparison *c, struct error *error)
{
    for (size_t row = 0; row < c->rows; row++)
        if (!workload_check(&c->column[0].session, c->row[row], error))
            return false;
    return true;
}

static bool plan(struct comparison *c, const struct options *o, struct error *error)
{
    return choose_workloads(c, o, error) && choose_columns(c, o, error) && check_programs(c, error) &&
           (!o->html || page_check(o->html, error));
}

/* Fills in what is known and notes the rest, the last workloads first: the list ends with those that take longest, and
 * two that run at once should end together. */
static void find_known(struct runs *r)
{
    struct comparison *c = r->comparison;

    for (size_t column = 0; column < c->columns; column++)
        known_open(&c->column[column].known, &c->column[column].session);
    for (size_t row = c->rows; row-- > 0;)
        for (size_t column = 0; column < c->columns; column++) {
            struct cell *cell = &c->cell[row][column];

            cell->good = known_find(&c->column[column].known, &c->column[column].session, c->row[row], &cell->record);
            if (cell->good)
                continue;
            r->run[r->count].row = row;
            r->run[r->count++].column = column;
        }
}

/* ---- running ---- */

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *at = data;

    while (bytes) {
        ssize_t written = write(fd, at, bytes);

        if (written <= 0)
            return false;
        at += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* In a worker: the answer is a struct error (status 0: none), then the packed record. */
static int run_one(void *ctx, size_t index, int out)
{
    struct runs *r = ctx;
    const struct column *column = &r->comparison->column[r->run[index].column];
    const struct workload *w = r->comparison->row[r->run[index].row];
    struct error error = {0};
    struct record record;
    void *packed = NULL;
    size_t bytes = 0;
    bool ran;

    if (workload_run(&column->session, w, &r->disk, false, &record, &ran, &error)) {
        known_keep(&column->known, &column->session, w, &record);
        packed = record_pack(&record, &bytes);
        if (!packed)
            refuse(&error, STATUS_HOST, "%s: out of memory", w->name);
    }
    return write_all(out, &error, sizeof error) && write_all(out, packed, bytes) ? 0 : 1;
}

static void show_progress(void *ctx, size_t done, size_t count)
{
    struct runs *r = ctx;

    if (done < count)
        progress_show(&r->progress, 0, 0);
    else
        progress_erase(&r->progress);
}

/* A process that died said nothing, or not all of it. */
static bool check_process(const struct pool_answer *answer, const char *workload, struct error *error)
{
    if (answer->why)
        return refuse(error, STATUS_HOST, "%s: cannot start a process: %s", workload, strerror(answer->why));
    if (WIFSIGNALED(answer->status))
        return refuse(error, STATUS_HOST, "%s: its process died of signal %d (%s)", workload, WTERMSIG(answer->status),
                      strsignal(WTERMSIG(answer->status)));
    if (answer->status != 0 || answer->bytes < sizeof *error)
        return refuse(error, STATUS_HOST, "%s: its process ended with status %d and no result", workload,
                      WEXITSTATUS(answer->status));
    return true;
}

static void take_answer(struct cell *cell, const struct pool_answer *answer, const char *workload)
{
    if (!check_process(answer, workload, &cell->error))
        return;
    memcpy(&cell->error, answer->data, sizeof cell->error);
    if (cell->error.status)
        return;
    cell->good = record_unpack(&cell->record, answer->data + sizeof cell->error, answer->bytes - sizeof cell->error);
    if (!cell->good)
        refuse(&cell->error, STATUS_HOST, "%s: its process gave no sound result", workload);
}

static bool run_pool(struct runs *r, unsigned jobs, struct error *error)
{
    struct pool pool = {.work = run_one, .progress = show_progress, .ctx = r, .workers = jobs};
    struct pool_answer *answers = calloc(r->count, sizeof *answers);

    if (!answers)
        return refuse(error, STATUS_HOST, "out of memory");
    pool_run(&pool, answers, r->count);
    for (size_t i = 0; i < r->count; i++) {
        take_answer(&r->comparison->cell[r->run[i].row][r->run[i].column], &answers[i],
                    r->comparison->row[r->run[i].row]->name);
        free(answers[i].data);
    }
    free(answers);
    return true;
}

static void share_work(struct comparison *c, struct work *work)
{
    for (size_t column = 0; column < c->columns; column++)
        c->column[column].session.work = work;
}

/* What is to be run, for the line that says how long it will take. NULL: there is none. */
static struct work *expect_work(struct runs *r, const struct options *o)
{
    struct comparison *c = r->comparison;
    bool wanted = progress_wanted((o->json || o->csv) && !o->json_file);
    struct work *work = wanted ? work_create(r->count) : NULL;

    progress_start(&r->progress, work != NULL, "", c->column[0].session.cpu.hz, work);
    share_work(c, work);
    for (size_t i = 0; work && i < r->count; i++) {
        const struct column *column = &c->column[r->run[i].column];
        const struct workload *w = c->row[r->run[i].row];
        char name[WORK_NAME_MAX];

        snprintf(name, sizeof name, "%s on %.30s", w->name, column->label);
        work_add(work, &column->session, w, name, known_length(&column->known, &column->session, w));
    }
    return work;
}

static bool run_all(struct comparison *c, const struct options *o, struct error *error)
{
    struct runs r = {.comparison = c};
    struct work *work;
    bool good;

    find_known(&r);
    if (r.count == 0)
        return true;
    work = expect_work(&r, o);
    good = workload_disk(&c->column[0].session, &r.disk, error) && run_pool(&r, o->jobs, error);
    share_work(c, NULL);
    work_destroy(work);
    guest_disk_free(&r.disk);
    known_close(&c->column[0].known);
    return good;
}

/* ---- results ---- */

static const char *advice(int status)
{
    return status == STATUS_CRASH || status == STATUS_FAILED ? " ('ringside run' shows more)" : "";
}

/* A line each, the status of the first; the warnings of those that went well. */
static int print_failures(const struct comparison *c)
{
    int status = STATUS_OK;

    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->columns; column++) {
            const struct cell *cell = &c->cell[row][column];
            const char *label = c->column[column].label;

            if (!cell->good)
                fprintf(stderr, "ringside: %s: %s%s\n", label, cell->error.text, advice(cell->error.status));
            for (size_t i = 0; cell->good && i < cell->record.warning_count; i++)
                fprintf(stderr, "ringside: %s: %s: warning: %s\n", label, c->row[row]->name, cell->record.warnings[i]);
            if (!cell->good && status == STATUS_OK)
                status = cell->error.status;
        }
    return status;
}

static void print_heading(const struct comparison *c, const struct options *o)
{
    printf("Per operation; %s, %u CPU%s, %s model\n", c->column[0].session.cpu_name, o->cpus, o->cpus == 1 ? "" : "s",
           o->model == MODEL_TIMING ? "timing" : "count");
    for (size_t i = 0; i < c->columns; i++)
        if (c->column[i].session.settings[0])
            printf("%s: %s\n", c->column[i].label, c->column[i].session.settings);
}

static void print_text(const struct comparison *c, const struct options *o)
{
    bool terminal = isatty(STDOUT_FILENO), bold = terminal && !getenv("NO_COLOR");
    unsigned width = output_width(STDOUT_FILENO);

    print_heading(c, o);
    comparison_tables(c, width, bold, stdout);
    comparison_explanations(c, terminal ? width : 0, bold, stdout);
    comparison_faults(c, bold, stdout);
}

static bool has_results(const struct comparison *c)
{
    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->columns; column++)
            if (c->cell[row][column].good)
                return true;
    return false;
}

static bool write_report(const struct comparison *c, const struct options *o, struct error *error)
{
    json_t *steps = page_steps(c, error);
    bool good = steps && write_page(c, steps, o->html, error);

    json_decref(steps);
    return good;
}

static bool print_results(const struct comparison *c, const struct options *o, struct error *error)
{
    json_t *json = o->json ? comparison_json(c) : NULL;
    bool good = !o->json || write_json(json, o->json_file, STDOUT_FILENO, error);

    json_decref(json);
    if (good && o->html)
        good = write_report(c, o, error);
    if (o->csv)
        comparison_csv(c, stdout);
    else if ((!o->json || o->json_file) && has_results(c))
        print_text(c, o);
    return good;
}

static void free_records(struct comparison *c)
{
    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->columns; column++)
            if (c->cell[row][column].good)
                record_free(&c->cell[row][column].record);
}

int command_compare(const struct options *options, struct error *error)
{
    struct comparison *c = calloc(1, sizeof *c);
    int status;

    if (!c)
        return refuse(error, STATUS_HOST, "out of memory"), STATUS_HOST;
    if (!plan(c, options, error) || !run_all(c, options, error) || !print_results(c, options, error))
        status = error->status;
    else
        status = print_failures(c);
    free_records(c);
    free(c);
    return status;
}
