/* SPDX-License-Identifier: MIT
 *
 * sim/cli/main.c: the command line `ringside`.
 *
 * Layer: on top of everything in sim/. main looks the command up, parses its options, calls it, and prints the one line
 * of an error; commands never print errors themselves. Exit status: error.h; `exec` otherwise exits as the program did.
 */
#include <stdio.h>
#include <string.h>

#include "sim/cli/commands.h"
#include "sim/cli/output.h"
#include "sim/cli/suggest.h"

struct command {
    const char *name;
    enum command_bit bit;
    int (*run)(const struct options *options, struct error *error);
    const char *usage;
    const char *what;
};

static const struct command commands[] = {
    {"run", COMMAND_RUN, command_run, "run ARCH[:VARIANT] [WORKLOAD…] [OPTION…]",
     "runs workloads (all, if none is named) and prints what the machine counted, per operation"},
    {"compare", COMMAND_COMPARE, command_compare, "compare [ARCH[:VARIANT][,KEY=VALUE…]…] [--workload NAME]… [OPTION…]",
     "runs workloads on several architectures (monolithic, micro, exo and vmm) and says where they differ, and why"},
    {"plot", COMMAND_PLOT, command_plot, "plot --from RESULTS.json [--from FILE]… --out DIR",
     "draws figures of what compare has written, with gnuplot"},
    {"exec", COMMAND_EXEC, command_exec, "exec ARCH[:VARIANT] [OPTION…] -- PROGRAM [ARGUMENT…]",
     "runs a static x86-64 Linux program of the host, and exits as it does"},
    {"trace", COMMAND_TRACE, command_trace, "trace ARCH[:VARIANT] WORKLOAD|-- PROGRAM… [--format NAME] -o FILE",
     "runs a workload or a program and writes what happened, for the viewers of its format"},
    {"report-functions", COMMAND_FUNCTIONS, command_functions,
     "report-functions ARCH[:VARIANT] WORKLOAD|-- PROGRAM… [OPTION…]",
     "runs a workload or a program and prints in which functions its cycles went, the most first"},
    {"list", COMMAND_LIST, command_list, "list archs|workloads|cpus|counters [--json]",
     "says what there is, and what it means"},
    {"doctor", COMMAND_DOCTOR, command_doctor, "doctor", "checks that this host has everything"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *out)
{
    fprintf(out, "ringside: kernel architectures side by side, on a modelled machine\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  ringside %s\n      %s\n", commands[i].usage, commands[i].what);
    fprintf(
        out,
        "\n'ringside COMMAND --help' lists a command's options.\n"
        "Exit status: 0; 1 a workload failed; 2 wrong usage or input, a path that cannot be opened; 3 the guest kernel\n"
        "crashed; 4 simulated time limit; 5 the host lacks something, a write that failed. exec otherwise exits with\n"
        "the program's status.\n");
}

static int print_help(const struct command *command)
{
    printf("usage: ringside %s\n%s.\n\n", command->usage, command->what);
    print_options(command->bit, stdout);
    if (command->bit == COMMAND_EXEC)
        printf("\nOn a terminal every key goes to the program; Ctrl-] stops the machine.\n");
    return STATUS_OK;
}

static const struct command *find_command(const char *name, struct error *error)
{
    const char *names[COMMANDS];
    char hint[HINT_MAX];

    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        names[i] = commands[i].name;
    }
    refuse(error, STATUS_USAGE, "unknown command '%s'%s (see 'ringside --help')", name,
           suggest_hint(hint, name, names, COMMANDS));
    return NULL;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* Before anything runs whose result would then have no place. */
static bool check_outputs(const struct options *o, struct error *error)
{
    return (!o->json_file || output_check("the JSON record", o->json_file, error)) &&
           outputs_differ("--html", o->html, "--json", o->json_file, error) &&
           outputs_differ("--save-at", o->save_file, "--json", o->json_file, error);
}

static int dispatch(int argc, char *argv[], struct error *error)
{
    const struct command *command = find_command(argv[1], error);
    struct options options;

    if (!command || !parse_options(&options, command->bit, argc - 2, argv + 2, error))
        return error->status;
    if (options.help)
        return print_help(command);
    return check_outputs(&options, error) ? command->run(&options, error) : error->status;
}

#ifdef __SANITIZE_ADDRESS__
/* Unicorn 2.1 does not free all of its own memory in uc_close; that is not ours to report. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libunicorn";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

int main(int argc, char *argv[])
{
    struct error error = {0};
    int status = STATUS_OK;

    if (argc < 2) {
        fprintf(stderr, "ringside: a command is missing: run, compare, plot, exec, trace, list or doctor (see 'ringside --help')\n");
        return STATUS_USAGE;
    }
    if (asks_for_help(argv[1]))
        print_usage(stdout);
    else
        status = dispatch(argc, argv, &error);
    if (error.text[0])
        fprintf(stderr, "ringside: %s\n", error.text);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_OK) {
        perror("ringside: standard output");
        return STATUS_HOST;
    }
    return status;
}
