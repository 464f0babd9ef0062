/* SPDX-License-Identifier: MIT
 *
 * tests/arch/fault_run.h: a program that runs while servers fail, and what came of it.
 *
 * A job is a program in a root folder of its own (fault_root). It runs once without a fault, as the reference, which
 * also says how often each server was entered; then with faults, at moments spread over those. How many moments: a few,
 * or RINGSIDE_FAULTS=N from the environment.
 */
#ifndef RINGSIDE_TESTS_ARCH_FAULT_RUN_H
#define RINGSIDE_TESTS_ARCH_FAULT_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct fault_job {
    const char *arch;    /* ARCH[:VARIANT] and options, as on the command line */
    const char *root;    /* a folder made by fault_root */
    const char *program; /* its path in the root, and its arguments */
    const char *input;   /* a file in the root for standard input; NULL: none */
};

struct fault_run {
    int status; /* exit status */
    char *output;
    size_t bytes; /* of the output */
    char errors[16384];
    json_t *result;  /* the record; NULL if the machine died */
    char files[128]; /* the folder with the files of the disk, afterwards */
};

enum fault_outcome {
    OUTCOME_EXACT,    /* as without a fault: exit status, output, files */
    OUTCOME_UNSYNCED, /* the program saw nothing, but files lack what was not synced, and the report says so */
    OUTCOME_ERROR,    /* the program saw an error: its output is a first part of what it should be */
    OUTCOME_ENDED,    /* the machine ended, exit status 3 */
    OUTCOME_WRONG,
    OUTCOMES,
};

/* What happened so far, by outcome. */
struct fault_tally {
    unsigned count[OUTCOMES];
};

/* A new root folder of this process with bin, data, tmp; then the shell commands run in the top folder, with the root's
 * path in $R. */
void fault_root(const char *name, const char *commands);
/* Removes all of this process's, and ends the references; a group's teardown. */
int fault_roots_end(void **state);
/* Runs it; to be ended with fault_run_end. */
void fault_run(struct fault_run *run, const struct fault_job *job, const char *spec);
/* Its run without faults, with the servers' ops counted: made once, and kept until fault_roots_end. */
const struct fault_run *fault_reference(const struct fault_job *job);
void fault_run_end(struct fault_run *run);
/* How often the server was entered in a reference. */
unsigned fault_ops(const struct fault_run *reference, const char *server);
/* Fails the test if a frame was lost. */
enum fault_outcome fault_judge(const struct fault_run *run, const struct fault_run *reference);
/* The n-th fault: hit, noticed, and the server was back with nothing lost and no call failed. */
bool fault_recovered(const struct fault_run *run, size_t n);
/* Fails the test, with everything that is known about the run. */
_Noreturn void fault_fail(const struct fault_run *run, const char *spec, const char *what);

/* Moments for each server and kind: `usual`, or RINGSIDE_FAULTS. */
unsigned fault_moments(unsigned usual);
/* The i-th of `count` moments between the first and the last op; of three in a row each is for another kind of fault.
 */
unsigned fault_moment(unsigned i, unsigned count, unsigned ops);
/* Blocks into the operation, for the i-th moment: few and many. */
unsigned fault_blocks(unsigned i);
void fault_report(const char *what, const struct fault_tally *tally);

extern const char *const fault_kinds[3];

#endif
