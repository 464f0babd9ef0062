/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_faults.c: servers fail, and the system goes on (docs/faults.md).
 *
 * What is asserted, of each server, kind of fault and moment:
 *   the first instruction of an operation   the program ends as without the fault: exit status, output, files; the
 * server is back, nothing was lost the middle of an operation              the same, or the program sees an error, and
 * its output so far was right; what is held by nobody else (procd, vmd) ends the machine, and the report says so. In
 * micro:single-server that is every operation that another one asked for The bytes that fsync() has made durable are
 * test_durable.c's subject.
 *
 *     test_faults [PATTERN]   runs the tests whose names fit; RINGSIDE_FAULTS=N: N moments for each server, kind and
 * program
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/arch/fault_run.h"
#include "tests/arch/record.h"

#define SQLITE "bin/sqlite 20"
#define SHELL "bin/shell 1"
#define INPUT "data/input"
#define COUNT "--model count"

/* What is hit, under which program; `usual` moments of each kind. */
struct subject {
    struct fault_job job;
    const char *server;
    unsigned usual;
    bool ends; /* its death in the middle of an operation is the machine's */
};

static void run_and_judge(const struct subject *s, const struct fault_run *reference, const char *spec, bool middle,
                          struct fault_tally *tally)
{
    struct fault_run run;
    enum fault_outcome outcome;

    fault_run(&run, &s->job, spec);
    outcome = fault_judge(&run, reference);
    tally->count[outcome]++;
    if (outcome == OUTCOME_WRONG)
        fault_fail(&run, spec, "wrong");
    if (!middle && !s->ends && (outcome != OUTCOME_EXACT || !fault_recovered(&run, 0)))
        fault_fail(&run, spec, "no recovery");
    if (outcome == OUTCOME_ENDED && (!s->ends || !strstr(run.errors, "died, and its state with it")))
        fault_fail(&run, spec, "the machine ended");
    if (s->ends && outcome != OUTCOME_ENDED && outcome != OUTCOME_EXACT)
        fault_fail(&run, spec, "neither the end nor a recovery");
    fault_run_end(&run);
}

static void at_all_moments(const struct subject *s, bool middle)
{
    struct fault_tally tally = {{0}};
    const struct fault_run *reference = fault_reference(&s->job);
    unsigned count = 3 * fault_moments(s->usual), ops;
    char spec[64], what[128];

    ops = fault_ops(reference, s->server);
    if (!middle && count > 3 * ops)
        count = 3 * ops; /* each op with each kind */
    for (unsigned i = 0; i < count; i++) {
        unsigned op = fault_moment(i, count, ops);

        if (middle)
            snprintf(spec, sizeof spec, "%s=%s@op:%u+%u", fault_kinds[i % 3], s->server, op, fault_blocks(i));
        else
            snprintf(spec, sizeof spec, "%s=%s@op:%u", fault_kinds[i % 3], s->server, op);
        run_and_judge(s, reference, spec, middle, &tally);
    }
    snprintf(what, sizeof what, "%s, %s, %s, %s", s->job.arch, s->job.program, s->server,
             middle ? "in the middle" : "at the first instruction");
    fault_report(what, &tally);
}

static void first_instruction(void **state)
{
    at_all_moments(*state, false);
}

static void middle(void **state)
{
    at_all_moments(*state, true);
}

/* ---- several faults in one run ---- */

static void run_all(const struct fault_job *job, const char *spec, size_t faults)
{
    const struct fault_run *reference = fault_reference(job);
    struct fault_run run;

    fault_run(&run, job, spec);
    if (fault_judge(&run, reference) != OUTCOME_EXACT)
        fault_fail(&run, spec, "not exact");
    for (size_t n = 0; n < faults; n++)
        if (!fault_recovered(&run, n))
            fault_fail(&run, spec, "no recovery");
    fault_run_end(&run);
}

static const struct fault_job shell = {"micro " COUNT, "shell", SHELL, NULL};
static const struct fault_job sqlite = {"micro " COUNT, "sqlite", SQLITE, NULL};

static void one_after_the_other(void **state)
{
    (void)state;
    run_all(&shell, "crash=fsd@op:300,wild-write=blkd@op:60,hang=ttyd@op:1,crash=procd@op:500,crash=vmd@op:5000", 5);
    run_all(&sqlite, "hang=fsd@op:300,crash=blkd@op:100,crash=blkd@op:200+5,wild-write=ttyd@op:2,hang=vmd@op:250", 5);
}

static void the_same_five_times(void **state)
{
    (void)state;
    run_all(&sqlite, "crash=fsd@op:100,crash=fsd@op:200,crash=fsd@op:300,hang=fsd@op:400,crash=fsd@op:1000", 5);
    run_all(&sqlite,
            "crash=blkd@op:30+2,crash=blkd@op:60+4,wild-write=blkd@op:90+6,hang=blkd@op:120+8,crash=blkd@op:150", 5);
}

/* The operation that is handed in again kills its server again: then the program is told. */
static void an_operation_that_kills_twice(void **state)
{
    static const struct fault_job job = {"micro " COUNT, "durable", "bin/durable 10", NULL};
    static const char *const specs[] = {"crash=fsd@op:60,crash=fsd@op:61", "crash=blkd@op:200,wild-write=blkd@op:201"};
    const struct fault_run *reference = fault_reference(&job);
    struct fault_run run;

    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        fault_run(&run, &job, specs[i]);
        if (fault_judge(&run, reference) != OUTCOME_ERROR || !fault_recovered(&run, 0) || !fault_recovered(&run, 1))
            fault_fail(&run, specs[i], "no error");
        fault_run_end(&run);
    }
}

/* 20, 60, … blocks after it died it is starting again. */
static void dies_while_it_starts(void **state)
{
    static const unsigned blocks[] = {20, 60, 150, 400, 1000};
    const struct fault_run *reference = fault_reference(&sqlite);
    struct fault_run run;
    char spec[128];

    (void)state;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        snprintf(spec, sizeof spec, "crash=blkd@op:100+3,crash=blkd@op:100+%u", blocks[i]);
        fault_run(&run, &sqlite, spec);
        if (fault_judge(&run, reference) != OUTCOME_EXACT)
            fault_fail(&run, spec, "not exact");
        fault_run_end(&run);
        snprintf(spec, sizeof spec, "crash=fsd@op:300+3,crash=fsd@op:300+%u", blocks[i]);
        fault_run(&run, &sqlite, spec);
        if (fault_judge(&run, reference) != OUTCOME_ERROR)
            fault_fail(&run, spec, "no error");
        fault_run_end(&run);
    }
}

static void ends_saying(const struct fault_job *job, const char *spec, const char *says)
{
    struct fault_run run;

    fault_run(&run, job, spec);
    if (run.status != 3 || !strstr(run.errors, says))
        fault_fail(&run, spec, says);
    fault_run_end(&run);
}

static void again_and_again(void **state)
{
    char spec[512] = "";

    (void)state;
    for (unsigned i = 0; i < 9; i++)
        snprintf(spec + strlen(spec), sizeof spec - strlen(spec), "%scrash=fsd@op:%u", i ? "," : "", 100 + 10 * i);
    ends_saying(&sqlite, spec, "rsd: fsd dies again and again");
}

/* ---- what nobody survives ---- */

static void the_kernel_itself(void **state)
{
    const struct fault_run *reference = fault_reference(&sqlite);
    char spec[64];

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        snprintf(spec, sizeof spec, "%s=kernel@op:%u%s", fault_kinds[i % 3],
                 fault_moment(i, 9, fault_ops(reference, "kernel")), i % 2 ? "" : "+2");
        ends_saying(&sqlite, spec, "in domain kernel, ring 0");
    }
}

/* The same as above elsewhere (test_inject.c has the rest). */
static void a_monolithic_kernel(void **state)
{
    static const struct fault_job job = {"monolithic " COUNT, "sqlite", SQLITE, NULL};

    (void)state;
    ends_saying(&job, "crash=fsd@op:300", "injected: crash of fs at op 300 in domain kernel, ring 0");
    ends_saying(&job, "hang=blkd@op:20", "injected: hang of blk at op 20 in domain kernel, ring 0");
}

/* ---- the same every time ---- */

static json_t *record_with(const char *spec)
{
    char arguments[256];
    json_t *document;
    json_t *result;
    size_t i;

    snprintf(arguments, sizeof arguments, "micro sqlite --ops 20 --inject %s", spec);
    document = record_run(arguments);
    json_object_del(document, "host");
    json_array_foreach(json_object_get(document, "results"), i, result) json_object_del(result, "host");
    return document;
}

static void same_every_time(void **state)
{
    static const char *const specs[] = {"crash=fsd@op:300", "hang=blkd@op:50+7,wild-write=fsd@op:400,crash=ttyd@op:1"};

    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        json_t *first = record_with(specs[i]), *second = record_with(specs[i]);

        assert_true(json_equal(first, second));
        json_decref(first);
        json_decref(second);
    }
}

/* ---- the table ---- */

static int make_roots(void **state)
{
    (void)state;
    fault_root("sqlite", "cp build/programs/root/bin/sqlite $R/bin");
    fault_root("shell", "cp -a build/programs/root/bin/. $R/bin && cp build/programs/root/data/log.txt "
                        "build/programs/root/data/shell.sh $R/data && cd $R/bin && "
                        "rm -f null read write stat open pipe pipe-bw ctx ipc fork exec fault prot copy sqlite");
    fault_root("durable", "cp build/programs/arch/durable $R/bin");
    fault_root("terminal", "cp -a build/programs/root/bin/busybox build/programs/root/bin/cat $R/bin && "
                           "head -c 150000 build/programs/root/data/block.dat | od -An -tx1 > $R/data/input");
    return 0;
}

#define RUN(at, program_, root_, arch_, server_, usual_, ends_)                                                        \
    {                                                                                                                  \
        .name = #at "/" root_ "/" arch_ "/" server_, .test_func = at, .initial_state = &(struct subject)               \
        {                                                                                                              \
            .job = {arch_ " " COUNT, root_, program_, NULL}, .server = server_, .usual = usual_, .ends = ends_         \
        }                                                                                                              \
    }
#define CAT(at, name_, program_, input_, server_, usual_)                                                              \
    {                                                                                                                  \
        .name = #at "/" name_ "/" server_, .test_func = at, .initial_state = &(struct subject)                         \
        {                                                                                                              \
            .job = {"micro " COUNT, "terminal", program_, input_}, .server = server_, .usual = usual_                  \
        }                                                                                                              \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RUN(first_instruction, SQLITE, "sqlite", "micro", "fsd", 2, false),
        RUN(first_instruction, SQLITE, "sqlite", "micro", "blkd", 2, false),
        RUN(first_instruction, SQLITE, "sqlite", "micro", "ttyd", 2, false),
        RUN(first_instruction, SQLITE, "sqlite", "micro", "procd", 1, false),
        RUN(first_instruction, SQLITE, "sqlite", "micro", "vmd", 1, false),
        RUN(first_instruction, SHELL, "shell", "micro", "fsd", 1, false),
        RUN(first_instruction, SHELL, "shell", "micro", "blkd", 1, false),
        RUN(first_instruction, SHELL, "shell", "micro", "ttyd", 1, false),
        RUN(middle, SQLITE, "sqlite", "micro", "fsd", 3, false),
        RUN(middle, SQLITE, "sqlite", "micro", "blkd", 2, false),
        RUN(middle, SQLITE, "sqlite", "micro", "ttyd", 1, false),
        RUN(middle, SQLITE, "sqlite", "micro", "procd", 1, true),
        RUN(middle, SQLITE, "sqlite", "micro", "vmd", 1, true),
        RUN(middle, SHELL, "shell", "micro", "fsd", 2, false),
        RUN(middle, SHELL, "shell", "micro", "blkd", 1, false),
        RUN(middle, SHELL, "shell", "micro", "ttyd", 1, false),
        CAT(first_instruction, "cat to output", "bin/cat data/input", NULL, "ttyd", 3),
        CAT(first_instruction, "cat of input", "bin/cat", INPUT, "ttyd", 3),
        CAT(first_instruction, "cat of input", "bin/cat", INPUT, "fsd", 1),
        CAT(middle, "cat to output", "bin/cat data/input", NULL, "ttyd", 3),
        CAT(middle, "cat of input", "bin/cat", INPUT, "ttyd", 3),
        CAT(middle, "cat of input", "bin/cat", INPUT, "fsd", 1),
        RUN(first_instruction, SQLITE, "sqlite", "micro:mach", "fsd", 1, false),
        RUN(first_instruction, SQLITE, "sqlite", "micro:mach", "blkd", 1, false),
        RUN(middle, SQLITE, "sqlite", "micro:mach", "blkd", 1, false),
        RUN(middle, SQLITE, "sqlite", "micro:mach", "fsd", 1, false),
        RUN(first_instruction, SQLITE, "sqlite", "micro:single-server", "procd", 1, false),
        RUN(first_instruction, SQLITE, "sqlite", "micro:single-server", "vmd", 1, true),
        RUN(first_instruction, SQLITE, "sqlite", "micro:single-server", "fsd", 1, true),
        RUN(first_instruction, SQLITE, "sqlite", "micro:single-server", "blkd", 1, true),
        RUN(first_instruction, SQLITE, "sqlite", "micro:single-server", "ttyd", 1, true),
        RUN(middle, SQLITE, "sqlite", "micro:single-server", "fsd", 1, true),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(the_same_five_times),
        cmocka_unit_test(an_operation_that_kills_twice),
        cmocka_unit_test(dies_while_it_starts),
        cmocka_unit_test(again_and_again),
        cmocka_unit_test(the_kernel_itself),
        cmocka_unit_test(a_monolithic_kernel),
        cmocka_unit_test(same_every_time),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_roots, fault_roots_end);
}
