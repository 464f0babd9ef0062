/* SPDX-License-Identifier: MIT
 *
 * tests/arch/fault_run.c: see fault_run.h.
 */
#include "tests/arch/fault_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER "build/tests/faults.%d" /* of this process: tests run side by side */
#define NEVER "999999999"
#define OUTPUT_MAX (8u << 20)
#define REFERENCES 16

const char *const fault_kinds[3] = {"crash", "wild-write", "hang"};

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

void fault_root(const char *name, const char *commands)
{
    char command[2048];

    snprintf(command, sizeof command, "R=" FOLDER "/%s; mkdir -p $R/bin $R/data $R/tmp && %s", (int)getpid(), name,
             commands);
    shell(command);
}

/* ---- running ---- */

static void read_output(struct fault_run *run, FILE *pipe)
{
    run->output = malloc(OUTPUT_MAX);
    assert_non_null(run->output);
    run->bytes = fread(run->output, 1, OUTPUT_MAX, pipe);
    assert_true(run->bytes < OUTPUT_MAX);
}

static void read_errors(struct fault_run *run)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof path, "%s.err", run->files);
    file = fopen(path, "r");
    assert_non_null(file);
    run->errors[fread(run->errors, 1, sizeof run->errors - 1, file)] = 0;
    fclose(file);
}

static void read_record(struct fault_run *run)
{
    char path[160];
    json_t *document;

    snprintf(path, sizeof path, "%s.json", run->files);
    document = json_load_file(path, 0, NULL);
    run->result = json_incref(json_array_get(json_object_get(document, "results"), 0));
    json_decref(document);
}

static void make_command(char *command, size_t bytes, const struct fault_run *run, const struct fault_job *job,
                         const char *spec)
{
    char root[128], input[256] = "/dev/null";

    snprintf(root, sizeof root, FOLDER "/%s", (int)getpid(), job->root);
    if (job->input)
        snprintf(input, sizeof input, "%s/%s", root, job->input);
    snprintf(command, bytes,
             "timeout 120 build/ringside exec %s --root %s --save %s --json=%s.json --inject %s --stdin %s -- %s/%s "
             "2>%s.err",
             job->arch, root, run->files, run->files, spec, input, root, job->program, run->files);
}

void fault_run(struct fault_run *run, const struct fault_job *job, const char *spec)
{
    static unsigned runs;
    char command[2048];
    FILE *pipe;
    int status;

    snprintf(run->files, sizeof run->files, FOLDER "/run.%u", (int)getpid(), runs++);
    make_command(command, sizeof command, run, job, spec);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    read_output(run, pipe);
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    run->status = WEXITSTATUS(status);
    read_errors(run);
    read_record(run);
}

void fault_run_end(struct fault_run *run)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf %s %s.err %s.json", run->files, run->files, run->files);
    shell(command);
    json_decref(run->result);
    free(run->output);
}

static struct {
    struct fault_job job[REFERENCES];
    struct fault_run run[REFERENCES];
    unsigned count;
} references;

static bool same_word(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

const struct fault_run *fault_reference(const struct fault_job *job)
{
    unsigned n = 0;

    while (n < references.count &&
           !(same_word(references.job[n].arch, job->arch) && same_word(references.job[n].root, job->root) &&
             same_word(references.job[n].program, job->program) && same_word(references.job[n].input, job->input)))
        n++;
    if (n < references.count)
        return &references.run[n];
    assert_true(n < REFERENCES);
    references.job[references.count++] = *job;
    fault_run(&references.run[n], job,
              "crash=procd@op:" NEVER ",crash=vmd@op:" NEVER ",crash=fsd@op:" NEVER ",crash=blkd@op:" NEVER
              ",crash=ttyd@op:" NEVER ",crash=kernel@op:" NEVER);
    assert_int_equal(references.run[n].status, 0);
    return &references.run[n];
}

int fault_roots_end(void **state)
{
    char command[128];

    (void)state;
    for (; references.count; references.count--)
        fault_run_end(&references.run[references.count - 1]);
    snprintf(command, sizeof command, "rm -rf " FOLDER, (int)getpid());
    shell(command);
    return 0;
}

void fault_fail(const struct fault_run *run, const char *spec, const char *what)
{
    char *faults = json_dumps(json_object_get(run->result, "faults"), JSON_COMPACT);

    fail_msg("%s: %s: exit status %d, %zu bytes of output, faults %s\n%.2000s", spec, what, run->status, run->bytes,
             faults ? faults : "unknown", run->errors);
    abort();
}

/* ---- judging ---- */

unsigned fault_ops(const struct fault_run *reference, const char *server)
{
    json_t *warning;
    char start[64];
    size_t i;

    snprintf(start, sizeof start, "inject: %s was entered only ", server);
    json_array_foreach(json_object_get(reference->result, "warnings"), i, warning)
    {
        const char *says = json_string_value(warning);

        if (strncmp(says, start, strlen(start)) == 0)
            return (unsigned)atoi(says + strlen(start));
    }
    fail_msg("nobody counted %s", server);
    return 0;
}

static json_t *fault(const struct fault_run *run, size_t n)
{
    return json_array_get(json_object_get(run->result, "faults"), n);
}

bool fault_recovered(const struct fault_run *run, size_t n)
{
    json_t *f = fault(run, n);

    return json_is_true(json_object_get(f, "hit")) && json_is_true(json_object_get(f, "died")) &&
           json_is_true(json_object_get(f, "back")) && json_is_null(json_object_get(f, "lost")) &&
           json_integer_value(json_object_get(f, "calls_failed")) == 0;
}

/* Some fault hit; with `loss`: and its report says that this is lost. */
static bool some_fault(const struct fault_run *run, const char *loss)
{
    for (size_t n = 0; n < json_array_size(json_object_get(run->result, "faults")); n++) {
        json_t *f = fault(run, n);
        const char *lost = json_string_value(json_object_get(f, "lost"));

        if (json_is_true(json_object_get(f, "hit")) && (!loss || (lost && strstr(lost, loss))))
            return true;
    }
    return false;
}

static bool same_files(const struct fault_run *a, const struct fault_run *b)
{
    char command[512];

    snprintf(command, sizeof command, "diff -r --no-dereference %s %s >/dev/null 2>&1", a->files, b->files);
    return system(command) == 0;
}

static void check_warnings(const struct fault_run *run)
{
    json_t *warning;
    size_t i;

    json_array_foreach(json_object_get(run->result, "warnings"), i, warning)
    {
        if (strstr(json_string_value(warning), "frames"))
            fail_msg("%s", json_string_value(warning));
    }
    if (strstr(run->errors, "leaked"))
        fail_msg("%s", run->errors);
}

enum fault_outcome fault_judge(const struct fault_run *run, const struct fault_run *reference)
{
    bool begins = run->bytes <= reference->bytes && memcmp(run->output, reference->output, run->bytes) == 0;

    check_warnings(run);
    if (run->status == 3 && strstr(run->errors, "the guest kernel crashed"))
        return OUTCOME_ENDED;
    if (!run->result)
        return OUTCOME_WRONG;
    if (run->status == reference->status && begins && run->bytes == reference->bytes)
        return same_files(run, reference)               ? OUTCOME_EXACT
               : some_fault(run, "what was not synced") ? OUTCOME_UNSYNCED
                                                        : OUTCOME_WRONG;
    return run->status != 0 && begins && some_fault(run, NULL) ? OUTCOME_ERROR : OUTCOME_WRONG;
}

/* ---- moments ---- */

unsigned fault_moments(unsigned usual)
{
    const char *said = getenv("RINGSIDE_FAULTS");

    return said && atoi(said) > 0 ? (unsigned)atoi(said) : usual;
}

unsigned fault_moment(unsigned i, unsigned count, unsigned ops)
{
    if (3 * ops <= count)
        return 1 + i / 3 % ops;
    return count < 2 ? 1 : 1 + (unsigned)((uint64_t)i * (ops - 1) / (count - 1));
}

unsigned fault_blocks(unsigned i)
{
    static const unsigned blocks[] = {3, 1, 21, 8, 55, 2, 144, 13, 5, 377, 34, 89, 233};

    return blocks[i % (sizeof blocks / sizeof *blocks)];
}

void fault_report(const char *what, const struct fault_tally *tally)
{
    const unsigned *n = tally->count;

    print_message(
        "%s: %u runs: %u exact, %u ended with an error, %u lost what was not synced, %u ended the machine, %u wrong\n",
        what, n[0] + n[1] + n[2] + n[3] + n[4], n[OUTCOME_EXACT], n[OUTCOME_ERROR], n[OUTCOME_UNSYNCED],
        n[OUTCOME_ENDED], n[OUTCOME_WRONG]);
}
