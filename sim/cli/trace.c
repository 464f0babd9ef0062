/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace.c: `ringside trace` and `ringside report-functions`: runs a workload or a program once, recorded, and
 * has the recording written in the format that was asked for.
 *
 * Such a run is never taken from the results of earlier ones, and not kept for later. That the file can be written is
 * checked before the machine is switched on; it is opened when there is a trace, so that what was there stays otherwise.
 */
#include <string.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/exec.h"
#include "sim/cli/output.h"
#include "sim/cli/parameters.h"
#include "sim/cli/suggest.h"
#include "sim/cli/traced.h"
#include "sim/cli/workload.h"

struct format {
    const char *name;
    enum trace_mode mode;
    bool one_cpu; /* it has no place for others */
    bool (*write)(const struct traced *t, struct error *error);
};

static const struct format formats[] = {
    {"perfetto", TRACE_EVENTS, false, trace_perfetto},
    {"folded", TRACE_EVENTS, false, trace_folded},
    {"callgrind", TRACE_EVENTS, false, trace_callgrind},
    {"steps", TRACE_FUNCTIONS, true, trace_steps},
};
#define FORMATS (sizeof formats / sizeof *formats)

static const struct format table = {"functions", TRACE_EVENTS, false, trace_functions};

struct tracing {
    const struct options *options;
    const char *command;
    const struct format *format;
};

const char *traced_arch(const struct traced *t, char room[TRACED_ARCH_MAX])
{
    const struct arch *arch = t->record->arch;
    struct error ignored;
    bool plain = find_arch(arch->name, &ignored) == arch;

    snprintf(room, TRACED_ARCH_MAX, "%s%s%s", arch->name, plain ? "" : ":", plain ? "" : arch->variant);
    return room;
}

/* ---- what is asked for ---- */

static const struct format *find_format(const char *name, struct error *error)
{
    const char *names[FORMATS];
    char hint[HINT_MAX];

    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
        names[i] = formats[i].name;
    }
    refuse(error, STATUS_USAGE, "--format is perfetto, folded, callgrind or steps, not '%s'%s", name,
           suggest_hint(hint, name, names, FORMATS));
    return NULL;
}

static bool check_words(const struct tracing *t, struct error *error)
{
    const struct options *o = t->options;

    if (o->words == 0)
        return refuse(error, STATUS_USAGE,
                      "%s wants an architecture: ringside %s ARCH WORKLOAD (see 'ringside list archs')", t->command,
                      t->command);
    if (!find_arch(o->word[0], error))
        return false;
    if (t->format->one_cpu && o->cpus > 1)
        return refuse(error, STATUS_USAGE, "--format %s is for one CPU; leave --cpus out", t->format->name);
    if (o->program && o->words > 1)
        return refuse(error, STATUS_USAGE, "%s takes a workload or a program after --, not both: '%s'", t->command,
                      o->word[1]);
    if (o->words == 1 && (!o->program || !o->program[0]))
        return refuse(error, STATUS_USAGE, "%s wants a workload (see 'ringside list workloads'), or -- and a program",
                      t->command);
    return o->words <= 2 ||
           refuse(error, STATUS_USAGE, "%s takes one workload; '%s' is one word too many", t->command, o->word[2]);
}

/* ---- the run ---- */

/* To -o FILE; the table goes to standard output. */
static bool write_trace(const struct tracing *t, struct traced *traced, struct error *error)
{
    struct output output;

    traced->out = stdout;
    if (t->format == &table)
        return t->format->write(traced, error);
    if (!output_open(&output, "the trace", t->options->output, error))
        return false;
    traced->out = output.file;
    return output_close(&output, t->format->write(traced, error), error);
}

static bool take(void *ctx, const struct session *session, struct machine *machine, const struct record *record,
                 struct error *error)
{
    const struct tracing *t = ctx;
    char room[TRACED_ARCH_MAX];
    struct traced traced = {
        .machine = machine,
        .trace = machine_trace(machine),
        .record = record,
        .hz = session->cpu.hz,
        .options = t->options,
    };

    if (traced.trace->failed)
        return refuse(error, STATUS_HOST, "out of memory: the recording is not complete");
    if (record->not_applicable)
        return refuse(error, STATUS_FAILED, "%s: not applicable on %s: nothing was measured", record->workload,
                      traced_arch(&traced, room));
    return write_trace(t, &traced, error);
}

static int trace_workload(const struct tracing *t, const struct tracer *tracer, struct error *error)
{
    struct session session = {0};
    struct guest_disk disk = {0};
    struct record record = {0};
    struct choice choice;
    bool ran = false, good;

    good = choose_workload(&choice, t->options->word[1], error) &&
           session_open(&session, t->options, t->options->word[0], error) &&
           workload_check(&session, &choice.workload, error) && workload_disk(&session, &disk, error);
    if (good) {
        session.tracer = tracer;
        good = workload_run(&session, &choice.workload, &disk, isatty(STDERR_FILENO), &record, &ran, error);
    }
    if (ran)
        record_free(&record);
    guest_disk_free(&disk);
    return good ? STATUS_OK : error->status;
}

static int run(struct tracing *t, struct error *error)
{
    struct tracer tracer = {t->format->mode, take, t};

    return t->options->program ? exec_program(t->options, &tracer, error) : trace_workload(t, &tracer, error);
}

static bool check_output(const struct options *o, struct error *error)
{
    if (!o->output)
        return refuse(error, STATUS_USAGE, "trace wants a file to write to: -o FILE");
    return output_check("the trace", o->output, error);
}

int command_trace(const struct options *options, struct error *error)
{
    struct tracing t = {.options = options, .command = "trace"};

    t.format = find_format(options->format ? options->format : formats[0].name, error);
    if (!t.format || !check_words(&t, error) || !check_output(options, error))
        return error->status;
    return run(&t, error);
}

int command_functions(const struct options *options, struct error *error)
{
    struct tracing t = {.options = options, .command = "report-functions", .format = &table};

    return check_words(&t, error) ? run(&t, error) : error->status;
}
