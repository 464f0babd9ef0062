/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_compare.c: the explanation of a difference, split tables and the pool of processes by themselves; then
 * `compare` as a command, whose figures must be those of `run`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/cli/explain.h"
#include "sim/cli/pool.h"
#include "sim/cli/table.h"
#include "tests/cli/command.h"

#define TEXT_MAX 4096

/* ---- explanations ---- */

/* Ten operations with these cycles each. */
static struct record record_of(const double cause[CAUSE_COUNT], enum machine_model model)
{
    struct record r = {.ops = 10, .model = model};

    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        r.cause[c] = (uint64_t)(10 * cause[c]);
    return r;
}

#define WORK [CAUSE_work]
#define TRANSITION [CAUSE_transition]
#define COPY [CAUSE_copy]
#define TLB [CAUSE_tlb]
#define CACHE [CAUSE_cache]

static void differences_are_explained(void **state)
{
    static const struct {
        double base[CAUSE_COUNT], other[CAUSE_COUNT];
        const char *text;
    } cases[] = {
        {{WORK = 100, COPY = 100}, {WORK = 100, COPY = 100}, "no difference"},
        {{WORK = 100, TRANSITION = 100}, {WORK = 1340, TRANSITION = 700}, "+1,840 cycles: 67 % work, 33 % transition"},
        {{WORK = 1340, TRANSITION = 700}, {WORK = 100, TRANSITION = 100}, "-1,840 cycles: 67 % work, 33 % transition"},
        {{WORK = 0}, {TLB = 25.5}, "+25.5 cycles: 100 % tlb"},
        {{WORK = 0}, {TLB = 1234567}, "+1,234,567 cycles: 100 % tlb"},
        {{WORK = 0}, {TLB = 1000}, "+1,000 cycles: 100 % tlb"},
        {{WORK = 0}, {TLB = 999}, "+999 cycles: 100 % tlb"},
        /* those that are small go together */
        {{WORK = 0}, {WORK = 980, COPY = 8, TLB = 7, CACHE = 5}, "+1,000 cycles: 98 % work, 2 % other"},
        /* the other way */
        {{WORK = 310},
         {TRANSITION = 1677, COPY = 473},
         "+1,840 cycles: +2,150 (78 % transition, 22 % copy), -310 (work)"},
        {{TRANSITION = 1677, COPY = 473},
         {WORK = 310},
         "-1,840 cycles: -2,150 (78 % transition, 22 % copy), +310 (work)"},
        {{WORK = 200, COPY = 200},
         {TLB = 203, CACHE = 200},
         "+3.0 cycles: +403 (50 % tlb, 50 % cache), -400 (50 % work, 50 % copy)"},
        /* a difference of nothing that is made of much */
        {{WORK = 500}, {CACHE = 500}, "+0.0 cycles: +500 (cache), -500 (work)"},
        /* too small to be worth a second sum */
        {{WORK = 1}, {CACHE = 1000}, "+999 cycles: 100 % cache"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct record base = record_of(cases[i].base, MODEL_TIMING), other = record_of(cases[i].other, MODEL_TIMING);
        char text[EXPLANATION_MAX];

        assert_true(explain(&base, &other, text));
        assert_string_equal(text, cases[i].text);
    }
}

/* Records of different numbers of operations are compared per operation. */
static void differences_are_per_operation(void **state)
{
    struct record base = record_of((double[CAUSE_COUNT]){WORK = 100}, MODEL_TIMING), other = base;
    double difference[CAUSE_COUNT];
    char text[EXPLANATION_MAX];

    other.ops = 20;
    other.cause[CAUSE_work] *= 2;
    other.cause[CAUSE_copy] = 400;
    assert_true(cause_differences(&base, &other, difference) == 20);
    assert_true(difference[CAUSE_copy] == 20 && difference[CAUSE_work] == 0);
    assert_true(explain(&base, &other, text));
    assert_string_equal(text, "+20.0 cycles: 100 % copy");
}

static void what_has_no_cycles_is_not_explained(void **state)
{
    struct record a = record_of((double[CAUSE_COUNT]){WORK = 1}, MODEL_TIMING), b = a;
    char text[EXPLANATION_MAX];

    b.model = MODEL_COUNT;
    assert_false(explain(&a, &b, text));
    assert_false(explain(&b, &a, text));
}

/* Each cause is the largest that it can be, and of the other sign than its neighbour: still one line in its place. */
static void the_longest_explanation_fits(void **state)
{
    struct record base = {.ops = 1}, other = {.ops = 1};
    char text[EXPLANATION_MAX];

    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        (c % 2 ? &base : &other)->cause[c] = (uint64_t)1 << 60;
    assert_true(explain(&base, &other, text));
    assert_true(strlen(text) < EXPLANATION_MAX - 1);
    assert_int_equal(text[strlen(text) - 1], ')');
}

/* ---- split tables ---- */

static char *split(const struct table *t, const struct table_joint *joints, unsigned width)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *out = fmemopen(text, TEXT_MAX, "w");

    table_print_split(t, joints, width, out);
    fclose(out);
    return text;
}

static void nothing_is_left_out_of_a_split_table(void **state)
{
    static const struct table_column columns[] = {{"w", 0}, {"a", 0}, {"bb", 0}, {"ratio", 0}, {"a", 0}, {"bb", 0}};
    static const char left[] = "left", right[] = "to the right";
    static const struct table_joint joints[] = {{NULL, false}, {left, false},  {left, false},
                                                {left, true},  {right, false}, {right, false}};
    static const struct {
        unsigned width;
        const char *text;
    } cases[] = {
        {29, "           left  to the right\n"
             "w  a  bb  ratio         a  bb\n"
             "1  2   3      4         5   6\n"},
        {28, "           left\n"
             "w  a  bb  ratio\n"
             "1  2   3      4\n"
             "   to the right\n"
             "w         a  bb\n"
             "1         5   6\n"},
        /* a group that is too wide is parted, the ratio stays with its figure */
        {14, "   left\n"
             "w     a\n"
             "1     2\n"
             "        left\n"
             "w  bb  ratio\n"
             "1   3      4\n"
             "   to the right\n"
             "w             a\n"
             "1             5\n"
             "   to the right\n"
             "w            bb\n"
             "1             6\n"},
    };
    struct table t;

    assert_true(table_create(&t, columns, 6, 1));
    for (size_t i = 0; i < 6; i++)
        snprintf(table_cell(&t, 0, i), TABLE_CELL_MAX, "%zu", i + 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = split(&t, joints, cases[i].width);

        assert_string_equal(text, cases[i].text);
        free(text);
    }
    table_free(&t);
}

/* ---- the pool ---- */

#define JOBS 12
#define ANSWER_BYTES 200000 /* more than a pipe holds */

/* What its number says: answers at length, dies, or fails. */
static int work(void *ctx, size_t index, int out)
{
    char piece[1000];

    memset(piece, 'a' + (int)index, sizeof piece);
    for (size_t done = 0; done < ANSWER_BYTES; done += sizeof piece)
        if (write(out, piece, sizeof piece) != sizeof piece)
            return 2;
    if (index == 3)
        raise(SIGKILL);
    if (index == 5)
        abort();
    fputs("nobody hears this\n", stderr);
    return index == 7 ? 9 : 0;
}

static void note_progress(void *ctx, size_t done, size_t count)
{
    size_t *last = ctx;

    assert_int_equal(count, JOBS);
    assert_in_range(done, *last, count);
    *last = done;
}

static void check_answers(const struct pool_answer *answers)
{
    for (size_t i = 0; i < JOBS; i++) {
        int status = answers[i].status;

        assert_int_equal(answers[i].why, 0);
        assert_int_equal(answers[i].bytes, ANSWER_BYTES);
        assert_int_equal(answers[i].data[ANSWER_BYTES - 1], 'a' + (int)i);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, i == 3 ? SIGKILL : i == 5 ? SIGABRT : 0);
        if (WIFEXITED(status))
            assert_int_equal(WEXITSTATUS(status), i == 7 ? 9 : 0);
    }
}

static void one_that_dies_takes_nobody_with_it(void **state)
{
    static const unsigned workers[] = {0, 1, 3, 100};

    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        struct pool_answer answers[JOBS];
        size_t last = 0;
        struct pool pool = {.work = work, .progress = note_progress, .ctx = &last, .workers = workers[i]};

        pool_run(&pool, answers, JOBS);
        assert_int_equal(last, JOBS);
        check_answers(answers);
        for (size_t job = 0; job < JOBS; job++)
            free(answers[job].data);
    }
}

/* Without any descriptor left, no pipe: every answer says so, and none is waited for. */
static void a_host_without_processes_is_said(void **state)
{
    struct pool pool = {.work = work};
    struct pool_answer answers[JOBS];
    struct rlimit before, none;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    pool_run(&pool, answers, JOBS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(answers[i].why, EMFILE);
        assert_null(answers[i].data);
    }
}

/* ---- the command ---- */

static json_t *parse(const struct result *r, int status)
{
    json_t *json = json_loads(r->out, 0, NULL);

    if (r->status != status || !json)
        print_message("status %d, %s\n", r->status, r->err);
    assert_int_equal(r->status, status);
    assert_non_null(json);
    return json;
}

static void forget_host(json_t *results)
{
    json_t *result;
    size_t i;

    json_array_foreach(results, i, result)
    {
        json_object_del(result, "host");
        json_object_del(result, "label");
    }
}

/* Rows and columns in their order, each the very record that `run` gives. */
static void its_figures_are_those_of_run(void **state)
{
    const char *const argv[] = {PLAIN, "compare",    "monolithic", "monolithic,pti=on", "--workload", "stat", "--ops",
                                "50",  "--workload", "null",       "--no-cache",        "--json",     NULL};
    const char *const plain[] = {PLAIN, "run", "monolithic", "stat", "null", "--ops=50", "--no-cache", "--json", NULL};
    const char *const pti[] = {PLAIN,          "run",      "monolithic", "stat",   "null",
                               "--set=pti=on", "--ops=50", "--no-cache", "--json", NULL};
    struct result r[3] = {run(argv, false), run(plain, false), run(pti, false)};
    json_t *json[3], *results[3];

    for (size_t i = 0; i < 3; i++) {
        json[i] = parse(&r[i], 0);
        results[i] = json_object_get(json[i], "results");
        forget_host(results[i]);
    }
    assert_string_equal(json_string_value(json_object_get(json[0], "schema")), "ringside.compare/1");
    assert_int_equal(json_array_size(results[0]), 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(json_equal(json_array_get(results[0], i), json_array_get(results[1 + i % 2], i / 2)));
    assert_int_equal(json_array_size(json_object_get(json[0], "failures")), 0);
    for (size_t i = 0; i < 3; i++) {
        json_decref(json[i]);
        release(&r[i]);
    }
}

static double number(const json_t *object, const char *key)
{
    assert_true(json_is_number(json_object_get(object, key)));
    return json_number_value(json_object_get(object, key));
}

/* Causes of a difference add up to it, and it is that of the results. */
static void differences_add_up(void **state)
{
    const char *const argv[] = {
        PLAIN,      "compare", "monolithic", "monolithic,pti=on", "monolithic,pcid=off", "--workload=pipe",
        "--ops=20", "--json",  NULL};
    struct result r = run(argv, false);
    json_t *json = parse(&r, 0), *differences = json_object_get(json, "differences"), *difference, *value;
    json_t *results = json_object_get(json, "results");
    double base = number(json_object_get(json_array_get(results, 0), "per_op"), "cycles");
    const char *key;
    size_t i;

    assert_int_equal(json_array_size(differences), 2);
    json_array_foreach(differences, i, difference)
    {
        double cycles = number(json_object_get(json_array_get(results, i + 1), "per_op"), "cycles"), sum = 0;

        json_object_foreach(json_object_get(difference, "causes"), key, value) sum += json_number_value(value);
        assert_true(fabs(sum - number(difference, "cycles")) < 0.001);
        assert_true(fabs(cycles - base - sum) < 0.001);
        assert_true(fabs(number(difference, "ratio") - cycles / base) < 0.001);
        assert_true(sum > 0);
        assert_string_equal(json_string_value(json_object_get(difference, "base")), "monolithic");
    }
    json_decref(json);
    release(&r);
}

/* What is printed does not depend on how many run at once. */
static void jobs_change_nothing(void **state)
{
    struct result r[2];

    for (size_t i = 0; i < 2; i++) {
        const char *const argv[] = {PLAIN,
                                    "compare",
                                    "monolithic",
                                    "monolithic,pti=on",
                                    "--workload=null",
                                    "--workload=ctx",
                                    "--ops=10",
                                    "--no-cache",
                                    i ? "--jobs=1" : "--jobs=5",
                                    NULL};

        r[i] = run(argv, false);
        assert_int_equal(r[i].status, 0);
        assert_string_equal(r[i].err, "");
    }
    assert_string_equal(r[0].out, r[1].out);
    assert_null(strchr(r[0].out, '\033'));
    assert_non_null(strstr(r[0].out, "\nCycles\n"));
    assert_non_null(strstr(r[0].out, "\nMessages: none\n"));
    assert_non_null(strstr(r[0].out, "\nCycles by cause, against monolithic\nnull: monolithic,pti=on +"));
    release(&r[0]);
    release(&r[1]);
}

static size_t lines_of(const char *text)
{
    size_t lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* The count model has no cycles: no table of them, no explanation, no guess. */
static void the_count_model_has_no_cycles(void **state)
{
    const char *const argv[] = {PLAIN,           "compare", "monolithic", "monolithic,pti=on", "--workload=null",
                                "--model=count", NULL};
    const char *const csv[] = {PLAIN,           "compare", "monolithic", "monolithic,pti=on", "--workload=null",
                               "--model=count", "--csv",   NULL};
    struct result r = run(argv, false);

    assert_int_equal(r.status, 0);
    assert_null(strstr(r.out, "Cycles"));
    assert_null(strstr(r.out, "data TLB misses"));
    assert_non_null(strstr(r.out, "mode switches"));
    release(&r);
    r = run(csv, false);
    assert_int_equal(r.status, 0);
    assert_int_equal(lines_of(r.out), 3);
    assert_true(strncmp(r.out, "arch,variant,workload,", 22) == 0);
    release(&r);
}

/* --set goes where it is known; a column's own setting prevails. */
static void settings_find_their_columns(void **state)
{
    const char *const argv[] = {PLAIN,          "compare",         "monolithic", "monolithic,pti=off,pcid=off",
                                "--set=pti=on", "--workload=null", "--ops=5",    NULL};
    struct result r = run(argv, false);

    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "\nmonolithic: pcid=on pti=on\nmonolithic,pti=off,pcid=off: pcid=off pti=off\n"));
    release(&r);
}

/* A run that fails is a line and a cell; the others go on, and the status is the first failure's. */
static void a_failure_is_one_line(void **state)
{
    const char *const text[] = {
        PLAIN, "compare", "monolithic", "monolithic,pti=on", "--workload=null", "--workload=copy", "--time-limit=9",
        NULL};
    const char *const json_words[] = {
        PLAIN,    "compare", "monolithic", "monolithic,pti=on", "--workload=null", "--workload=copy", "--time-limit=9",
        "--json", NULL};
    struct result r = run(text, false);
    json_t *json, *failures;

    assert_int_equal(r.status, 4);
    assert_string_equal(r.err, "ringside: monolithic: copy: stopped after the time limit of 9 ms (simulated)\n"
                               "ringside: monolithic,pti=on: copy: stopped after the time limit of 9 ms (simulated)\n");
    assert_non_null(strstr(r.out, "\ncopy          failed             failed      -\n"));
    assert_non_null(strstr(r.out, "\nnull: monolithic,pti=on +"));
    assert_null(strstr(r.out, "\ncopy: "));
    release(&r);
    r = run(json_words, false);
    json = parse(&r, 4);
    failures = json_object_get(json, "failures");
    assert_int_equal(json_array_size(json_object_get(json, "results")), 2);
    assert_int_equal(json_array_size(failures), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(failures, 1), "label")), "monolithic,pti=on");
    assert_int_equal(number(json_array_get(failures, 1), "status"), 4);
    json_decref(json);
    release(&r);
}

static void wrong_words_are_refused(void **state)
{
    static const struct {
        const char *words[4], *says;
    } cases[] = {
        {{"monolthic"}, "unknown architecture 'monolthic'; did you mean 'monolithic'?"},
        {{"monolithic:x"}, "has no variant 'x'"},
        {{"null"}, "'null' is a workload, not an architecture: --workload null"},
        {{"monolithic", "--workload=nul"}, "unknown workload 'nul'; did you mean 'null'?"},
        {{"monolithic", "--set=pdic=on"}, "no architecture here has a setting 'pdic'; did you mean 'pcid'?"},
        {{"monolithic", "--set=pcid"}, "--set wants KEY=VALUE, not 'pcid'"},
        {{"monolithic", "--set=pcid=no"}, "setting 'pcid' cannot be 'no'; it is one of on|off"},
        {{"monolithic,"}, "monolithic,: a setting is KEY=VALUE, not ''"},
        {{"monolithic,pti"}, "a setting is KEY=VALUE, not 'pti'"},
        {{"monolithic,x=on"}, "architecture 'monolithic' has no setting 'x'"},
        {{",pti=on"}, "unknown architecture ''"},
        {{"monolithic", "--jobs=0"}, "--jobs wants a number from 1 to 256, not '0'"},
        {{"monolithic", "--cpu=skylak"}, "did you mean 'skylake'?"},
        {{"monolithic", "--root=/"}, "unknown option '--root'"},
        {{"monolithic", "--json", "--csv"}, "both want the same place"},
        {{"monolithic", "--", "x"}, "that is 'ringside exec'"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argv[8] = {SANITIZED, "compare"};
        struct result r;

        for (size_t w = 0; w < 4 && cases[i].words[w]; w++)
            argv[2 + w] = cases[i].words[w];
        r = run(argv, false);
        if (r.status != 2 || !strstr(r.err, cases[i].says))
            print_message("%s: status %d, said: %s\n", cases[i].says, r.status, r.err);
        assert_int_equal(r.status, 2);
        assert_non_null(strstr(r.err, cases[i].says));
        assert_int_equal(lines_of(r.err), 1);
        assert_string_equal(r.out, "");
        release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_explained),
        cmocka_unit_test(differences_are_per_operation),
        cmocka_unit_test(what_has_no_cycles_is_not_explained),
        cmocka_unit_test(the_longest_explanation_fits),
        cmocka_unit_test(nothing_is_left_out_of_a_split_table),
        cmocka_unit_test(one_that_dies_takes_nobody_with_it),
        cmocka_unit_test(a_host_without_processes_is_said),
        cmocka_unit_test(its_figures_are_those_of_run),
        cmocka_unit_test(differences_add_up),
        cmocka_unit_test(jobs_change_nothing),
        cmocka_unit_test(the_count_model_has_no_cycles),
        cmocka_unit_test(settings_find_their_columns),
        cmocka_unit_test(a_failure_is_one_line),
        cmocka_unit_test(wrong_words_are_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
