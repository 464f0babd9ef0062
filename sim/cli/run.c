/* SPDX-License-Identifier: MIT
 *
 * sim/cli/run.c: `ringside run`: workloads, one machine each, and a table, CSV or JSON of what was counted.
 *
 * All names are looked up and all programs checked before the first machine is switched on. Each workload gets a fresh
 * disk with the files of build/programs/root. Its output is kept and shown only if it failed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/guest_disk.h"
#include "sim/cli/session.h"
#include "sim/cli/table.h"

#define RUNS_MAX WORDS_MAX
#define WORDS_OF_WORKLOAD 16

static const char *const environment[] = {"PATH=/bin:/usr/bin", "HOME=/", NULL};

struct plan {
    struct session session;
    const struct workload *workload[RUNS_MAX];
    size_t count;
    struct record record[RUNS_MAX];
    size_t done;
    int status; /* the first that was not 0 */
};

/* ---- planning ---- */

static bool choose_workloads(struct plan *plan, const struct options *o, struct error *error)
{
    if (o->program)
        return refuse(error, STATUS_USAGE, "run takes workloads, not a program after --; that is 'ringside exec'");
    for (size_t i = 1; i < o->words; i++) {
        plan->workload[plan->count] = find_workload(o->word[i], error);
        if (!plan->workload[plan->count++])
            return false;
    }
    for (size_t i = 0; o->words == 1 && i < workload_count && i < RUNS_MAX; i++)
        plan->workload[plan->count++] = &workloads[i];
    return true;
}

static void program_path(const struct plan *plan, const struct workload *w, char path[PATH_MAX])
{
    home_path(&plan->session.home, path, "build/programs/root/bin/%s", w->program);
}

static bool check_programs(const struct plan *plan, struct error *error)
{
    for (size_t i = 0; i < plan->count; i++) {
        char path[PATH_MAX];
        struct file program;

        program_path(plan, plan->workload[i], path);
        if (access(path, R_OK) != 0)
            return refuse(error, STATUS_HOST, "the program of workload '%s' is not there (%s); run 'make build'",
                          plan->workload[i]->name, path);
        if (!read_program(path, &program, error))
            return false;
        file_free(&program);
    }
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

/* /bin/PROGRAM OPS FURTHER…, the words in `text`. */
static void make_arguments(const struct workload *w, uint64_t ops, char text[512], const char *argv[WORDS_OF_WORKLOAD])
{
    char *rest = text, *word;
    size_t count = 0;

    snprintf(text, 512, "/bin/%s %llu%s%s", w->program, (unsigned long long)(ops ? ops : w->ops),
             *w->arguments ? " " : "", w->arguments);
    while ((word = strsep(&rest, " ")) && count + 1 < WORDS_OF_WORKLOAD)
        argv[count++] = word;
    argv[count] = NULL;
}

static void show_output(FILE *output)
{
    char piece[4096];
    size_t bytes;

    rewind(output);
    while ((bytes = fread(piece, 1, sizeof piece, output)) > 0)
        fwrite(piece, 1, bytes, stderr);
}

static bool run_on_disk(struct plan *plan, const struct workload *w, struct guest_disk *disk,
                        const struct file *program, FILE *output, struct error *error)
{
    const char *argv[WORDS_OF_WORKLOAD];
    char text[512];
    struct stream console = {.in = -1, .out = fileno(output)}, errors = console;
    struct job job = {
        .name = w->name,
        .domain = w->program,
        .argv = argv,
        .envp = environment,
        .cwd = "/",
        .disk = disk->data,
        .disk_bytes = disk->bytes,
        .console = &console,
        .stderr_console = &errors,
        .progress = isatty(STDERR_FILENO),
        .program = program->data,
        .program_bytes = program->bytes,
    };
    struct record *record = &plan->record[plan->done];
    bool good;

    make_arguments(w, plan->session.options->ops, text, argv);
    good = session_run(&plan->session, &job, record, error);
    if (good)
        plan->done++;
    else
        record_free(record); /* a crash or a time limit is no result */
    if (good && record->exit_status != 0) {
        show_output(output);
        good = refuse(error, STATUS_FAILED, "%s: ended with status %d", w->name, record->exit_status);
    }
    return good;
}

static bool run_workload(struct plan *plan, const struct workload *w, struct error *error)
{
    char root[PATH_MAX], path[PATH_MAX];
    struct guest_disk disk = {0};
    struct file program = {0};
    FILE *output = tmpfile();
    bool good;

    home_path(&plan->session.home, root, "build/programs/root");
    program_path(plan, w, path);
    if (!output)
        good = refuse(error, STATUS_HOST, "cannot make a temporary file");
    else
        good = read_program(path, &program, error) && guest_disk_build(&disk, root, NULL, NULL, error) &&
               run_on_disk(plan, w, &disk, &program, output, error);
    guest_disk_free(&disk);
    file_free(&program);
    if (output)
        fclose(output);
    return good;
}

/* All of them, also after one that failed: each failure is one line, the status is that of the first. */
static void run_all(struct plan *plan, struct error *error)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (error->text[0])
            fprintf(stderr, "ringside: %s\n", error->text);
        error->text[0] = 0;
        if (!run_workload(plan, plan->workload[i], error) && plan->status == STATUS_OK)
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
           s->cpu.name, s->options->cpus, s->options->cpus == 1 ? "" : "s",
           s->options->model == MODEL_TIMING ? "timing" : "count", s->settings[0] ? ", " : "", s->settings);
    records_table(plan->record, plan->done, width, stdout);
    for (size_t i = 0; i < plan->done; i++) {
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
        run_all(plan, error);
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
