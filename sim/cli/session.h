/* SPDX-License-Identifier: MIT
 *
 * sim/cli/session.h: what run and exec share: from checked words to a machine that ran and a record of it.
 */
#ifndef RINGSIDE_SIM_CLI_SESSION_H
#define RINGSIDE_SIM_CLI_SESSION_H

#include "sim/cli/catalogue.h"
#include "sim/cli/options.h"
#include "sim/cli/record.h"
#include "sim/cli/streams.h"

/* Who records runs, and takes the recording while the machine that has it is still there. */
struct session;

struct tracer {
    enum trace_mode mode;
    bool (*take)(void *ctx, const struct session *session, struct machine *machine, const struct record *record,
                 struct error *error);
    void *ctx;
};

/* Everything that is the same for all runs of one command. */
struct session {
    const struct options *options;
    struct home home;
    const struct arch *arch;
    struct cpu_model cpu;
    char cpu_name[CPU_NAME_MAX]; /* of the model, or of the variant that --cpu-set makes of it */
    char settings[SETTINGS_TEXT_MAX];
    unsigned disk_slices, guests; /* what the settings want */
    struct work *work;            /* the command's runs; NULL: nobody looks at how they go on. Its owner's */
    const struct tracer *tracer; /* NULL: nothing is recorded */
};

struct saved_file;

/* One run: a first program on a disk, or a saved guest. Everything stays the caller's. */
struct job {
    const char *name;       /* in the record */
    const char *parameters; /* and there; NULL: none */
    const char *domain; /* what the kernel calls a process of the program: its file's name */
    const char *const *argv;
    const char *const *envp;
    const char *cwd;
    void *disk;
    size_t disk_bytes;
    unsigned disk_slices;
    struct stream *console, *stderr_console;
    uint32_t tty_mask;
    bool progress;
    struct work_run *work; /* this run among session.work; NULL: none */
    bool show_log; /* the kernel's log on standard error: systems without a console write there */
    const struct saved_file *saved; /* instead of argv, envp and cwd; NULL: none */
    /* the program's file, for symbols; may be NULL */
    const void *program;
    size_t program_bytes;
};

/* Checks architecture, settings, CPU model and that the images are there. `arch` NULL: the command has no such word. */
bool session_open(struct session *session, const struct options *options, const char *arch, struct error *error);

/* Runs it. false: `error` says why there is no result: it could not run, crashed (reported on standard error) or met
 * the time limit. The caller frees the record in any case. */
bool session_run(const struct session *session, const struct job *job, struct record *record, struct error *error);

/* Calls `each` for every "name=image" of an architecture's modules until one says false. */
bool for_modules(const struct arch *arch, bool (*each)(void *ctx, const char *name, const char *image), void *ctx);

/* Arguments and environment fit into what the machine hands a kernel? */
bool check_text(const struct job *job, struct error *error);

/* Writes JSON to a file, or to `fd` if `path` is NULL. */
bool write_json(json_t *json, const char *path, int fd, struct error *error);

#endif
