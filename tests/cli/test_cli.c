/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_cli.c: what run, exec, list and doctor do when all is well; the same command twice gives the same
 * JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/account/counters.h"
#include "tests/cli/command.h"

/* ---- runs ---- */

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    return json;
}

static json_t *only_result(json_t *json)
{
    json_t *results = json_object_get(json, "results");

    assert_int_equal(json_array_size(results), 1);
    return json_array_get(results, 0);
}

static json_int_t sum(const json_t *object)
{
    json_int_t total = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) total += json_integer_value(value);
    return total;
}

static void the_same_command_twice_is_the_same(void **state)
{
    static const char *const commands[][11] = {
        {PLAIN, "run", "monolithic", "null", "--no-cache", "--json"},
        {PLAIN, "run", "monolithic", "pipe", "--no-cache", "--json", "--cpu", "tiny", "--ops", "20"},
        {PLAIN, "run", "monolithic", "fork", "--no-cache", "--json", "--model", "count", "--ops", "10"},
    };

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct result first = run(commands[i], false), second = run(commands[i], false);
        json_t *a = parse(first.out), *b = parse(second.out), *total = json_object_get(only_result(a), "total");

        assert_int_equal(first.status, 0);
        assert_int_equal(second.status, 0);
        if (json_object_get(total, "cycles"))
            assert_int_equal(sum(json_object_get(only_result(a), "causes")),
                             json_integer_value(json_object_get(total, "cycles")));
        assert_int_equal(json_object_del(only_result(a), "host"), 0);
        assert_int_equal(json_object_del(only_result(b), "host"), 0);
        assert_true(json_equal(a, b));
        json_decref(a);
        json_decref(b);
        release(&first);
        release(&second);
    }
}

/* However the host cut the input: the guest gets the same, at the same simulated time. */
static void slow_input_is_the_same_input(void **state)
{
    static const char *const feeds[] = {"printf 'one\\ntwo\\n'", "(printf 'on'; sleep 0.3; printf 'e\\ntwo\\n')"};
    json_t *json[2];

    for (size_t i = 0; i < 2; i++) {
        char command[400];
        const char *const argv[] = {"/bin/sh", "-c", command, NULL};
        struct result r;

        snprintf(command, sizeof command, "%s | " PLAIN " exec monolithic --json -- /bin/busybox cat", feeds[i]);
        r = run(argv, true);
        assert_int_equal(r.status, 0);
        assert_string_equal(r.out, "one\ntwo\n");
        json[i] = parse(r.three);
        json_object_del(only_result(json[i]), "host");
        release(&r);
    }
    assert_true(json_equal(json[0], json[1]));
    json_decref(json[0]);
    json_decref(json[1]);
}

static void exec_is_the_program(void **state)
{
    const char *const argv[] = {PLAIN,
                                "exec",
                                "monolithic",
                                "--json",
                                "--root",
                                ROOT,
                                "--",
                                ROOT "/bin/busybox",
                                "sh",
                                "-c",
                                "echo out; echo err >&2; exit 7",
                                NULL};
    struct result r = run(argv, true);
    json_t *json;

    assert_int_equal(r.status, 7);
    assert_string_equal(r.out, "out\n");
    assert_string_equal(r.err, "err\n");
    json = parse(r.three);
    assert_int_equal(json_integer_value(json_object_get(only_result(json), "exit")), 7);
    assert_string_equal(json_string_value(json_object_get(only_result(json), "workload")), "busybox");
    json_decref(json);
    release(&r);
}

/* Without a measured region the whole run is what --ops says it is, else one operation. */
static void a_record_may_be_csv(void **state)
{
    const char *const argv[] = {PLAIN, "exec", "monolithic", "--csv", "--ops", "5", "--", "/bin/busybox", "true", NULL};
    struct result r = run(argv, true);

    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "");
    assert_non_null(strstr(r.three, "\nmonolithic,plain,\"busybox\",skylake,1,timing,pcid=on pti=off,5,0,"));
    release(&r);
}

/* --save writes what the program left, and nothing of the host's changes. */
static void files_are_saved(void **state)
{
    const char *save = in_folder("saved");
    const char *const argv[] = {
        PLAIN, "exec", "monolithic",        "--root", ROOT, "--save",
        save,  "--",   ROOT "/bin/busybox", "sh",     "-c", "echo new >data/new; rm data/log.txt; mkdir -p a/b",
        NULL};
    struct result r = run(argv, false);
    struct stat st;
    char *text;

    assert_int_equal(r.status, 0);
    text = read_back("saved/data/new");
    assert_string_equal(text, "new\n");
    free(text);
    assert_int_equal(stat(in_folder("saved/data/log.txt"), &st), -1);
    assert_int_equal(stat(in_folder("saved/a/b"), &st), 0);
    assert_int_equal(stat(ROOT "/data/log.txt", &st), 0);
    assert_int_equal(stat(ROOT "/data/new", &st), -1);
    release(&r);
}

/* A link is followed as the guest sees it; the program's own folders count. */
static void a_working_directory_may_be_a_link(void **state)
{
    static const char *const folders[][2] = {
        {"/d/", "/d\n"}, {"/link", "/d\n"}, {"/far", "/d/e\n"}, {"/tmp", "/tmp\n"}, {"/d/e/..", "/d\n"}};
    const char *root = in_folder("linked");
    char make[512], program[256];

    snprintf(program, sizeof program, "%s/bin/busybox", root);
    snprintf(make, sizeof make, "mkdir -p %s/d/e %s/bin && ln -s d %s/link && ln -s /d/e %s/far && cp %s %s", root, root,
             root, root, ROOT "/bin/busybox", program);
    assert_int_equal(system(make), 0);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *const argv[] = {PLAIN, "exec", "monolithic", "--root", in_folder("linked"), "--cwd",
                                    folders[i][0], "--", program, "pwd", NULL};
        struct result r = run(argv, false);

        assert_string_equal(r.err, "");
        assert_string_equal(r.out, folders[i][1]);
        assert_int_equal(r.status, 0);
        release(&r);
    }
}

static void what_the_disk_cannot_hold_is_said(void **state)
{
    const char *root = in_folder("special");
    const char *const argv[] = {PLAIN, "exec", "monolithic", "--root", root, "--",
                                ROOT "/bin/busybox", "ls", "/d", NULL};
    char make[512], said[512];
    struct result r;

    snprintf(make, sizeof make, "mkdir -p %s/d && touch %s/d/file && mkfifo %s/d/pipe %s/zz", root, root, root, root);
    assert_int_equal(system(make), 0);
    snprintf(said, sizeof said,
             "ringside: warning: --root %s: left out, as FIFO, socket or device: 2; the first is %s/d/pipe\n", root,
             root);
    r = run(argv, false);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "file\n");
    assert_string_equal(r.err, said);
    release(&r);
}

static void help_says_what_fits(void **state)
{
    const char *const argv[] = {PLAIN, "exec", "--help", NULL};
    struct result r = run(argv, false);

    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "arguments it is at most 4096 bytes\n"));
    assert_non_null(strstr(r.out, "a hard link\n"));
    release(&r);
}

static void input_and_environment_arrive(void **state)
{
    const char *const argv[] = {PLAIN,
                                "exec",
                                "monolithic",
                                "--stdin",
                                in_folder("input"),
                                "--env",
                                "X=1",
                                "--env",
                                "PATH=/p",
                                "--cwd",
                                "/tmp",
                                "--",
                                "/bin/busybox",
                                "sh",
                                "-c",
                                "read a; read b; echo $a-$b-$X-$PATH; pwd",
                                NULL};
    struct result r;

    write_file("input", "one\ntwo\n", 8);
    r = run(argv, false);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "one-two-1-/p\n/tmp\n");
    release(&r);
}

/* JSON to a file, and the table besides; CSV alone. */
static void run_prints_what_was_asked_for(void **state)
{
    char json_file[300];
    const char *const both[] = {PLAIN, "run", "monolithic", "null", "stat", json_file, NULL};
    const char *const csv[] = {PLAIN, "run", "monolithic", "null", "--csv", NULL};
    struct result r;
    json_t *json;
    char *text;

    snprintf(json_file, sizeof json_file, "--json=%s", in_folder("results.json"));
    r = run(both, false);
    assert_int_equal(r.status, 0);
    assert_true(strncmp(r.out, "Per operation; monolithic on skylake, 1 CPU, timing model, pcid=on pti=off\n", 75) ==
                0);
    assert_non_null(strstr(r.out, "\nstat "));
    text = read_back("results.json");
    json = parse(text);
    assert_int_equal(json_array_size(json_object_get(json, "results")), 2);
    json_decref(json);
    free(text);
    release(&r);
    r = run(csv, false);
    assert_int_equal(r.status, 0);
    assert_true(strncmp(r.out, "arch,variant,workload,", 22) == 0);
    assert_non_null(strstr(r.out, "\nmonolithic,plain,\"null\",skylake,1,timing,pcid=on pti=off,1000,0,"));
    release(&r);
}

static void a_program_that_loops_meets_the_time_limit(void **state)
{
    const char *const argv[] = {
        PLAIN, "exec", "monolithic", "--time-limit", "20", "--", ROOT "/bin/busybox", "sh", "-c", "while :; do :; done",
        NULL};
    struct result r = run(argv, false);

    assert_int_equal(r.status, 4);
    assert_string_equal(r.err, "ringside: busybox: stopped after the time limit of 20 ms (simulated)\n");
    release(&r);
}

static void counters_are_listed_with_definitions(void **state)
{
    const char *const argv[] = {SANITIZED, "list", "counters", "--json", NULL};
    struct result r = run(argv, false);
    json_t *json = parse(r.out), *counters = json_object_get(json, "counters");

    assert_int_equal(r.status, 0);
    assert_int_equal(json_array_size(counters), COUNTER_COUNT);
    for (size_t i = 0; i < json_array_size(counters); i++) {
        assert_string_equal(json_string_value(json_object_get(json_array_get(counters, i), "name")),
                            counter_info[i].name);
        assert_true(json_string_length(json_object_get(json_array_get(counters, i), "definition")) > 10);
    }
    json_decref(json);
    release(&r);
}

static void every_list_is_json_too(void **state)
{
    static const char *const topics[] = {"archs", "workloads", "cpus", "counters"};

    for (size_t i = 0; i < 4; i++) {
        const char *const argv[] = {SANITIZED, "list", topics[i], "--json", NULL};
        const char *const text[] = {SANITIZED, "list", topics[i], NULL};
        struct result r = run(argv, false), plain = run(text, false);
        json_t *json = parse(r.out);

        assert_true(json_array_size(json_object_get(json, topics[i])) > 0);
        assert_int_equal(plain.status, 0);
        assert_true(strlen(plain.out) > 20);
        assert_string_equal(plain.err, "");
        json_decref(json);
        release(&r);
        release(&plain);
    }
}

static void the_doctor_is_content(void **state)
{
    const char *const argv[] = {PLAIN, "doctor", NULL};
    struct result r = run(argv, false);

    assert_null(strstr(r.out, "FAIL"));
    assert_non_null(strstr(r.out, "Unicorn 2.1."));
    assert_int_equal(r.status, 0);
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_command_twice_is_the_same),
        cmocka_unit_test(slow_input_is_the_same_input),
        cmocka_unit_test(exec_is_the_program),
        cmocka_unit_test(a_record_may_be_csv),
        cmocka_unit_test(files_are_saved),
        cmocka_unit_test(a_working_directory_may_be_a_link),
        cmocka_unit_test(what_the_disk_cannot_hold_is_said),
        cmocka_unit_test(help_says_what_fits),
        cmocka_unit_test(input_and_environment_arrive),
        cmocka_unit_test(run_prints_what_was_asked_for),
        cmocka_unit_test(a_program_that_loops_meets_the_time_limit),
        cmocka_unit_test(counters_are_listed_with_definitions),
        cmocka_unit_test(every_list_is_json_too),
        cmocka_unit_test(the_doctor_is_content),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
