/* SPDX-License-Identifier: MIT
 *
 * sim/cli/progress.h: a line on standard error that says what runs, how fast, and how long that will take.
 *
 * It is there for what takes long, rewritten in place and erased at the end, and only on a terminal. A command of
 * several runs has a `work`: all of them, each with the instructions that it has made and those that it is expected to
 * make in the end, in memory that its processes share. From these the line tells the time left; what was not run before
 * counts as much as the others do on average. Nothing of this reaches a result.
 *
 * Lifecycle: work_create → work_add for each run → work_find, work_report, work_done, from any process → work_destroy.
 */
#ifndef RINGSIDE_SIM_CLI_PROGRESS_H
#define RINGSIDE_SIM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define WORK_NAME_MAX 48
#define WORK_TEXT_MAX 160

enum work_state { WORK_WAITS, WORK_RUNS, WORK_DONE };

struct work_run {
    /* set by work_add */
    const void *session, *workload; /* whose run: only compared */
    char name[WORK_NAME_MAX];
    uint64_t expected; /* instructions, 0: nobody knows */
    /* written by the process that runs it */
    volatile uint64_t instructions; /* so far */
    volatile enum work_state state;
};

struct work {
    struct timespec started;
    size_t count, room;
    struct work_run run[];
};

/* NULL: no memory; then nothing is shown. */
struct work *work_create(size_t room);
void work_destroy(struct work *work);
void work_add(struct work *work, const void *session, const void *workload, const char *name, uint64_t expected);
/* NULL: not one of these, or `work` is NULL. */
struct work_run *work_find(struct work *work, const void *session, const void *workload);
/* Both take NULL, too. */
void work_report(struct work_run *run, uint64_t instructions);
void work_done(struct work_run *run);
/* The line, `seconds` after the first run began: "pipe: 6 of 19 done, 55 million instructions/s, about 12 s left". What
 * is not known is not in it. */
void work_text(const struct work *work, double seconds, char text[WORK_TEXT_MAX]);

/* The line of one run, or of all work that it belongs to. */
struct progress {
    bool on;
    const char *name;
    uint64_t hz;             /* of the modelled CPU */
    const struct work *work; /* NULL: this run is all, and how long it takes nobody knows */
    struct timespec started, last;
    bool shown;
};

/* May there be a line? With `data` the command's standard output is for another program. */
bool progress_wanted(bool data);
void progress_start(struct progress *progress, bool on, const char *name, uint64_t hz, const struct work *work);
/* Shows it if it is time to. */
void progress_show(struct progress *progress, uint64_t cycles, uint64_t instructions);
void progress_erase(struct progress *progress);
/* Host seconds since progress_start. */
double progress_seconds(const struct progress *progress);

#endif
