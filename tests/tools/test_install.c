/* SPDX-License-Identifier: MIT
 *
 * tests/tools/test_install.c: what make install puts below PREFIX runs where nothing of the build tree is, uninstall
 * leaves nothing, and the completion offers what the command line takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/tools/shell.h"

/* What is to be made is made already: a test builds nothing. */
#define MAKE "make -o build -o build/docs/ringside.1"

static void expect_status(int status, int expected)
{
    if (status != expected)
        fail_msg("status %d, not %d: %s", status, expected, output());
}

/* The tree is moved after it was installed, so no path of the build or of the prefix can be in use. */
static void what_is_installed_runs_elsewhere(void **state)
{
    expect_status(run(MAKE " install DESTDIR=%s/stage PREFIX=/opt/ringside", folder()), 0);
    expect_status(run("mv %s/stage/opt/ringside %s/moved", folder(), folder()), 0);
    expect_status(
        run("cd / && env -i PATH=/usr/bin:/bin %s/moved/bin/ringside run monolithic null --no-cache --csv | tail -n 1",
            folder()),
        0);
    assert_non_null(strstr(output(), "monolithic,plain,\"null\",skylake"));
    for (const char *const *arch = (const char *const[]){"micro", "exo", "exo:copier", "vmm", NULL}; *arch; arch++)
        expect_status(
            run("cd / && env -i %s/moved/bin/ringside run %s null --ops 5 --model count --no-cache", folder(), *arch),
            0);
    expect_status(run("cd / && env -i PATH=/usr/bin:/bin HOME=/ %s/moved/bin/ringside doctor", folder()), 0);
    expect_status(run("mv %s/moved %s/stage/opt/ringside", folder(), folder()), 0);
    for (const char *const *file = (const char *const[]){"share/doc/ringside/README.md", "share/man/man1/ringside.1",
                                                         "share/bash-completion/completions/ringside",
                                                         "share/zsh/site-functions/_ringside", NULL};
         *file; file++)
        expect_status(run("test -s %s/stage/opt/ringside/%s", folder(), *file), 0);
}

static void no_library_is_taken_from_the_build_tree(void **state)
{
    expect_status(run("ldd %s/stage/opt/ringside/lib/ringside/ringside | grep -F \"$PWD/build\"", folder()), 1);
}

/* Others' files below the same prefix stay. */
static void uninstall_takes_only_its_own(void **state)
{
    expect_status(run("touch %s/stage/opt/ringside/bin/other", folder()), 0);
    expect_status(run(MAKE " uninstall DESTDIR=%s/stage PREFIX=/opt/ringside", folder()), 0);
    expect_status(run("cd %s/stage && find . ! -type d", folder()), 0);
    assert_string_equal(output(), "./opt/ringside/bin/other\n");
}

static void uninstall_leaves_nothing(void **state)
{
    expect_status(run("rm %s/stage/opt/ringside/bin/other", folder()), 0);
    expect_status(run(MAKE " install DESTDIR=%s/stage PREFIX=/opt/ringside", folder()), 0);
    expect_status(run(MAKE " uninstall DESTDIR=%s/stage PREFIX=/opt/ringside", folder()), 0);
    expect_status(run("find %s/stage/opt -mindepth 1", folder()), 0);
    assert_string_equal(output(), "");
    expect_status(run(MAKE " uninstall DESTDIR=%s/stage PREFIX=/opt/ringside", folder()), 0);
}

/* What bash would offer for a command line, blanks between. */
static const char *completed(const char *line)
{
    static char words[4096];
    size_t bytes;

    expect_status(run(". tools/completion/ringside.bash; COMP_LINE='%s' COMP_POINT=${#COMP_LINE}; _ringside; echo -n "
                      "\"${COMPREPLY[*]}\"",
                      line),
                  0);
    bytes = strlen(output());
    assert_true(bytes < sizeof words);
    memcpy(words, output(), bytes + 1);
    return words;
}

static void the_completion_knows_what_ringside_knows(void **state)
{
    static const char *const cases[][2] = {
        {"build/ringside com", "compare"},
        {"build/ringside run mono", "monolithic"},
        {"build/ringside run micro:s", "single-server"}, /* readline parts words at colons */
        {"build/ringside run micro pip", "pipe pipe-bw"},
        {"build/ringside run micro null ctx:pro", "processes="},
        {"build/ringside run exo --set patch=", "off on"},
        {"build/ringside run exo --set pti", ""}, /* monolithic's */
        {"build/ringside run monolithic --set pti", "pti=off pti=on"},
        {"build/ringside run monolithic --cpu z", "zen4"},
        {"build/ringside run monolithic --cpu=z", "zen4"},
        {"build/ringside run monolithic --model ", "timing count"},
        {"build/ringside run monolithic --wor", ""},
        {"build/ringside compare monolithic --wor", "--workload"},
        {"build/ringside compare exo --workload fo", "fork"},
        {"build/ringside compare exo micro,pc", "micro,pcid=off micro,pcid=on"},
        {"build/ringside list c", "cpus counters"},
        {"build/ringside nothing ", ""},
        {"build/ringside run nothing --set ", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(completed(cases[i][0]), cases[i][1]);
}

static void zsh_reads_its_completion(void **state)
{
    if (run("command -v zsh") != 0)
        return; /* no part of set-up */
    expect_status(run("zsh -fc 'compadd() { print -rn -- ${(P)@[-1]} }; _files() { print -n files };"
                      " words=(build/ringside list c); CURRENT=3; source tools/completion/_ringside'"),
                  0);
    assert_string_equal(output(), "archs workloads cpus counters"); /* zsh picks those that begin so */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_installed_runs_elsewhere),
        cmocka_unit_test(no_library_is_taken_from_the_build_tree),
        cmocka_unit_test(uninstall_takes_only_its_own),
        cmocka_unit_test(uninstall_leaves_nothing),
        cmocka_unit_test(the_completion_knows_what_ringside_knows),
        cmocka_unit_test(zsh_reads_its_completion),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
