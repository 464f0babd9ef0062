/* SPDX-License-Identifier: MIT
 *
 * sim/cli/workload.c: see workload.h; known.c has the results of earlier runs.
 */
#include "sim/cli/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_OF_WORKLOAD 16
#define TEXT_MAX 512

static const char *const environment[] = {"PATH=/bin:/usr/bin", "HOME=/", NULL};

void workload_root(const struct session *s, char path[PATH_MAX])
{
    home_path(&s->home, path, "build/programs/root");
}

static void program_path(const struct session *s, const struct workload *w, char path[PATH_MAX])
{
    home_path(&s->home, path, "build/programs/root/bin/%s", w->program);
}

bool workload_check(const struct session *s, const struct workload *w, struct error *error)
{
    struct file program;
    char path[PATH_MAX];

    program_path(s, w, path);
    if (access(path, R_OK) != 0)
        return refuse(error, STATUS_HOST, "the program of workload '%s' is not there (%s); run 'make build'", w->name,
                      path);
    if (!read_program(path, &program, error))
        return false;
    file_free(&program);
    return true;
}

bool workload_disk(const struct session *s, struct guest_disk *disk, struct error *error)
{
    char root[PATH_MAX];

    workload_root(s, root);
    return guest_disk_build(disk, root, NULL, NULL, NULL, error);
}

/* /bin/PROGRAM OPS FURTHER…, the words in `text`. */
static void make_arguments(const struct workload *w, uint64_t ops, char text[TEXT_MAX],
                           const char *argv[WORDS_OF_WORKLOAD])
{
    char *rest = text, *word;
    size_t count = 0;

    snprintf(text, TEXT_MAX, "/bin/%s %llu%s%s", w->program, (unsigned long long)workload_ops(w, ops),
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

struct run {
    const struct session *session;
    const struct workload *workload;
    const struct guest_disk *disk;
    bool progress;
    struct file program;
    FILE *output; /* of both consoles */
};

static bool run_program(struct run *r, struct record *record, struct error *error)
{
    const char *argv[WORDS_OF_WORKLOAD];
    char text[TEXT_MAX];
    struct stream console = {.in = -1, .out = fileno(r->output)}, errors = console;
    struct job job = {
        .name = r->workload->name,
        .parameters = r->workload->parameters,
        .domain = r->workload->program,
        .argv = argv,
        .envp = environment,
        .cwd = "/",
        .disk = r->disk->data,
        .disk_bytes = r->disk->bytes,
        .disk_slices = r->disk->slices,
        .console = &console,
        .stderr_console = &errors,
        .progress = r->progress,
        .work = work_find(r->session->work, r->session, r->workload),
        .program = r->program.data,
        .program_bytes = r->program.bytes,
    };

    make_arguments(r->workload, r->session->options->ops, text, argv);
    if (session_run(r->session, &job, record, error))
        return true;
    record_free(record); /* a crash or a time limit is no result */
    return false;
}

static bool check_exit(const struct run *r, const struct record *record, struct error *error)
{
    if (record->exit_status == 0)
        return true;
    show_output(r->output);
    return refuse(error, STATUS_FAILED, "%s: ended with status %d", r->workload->name, record->exit_status);
}

bool workload_run(const struct session *s, const struct workload *w, struct guest_disk *disk, bool progress,
                  struct record *record, bool *ran, struct error *error)
{
    struct run r = {.session = s, .workload = w, .disk = disk, .progress = progress, .output = tmpfile()};
    char path[PATH_MAX];
    bool good;

    *ran = false;
    if (!r.output)
        return refuse(error, STATUS_HOST, "cannot make a temporary file");
    program_path(s, w, path);
    *ran = guest_disk_repeat(disk, s->disk_slices, error) && read_program(path, &r.program, error) &&
           run_program(&r, record, error);
    good = *ran && check_exit(&r, record, error);
    work_done(work_find(s->work, s, w));
    file_free(&r.program);
    fclose(r.output);
    return good;
}
