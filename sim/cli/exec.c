/* SPDX-License-Identifier: MIT
 *
 * sim/cli/exec.c: `ringside exec`: one program of the host on the machine, with the host's standard streams.
 *
 * The guest's files are those of --root (or just an empty /tmp), and the program. A program inside of --root is where
 * it is, and argv[0] is its path there. Any other is put at the path under which it was typed, as seen from the guest's
 * working directory: so argv[0] is what was typed, and names the program in the guest too. With --restore there is no
 * program: a guest goes on that was saved in the midst of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/exec.h"
#include "sim/cli/guest_disk.h"
#include "sim/cli/guest_move.h"
#include "sim/cli/session.h"

#define RECORD_DESCRIPTOR 3

struct execution {
    const struct options *options;
    struct session session;
    struct saved_file saved;  /* --restore */
    struct options adopted;   /* what `options` are then */
    struct file program;
    char path[PATH_MAX]; /* of the program in the guest */
    bool in_root;        /* it is one of the files of --root */
    const char **argv;   /* NULL-terminated */
    struct guest_disk disk;
    int input; /* descriptor, standard input or --stdin */
    struct stream console, errors;
    struct raw_terminal raw;
    uint32_t tty_mask;
    char term[64];
    const char *envp[WORDS_MAX + 4];
    struct record record;
};

/* ---- checks ---- */

static bool check_restore_words(const struct options *o, struct error *error)
{
    if (o->words > 1 || o->program)
        return refuse(error, STATUS_USAGE, "--restore takes no program: %s has one; ringside exec %s --restore %s",
                      o->restore, o->word[0], o->restore);
    if (o->settled)
        return refuse(error, STATUS_USAGE, "--restore and %s exclude each other: the saved guest has what it started with",
                      o->settled);
    return true;
}

static bool check_words(const struct options *o, struct error *error)
{
    if (o->words == 0)
        return refuse(error, STATUS_USAGE,
                      "exec wants an architecture: ringside exec ARCH [OPTION…] -- PROGRAM [ARGUMENT…]");
    if (o->restore)
        return check_restore_words(o, error);
    if (!o->program && o->words > 1)
        return refuse(error, STATUS_USAGE, "exec wants -- before the program: ringside exec %s -- %s", o->word[0],
                      o->word[1]);
    if (o->words > 1)
        return refuse(error, STATUS_USAGE, "exec takes one architecture; '%s' is one word too many", o->word[1]);
    if (!o->program || !o->program[0])
        return refuse(error, STATUS_USAGE, "exec wants a program after --: ringside exec %s -- PROGRAM [ARGUMENT…]",
                      o->word[0]);
    return true;
}

/* Before any file is opened, which might become descriptor 3. */
static bool check_record(const struct options *o, struct error *error)
{
    bool wanted = o->csv || (o->json && !o->json_file);

    if (!wanted || fcntl(RECORD_DESCRIPTOR, F_GETFD) >= 0)
        return true;
    return refuse(error, STATUS_USAGE, "%s writes to file descriptor %d, which is not open: add %d>FILE%s",
                  o->csv ? "--csv" : "--json", RECORD_DESCRIPTOR, RECORD_DESCRIPTOR,
                  o->csv ? "" : ", or use --json=FILE");
}

static const char *working_directory(const struct options *o)
{
    return o->cwd ? o->cwd : "/";
}

/* The program's path below --root, if it is there. Only its folder is resolved: a link keeps its name (an applet's). */
static bool find_in_root(struct execution *x)
{
    const char *typed = x->options->program[0], *slash = strrchr(typed, '/');
    char folder[PATH_MAX], real_folder[PATH_MAX], real_root[PATH_MAX];
    size_t root_bytes;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - typed) : 1,
             slash ? slash == typed ? "/" : typed : ".");
    if (!x->options->root || !realpath(x->options->root, real_root) ||
        !realpath(slash == typed ? "/" : folder, real_folder))
        return false;
    root_bytes = strcmp(real_root, "/") ? strlen(real_root) : 0;
    if (strncmp(real_folder, real_root, root_bytes) != 0 || (real_folder[root_bytes] && real_folder[root_bytes] != '/'))
        return false;
    snprintf(folder, sizeof folder, "%s", real_folder + root_bytes);
    return guest_path(folder[0] ? folder : "/", slash ? slash + 1 : typed, x->path);
}

/* argv: the program's words, argv[0] as the head of this file says. */
static bool make_arguments(struct execution *x, struct error *error)
{
    char *const *program = x->options->program;
    size_t count = 0;

    while (program[count])
        count++;
    x->argv = calloc(count + 1, sizeof *x->argv);
    if (!x->argv)
        return refuse(error, STATUS_HOST, "out of memory");
    memcpy(x->argv, program, count * sizeof *x->argv);
    x->in_root = find_in_root(x);
    if (x->in_root)
        x->argv[0] = x->path;
    return x->in_root || guest_path(working_directory(x->options), program[0], x->path) ||
           refuse(error, STATUS_USAGE, "%s: the path is too long", program[0]);
}

/* The guest has had that much of it. Standard input itself goes on where it is. */
static bool skip_input(struct execution *x, struct error *error)
{
    uint64_t left = x->options->input ? x->saved.header.input_bytes : 0;
    char piece[4096];

    while (left) {
        ssize_t got = read(x->input, piece, left < sizeof piece ? left : sizeof piece);

        if (got < 0 && errno != EINTR)
            return refuse(error, STATUS_USAGE, "--stdin %s: %s", x->options->input, strerror(errno));
        if (got == 0)
            return true; /* it is shorter than what was there when the guest was saved: at its end */
        left -= got > 0 ? (uint64_t)got : 0;
    }
    return true;
}

static bool open_saved(struct execution *x, struct error *error)
{
    const struct options *o = x->options;

    if ((o->save && !check_new_folder("--save", o->save, error)) || !saved_file_read(&x->saved, o->restore, error))
        return false;
    x->adopted = *o;
    x->options = &x->adopted;
    return adopt_options(&x->saved, &x->adopted, error) && open_input(o->input, &x->input, error) &&
           skip_input(x, error);
}

static bool check_files(struct execution *x, struct error *error)
{
    const struct options *o = x->options;

    if (o->restore)
        return open_saved(x, error);
    if (o->root && !check_folder("--root", o->root, error))
        return false;
    if (o->save && !check_new_folder("--save", o->save, error))
        return false;
    return open_input(o->input, &x->input, error) && read_program(o->program[0], &x->program, error) &&
           make_arguments(x, error);
}

static bool prepare(struct execution *x, struct error *error)
{
    const struct options *o = x->options;

    return check_words(o, error) && check_record(o, error) && find_arch(o->word[0], error) && check_files(x, error) &&
           session_open(&x->session, x->options, o->word[0], error) && check_save_at(&x->session, error) &&
           (!o->restore || check_restored(&x->saved, &x->session, error));
}

/* ---- the run ---- */

static void find_terminals(struct execution *x)
{
    x->tty_mask = (isatty(x->input) ? 1u : 0) | (isatty(STDOUT_FILENO) ? 2u : 0) | (isatty(STDERR_FILENO) ? 4u : 0);
    x->console = (struct stream){.in = x->input, .out = STDOUT_FILENO, .in_terminal = x->tty_mask & 1};
    x->errors = (struct stream){.in = -1, .out = STDERR_FILENO};
}

/* Small and the same everywhere; what --env says comes later and wins, as env(1) has it. */
static void make_environment(struct execution *x)
{
    const char *term = getenv("TERM");
    size_t count = 0;

    x->envp[count++] = "PATH=/bin:/usr/bin";
    x->envp[count++] = "HOME=/";
    if (x->tty_mask & 3) {
        snprintf(x->term, sizeof x->term, "TERM=%s", term && *term ? term : "dumb");
        x->envp[count++] = x->term;
    }
    for (size_t i = 0; i < x->options->envs; i++) {
        size_t at = 0, name = strcspn(x->options->env[i], "=") + 1;

        while (at < count && strncmp(x->envp[at], x->options->env[i], name) != 0)
            at++;
        x->envp[at] = x->options->env[i];
        count += at == count;
    }
    x->envp[count] = NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

static bool begin(struct execution *x, struct job *job, struct error *error)
{
    job->name = base_name(x->options->program[0]);
    job->domain = base_name(x->path);
    job->argv = x->argv;
    job->envp = x->envp;
    job->cwd = working_directory(x->options);
    job->program = x->program.data;
    job->program_bytes = x->program.bytes;
    return check_text(job, error);
}

static void go_on(struct execution *x, struct job *job)
{
    job->saved = &x->saved;
    job->name = x->saved.header.name;
    job->domain = x->saved.header.domain;
    job->program = x->saved.program;
    job->program_bytes = x->saved.program_bytes;
}

static bool run_machine(struct execution *x, struct error *error)
{
    struct job job = {
        .disk = x->disk.data,
        .disk_bytes = x->disk.bytes,
        .disk_slices = x->disk.slices,
        .console = &x->console,
        .stderr_console = &x->errors,
        .tty_mask = x->tty_mask,
        .progress = (x->tty_mask & 6) == 4, /* not into a terminal that shows the program's output */
        .show_log = x->disk.slices > 1,
    };
    bool good;

    if (x->options->restore)
        go_on(x, &job);
    else if (!begin(x, &job, error))
        return false;
    if (x->tty_mask & 1)
        raw_terminal_enter(&x->raw);
    good = session_run(&x->session, &job, &x->record, error);
    raw_terminal_leave(&x->raw);
    return good;
}

/* What the host did not take. */
static bool check_output(const struct execution *x, struct error *error)
{
    int why = x->console.out_errno ? x->console.out_errno : x->errors.out_errno;

    return !why ||
           refuse(error, STATUS_HOST, "standard %s: %s", x->console.out_errno ? "output" : "error", strerror(why));
}

static bool write_csv(const struct execution *x, struct error *error)
{
    FILE *out = fdopen(dup(RECORD_DESCRIPTOR), "w");
    bool good = out != NULL;

    if (good) {
        records_csv(&x->record, 1, out);
        good = fclose(out) == 0;
    }
    return good || refuse(error, STATUS_HOST, "cannot write the CSV record: %s", strerror(errno));
}

static bool write_results(const struct execution *x, struct error *error)
{
    const struct options *o = x->options;
    json_t *json;
    bool good;

    if (o->csv && !write_csv(x, error))
        return false;
    if (!o->json)
        return true;
    json = records_json(&x->record, 1);
    good = write_json(json, o->json_file, RECORD_DESCRIPTOR, error);
    json_decref(json);
    return good;
}

static void print_warnings(const struct execution *x)
{
    for (size_t i = 0; i < x->record.warning_count; i++)
        fprintf(stderr, "ringside: %s: warning: %s\n", x->record.workload, x->record.warnings[i]);
}

/* The files are saved whatever became of the program: they may tell. Of several slices, the first one's. */
static bool save(struct execution *x, struct error *error)
{
    return !x->options->save || guest_disk_save(&x->disk, 0, x->options->save, error);
}

static void warn_of_left_out(const char *root, const struct disk_left_out *left_out)
{
    if (left_out->count)
        fprintf(stderr, "ringside: warning: --root %s: left out, as FIFO, socket or device: %zu; the first is %s\n",
                root, left_out->count, left_out->first);
}

static bool make_disk(struct execution *x, struct error *error)
{
    const struct options *o = x->options;
    struct disk_left_out left_out = {0};

    if (o->restore)
        return guest_disk_blank(&x->disk, x->saved.header.disk_bytes, error);
    if (!guest_disk_build(&x->disk, o->root, x->path, x->in_root ? NULL : &x->program, &left_out, error) ||
        !guest_disk_check_cwd(&x->disk, o->cwd, error))
        return false;
    warn_of_left_out(o->root, &left_out);
    return guest_disk_repeat(&x->disk, x->session.disk_slices, error);
}

/* What became of --save-at. */
static void report_save(const struct execution *x)
{
    const struct options *o = x->options;
    const struct record *r = &x->record;

    if (!o->save_file)
        return;
    if (r->end == END_SAVED)
        fprintf(stderr, "ringside: %s: saved to %s after %llu ms\n", r->workload, o->save_file,
                (unsigned long long)o->save_at_ms);
    else
        fprintf(stderr, "ringside: %s: warning: nothing was saved: it ended before %llu ms of simulated time\n",
                r->workload, (unsigned long long)o->save_at_ms);
}

static int execute(struct execution *x, struct error *error)
{
    struct error late = {0};

    find_terminals(x);
    make_environment(x);
    if (!make_disk(x, error))
        return error->status;
    if (!run_machine(x, error))
        return save(x, &late), error->status;
    if (!save(x, error) || !write_results(x, error) || !check_output(x, error))
        return error->status;
    report_save(x);
    if (!x->options->json && !x->options->csv) {
        print_warnings(x);
        records_faults(&x->record, 1, stderr);
    }
    return x->record.exit_status & 255;
}

int exec_program(const struct options *options, const struct tracer *tracer, struct error *error)
{
    struct execution *x = calloc(1, sizeof *x);
    int status;

    if (!x)
        return refuse(error, STATUS_HOST, "out of memory"), STATUS_HOST;
    x->options = options;
    x->input = -1;
    if (prepare(x, error)) {
        x->session.tracer = tracer;
        status = execute(x, error);
    } else {
        status = error->status;
    }
    record_free(&x->record);
    guest_disk_free(&x->disk);
    free(x->argv);
    file_free(&x->program);
    saved_file_free(&x->saved);
    if (x->input > STDERR_FILENO)
        close(x->input);
    free(x);
    return status;
}

int command_exec(const struct options *options, struct error *error)
{
    return exec_program(options, NULL, error);
}
