/* SPDX-License-Identifier: MIT
 *
 * sim/cli/run.c: `ringside run`: workloads, one machine each, and a table, CSV or JSON of what was counted.
 *
 * All names are looked up and all programs checked before the first machine is switched on. Each workload gets a fresh
 * disk (workload.h). What an earlier command ran with the same inputs is not run again (known.h).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/known.h"
#include "sim/cli/table.h"
#include "sim/cli/workload.h"

#define RUNS_MAX WORDS_MAX

struct plan {
    struct session session;
    struct known known;
    struct choice choice[RUNS_MAX];
    size_t count;
    struct record record[RUNS_MAX];
    size_t done;
    int status; /* the first that was not 0 */
    bool progress;
};

/* ---- planning ---- */

static bool choose_workloads(struct plan *plan, const struct options *o, struct error *error)
{
    if (o->program)
        return refuse(error, STATUS_USAGE, "run takes workloads, not a program after --; that is 'ringside exec'");
    for (size_t i = 1; i < o->words; i++)
        if (!choose_workload(&plan->choice[plan->count++], o->word[i], error))
            return false;
    for (size_t i = 0; o->words == 1 && i < workload_count && i < RUNS_MAX; i++)
        if (!choose_workload(&plan->choice[plan->count++], workloads[i].name, error))
            return false;
    return true;
}

static bool check_programs(const struct plan *plan, struct error *error)
{
    for (size_t i = 0; i < plan->count; i++)
        if (!workload_check(&plan->session, &plan->choice[i].workload, error))
            return false;
    return true;
}

static bool open_plan(struct plan *plan, const struct options *o, struct error *error)
{
    if (o->words == 0)
        return refuse(error, STATUS_USAGE,
                      "run wants an architecture: ringside run ARCH [WORKLOAD…] (see 'ringside list archs')");
    return find_arch(o->word[0], error) && choose_workloads(plan, o, error) &&
           session_open(&plan->session, o, o->word[0], error) && check_programs(plan, error);
}

/* ---- running ---- */

static bool run_workload(struct plan *plan, const struct workload *w, struct error *error)
{
    struct record *record = &plan->record[plan->done];
    struct guest_disk disk = {0};
    bool ran = false, good;

    if (known_find(&plan->known, &plan->session, w, record)) {
        plan->done++;
        return true;
    }
    good = workload_disk(&plan->session, &disk, error) &&
           workload_run(&plan->session, w, &disk, plan->progress, record, &ran, error);
    guest_disk_free(&disk);
    if (good)
        known_keep(&plan->known, &plan->session, w, record);
    plan->done += ran;
    return good;
}

/* What is to be run, for the line that says how long it will take; what is known takes no time. */
static void expect_work(struct plan *plan, const struct options *o)
{
    struct session *s = &plan->session;
    struct record record;

    plan->progress = progress_wanted((o->json || o->csv) && !o->json_file);
    s->work = plan->progress ? work_create(plan->count) : NULL;
    for (size_t i = 0; s->work && i < plan->count; i++) {
        const struct workload *w = &plan->choice[i].workload;

        if (known_find(&plan->known, s, w, &record))
            record_free(&record);
        else
            work_add(s->work, s, w, w->name, known_length(&plan->known, s, w));
    }
}

/* All of them, also after one that failed: each failure is one line, the status is that of the first. */
static void run_all(struct plan *plan, struct error *error)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (error->text[0])
            fprintf(stderr, "ringside: %s\n", error->text);
        error->text[0] = 0;
        if (!run_workload(plan, &plan->choice[i].workload, error) && plan->status == STATUS_OK)
            plan->status = error->status;
    }
}

/* ---- results ---- */

static void print_table(const struct plan *plan)
{
    const struct session *s = &plan->session;
    unsigned width = output_width(STDOUT_FILENO);
    double seconds = 0, instructions = 0;

    printf("Per operation; %s%s%s on %s, %u CPU%s, %s model%s%s\n", s->arch->name,
           strcmp(s->arch->variant, "plain") ? ":" : "", strcmp(s->arch->variant, "plain") ? s->arch->variant : "",
           s->cpu_name, s->options->cpus, s->options->cpus == 1 ? "" : "s",
           s->options->model == MODEL_TIMING ? "timing" : "count", s->settings[0] ? ", " : "", s->settings);
    records_table(plan->record, plan->done, width, stdout);
    records_faults(plan->record, plan->done, stdout);
    for (size_t i = 0; i < plan->done; i++) {
        if (plan->record[i].cached)
            continue;
        seconds += plan->record[i].seconds;
        instructions += (double)plan->record[i].instructions;
    }
    if (isatty(STDERR_FILENO) && seconds > 0)
        fprintf(stderr, "%.2f s on this host, %.0f million simulated instructions/s\n", seconds,
                instructions / seconds / 1e6);
}

static void print_warnings(const struct plan *plan)
{
    for (size_t i = 0; i < plan->done; i++)
        for (size_t n = 0; n < plan->record[i].warning_count; n++)
            fprintf(stderr, "ringside: %s: warning: %s\n", plan->record[i].workload, plan->record[i].warnings[n]);
}

/* JSON to its file and a table besides, or one of them on standard output. */
static bool print_results(const struct plan *plan, struct error *error)
{
    const struct options *o = plan->session.options;
    json_t *json = o->json ? records_json(plan->record, plan->done) : NULL;
    bool good = !o->json || write_json(json, o->json_file, STDOUT_FILENO, error);

    json_decref(json);
    if (o->csv)
        records_csv(plan->record, plan->done, stdout);
    else if (!o->json || o->json_file)
        print_table(plan);
    print_warnings(plan);
    return good;
}

int command_run(const struct options *options, struct error *error)
{
    struct plan *plan = calloc(1, sizeof *plan);
    struct error late = {0};
    int status;

    if (!plan)
        return refuse(error, STATUS_HOST, "out of memory"), STATUS_HOST;
    if (open_plan(plan, options, error)) {
        known_open(&plan->known, &plan->session);
        expect_work(plan, options);
        run_all(plan, error);
        work_destroy(plan->session.work);
        plan->session.work = NULL;
        known_close(&plan->known);
        if (plan->done && !print_results(plan, &late) && plan->status == STATUS_OK) {
            *error = late;
            plan->status = late.status;
        }
        status = plan->status;
    } else {
        status = error->status;
    }
    for (size_t i = 0; i < plan->done; i++)
        record_free(&plan->record[i]);
    free(plan);
    return status;
}
