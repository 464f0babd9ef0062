/* SPDX-License-Identifier: MIT
 *
 * tests/tools/test_shown.c: every command that README, the architectures' READMEs and the book show is executed, and
 * ends with the status that the text says. shown.awk finds them and says how they are rewritten to be short.
 *
 * They run in a folder where build/ and the sources are links, DIR is a root with bin/program, and whatever they write
 * is their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/shell.h"

#define COMMANDS_MAX 256

/* A line of shown.awk, cut at its tabs. */
struct shown {
    const char *place, *command;
    int status;
};

static size_t find_shown(const char *files, struct shown shown[COMMANDS_MAX], char **text)
{
    size_t count = 0;
    char *rest, *line;

    assert_int_equal(run("awk -f tests/tools/shown.awk %s", files), 0);
    rest = *text = strdup(output());
    while ((line = strsep(&rest, "\n")) && *line && count < COMMANDS_MAX) {
        shown[count].place = strsep(&line, "\t");
        shown[count].status = atoi(strsep(&line, "\t"));
        shown[count++].command = line;
    }
    return count;
}

static bool is_known(const struct shown *shown, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(shown[i].command, shown[at].command) == 0 && shown[i].status == shown[at].status)
            return true;
    return false;
}

/* The last lines say most. */
static const char *tail(const char *text)
{
    size_t bytes = strlen(text);

    return bytes > 400 ? text + bytes - 400 : text;
}

static int execute(const struct shown *s)
{
    if (strncmp(s->command, "make", 4) == 0)
        return run("%s", s->command);
    return run("cd %s && set -o pipefail && %s", folder(), s->command);
}

static void every_command_shown_is_executed(void **state)
{
    struct shown shown[COMMANDS_MAX];
    char *text;
    size_t count = find_shown("README.md arch-*/README.md docs/*.md", shown, &text), failed = 0;

    assert_in_range(count, 30, COMMANDS_MAX - 1);
    assert_int_equal(run("top=$PWD; cd %s && ln -s $top/build $top/tools . && mkdir -p DIR/bin &&"
                         " cp $top/build/programs/root/bin/null DIR/bin/program",
                         folder()),
                     0);
    for (size_t i = 0; i < count; i++) {
        int status = is_known(shown, i) ? shown[i].status : execute(&shown[i]);

        if (status == shown[i].status)
            continue;
        print_error("%s: status %d, not %d, of: %s\n%s\n", shown[i].place, status, shown[i].status, shown[i].command,
                    tail(output()));
        failed++;
    }
    free(text);
    assert_int_equal(failed, 0);
}

static void expect_shown(const char *page, const char *expected)
{
    char name[128], line[256];
    struct shown shown[COMMANDS_MAX];
    char *text, all[1024] = "";
    size_t count;

    write_file("page.md", page, 0644);
    snprintf(name, sizeof name, "%s/page.md", folder());
    count = find_shown(name, shown, &text);
    for (size_t i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%d %s\n", shown[i].status, shown[i].command);
        strncat(all, line, sizeof all - strlen(all) - 1);
    }
    free(text);
    assert_string_equal(all, expected);
}

static void commands_are_found(void **state)
{
    expect_shown("    build/ringside list archs|cpus   # what there is\n",
                 "0 build/ringside list archs\n0 build/ringside list cpus\n");
    expect_shown("```\nringside run ARCH null   # exit status 3\n```\n    no\n",
                 "3 build/ringside run --ops 3 --model count monolithic null\n");
    expect_shown("say `make check`, or `ringside exec exo -- PROGRAM argument…`; `ringside` alone is none\n",
                 "0 make -n check\n0 build/ringside exec exo -- DIR/bin/program\n");
    expect_shown("    {{$ build/ringside compare exo | head}}\n",
                 "0 build/ringside compare --ops 3 --model count exo | head\n");
    expect_shown("make it so\n\nringside runs\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_found),
        cmocka_unit_test(every_command_shown_is_executed),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
