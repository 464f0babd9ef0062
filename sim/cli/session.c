/* SPDX-License-Identifier: MIT
 *
 * sim/cli/session.c: see session.h.
 */
#include "sim/cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "abi/boot.h"
#include "sim/cli/guest_move.h"
#include "sim/cli/output.h"

#define WALL_NS (1704067200ull * 1000000000) /* every machine is switched on at 2024-01-01 00:00:00 UTC */
#define LOG_LINES 12
#define LOG_LINE_MAX 160

/* ---- opening ---- */

static bool check_image(const struct home *home, const struct arch *arch, const char *image, struct error *error)
{
    char path[PATH_MAX];

    home_path(home, path, "build/images/%s", image);
    if (access(path, R_OK) == 0)
        return true;
    return refuse(error, STATUS_HOST, "the image of architecture '%s' is not there (%s: %s); run 'make build'",
                  arch->name, path, strerror(errno));
}

bool for_modules(const struct arch *arch, bool (*each)(void *ctx, const char *name, const char *image), void *ctx)
{
    char text[512], *rest = text, *word;

    snprintf(text, sizeof text, "%s", arch->modules);
    while ((word = strsep(&rest, " "))) {
        char *image = strchr(word, '=');

        if (!image)
            continue;
        *image++ = 0;
        if (!each(ctx, word, image))
            return false;
    }
    return true;
}

struct opening {
    const struct session *session;
    struct error *error;
};

static bool check_module(void *ctx, const char *name, const char *image)
{
    struct opening *o = ctx;

    return check_image(&o->session->home, o->session->arch, image, o->error);
}

bool session_open(struct session *s, const struct options *options, const char *arch, struct error *error)
{
    struct opening opening = {s, error};

    *s = (struct session){.options = options};
    s->arch = find_arch(arch, error);
    if (!s->arch || !resolve_settings(s->arch, options->set, options->sets, s->settings, error))
        return false;
    s->disk_slices = slices_wanted(s->arch, s->settings);
    s->guests = guests_wanted(s->arch, s->settings);
    return find_home(&s->home, error) &&
           load_cpu(&s->home, options->cpu ? options->cpu : DEFAULT_CPU, &s->cpu, error) &&
           cpu_variant(&s->cpu, options->cpu_change, options->cpu_changes, s->cpu_name, error) &&
           check_image(&s->home, s->arch, s->arch->image, error) && for_modules(s->arch, check_module, &opening);
}

/* ---- running ---- */

struct run {
    const struct session *session;
    const struct job *job;
    struct error *error;
    struct machine *machine;
    struct progress progress;
    /* the kernel's last words, for a crash */
    char log[LOG_LINES][LOG_LINE_MAX];
    size_t logged;
};

static void keep_log(void *ctx, const char *line)
{
    struct run *r = ctx;

    snprintf(r->log[r->logged++ % LOG_LINES], LOG_LINE_MAX, "%s", line);
    if (r->job->show_log)
        fprintf(stderr, "%s\n", line);
}

static void show_progress(void *ctx, uint64_t cycles, uint64_t instructions)
{
    struct run *r = ctx;

    work_report(r->job->work, instructions);
    progress_show(&r->progress, cycles, instructions);
}

static void stop_machine(void *ctx)
{
    struct run *r = ctx;

    machine_stop(r->machine);
}

static uint64_t limit_cycles(const struct session *s)
{
    unsigned __int128 cycles = (unsigned __int128)s->options->time_limit_ms * s->cpu.hz / 1000;

    return cycles > UINT64_MAX ? UINT64_MAX : (uint64_t)cycles;
}

static void terminal_size(struct machine_config *config)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};

    for (int fd = 0; fd < 3; fd++)
        if ((config->tty_mask >> fd & 1) && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
            break;
    config->tty_rows = size.ws_row;
    config->tty_columns = size.ws_col;
}

/* For those who work on the machine: docs/machine.md. */
static bool wanted_accesses(enum machine_accesses *out, struct error *error)
{
    static const char *const ways[] = {
        [ACCESSES_PLANNED] = "planned",
        [ACCESSES_LISTED] = "listed",
        [ACCESSES_HOOKED] = "hooked",
        [ACCESSES_VERIFIED] = "verified",
    };
    const char *how = getenv("RINGSIDE_ACCESSES");

    *out = ACCESSES_PLANNED;
    if (!how)
        return true;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (strcmp(how, ways[i]) == 0) {
            *out = (enum machine_accesses)i;
            return true;
        }
    return refuse(error, STATUS_USAGE, "RINGSIDE_ACCESSES in the environment is planned, listed, hooked or verified, not '%s'",
                  how);
}

static bool make_machine(struct run *r)
{
    const struct session *s = r->session;
    const struct job *job = r->job;
    struct machine_config config = {
        .cpu = &s->cpu,
        .cpus = s->options->cpus,
        .model = s->options->model,
        .guests = s->guests,
        .disk = job->disk,
        .disk_bytes = job->disk_bytes,
        .disk_slices = job->disk_slices,
        .console = stream_console(job->console),
        .stderr_console = stream_console(job->stderr_console),
        .time_limit_cycles = limit_cycles(s),
        .save_at_ns = s->options->save_at_ms * 1000000,
        .faults = s->options->fault,
        .fault_count = s->options->faults,
        .trace = s->tracer ? s->tracer->mode : TRACE_OFF,
        .seed = s->options->seed,
        .wall_ns = WALL_NS,
        .tty_mask = job->tty_mask,
        .settings = s->settings,
        .argv = job->argv,
        .envp = job->envp,
        .cwd = job->cwd,
        .log = keep_log,
        .progress = r->progress.on || job->work ? show_progress : NULL,
        .ctx = r,
    };
    char why[MACHINE_ERROR_MAX] = "";

    if (!wanted_accesses(&config.accesses, r->error))
        return false;
    terminal_size(&config);
    r->machine = machine_create(&config, why);
    return r->machine || refuse(r->error, STATUS_HOST, "%s", why);
}

static bool load_module(void *ctx, const char *name, const char *image)
{
    struct run *r = ctx;
    char path[PATH_MAX], why[MACHINE_ERROR_MAX] = "";

    home_path(&r->session->home, path, "build/images/%s", image);
    return machine_load_module(r->machine, path, name, why) == 0 || refuse(r->error, STATUS_HOST, "%s", why);
}

static bool load_images(struct run *r)
{
    char path[PATH_MAX], why[MACHINE_ERROR_MAX] = "";

    home_path(&r->session->home, path, "build/images/%s", r->session->arch->image);
    if (machine_load_kernel(r->machine, path, why) != 0)
        return refuse(r->error, STATUS_HOST, "%s", why);
    if (r->job->program)
        machine_add_symbols(r->machine, r->job->domain, r->job->program, r->job->program_bytes);
    return for_modules(r->session->arch, load_module, r) &&
           (!r->job->saved || saved_file_load(r->job->saved, r->machine, r->job->disk, r->error));
}

static bool fill_record(struct run *r, struct record *record)
{
    const struct session *s = r->session;

    record->arch = s->arch;
    record->ops = s->options->ops;
    record->cpus = s->options->cpus;
    record->model = s->options->model;
    snprintf(record->workload, sizeof record->workload, "%s", r->job->name);
    snprintf(record->parameters, sizeof record->parameters, "%s", r->job->parameters ? r->job->parameters : "");
    snprintf(record->cpu, sizeof record->cpu, "%s", s->cpu_name);
    cpu_version(&s->cpu, record->cpu_version);
    snprintf(record->settings, sizeof record->settings, "%s", s->settings);
    record->seconds = progress_seconds(&r->progress);
    return record_take(record, machine_result(r->machine)) || refuse(r->error, STATUS_HOST, "out of memory");
}

static bool crashed(struct run *r)
{
    size_t first = r->logged > LOG_LINES ? r->logged - LOG_LINES : 0;

    for (size_t i = first; i < r->logged; i++)
        fprintf(stderr, "kernel: %s\n", r->log[i % LOG_LINES]);
    machine_report(r->machine, stderr);
    return refuse(r->error, STATUS_CRASH, "%s: the guest kernel crashed", r->job->name);
}

static bool judge(struct run *r, enum machine_end end)
{
    switch (end) {
    case END_SAVED:
        return guest_save(r->session, r->job, r->machine, r->error);
    case END_CRASH:
        return crashed(r);
    case END_TIME_LIMIT:
        return refuse(r->error, STATUS_TIME, "%s: stopped after the time limit of %llu ms (simulated)", r->job->name,
                      (unsigned long long)r->session->options->time_limit_ms);
    case END_STOPPED:
        return refuse(r->error, STATUS_FAILED, "%s: stopped from the keyboard", r->job->name);
    default:
        return true;
    }
}

bool session_run(const struct session *s, const struct job *job, struct record *record, struct error *error)
{
    struct run r = {.session = s, .job = job, .error = error};
    bool good;

    *record = (struct record){0};
    progress_start(&r.progress, job->progress, job->name, s->cpu.hz, job->work ? s->work : NULL);
    job->console->progress = job->stderr_console->progress = &r.progress;
    job->console->escape = stop_machine;
    job->console->escape_ctx = &r;
    good = make_machine(&r) && load_images(&r);
    if (good) {
        work_report(job->work, 0);
        record->end = machine_run(r.machine);
        progress_erase(&r.progress);
        good = fill_record(&r, record);
        work_report(job->work, record->instructions);
        good = good && judge(&r, record->end) &&
               (!s->tracer || s->tracer->take(s->tracer->ctx, s, r.machine, record, error));
    }
    if (r.machine)
        machine_destroy(r.machine);
    job->console->progress = job->stderr_console->progress = NULL;
    return good;
}

/* ---- words ---- */

static size_t text_bytes(const char *const *words)
{
    size_t bytes = 0;

    while (words && *words)
        bytes += strlen(*words++) + 1;
    return bytes;
}

bool check_text(const struct job *job, struct error *error)
{
    size_t bytes = strlen(job->argv[0]) + 1 + text_bytes(job->argv) + text_bytes(job->envp);

    return bytes <= BOOT_TEXT_MAX ||
           refuse(error, STATUS_USAGE, "arguments and environment are too long: %zu bytes, at most %d", bytes,
                  BOOT_TEXT_MAX);
}

static bool json_to_descriptor(const char *text, int fd, struct error *error)
{
    int copy = dup(fd);
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    bool good;

    if (!out)
        return refuse(error, STATUS_HOST, "cannot write the JSON record: %s", strerror(errno));
    good = fprintf(out, "%s\n", text) > 0 && fflush(out) == 0;
    if (!good)
        refuse(error, STATUS_HOST, "cannot write the JSON record: %s", strerror(errno));
    fclose(out);
    return good;
}

bool write_json(json_t *json, const char *path, int fd, struct error *error)
{
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) : NULL;
    struct output output;
    bool good;

    if (!text)
        return refuse(error, STATUS_HOST, "out of memory");
    if (!path) {
        good = json_to_descriptor(text, fd, error);
    } else if ((good = output_open(&output, "the JSON record", path, error))) {
        fprintf(output.file, "%s\n", text);
        good = output_close(&output, true, error);
    }
    free(text);
    return good;
}
