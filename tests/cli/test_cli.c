/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_cli.c: the real command line: every kind of bad input gives one line on standard error and the right
 * exit status, before anything boots; the same command twice gives the same JSON.
 *
 * Bad input goes to the build with AddressSanitizer and UBSan, whose own exit status (1, or 99 here) is in no table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/counters.h"

#define SANITIZED "build/asan/ringside"
#define PLAIN "build/ringside"
#define ARGUMENTS_MAX 32
#define OUTPUT_MAX (1 << 20)
#define SECONDS_MAX 120
#define ROOT "build/programs/root"

/* Outputs of a command; `folder` holds the files that tests make. */
struct result {
    int status;              /* as a shell says it: 128 + signal */
    char *out, *err, *three; /* standard output, standard error, descriptor 3 */
};

static char folder[] = "build/tests/cli-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[8][256];
    static unsigned next;

    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static void write_file(const char *name, const void *data, size_t bytes)
{
    FILE *f = fopen(in_folder(name), "w");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
    chmod(in_folder(name), 0755);
}

static char *read_back(const char *name)
{
    char *text = calloc(1, OUTPUT_MAX);
    FILE *f = fopen(in_folder(name), "r");

    assert_non_null(f);
    (void)!fread(text, 1, OUTPUT_MAX - 1, f);
    fclose(f);
    return text;
}

static void redirect(const char *name, int to)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || dup2(fd, to) != to)
        _exit(126);
    if (fd != to)
        close(fd);
}

/* Runs a command as `user` (0: as we are); with `three`, descriptor 3 is open. */
static struct result run_as(uid_t user, const char *const argv[], bool three)
{
    struct result r;
    int status;
    pid_t child = fork();

    if (child == 0) {
        int null = open("/dev/null", O_RDONLY);

        dup2(null, 0);
        for (int fd = 3; fd < 20; fd++)
            close(fd);
        redirect("out", 1);
        redirect("err", 2);
        if (three)
            redirect("three", 3);
        setenv("ASAN_OPTIONS", "exitcode=99", 1);
        setenv("UBSAN_OPTIONS", "halt_on_error=1:exitcode=99", 1);
        alarm(SECONDS_MAX);
        if (user && setresuid(user, user, user) != 0)
            _exit(126);
        execv(argv[0], (char *const *)argv);
        _exit(126);
    }
    waitpid(child, &status, 0);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r.out = read_back("out");
    r.err = read_back("err");
    r.three = three ? read_back("three") : NULL;
    return r;
}

static struct result run(const char *const argv[], bool three)
{
    return run_as(0, argv, three);
}

static void release(struct result *r)
{
    free(r->out);
    free(r->err);
    free(r->three);
}

/* "@NAME" is a file in the test's folder. */
static void expand(const char *const words[], const char *program, const char *argv[ARGUMENTS_MAX])
{
    size_t count = 0;

    argv[count++] = program;
    for (; *words; words++)
        argv[count++] = **words == '@' ? in_folder(*words + 1) : *words;
    argv[count] = NULL;
}

/* ---- bad input ---- */

struct bad {
    const char *words[8];
    int status;
    const char *says; /* part of the line */
};

static void check_bad(const struct bad *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *argv[ARGUMENTS_MAX];
        struct result r;

        expand(bad[i].words, SANITIZED, argv);
        r = run(argv, false);
        if (r.status != bad[i].status || !strstr(r.err, bad[i].says))
            print_message("case %zu (%s): status %d, wanted %d; said: %swanted: %s\n", i, bad[i].words[0], r.status,
                          bad[i].status, r.err, bad[i].says);
        assert_int_equal(r.status, bad[i].status);
        assert_non_null(strstr(r.err, bad[i].says));
        assert_true(strncmp(r.err, "ringside: ", 10) == 0);
        assert_ptr_equal(strchr(r.err, '\n'), r.err + strlen(r.err) - 1); /* exactly one line */
        assert_string_equal(r.out, "");
        release(&r);
    }
}

static void wrong_words(void **state)
{
    static const struct bad bad[] = {
        {{NULL}, 2, "a command is missing"},
        {{"rnu"}, 2, "unknown command 'rnu'; did you mean 'run'?"},
        {{"run"}, 2, "run wants an architecture"},
        {{"run", "monolithc"}, 2, "did you mean 'monolithic'?"},
        {{"run", "monolithic:x"}, 2, "has no variant 'x'"},
        {{"run", "monolithic", "nul"}, 2, "unknown workload 'nul'; did you mean 'null'?"},
        {{"run", "monolithic", "null", "--cpsu", "2"}, 2, "did you mean '--cpus'?"},
        {{"run", "monolithic", "null", "--cpus", "9"}, 2, "--cpus wants a number from 1 to 8, not '9'"},
        {{"run", "monolithic", "null", "--cpu", "skylak"}, 2, "unknown CPU 'skylak'; did you mean 'skylake'?"},
        {{"run", "monolithic", "null", "--set", "pcid=maybe"}, 2, "it is one of on|off"},
        {{"run", "monolithic", "null", "--set", "pdic=on"}, 2, "did you mean 'pcid'?"},
        {{"run", "monolithic", "--", "x"}, 2, "that is 'ringside exec'"},
        {{"exec", "monolithic"}, 2, "exec wants a program after --"},
        {{"exec", "monolithic", "/bin/busybox"}, 2, "exec wants -- before the program"},
        {{"exec", "monolithic", "--json", "--", "/bin/busybox"}, 2, "descriptor 3, which is not open"},
        {{"list"}, 2, "list wants one of"},
        {{"list", "cpu"}, 2, "did you mean 'cpus'?"},
        {{"doctor", "x"}, 2, "doctor takes no words"},
    };

    check_bad(bad, sizeof bad / sizeof *bad);
}

static void wrong_cpu_files(void **state)
{
    static const char unknown[] = "[cpu]\ntitle = x\ncolour = red\n";
    static const struct bad bad[] = {
        {{"run", "monolithic", "null", "--cpu", "@unknown.ini"}, 2, "unknown.ini:3: "},
        {{"run", "monolithic", "null", "--cpu", "@empty.ini"}, 2, "empty.ini:"},
        {{"run", "monolithic", "null", "--cpu", "@binary.ini"}, 2, "binary.ini:"},
        {{"run", "monolithic", "null", "--cpu", "@missing.ini"}, 2, "missing.ini: No such file or directory"},
        {{"run", "monolithic", "null", "--cpu", "@."}, 2, "not a file but a directory"},
    };

    write_file("unknown.ini", unknown, sizeof unknown - 1);
    write_file("empty.ini", "", 0);
    write_file("binary.ini",
               "\x7f"
               "ELF\0\0\n\xff\xfe\n",
               10);
    check_bad(bad, sizeof bad / sizeof *bad);
}

#define EXEC(file)                                                                                                     \
    {                                                                                                                  \
        "exec", "monolithic", "--", file                                                                               \
    }

static void wrong_programs(void **state)
{
    static const struct bad bad[] = {
        {EXEC("@text"), 2, "text: not an ELF file"},
        {EXEC("@script"), 2, "script: a script, not an ELF file"},
        {EXEC("@empty"), 2, "empty: empty"},
        {EXEC("@32bit"), 2, "32bit: a 32-bit program"},
        {EXEC("@truncated"), 2, "truncated: truncated: its segments go beyond the end of the file (100000 bytes)"},
        {EXEC("@stub"), 2, "stub: truncated: its headers go beyond"},
        {EXEC("@missing"), 2, "missing: No such file or directory"},
        {EXEC("@."), 2, "a directory, not a file"},
        {EXEC("/dev/null"), 2, "/dev/null: not a regular file"},
        {EXEC(PLAIN), 2, "dynamically linked; link it with -static"},
        {EXEC("build/host/sim/counters.o"), 2, "an object file; link it into a program"},
        {{"exec", "monolithic", "--root", "@missing", "--", ROOT "/bin/null"}, 2, "--root "},
        {{"exec", "monolithic", "--root", "@text", "--", ROOT "/bin/null"}, 2, "Not a directory"},
        {{"exec", "monolithic", "--save", "@.", "--", ROOT "/bin/null"}, 2, "the folder is not empty"},
        {{"exec", "monolithic", "--stdin", "@missing", "--", ROOT "/bin/null"}, 2, "No such file or directory"},
        {{"exec", "monolithic", "--stdin", "@.", "--", ROOT "/bin/null"}, 2, "a directory, not a file"},
    };
    FILE *busybox = fopen(ROOT "/bin/busybox", "r");
    char *bytes = malloc(100000);

    assert_non_null(busybox);
    assert_int_equal(fread(bytes, 1, 100000, busybox), 100000);
    fclose(busybox);
    write_file("text", "hello\n", 6);
    write_file("script", "#!/bin/sh\n", 10);
    write_file("empty", "", 0);
    write_file("truncated", bytes, 100000);
    write_file("stub", bytes, 40);
    bytes[4] = 1;
    write_file("32bit", bytes, 100000);
    free(bytes);
    check_bad(bad, sizeof bad / sizeof *bad);
}

/* root reads everything: then somebody else tries, if this folder lets him in. */
static void an_unreadable_file(void **state)
{
    const char *const argv[] = {PLAIN, "exec", "monolithic", "--", in_folder("secret"), NULL};
    uid_t nobody = geteuid() == 0 ? 65534 : 0;
    struct result r;

    write_file("secret", "x", 1);
    chmod(in_folder("secret"), 0);
    chmod(folder, 0755);
    r = run_as(nobody, argv, false);
    if (nobody && r.status == 126) {
        release(&r);
        skip();
    }
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "secret: Permission denied\n"));
    release(&r);
}

static void arguments_that_do_not_fit(void **state)
{
    static char long_word[5000];
    const struct bad bad[] = {{{"exec", "monolithic", "--", ROOT "/bin/null", long_word}, 2, "too long"}};

    memset(long_word, 'x', sizeof long_word - 1);
    check_bad(bad, 1);
}

/* ---- a home with something wrong in it ---- */

static void link_into(const char *home, const char *from, const char *to)
{
    char command[600];

    snprintf(command, sizeof command, "mkdir -p %s/build/images/monolithic && ln -sfn $PWD/%s %s/%s", in_folder(home),
             from, in_folder(home), to);
    assert_int_equal(system(command), 0);
}

/* The status of `run monolithic null` with RINGSIDE_HOME at a folder of ours; its standard error says `says`. */
static void run_at_home(const char *program, const char *home, int status, const char *says)
{
    const char *const argv[] = {program, "run", "monolithic", "null", "--time-limit", "1000", NULL};
    char path[512];
    struct result r;

    assert_non_null(getcwd(path, sizeof path - 64));
    strcat(strcat(path, "/"), in_folder(home));
    setenv("RINGSIDE_HOME", path, 1);
    r = run(argv, false);
    unsetenv("RINGSIDE_HOME");
    if (r.status != status || !strstr(r.err, says))
        print_message("%s: status %d, wanted %d; said: %s\n", home, r.status, status, r.err);
    assert_int_equal(r.status, status);
    assert_non_null(strstr(r.err, says));
    release(&r);
}

static void a_host_that_lacks_something(void **state)
{
    run_at_home(SANITIZED, "nowhere", 5, "holds no sim/cpus");
    link_into("no-image", "sim", "sim");
    run_at_home(SANITIZED, "no-image", 5, "run 'make build'");
    link_into("no-program", "sim", "sim");
    link_into("no-program", "build/images/monolithic/kernel.elf", "build/images/monolithic/kernel.elf");
    run_at_home(SANITIZED, "no-program", 5, "the program of workload 'null' is not there");
    link_into("bad-image", "sim", "sim");
    link_into("bad-image", "build/programs", "build/programs");
    link_into("bad-image", "Makefile", "build/images/monolithic/kernel.elf");
    run_at_home(SANITIZED, "bad-image", 5, "kernel.elf");
}

/* A program of Linux as a kernel: its first system call has nowhere to go. */
static void a_kernel_that_crashes(void **state)
{
    link_into("crash", "sim", "sim");
    link_into("crash", "build/programs", "build/programs");
    link_into("crash", "build/programs/root/bin/null", "build/images/monolithic/kernel.elf");
    run_at_home(PLAIN, "crash", 3, "ringside: null: the guest kernel crashed\n");
    run_at_home(PLAIN, "crash", 3, "last transitions");
}

static void a_full_disk_on_the_host(void **state)
{
    const char *const argv[] = {"/bin/sh", "-c", PLAIN " exec monolithic -- " ROOT "/bin/busybox echo x >/dev/full",
                                NULL};
    struct result r = run(argv, false);

    assert_int_equal(r.status, 5);
    assert_non_null(strstr(r.err, "ringside: standard output: No space left on device\n"));
    release(&r);
}

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
    static const char *const commands[][10] = {
        {PLAIN, "run", "monolithic", "null", "--json"},
        {PLAIN, "run", "monolithic", "pipe", "--json", "--cpu", "tiny", "--ops", "20"},
        {PLAIN, "run", "monolithic", "fork", "--json", "--model", "count", "--ops", "10"},
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

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[sizeof folder + 16];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(wrong_cpu_files),
        cmocka_unit_test(wrong_programs),
        cmocka_unit_test(an_unreadable_file),
        cmocka_unit_test(arguments_that_do_not_fit),
        cmocka_unit_test(a_host_that_lacks_something),
        cmocka_unit_test(a_kernel_that_crashes),
        cmocka_unit_test(a_full_disk_on_the_host),
        cmocka_unit_test(counters_are_listed_with_definitions),
        cmocka_unit_test(every_list_is_json_too),
        cmocka_unit_test(the_doctor_is_content),
        cmocka_unit_test(the_same_command_twice_is_the_same),
        cmocka_unit_test(slow_input_is_the_same_input),
        cmocka_unit_test(exec_is_the_program),
        cmocka_unit_test(a_record_may_be_csv),
        cmocka_unit_test(files_are_saved),
        cmocka_unit_test(input_and_environment_arrive),
        cmocka_unit_test(run_prints_what_was_asked_for),
        cmocka_unit_test(a_program_that_loops_meets_the_time_limit),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
