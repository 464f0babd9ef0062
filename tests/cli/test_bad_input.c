/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_bad_input.c: every kind of bad input gives one line on standard error and the right exit status,
 * before anything boots.
 *
 * It goes to the build with AddressSanitizer and UBSan, whose own exit status (99 here) is in no table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cli/command.h"

#define ARGUMENTS_MAX 32

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
    const char *words[10];
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
        {EXEC("build/host/sim/account/counters.o"), 2, "an object file; link it into a program"},
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

#define IN_ROOT(cwd)                                                                                                   \
    {                                                                                                                  \
        "exec", "monolithic", "--root", ROOT, "--cwd", cwd, "--", ROOT "/bin/null"                                     \
    }

static void wrong_folders(void **state)
{
    static const struct bad bad[] = {
        {IN_ROOT("/nope"), 2, "--cwd /nope: No such file or directory in the guest"},
        {IN_ROOT("/bin/null"), 2, "--cwd /bin/null: Not a directory in the guest"},
        {IN_ROOT("/bin/null/x"), 2, "--cwd /bin/null/x: Not a directory in the guest"},
        {IN_ROOT("bin"), 2, "--cwd wants an absolute path of the guest"},
    };
    const char *const from_folder[] = {"/bin/sh", "-c", SANITIZED " exec monolithic -- " ROOT "/bin/busybox cat </tmp",
                                       NULL};
    struct result r = run(from_folder, false);

    assert_int_equal(r.status, 2);
    assert_string_equal(r.err, "ringside: standard input: a directory, not a file\n");
    release(&r);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(wrong_cpu_files),
        cmocka_unit_test(wrong_programs),
        cmocka_unit_test(wrong_folders),
        cmocka_unit_test(an_unreadable_file),
        cmocka_unit_test(arguments_that_do_not_fit),
        cmocka_unit_test(a_host_that_lacks_something),
        cmocka_unit_test(a_kernel_that_crashes),
        cmocka_unit_test(a_full_disk_on_the_host),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
