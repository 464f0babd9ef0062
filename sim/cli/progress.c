/* SPDX-License-Identifier: MIT
 *
 * sim/cli/progress.c: see progress.h.
 */
#include "sim/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PERIOD 0.1 /* s, from one line to the next */
#define AFTER 0.5  /* s: what is done sooner has no line */

static double since(const struct timespec *then)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/* ---- work ---- */

static size_t work_bytes(size_t room)
{
    return sizeof(struct work) + room * sizeof(struct work_run);
}

struct work *work_create(size_t room)
{
    struct work *work = mmap(NULL, work_bytes(room), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (work == MAP_FAILED)
        return NULL;
    work->room = room;
    clock_gettime(CLOCK_MONOTONIC, &work->started);
    return work;
}

void work_destroy(struct work *work)
{
    if (work)
        munmap(work, work_bytes(work->room));
}

void work_add(struct work *work, const void *session, const void *workload, const char *name, uint64_t expected)
{
    struct work_run *run = &work->run[work->count];

    if (work->count == work->room)
        return;
    work->count++;
    run->session = session;
    run->workload = workload;
    run->expected = expected;
    snprintf(run->name, sizeof run->name, "%s", name);
}

struct work_run *work_find(struct work *work, const void *session, const void *workload)
{
    for (size_t i = 0; work && i < work->count; i++)
        if (work->run[i].session == session && work->run[i].workload == workload)
            return &work->run[i];
    return NULL;
}

void work_report(struct work_run *run, uint64_t instructions)
{
    if (!run)
        return;
    run->instructions = instructions;
    run->state = WORK_RUNS;
}

void work_done(struct work_run *run)
{
    if (run)
        run->state = WORK_DONE;
}

/* What it makes in the end; 0: nobody knows. */
static double size_of(const struct work_run *run)
{
    if (run->state == WORK_DONE)
        return (double)run->instructions;
    return (double)run->expected;
}

/* Instructions: of an average run, of those made so far, of those still to make (0: nobody knows). */
struct estimate {
    double average, made, left;
};

static struct estimate estimate(const struct work *work)
{
    struct estimate e = {0};
    size_t known = 0;

    for (size_t i = 0; i < work->count; i++) {
        e.made += (double)work->run[i].instructions;
        e.average += size_of(&work->run[i]);
        known += size_of(&work->run[i]) > 0;
    }
    e.average /= known ? (double)known : 1;
    for (size_t i = 0; i < work->count; i++) {
        const struct work_run *run = &work->run[i];
        double size = size_of(run) > 0 ? size_of(run) : e.average, rest = size - (double)run->instructions;

        if (run->state != WORK_DONE && rest > 0)
            e.left += rest;
    }
    return e;
}

static void add_time_left(double seconds, char *text, size_t room)
{
    if (seconds < 100)
        snprintf(text, room, ", about %.0f s left", seconds < 1 ? 1 : seconds);
    else
        snprintf(text, room, ", about %.0f min left", seconds / 60);
}

void work_text(const struct work *work, double seconds, char text[WORK_TEXT_MAX])
{
    struct estimate e = estimate(work);
    const char *name = "";
    size_t done = 0, at;

    for (size_t i = 0; i < work->count; i++) {
        done += work->run[i].state == WORK_DONE;
        if (!*name && work->run[i].state == WORK_RUNS)
            name = work->run[i].name;
    }
    at = (size_t)snprintf(text, WORK_TEXT_MAX, "%s%s%zu of %zu done", name, *name ? ": " : "", done, work->count);
    if (seconds <= 0 || e.made <= 0)
        return;
    at += (size_t)snprintf(text + at, WORK_TEXT_MAX - at, ", %.0f million instructions/s", e.made / seconds / 1e6);
    if (e.left > 0)
        add_time_left(e.left / (e.made / seconds), text + at, WORK_TEXT_MAX - at);
}

/* ---- the line ---- */

bool progress_wanted(bool data)
{
    return isatty(STDERR_FILENO) && (!data || isatty(STDOUT_FILENO));
}

void progress_start(struct progress *p, bool on, const char *name, uint64_t hz, const struct work *work)
{
    *p = (struct progress){.on = on, .name = name, .hz = hz, .work = work};
    clock_gettime(CLOCK_MONOTONIC, &p->started);
    p->last = p->started;
}

double progress_seconds(const struct progress *p)
{
    return since(&p->started);
}

static void make_text(const struct progress *p, uint64_t cycles, uint64_t instructions, double seconds,
                      char text[WORK_TEXT_MAX])
{
    if (p->work)
        work_text(p->work, seconds, text);
    else
        snprintf(text, WORK_TEXT_MAX, "%.40s: %.1f ms simulated, %.0f million instructions/s", p->name,
                 (double)cycles * 1e3 / (double)p->hz, (double)instructions / seconds / 1e6);
}

void progress_show(struct progress *p, uint64_t cycles, uint64_t instructions)
{
    char text[WORK_TEXT_MAX];
    double seconds;

    if (!p->on || since(&p->last) < PERIOD)
        return;
    seconds = since(p->work ? &p->work->started : &p->started);
    if (seconds < AFTER)
        return;
    make_text(p, cycles, instructions, seconds, text);
    fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
    clock_gettime(CLOCK_MONOTONIC, &p->last);
    p->shown = true;
}

void progress_erase(struct progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}
