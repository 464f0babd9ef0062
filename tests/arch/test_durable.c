/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_durable.c: what fsync() has made durable outlives the file server and the disk's driver.
 *
 * tests/arch/programs/durable.c says before each step what it will do and afterwards that it is durable (durable.h).
 * Servers fail at moments spread over the whole run; then the saved disk must be as after the last step that was said
 * to be durable, or as after the one that had begun, or, of a record that was being appended, hold a first part:
 * nothing else, to the byte.
 *
 *     test_durable [PATTERN]   RINGSIDE_FAULTS=N: N moments for each server and kind
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/arch/fault_run.h"
#include "tests/arch/programs/durable.h"

#define RECORDS_MAX 256
#define NOTHING UINT32_MAX /* `current` is not there */

/* What the files hold, as record numbers. */
struct state {
    unsigned record[DURABLE_LOGS][RECORDS_MAX];
    unsigned records[DURABLE_LOGS];
    unsigned generation;
};

struct subject {
    const char *server;
    bool middle;
};

static const struct fault_job job = {"micro --model count", "durable", "bin/durable 30", NULL};

/* ---- what was said ---- */

static void apply(struct state *state, char step, unsigned file, unsigned number)
{
    assert_true(file < DURABLE_LOGS);
    if (step == 'a') {
        assert_true(state->records[file] < RECORDS_MAX);
        state->record[file][state->records[file]++] = number;
    } else if (step == 't') {
        assert_true(number <= state->records[file]);
        state->records[file] = number;
    } else {
        assert_int_equal(step, 'r');
        state->generation = number;
    }
}

/* The state that is durable, and that after the step begun last, if that is another. Number of steps begun. */
static unsigned read_steps(const struct fault_run *run, struct state *durable, struct state *begun)
{
    const char *line = run->output, *end = line + run->bytes;
    unsigned file, number, steps = 0;
    char when, step;

    memset(durable, 0, sizeof *durable);
    durable->generation = NOTHING;
    *begun = *durable;
    for (; line < end && memchr(line, '\n', (size_t)(end - line)); line = strchr(line, '\n') + 1) {
        assert_int_equal(sscanf(line, "%c %c %u %u", &when, &step, &file, &number), 4);
        if (when == '>') {
            *begun = *durable;
            apply(begun, step, file, number);
            steps++;
        } else {
            *durable = *begun;
        }
    }
    return steps;
}

/* ---- what is there ---- */

static char *read_file(const struct fault_run *run, const char *name, size_t *bytes)
{
    char path[192], *data = malloc(1 << 20);
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", run->files, name);
    file = fopen(path, "rb");
    assert_non_null(data);
    *bytes = file ? fread(data, 1, 1 << 20, file) : 0;
    if (file)
        fclose(file);
    return data;
}

static size_t make_log(const struct state *state, unsigned file, char *data)
{
    for (unsigned i = 0; i < state->records[file]; i++)
        durable_record(data + (size_t)i * DURABLE_RECORD, file, state->record[file][i]);
    return (size_t)state->records[file] * DURABLE_RECORD;
}

static size_t make_current(const struct state *state, char *data)
{
    if (state->generation == NOTHING)
        return 0;
    for (unsigned i = 0; i < DURABLE_GENERATION; i++)
        durable_record(data + (size_t)i * DURABLE_RECORD, DURABLE_LOGS, state->generation * 100 + i);
    return (size_t)DURABLE_GENERATION * DURABLE_RECORD;
}

static bool same(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

/* `appended`: something between `least` and `most` will do, too. */
static bool is_either(const char *data, size_t bytes, const char *least, size_t least_bytes, const char *most,
                      size_t most_bytes)
{
    bool appended = most_bytes > least_bytes;

    return same(data, bytes, least, least_bytes) || same(data, bytes, most, most_bytes) ||
           (appended && bytes > least_bytes && bytes < most_bytes && memcmp(data, most, bytes) == 0);
}

static bool files_fit(const struct fault_run *run, const struct state *durable, const struct state *begun)
{
    static char least[RECORDS_MAX * DURABLE_RECORD], most[RECORDS_MAX * DURABLE_RECORD];
    bool fit = true;
    size_t bytes;

    for (unsigned file = 0; file <= DURABLE_LOGS; file++) {
        bool log = file < DURABLE_LOGS;
        char name[16], *data;
        size_t least_bytes = log ? make_log(durable, file, least) : make_current(durable, least);
        size_t most_bytes = log ? make_log(begun, file, most) : make_current(begun, most);

        snprintf(name, sizeof name, log ? "log.%u" : "current", file);
        data = read_file(run, name, &bytes);
        if (log)
            fit &= is_either(data, bytes, least, least_bytes, most, most_bytes);
        else
            fit &= same(data, bytes, least, least_bytes) || same(data, bytes, most, most_bytes);
        free(data);
    }
    return fit;
}

/* ---- runs ---- */

static void run_and_check(const char *spec, const struct fault_run *reference, bool middle, struct fault_tally *tally)
{
    struct state durable, begun;
    struct fault_run run;
    enum fault_outcome outcome;
    unsigned steps;

    fault_run(&run, &job, spec);
    outcome = fault_judge(&run, reference);
    tally->count[outcome]++;
    if (outcome == OUTCOME_WRONG || outcome == OUTCOME_ENDED || (!middle && outcome != OUTCOME_EXACT))
        fault_fail(&run, spec, "wrong");
    steps = read_steps(&run, &durable, &begun);
    if (!files_fit(&run, &durable, &begun))
        fault_fail(&run, spec, "the disk does not hold what was durable");
    if (outcome == OUTCOME_EXACT)
        assert_true(steps > 30);
    fault_run_end(&run);
}

static void nothing_durable_is_lost(void **state)
{
    const struct subject *s = *state;
    unsigned count = 3 * fault_moments(4), ops;
    struct fault_tally tally = {{0}};
    const struct fault_run *reference = fault_reference(&job);
    char spec[64], what[96];

    ops = fault_ops(reference, s->server);
    for (unsigned i = 0; i < count; i++) {
        unsigned op = fault_moment(i, count, ops);

        if (s->middle)
            snprintf(spec, sizeof spec, "%s=%s@op:%u+%u", fault_kinds[i % 3], s->server, op, fault_blocks(i));
        else
            snprintf(spec, sizeof spec, "%s=%s@op:%u", fault_kinds[i % 3], s->server, op);
        run_and_check(spec, reference, s->middle, &tally);
    }
    snprintf(what, sizeof what, "durable, %s, %s", s->server, s->middle ? "in the middle" : "at the first instruction");
    fault_report(what, &tally);
}

/* The driver dies under a file server that dies, and both again. */
static void nor_when_both_fail(void **state)
{
    struct fault_tally tally = {{0}};
    const struct fault_run *reference = fault_reference(&job);
    char spec[128];
    unsigned fsd, blkd;

    (void)state;
    fsd = fault_ops(reference, "fsd");
    blkd = fault_ops(reference, "blkd");
    for (unsigned i = 1; i < 13; i++) {
        snprintf(spec, sizeof spec, "crash=blkd@op:%u+%u,wild-write=fsd@op:%u+%u,crash=blkd@op:%u", blkd * i / 14,
                 fault_blocks(i), fsd * i / 13, fault_blocks(i + 1), blkd * i / 14 + 3);
        run_and_check(spec, reference, true, &tally);
    }
    fault_report("durable, both", &tally);
}

static int make_root(void **state)
{
    (void)state;
    fault_root("durable", "cp build/programs/arch/durable $R/bin");
    return 0;
}

#define RUN(server_, middle_, name_)                                                                                   \
    {                                                                                                                  \
        .name = server_ "/" name_, .test_func = nothing_durable_is_lost, .initial_state = &(struct subject)            \
        {                                                                                                              \
            .server = server_, .middle = middle_                                                                       \
        }                                                                                                              \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN("fsd", false, "first instruction"),  RUN("fsd", true, "middle"),
        RUN("blkd", false, "first instruction"), RUN("blkd", true, "middle"),
        cmocka_unit_test(nor_when_both_fail),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_root, fault_roots_end);
}
