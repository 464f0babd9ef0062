/* SPDX-License-Identifier: MIT
 *
 * sim/cli/options.h: the words of a command, parsed and checked for form (not yet for what they name).
 */
#ifndef RINGSIDE_SIM_CLI_OPTIONS_H
#define RINGSIDE_SIM_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "sim/cli/error.h"
#include "sim/machine.h"

/* Commands, as bits: which of them an option belongs to. */
enum command_bit {
    COMMAND_RUN = 1 << 0,
    COMMAND_EXEC = 1 << 1,
    COMMAND_LIST = 1 << 2,
    COMMAND_DOCTOR = 1 << 3,
    COMMAND_COMPARE = 1 << 4,
    COMMAND_PLOT = 1 << 5,
    COMMAND_TRACE = 1 << 6,
    COMMAND_FUNCTIONS = 1 << 7,
};

#define WORDS_MAX 64

struct options {
    /* words that are not options, in order */
    const char *word[WORDS_MAX];
    size_t words;
    /* what follows "--": NULL if it was not there, else NULL-terminated */
    char *const *program;

    /* --cpu --cpus --model --ops --time-limit --seed --set */
    const char *cpu; /* NULL: the default */
    const char *cpu_change[WORDS_MAX]; /* run, compare: --cpu-set */
    size_t cpu_changes;
    unsigned cpus;
    enum machine_model model;
    uint64_t ops;           /* 0: the workload's own */
    uint64_t time_limit_ms; /* 0: none */
    uint64_t seed;
    const char *set[WORDS_MAX];
    size_t sets;
    /* --inject */
    struct fault_spec fault[FAULTS_MAX];
    size_t faults;

    /* --json[=FILE] --csv */
    bool json, csv;
    const char *html; /* --html FILE */
    const char *json_file; /* NULL: where the command says */

    /* trace: --format --output */
    const char *format, *output; /* NULL: not given */

    /* run, compare: --no-cache; compare: --workload --jobs */
    bool no_cache;
    const char *only[WORDS_MAX];
    size_t onlys;
    unsigned jobs; /* 0: as many as the host has CPUs */

    /* plot: --from --out */
    const char *from[WORDS_MAX];
    size_t froms;
    const char *out;

    /* exec: --root --stdin --save --cwd --env --save-at --restore */
    const char *root, *input, *save, *cwd;
    uint64_t save_at_ms; /* 0: not given */
    const char *save_file, *restore;
    const char *env[WORDS_MAX];
    size_t envs;

    const char *second;  /* value of an option that has two */
    const char *settled; /* the first option that was given and cannot go with --restore; NULL: none */
    bool help;
};

/* The arguments after the command's name. Strings stay the caller's. */
bool parse_options(struct options *options, enum command_bit command, int argc, char *const argv[],
                   struct error *error);
/* One line an option of `command`, for its help text. */
void print_options(enum command_bit command, FILE *file);

#endif
