/* SPDX-License-Identifier: MIT
 *
 * sim/cli/options.c: see options.h. One table says everything about an option; its value is "--name VALUE" or
 * "--name=VALUE". "--" ends the options of exec and begins the program.
 */
#include "sim/cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/boot.h"
#include "sim/cli/inject_spec.h"
#include "sim/cli/suggest.h"

#define OPS_MAX 1000000000ull
#define JOBS_MAX 256
#define TIME_LIMIT_MAX_MS (1000ull * 3600 * 24 * 365)

#define TEXT_OF(number) #number
#define NUMBER_TEXT(number) TEXT_OF(number)

struct option {
    const char *name;  /* with its dashes */
    const char *value; /* what help calls it; NULL: none. "[…]": optional, only as --name=VALUE. "A B": there is a second
                        * one, a word of its own, in options.second when the first is taken */
    unsigned commands; /* and SETTLED */
    bool (*take)(struct options *options, const char *name, const char *value, struct error *error);
    const char *help;
};

/* ---- values ---- */

static bool parse_number(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *number,
                         struct error *error)
{
    char *end;

    errno = 0;
    *number = isdigit((unsigned char)*text) ? strtoull(text, &end, 0) : (end = (char *)text, 0);
    if (end == text || *end || errno || *number < low || *number > high)
        return refuse(error, STATUS_USAGE, "%s wants a number from %llu to %llu, not '%s'", name,
                      (unsigned long long)low, (unsigned long long)high, text);
    return true;
}

static bool append(const char **list, size_t *count, const char *name, const char *value, struct error *error)
{
    if (*count == WORDS_MAX)
        return refuse(error, STATUS_USAGE, "%s is given more than %d times", name, WORDS_MAX);
    list[(*count)++] = value;
    return true;
}

static bool take_cpu(struct options *o, const char *name, const char *value, struct error *error)
{
    o->cpu = value;
    return *value || refuse(error, STATUS_USAGE, "%s wants the name of a CPU model (see 'ringside list cpus')", name);
}

static bool take_cpu_set(struct options *o, const char *name, const char *value, struct error *error)
{
    return append(o->cpu_change, &o->cpu_changes, name, value, error);
}

static bool take_cpus(struct options *o, const char *name, const char *value, struct error *error)
{
    uint64_t number;

    if (!parse_number(name, value, 1, MACHINE_CPUS_MAX, &number, error))
        return false;
    o->cpus = (unsigned)number;
    return true;
}

static bool take_model(struct options *o, const char *name, const char *value, struct error *error)
{
    static const char *const models[] = {[MODEL_TIMING] = "timing", [MODEL_COUNT] = "count"};
    char hint[HINT_MAX];

    for (size_t i = 0; i < 2; i++)
        if (strcmp(value, models[i]) == 0) {
            o->model = (enum machine_model)i;
            return true;
        }
    return refuse(error, STATUS_USAGE, "%s is timing or count, not '%s'%s", name, value,
                  suggest_hint(hint, value, models, 2));
}

static bool take_ops(struct options *o, const char *name, const char *value, struct error *error)
{
    return parse_number(name, value, 1, OPS_MAX, &o->ops, error);
}

static bool take_time_limit(struct options *o, const char *name, const char *value, struct error *error)
{
    return parse_number(name, value, 1, TIME_LIMIT_MAX_MS, &o->time_limit_ms, error);
}

static bool take_seed(struct options *o, const char *name, const char *value, struct error *error)
{
    return parse_number(name, value, 0, UINT64_MAX, &o->seed, error);
}

static bool take_set(struct options *o, const char *name, const char *value, struct error *error)
{
    return append(o->set, &o->sets, name, value, error);
}

static bool take_inject(struct options *o, const char *name, const char *value, struct error *error)
{
    return parse_faults(name, value, o->fault, &o->faults, error);
}

static bool take_json(struct options *o, const char *name, const char *value, struct error *error)
{
    o->json = true;
    o->json_file = value;
    return !value || *value || refuse(error, STATUS_USAGE, "%s= wants a file's name", name);
}

static bool take_csv(struct options *o, const char *name, const char *value, struct error *error)
{
    o->csv = true;
    return true;
}

static bool take_no_cache(struct options *o, const char *name, const char *value, struct error *error)
{
    o->no_cache = true;
    return true;
}

static bool take_workload(struct options *o, const char *name, const char *value, struct error *error)
{
    return append(o->only, &o->onlys, name, value, error);
}

static bool take_jobs(struct options *o, const char *name, const char *value, struct error *error)
{
    uint64_t number;

    if (!parse_number(name, value, 1, JOBS_MAX, &number, error))
        return false;
    o->jobs = (unsigned)number;
    return true;
}

static bool take_from(struct options *o, const char *name, const char *value, struct error *error)
{
    return append(o->from, &o->froms, name, value, error);
}

static bool take_out(struct options *o, const char *name, const char *value, struct error *error)
{
    o->out = value;
    return *value || refuse(error, STATUS_USAGE, "%s wants a folder's name", name);
}

static bool take_root(struct options *o, const char *name, const char *value, struct error *error)
{
    o->root = value;
    return true;
}

static bool take_html(struct options *o, const char *name, const char *value, struct error *error)
{
    o->html = value;
    return *value || refuse(error, STATUS_USAGE, "%s wants a file's name", name);
}

static bool take_format(struct options *o, const char *name, const char *value, struct error *error)
{
    o->format = value;
    return true;
}

static bool take_output(struct options *o, const char *name, const char *value, struct error *error)
{
    o->output = value;
    return *value || refuse(error, STATUS_USAGE, "%s wants a file's name", name);
}

static bool take_stdin(struct options *o, const char *name, const char *value, struct error *error)
{
    o->input = value;
    return true;
}

static bool take_save(struct options *o, const char *name, const char *value, struct error *error)
{
    o->save = value;
    return *value || refuse(error, STATUS_USAGE, "%s wants a folder's name", name);
}

static bool take_cwd(struct options *o, const char *name, const char *value, struct error *error)
{
    o->cwd = value;
    if (*value != '/')
        return refuse(error, STATUS_USAGE, "%s wants an absolute path of the guest, not '%s'", name, value);
    return strlen(value) < 256 || refuse(error, STATUS_USAGE, "%s: the path is too long", name);
}

static bool take_env(struct options *o, const char *name, const char *value, struct error *error)
{
    if (!strchr(value, '=') || *value == '=')
        return refuse(error, STATUS_USAGE, "%s wants NAME=VALUE, not '%s'", name, value);
    return append(o->env, &o->envs, name, value, error);
}

static bool take_save_at(struct options *o, const char *name, const char *value, struct error *error)
{
    o->save_file = o->second;
    return parse_number(name, value, 1, TIME_LIMIT_MAX_MS, &o->save_at_ms, error) &&
           (*o->save_file || refuse(error, STATUS_USAGE, "%s wants a file's name", name));
}

static bool take_restore(struct options *o, const char *name, const char *value, struct error *error)
{
    o->restore = value;
    return *value || refuse(error, STATUS_USAGE, "%s wants a file's name", name);
}

static bool take_help(struct options *o, const char *name, const char *value, struct error *error)
{
    o->help = true;
    return true;
}

#define SETTLED (1u << 31) /* a saved guest has it already: not with --restore */
#define WORKLOADS (COMMAND_RUN | COMMAND_COMPARE)
#define TRACES (COMMAND_TRACE | COMMAND_FUNCTIONS)
#define PROGRAMS (COMMAND_EXEC | TRACES)
#define MACHINE (WORKLOADS | PROGRAMS)
#define ANY (MACHINE | COMMAND_LIST | COMMAND_DOCTOR)

static const struct option table[] = {
    {"--cpu", "NAME", MACHINE, take_cpu, "CPU model, or the path of a model file (default skylake)"},
    {"--cpu-set", "KEY=VALUE", WORKLOADS, take_cpu_set,
     "gives a number of the CPU model another value: KEY or SECTION.KEY of sim/cpus/*.ini"},
    {"--cpus", "N", MACHINE | SETTLED, take_cpus, "number of CPUs, 1 to 8 (default 1)"},
    {"--model", "timing|count", WORKLOADS | COMMAND_EXEC | SETTLED, take_model,
     "timing counts everything; count leaves cycles and misses out, and is fast"},
    {"--ops", "N", MACHINE, take_ops,
     "run, compare: operations in the measured region (default: the workload's); exec: how many the program does"},
    {"--set", "KEY=VALUE", MACHINE | SETTLED, take_set, "a setting of the architecture (see 'ringside list archs')"},
    {"--inject", "SPEC", MACHINE | SETTLED, take_inject,
     "makes servers fail: KIND=SERVER@op:N[+K], more of them behind commas (docs/faults.md); KIND is crash,\n"
     "                         wild-write or hang, SERVER procd, vmd, fsd, blkd, ttyd or kernel: at the N-th time that\n"
     "                         it is entered, or K basic blocks later"},
    {"--time-limit", "MS", MACHINE, take_time_limit, "give up after MS milliseconds of simulated time"},
    {"--seed", "NUMBER", MACHINE | SETTLED, take_seed, "what the guest's random numbers start from (default 1)"},
    {"--json", "[FILE]", ANY & ~(unsigned)COMMAND_TRACE, take_json,
     "results as JSON: on standard output, of exec on descriptor 3; or in FILE"},
    {"--csv", NULL, WORKLOADS | COMMAND_EXEC | COMMAND_FUNCTIONS, take_csv, "results as comma-separated values, to the same place"},
    {"--html", "FILE", COMMAND_COMPARE, take_html, "also one page for a browser: tables, figures, and one call step by step"},
    {"--workload", "NAME", COMMAND_COMPARE, take_workload, "only this workload; may be given several times"},
    {"--jobs", "N", COMMAND_COMPARE, take_jobs, "at most N runs at once (default: the host's CPUs)"},
    {"--no-cache", NULL, WORKLOADS, take_no_cache, "run it, even if its result is known, and do not keep the result"},
    {"--from", "FILE", COMMAND_PLOT, take_from,
     "what 'compare --json=FILE' wrote; given several times, the first file's CPU model is the one shown, and\n"
     "                         those of the others are its variants"},
    {"--out", "DIR", COMMAND_PLOT, take_out, "where CSV, SVG and PNG go; it is made if it is not there"},
    {"--root", "DIR", PROGRAMS | SETTLED, take_root,
     "the guest's file system starts as a copy of DIR: its files, directories and symbolic links; a hard link\n"
     "                         becomes a file of its own"},
    {"--stdin", "FILE", PROGRAMS, take_stdin, "standard input from FILE"},
    {"--cwd", "DIR", PROGRAMS | SETTLED, take_cwd, "working directory in the guest (default /); it must be there"},
    {"--env", "NAME=VALUE", PROGRAMS | SETTLED, take_env,
     "adds to the environment: PATH=/bin:/usr/bin HOME=/ (and TERM on a terminal); with the program's\n"
     "                         arguments it is at most " NUMBER_TEXT(BOOT_TEXT_MAX) " bytes"},
    {"--format", "perfetto|folded|callgrind|steps", COMMAND_TRACE, take_format,
     "Chrome's trace events (the default), stacks for flame graphs, Callgrind's profile, or steps as JSON"},
    {"--output", "FILE", COMMAND_TRACE, take_output, "where the trace goes; also -o FILE"},
    {"--save", "DIR", COMMAND_EXEC, take_save, "afterwards, write the guest's files to DIR, a new folder"},
    {"--save-at", "MS FILE", COMMAND_EXEC, take_save_at,
     "vmm: after MS milliseconds of simulated time the guest stops, and is written to FILE"},
    {"--restore", "FILE", COMMAND_EXEC, take_restore,
     "vmm: instead of a program, the guest that was written to FILE goes on; --stdin is read on from where\n"
     "                         it had come to"},
    {"--help", NULL, ANY | COMMAND_PLOT, take_help, "this"},
};
#define OPTIONS (sizeof table / sizeof *table)

/* ---- parsing ---- */

/* Dashes do not make names alike. */
static bool unknown_option(enum command_bit command, const char *word, int bytes, struct error *error)
{
    const char *names[OPTIONS], *meant;
    char typed[64];

    for (size_t i = 0; i < OPTIONS; i++)
        names[i] = table[i].commands & command ? table[i].name + 2 : NULL;
    snprintf(typed, sizeof typed, "%.*s", bytes, word);
    meant = suggest(typed + strspn(typed, "-"), names, OPTIONS);
    if (meant)
        return refuse(error, STATUS_USAGE, "unknown option '%s'; did you mean '--%s'? (see --help)", typed, meant);
    return refuse(error, STATUS_USAGE, "unknown option '%s' (see --help)", typed);
}

static const struct option *find_option(enum command_bit command, const char *word, size_t bytes)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if ((table[i].commands & command) && strlen(table[i].name) == bytes && memcmp(table[i].name, word, bytes) == 0)
            return &table[i];
    return NULL;
}

/* The word behind argv[*at], which `option` wants; *at is moved there. NULL: there is none. */
static const char *next_word(const struct option *option, char *const argv[], int argc, int *at, struct error *error)
{
    if (*at + 1 < argc)
        return argv[++*at];
    refuse(error, STATUS_USAGE, "%s wants %s: %s %s", option->name, strchr(option->value, ' ') ? "two values" : "a value",
           option->name, option->value);
    return NULL;
}

/* The option at argv[*at]; *at is moved over its value. */
static bool parse_option(struct options *o, enum command_bit command, char *const argv[], int argc, int *at,
                         struct error *error)
{
    const char *word = strcmp(argv[*at], "-o") ? argv[*at] : "--output", *value = strchr(word, '=');
    size_t bytes = value ? (size_t)(value - word) : strlen(word);
    const struct option *option = find_option(command, word, bytes);

    if (!option)
        return unknown_option(command, word, (int)bytes, error);
    if (value && !option->value)
        return refuse(error, STATUS_USAGE, "%s takes no value", option->name);
    if (value)
        value++;
    else if (option->value && *option->value != '[' && !(value = next_word(option, argv, argc, at, error)))
        return false;
    if (option->value && strchr(option->value, ' ') && !(o->second = next_word(option, argv, argc, at, error)))
        return false;
    if ((option->commands & SETTLED) && !o->settled)
        o->settled = option->name;
    return option->take(o, option->name, value, error);
}

bool parse_options(struct options *o, enum command_bit command, int argc, char *const argv[], struct error *error)
{
    *o = (struct options){.cpus = 1, .model = MODEL_TIMING, .seed = 1};
    for (int at = 0; at < argc; at++) {
        const char *word = argv[at];

        if (strcmp(word, "--") == 0) {
            o->program = argv + at + 1;
            break;
        }
        if (strcmp(word, "-h") == 0)
            word = "--help", o->help = true;
        else if (word[0] == '-' && word[1]) {
            if (!parse_option(o, command, argv, argc, &at, error))
                return false;
        } else if (!append(o->word, &o->words, "a word", word, error))
            return false;
    }
    if (o->json && o->csv && !o->json_file)
        return refuse(error, STATUS_USAGE, "--json and --csv both want the same place; give --json=FILE");
    return true;
}

void print_options(enum command_bit command, FILE *file)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *option = &table[i];
        char left[64];

        if (!(option->commands & command))
            continue;
        if (option->value && *option->value == '[')
            snprintf(left, sizeof left, "%s[=FILE]", option->name);
        else
            snprintf(left, sizeof left, "%s %s", option->name, option->value ? option->value : "");
        fprintf(file, "  %-22s %s\n", left, option->help);
    }
}
