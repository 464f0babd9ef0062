/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_trace.c: `ringside trace` and `report-functions`: every format is one that its readers take, its times
 * add up to the run's cycles, and what makes no sense is one line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cli/command.h"

static const char *const archs[] = {"monolithic", "micro", "micro:mach", "exo", "vmm"};
#define ARCHS (sizeof archs / sizeof *archs)

/* Writes the trace of a workload to a file in the folder. */
static void trace(const char *arch, const char *workload, const char *ops, const char *format, const char *file)
{
    const char *const argv[] = {PLAIN,      "trace", arch, workload,        "--ops", ops,
                                "--format", format,  "-o", in_folder(file), NULL};
    struct result r = run(argv, false);

    if (r.status != 0)
        fail_msg("%s", r.err);
    assert_string_equal(r.out, "");
    release(&r);
}

static json_t *read_json(const char *file)
{
    json_error_t error;
    json_t *json = json_load_file(in_folder(file), 0, &error);

    if (!json)
        fail_msg("%s:%d: %s", file, error.line, error.text);
    return json;
}

static long long number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

/* What `run` counts for the same. */
static long long cycles_of_run(const char *arch, const char *workload, const char *ops)
{
    const char *const argv[] = {PLAIN, "run", arch, workload, "--ops", ops, "--json", "--no-cache", NULL};
    struct result r = run(argv, false);
    json_t *json = json_loads(r.out, 0, NULL);
    long long cycles = number(
        json_object_get(json_array_get(json_object_get(json, "results"), 0), "total"), "cycles");

    json_decref(json);
    release(&r);
    return cycles;
}

/* ---- steps ---- */

static void check_step(const json_t *json, const json_t *step, long long *at)
{
    size_t lanes = json_array_size(json_object_get(json, "lanes"));
    const char *cause;
    json_t *value;
    long long sum = 0;

    assert_int_equal(number(step, "at"), *at);
    assert_true((size_t)number(step, "lane") < lanes);
    if (json_object_get(step, "to"))
        assert_true((size_t)number(step, "to") < lanes);
    json_object_foreach(json_object_get(step, "causes"), cause, value) sum += json_integer_value(value);
    assert_int_equal(sum, number(step, "cycles"));
    *at += sum;
}

/* The kinds of steps but "run", behind blanks. */
static void check_steps(const char *file, long long cycles, char *kinds, size_t bytes)
{
    json_t *json = read_json(file), *step;
    long long at = 0;
    size_t i;

    *kinds = 0;
    assert_string_equal(text(json, "schema"), "ringside.steps/1");
    assert_int_equal(number(json, "ops"), 1);
    json_array_foreach(json_object_get(json, "steps"), i, step)
    {
        check_step(json, step, &at);
        if (strcmp(text(step, "kind"), "run") != 0)
            snprintf(kinds + strlen(kinds), bytes - strlen(kinds), " %s", text(step, "kind"));
    }
    assert_int_equal(at, number(json, "total_cycles"));
    assert_int_equal(at, cycles);
    json_decref(json);
}

/* One write of 4 KiB, and what it takes on each architecture. */
static void steps_are_those_of_the_architecture(void **state)
{
    static const char *const expected[ARCHS] = {
        " syscall copy return",
        " syscall message cr3 return switch syscall copy return syscall message cr3 return switch",
        NULL,
        " call copy return",
        " vm_exit cr3 return switch vm_exit return vm_exit return copy vm_exit return vm_exit return vm_exit return "
        "vm_exit cr3 return switch",
    };
    char kinds[4096];

    for (size_t i = 0; i < ARCHS; i++) {
        trace(archs[i], "write", "1", "steps", "steps.json");
        check_steps("steps.json", cycles_of_run(archs[i], "write", "1"), kinds, sizeof kinds);
        if (expected[i])
            assert_string_equal(kinds, expected[i]);
        else
            assert_non_null(strstr(kinds, " message"));
    }
}

static const json_t *step_of_kind(const json_t *json, const char *kind)
{
    json_t *step;
    size_t i;

    json_array_foreach(json_object_get(json, "steps"), i, step) if (strcmp(text(step, "kind"), kind) == 0) return step;
    return NULL;
}

static const char *lane_name(const json_t *json, long long lane)
{
    return text(json_array_get(json_object_get(json, "lanes"), (size_t)lane), "name");
}

static void a_step_says_where_and_how_much(void **state)
{
    const json_t *step;
    json_t *json;

    trace("micro", "write", "1", "steps", "micro.json");
    json = read_json("micro.json");
    step = step_of_kind(json, "message");
    assert_string_equal(lane_name(json, number(step, "from")), "write");
    assert_string_equal(lane_name(json, number(step, "to")), "fsd");
    assert_string_equal(text(step, "call"), "pwrite64");
    step = step_of_kind(json, "copy");
    assert_int_equal(number(step, "bytes"), 4096);
    assert_string_equal(text(step, "function"), "copy_between_spaces");
    json_decref(json);

    trace("exo", "write", "1", "steps", "exo.json");
    json = read_json("exo.json");
    step = step_of_kind(json, "call");
    assert_string_equal(text(step, "name"), "pwrite64");
    assert_string_equal(lane_name(json, number(step, "lane")), "write");
    assert_string_equal(lane_name(json, number(step, "to")), "libos");
    assert_true(json_is_true(json_object_get(json_array_get(json_object_get(json, "lanes"), 1), "library")));
    json_decref(json);
}

/* A long region becomes 2000 steps (and the times that the CPU was halted between them). */
static void many_steps_are_merged(void **state)
{
    json_t *json, *step;
    size_t i, steps = 0, merged = 0;
    long long at = 0;

    trace("monolithic", "null", "2000", "steps", "many.json");
    json = read_json("many.json");
    json_array_foreach(json_object_get(json, "steps"), i, step)
    {
        check_step(json, step, &at);
        steps += strcmp(text(step, "kind"), "idle") != 0;
        merged += json_object_get(step, "merged") != NULL;
    }
    assert_int_equal(steps, 2000);
    assert_int_equal(merged, 1);
    assert_int_equal(at, number(json, "total_cycles"));
    json_decref(json);
}

/* ---- perfetto ---- */

#define TRACKS 1024
#define DEPTH 8
#define CPU_TRACKS 100

struct stacks {
    size_t depth[TRACKS];
    double last[TRACKS];
    long long domain_cycles; /* on the CPUs' tracks, the second level */
    size_t instants, counters;
};

static void check_event(struct stacks *s, const json_t *event)
{
    long long track = number(event, "tid");
    const char *phase = text(event, "ph");
    double ts;

    assert_true(track >= 0 && track < TRACKS);
    if (*phase == 'M')
        return;
    ts = json_number_value(json_object_get(event, "ts"));
    assert_true(ts >= s->last[track]);
    s->last[track] = ts;
    s->instants += *phase == 'i';
    s->counters += *phase == 'C';
    if (*phase == 'B') {
        assert_true(*text(event, "name"));
        assert_true(++s->depth[track] < DEPTH);
    } else if (*phase == 'E') {
        assert_true(s->depth[track]-- > 0);
        if (track < CPU_TRACKS && s->depth[track] == 1)
            s->domain_cycles += number(json_object_get(event, "args"), "cycles");
    }
}

static void slices_nest_and_add_up(void **state)
{
    static const char *const workloads[] = {"write", "pipe", "fork"};

    for (size_t i = 0; i < ARCHS * 3; i++) {
        struct stacks *s = calloc(1, sizeof *s);
        const char *arch = archs[i / 3], *workload = workloads[i % 3];
        json_t *json, *event;
        size_t n;

        trace(arch, workload, "3", "perfetto", "perfetto.json");
        json = read_json("perfetto.json");
        json_array_foreach(json_object_get(json, "traceEvents"), n, event) check_event(s, event);
        for (size_t track = 0; track < TRACKS; track++)
            assert_int_equal(s->depth[track], 0);
        assert_int_equal(s->domain_cycles, cycles_of_run(arch, workload, "3"));
        if (strcmp(workload, "fork") == 0)
            assert_true(s->instants > 0 && s->counters > 0);
        json_decref(json);
        free(s);
    }
}

/* ---- folded ---- */

static void folded_lines_are_stacks_and_add_up(void **state)
{
    regex_t stack;

    assert_int_equal(regcomp(&stack, "^[^ ;]+(;[^ ;]+){3} [0-9]+$", REG_EXTENDED | REG_NOSUB), 0);
    for (size_t i = 0; i < ARCHS; i++) {
        char *all, *rest, *line;
        long long cycles = 0;

        trace(archs[i], "fork", "3", "folded", "folded");
        rest = all = read_back("folded");
        while ((line = strsep(&rest, "\n")) && *line) {
            assert_int_equal(regexec(&stack, line, 0, NULL, 0), 0);
            assert_memory_equal(line, archs[i], strlen(archs[i]));
            cycles += atoll(strrchr(line, ' '));
        }
        assert_int_equal(cycles, cycles_of_run(archs[i], "fork", "3"));
        free(all);
    }
    regfree(&stack);
}

/* ---- callgrind ---- */

/* The digits of a number that is written with commas. */
static long long with_commas(const char *text)
{
    long long value = 0;

    for (; *text == ',' || (*text >= '0' && *text <= '9'); text++)
        if (*text != ',')
            value = value * 10 + *text - '0';
    return value;
}

static void callgrind_annotate_takes_it(void **state)
{
    for (size_t i = 0; i < ARCHS; i++) {
        const char *const argv[] = {"/usr/bin/callgrind_annotate", in_folder("callgrind"), NULL};
        char *totals;
        struct result r;

        trace(archs[i], "write", "10", "callgrind", "callgrind");
        r = run(argv, false);
        assert_int_equal(r.status, 0);
        totals = strstr(r.out, "PROGRAM TOTALS");
        assert_non_null(totals);
        while (totals > r.out && totals[-1] != '\n')
            totals--;
        assert_int_equal(with_commas(totals), cycles_of_run(archs[i], "write", "10"));
        assert_non_null(strstr(r.out, "services/fs/")); /* lines of services, wherever they are */
        release(&r);
    }
}

/* Each line's figures are in the file once: their sums are its totals. */
static void callgrind_lines_add_up(void **state)
{
    char *all, *rest, *line;
    long long cycles = 0, instructions = 0, total[2] = {0};

    trace("vmm", "fork", "2", "callgrind", "callgrind");
    rest = all = read_back("callgrind");
    while ((line = strsep(&rest, "\n"))) {
        long long n, c, in;

        if (sscanf(line, "%lld %lld %lld", &n, &c, &in) == 3) {
            cycles += c;
            instructions += in;
        }
        sscanf(line, "totals: %lld %lld", &total[0], &total[1]);
    }
    assert_true(total[0] > 0);
    assert_int_equal(cycles, total[0]);
    assert_int_equal(instructions, total[1]);
    free(all);
}

/* ---- report-functions ---- */

static void functions_as_table_json_and_csv(void **state)
{
    const char *const table[] = {PLAIN, "report-functions", "micro", "write", "--ops", "10", NULL};
    const char *const json_words[] = {PLAIN, "report-functions", "micro", "write", "--ops", "10", "--json", NULL};
    const char *const csv[] = {PLAIN, "report-functions", "micro", "write", "--ops", "10", "--csv", NULL};
    struct result r = run(table, false);
    json_t *json, *function;
    long long cycles = 0;
    size_t i;

    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "cycles    cycles/op    instrs/op  domain           function\n"));
    assert_non_null(strstr(r.out, "kernel           copy_between_spaces\n"));
    assert_non_null(strstr(r.out, "fsd              regular_write\n"));
    release(&r);

    r = run(json_words, false);
    json = json_loads(r.out, 0, NULL);
    json_array_foreach(json_object_get(json, "functions"), i, function) cycles += number(function, "cycles");
    assert_int_equal(cycles, number(json, "cycles"));
    assert_int_equal(cycles, cycles_of_run("micro", "write", "10"));
    json_decref(json);
    release(&r);

    r = run(csv, false);
    assert_memory_equal(r.out, "domain,function,cycles,instructions,", 36);
    assert_non_null(strstr(r.out, "\n\"kernel\",\"copy_between_spaces\","));
    release(&r);
}

/* ---- programs ---- */

/* A program's output is where exec has it, its status is the command's, and there is a trace all the same. */
static void programs_can_be_traced(void **state)
{
    const char *const argv[] = {PLAIN, "trace", "monolithic", "--root", ROOT, "-o", in_folder("program.json"), "--",
                                ROOT "/bin/busybox", "sh", "-c", "echo hello; exit 7", NULL};
    struct result r = run(argv, false);
    json_t *json;

    assert_int_equal(r.status, 7);
    assert_string_equal(r.out, "hello\n");
    json = read_json("program.json");
    assert_true(json_array_size(json_object_get(json, "traceEvents")) > 100);
    json_decref(json);
    release(&r);
}

/* busybox has no symbols: its functions are "?", those of the kernel are known. */
static void without_symbols_functions_are_unknown(void **state)
{
    const char *const argv[] = {PLAIN, "trace", "monolithic", "--root", ROOT, "--format", "folded", "-o",
                                in_folder("program.folded"), "--", ROOT "/bin/busybox", "true", NULL};
    struct result r = run(argv, false);
    char *all;

    assert_int_equal(r.status, 0);
    all = read_back("program.folded");
    assert_non_null(strstr(all, "monolithic;busybox;user;? "));
    assert_non_null(strstr(all, "monolithic;kernel;exit_group;"));
    free(all);
    release(&r);
}

/* ---- what makes no sense ---- */

static void refusals_are_one_line(void **state)
{
    static const struct {
        const char *words[10];
        int status;
        const char *says;
    } cases[] = {
        {{"trace"}, 2, "trace wants an architecture"},
        {{"trace", "micr", "write", "-o", "/dev/null"}, 2, "micro"},
        {{"trace", "micro", "-o", "/dev/null"}, 2, "trace wants a workload"},
        {{"trace", "micro", "wrte", "-o", "/dev/null"}, 2, "write"},
        {{"trace", "micro", "write", "null", "-o", "/dev/null"}, 2, "'null' is one word too many"},
        {{"trace", "micro", "write", "-o", "/dev/null", "--", "x"}, 2, "not both"},
        {{"trace", "micro", "write"}, 2, "trace wants a file to write to: -o FILE"},
        {{"trace", "micro", "write", "-o"}, 2, "--output wants a value"},
        {{"trace", "micro", "write", "-o", ""}, 2, "--output wants a file's name"},
        {{"trace", "micro", "write", "-o", "/nowhere/x"}, 2, "cannot write the trace to /nowhere/x: No such file"},
        {{"trace", "micro", "write", "-o", "/"}, 2, "cannot write the trace to /: Is a directory"},
        {{"trace", "micro", "write", "--ops", "1", "-o", "/dev/full"}, 5,
         "cannot write the trace to /dev/full: No space"},
        {{"trace", "micro", "write", "--format", "flame", "-o", "/dev/null"}, 2,
         "--format is perfetto, folded, callgrind or steps"},
        {{"trace", "micro", "write", "--format", "fodled", "-o", "/dev/null"}, 2, "did you mean 'folded'?"},
        {{"trace", "micro", "write", "--model", "count", "-o", "/dev/null"}, 2, "unknown option '--model'"},
        {{"trace", "micro", "write", "--cpus", "2", "--format", "steps", "-o", "/dev/null"}, 2,
         "--format steps is for one CPU"},
        {{"trace", "monolithic", "ipc", "-o", "/dev/null"}, 1,
         "ipc: not applicable on monolithic: nothing was measured"},
        {{"trace", "micro", "-o", "/dev/null", "--", "/nowhere/program"}, 2, "/nowhere/program"},
        {{"report-functions", "micro"}, 2, "report-functions wants a workload"},
        {{"report-functions", "micro", "write", "-o", "x"}, 2, "unknown option"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argv[12] = {SANITIZED}, *said;
        struct result r;

        memcpy(argv + 1, cases[i].words, sizeof cases[i].words);
        r = run(argv, false);
        said = strstr(r.err, "ringside:"); /* ASan's own word about each machine comes before it */
        if (r.status != cases[i].status || !said || !strstr(said, cases[i].says))
            fail_msg("case %zu: status %d, '%s'", i, r.status, r.err);
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
        release(&r);
    }
}

/* Without a trace in the end there is no file. */
static void no_trace_no_file(void **state)
{
    const char *const argv[] = {PLAIN, "trace", "micro", "write", "--time-limit", "1", "-o", in_folder("none"), NULL};
    struct result r = run(argv, false);

    assert_int_equal(r.status, 4);
    assert_int_equal(access(in_folder("none"), F_OK), -1);
    release(&r);
}

/* What is not a file of the trace's own stays: a run as root took /dev/null away. */
static void no_trace_takes_no_device_away(void **state)
{
    const char *link = in_folder("device");
    const char *const argv[] = {PLAIN, "trace", "micro", "write", "--time-limit", "1", "-o", link, NULL};
    struct result r;

    assert_int_equal(symlink("/dev/null", link), 0);
    r = run(argv, false);
    assert_int_equal(r.status, 4);
    assert_int_equal(access(link, F_OK), 0);
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_the_architecture),
        cmocka_unit_test(a_step_says_where_and_how_much),
        cmocka_unit_test(many_steps_are_merged),
        cmocka_unit_test(slices_nest_and_add_up),
        cmocka_unit_test(folded_lines_are_stacks_and_add_up),
        cmocka_unit_test(callgrind_annotate_takes_it),
        cmocka_unit_test(callgrind_lines_add_up),
        cmocka_unit_test(functions_as_table_json_and_csv),
        cmocka_unit_test(programs_can_be_traced),
        cmocka_unit_test(without_symbols_functions_are_unknown),
        cmocka_unit_test(refusals_are_one_line),
        cmocka_unit_test(no_trace_no_file),
        cmocka_unit_test(no_trace_takes_no_device_away),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
