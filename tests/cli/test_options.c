/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_options.c: the command line's parser, catalogue and suggester.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/catalogue.h"
#include "sim/cli/guest_disk.h"
#include "sim/cli/options.h"
#include "sim/cli/suggest.h"

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

static struct error error;

static bool parse(struct options *o, enum command_bit command, char *const argv[])
{
    int argc = 0;

    while (argv[argc])
        argc++;
    memset(&error, 0, sizeof error);
    return parse_options(o, command, argc, argv, &error);
}

static void options_may_stand_anywhere(void **state)
{
    struct options o;

    assert_true(parse(&o, COMMAND_RUN,
                      WORDS("--cpu", "zen4", "monolithic", "--cpus=4", "null", "--model", "count", "--ops", "0x10",
                            "--set", "pcid=off", "pipe", "--set=pti=on", "--json=x", "--csv")));
    assert_int_equal(o.words, 3);
    assert_string_equal(o.word[0], "monolithic");
    assert_string_equal(o.word[2], "pipe");
    assert_string_equal(o.cpu, "zen4");
    assert_int_equal(o.cpus, 4);
    assert_int_equal(o.model, MODEL_COUNT);
    assert_int_equal(o.ops, 16);
    assert_int_equal(o.sets, 2);
    assert_string_equal(o.set[1], "pti=on");
    assert_string_equal(o.json_file, "x");
    assert_null(o.program);
}

static void a_program_keeps_its_options(void **state)
{
    struct options o;

    assert_true(parse(&o, COMMAND_EXEC, WORDS("monolithic", "--json", "--", "ls", "--json", "--", "-x")));
    assert_true(o.json);
    assert_null(o.json_file);
    assert_string_equal(o.program[0], "ls");
    assert_string_equal(o.program[3], "-x");
    assert_null(o.program[4]);
    assert_int_equal(o.seed, 1);
}

static void wrong_words_are_refused_in_one_line(void **state)
{
    static const struct {
        enum command_bit command;
        char *word[3];
        const char *text;
    } bad[] = {
        {COMMAND_RUN, {"--cpsu", "4"}, "unknown option '--cpsu'; did you mean '--cpus'? (see --help)"},
        {COMMAND_RUN, {"--root", "x"}, "unknown option '--root' (see --help)"}, /* exec's */
        {COMMAND_RUN, {"--xyzzy=4"}, "unknown option '--xyzzy' (see --help)"},
        {COMMAND_RUN, {"--cpus"}, "--cpus wants a value: --cpus N"},
        {COMMAND_RUN, {"--cpus", "0"}, "--cpus wants a number from 1 to 8, not '0'"},
        {COMMAND_RUN, {"--cpus", "9"}, "--cpus wants a number from 1 to 8, not '9'"},
        {COMMAND_RUN, {"--cpus", "2x"}, "--cpus wants a number from 1 to 8, not '2x'"},
        {COMMAND_RUN, {"--cpus="}, "--cpus wants a number from 1 to 8, not ''"},
        {COMMAND_RUN, {"--ops", "-1"}, "--ops wants a number from 1 to 1000000000, not '-1'"},
        {COMMAND_RUN, {"--ops", " 1"}, "--ops wants a number from 1 to 1000000000, not ' 1'"},
        {COMMAND_RUN,
         {"--seed", "99999999999999999999"},
         "--seed wants a number from 0 to 18446744073709551615, not '99999999999999999999'"},
        {COMMAND_RUN, {"--model", "timming"}, "--model is timing or count, not 'timming'; did you mean 'timing'?"},
        {COMMAND_RUN, {"--csv=x"}, "--csv takes no value"},
        {COMMAND_RUN, {"--json="}, "--json= wants a file's name"},
        {COMMAND_RUN, {"--json", "--csv"}, "--json and --csv both want the same place; give --json=FILE"},
        {COMMAND_EXEC, {"--env", "PATH"}, "--env wants NAME=VALUE, not 'PATH'"},
        {COMMAND_EXEC, {"--cwd", "tmp"}, "--cwd wants an absolute path of the guest, not 'tmp'"},
        {COMMAND_RUN, {"--time-limit", "0"}, "--time-limit wants a number from 1 to 31536000000, not '0'"},
        {COMMAND_DOCTOR, {"--cpu", "x"}, "unknown option '--cpu' (see --help)"},
        {COMMAND_RUN, {"--a\nb"}, "unknown option '--a?b' (see --help)"},
    };
    struct options o;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse(&o, bad[i].command, bad[i].word));
        assert_int_equal(error.status, STATUS_USAGE);
        assert_string_equal(error.text, bad[i].text);
    }
}

static void too_many_words_are_refused(void **state)
{
    char *words[2 * WORDS_MAX + 3];
    struct options o;

    for (size_t i = 0; i < 2 * WORDS_MAX + 2; i++)
        words[i] = i % 2 ? "a=b" : "--set";
    words[2 * WORDS_MAX + 2] = NULL;
    assert_false(parse(&o, COMMAND_RUN, words));
    assert_string_equal(error.text, "--set is given more than 64 times");
}

static void names_are_found_or_suggested(void **state)
{
    assert_ptr_equal(find_arch("monolithic", &error), &archs[0]);
    assert_ptr_equal(find_arch("monolithic:plain", &error), &archs[0]);
    assert_null(find_arch("monolitic", &error));
    assert_string_equal(error.text,
                        "unknown architecture 'monolitic'; did you mean 'monolithic'? (see 'ringside list archs')");
    assert_null(find_arch("monolithic:plian", &error));
    assert_string_equal(error.text, "architecture 'monolithic' has no variant 'plian'; did you mean 'plain'? "
                                    "(see 'ringside list archs')");
    assert_null(find_arch("", &error));
    assert_string_equal(find_workload("null", &error)->program, "null");
    assert_null(find_workload("sqlight", &error));
    assert_string_equal(error.text,
                        "unknown workload 'sqlight'; did you mean 'sqlite'? (see 'ringside list workloads')");
    assert_null(find_workload("quicksort", &error));
    assert_string_equal(error.text, "unknown workload 'quicksort' (see 'ringside list workloads')");
}

static void settings_have_defaults_and_values(void **state)
{
    const struct arch variant = {"monolithic", "isolated", "", "", "pti=on", ""};
    const char *const chosen[] = {"pti=on", "pcid=off", "pcid=on"};
    const char *const back[] = {"pti=off"};
    const char *const bad[] = {"pcid=yes", "pcdi=on", "pcid", "=on", "pcid=", "pcid=on pti=on", "x=on"};
    const char *const texts[] = {
        "setting 'pcid' cannot be 'yes'; it is one of on|off",
        "architecture 'monolithic' has no setting 'pcdi'; did you mean 'pcid'? (see 'ringside list archs')",
        "--set wants KEY=VALUE, not 'pcid'",
        "--set wants KEY=VALUE, not '=on'",
        "setting 'pcid' cannot be ''; it is one of on|off",
        "setting 'pcid' cannot be 'on pti=on'; it is one of on|off",
        "architecture 'monolithic' has no setting 'x' (see 'ringside list archs')",
    };
    char text[SETTINGS_TEXT_MAX];

    assert_true(resolve_settings(&archs[0], NULL, 0, text, &error));
    assert_string_equal(text, "pcid=on pti=off");
    assert_true(resolve_settings(&archs[0], chosen, 2, text, &error));
    assert_string_equal(text, "pcid=off pti=on");
    assert_true(resolve_settings(&archs[0], chosen, 3, text, &error)); /* the last one counts */
    assert_string_equal(text, "pcid=on pti=on");
    assert_true(resolve_settings(&variant, NULL, 0, text, &error));
    assert_string_equal(text, "pcid=on pti=on");
    assert_true(resolve_settings(&variant, back, 1, text, &error));
    assert_string_equal(text, "pcid=on pti=off");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(resolve_settings(&archs[0], &bad[i], 1, text, &error));
        assert_string_equal(error.text, texts[i]);
    }
}

/* Groups of exo and guests of vmm are systems with a disk each; guests have memory too. */
static void settings_size_the_machine(void **state)
{
    static const struct {
        const char *arch, *set;
        unsigned slices, guests;
    } rows[] = {
        {"monolithic", NULL, 1, 0}, {"micro", NULL, 1, 0},      {"exo", NULL, 1, 0},        {"exo", "groups=3", 3, 0},
        {"vmm", NULL, 1, 1},        {"vmm", "guests=2", 2, 2}, {"vmm", "guests=8", 8, 8},
        {"vmm", "shadow-cache=off", 1, 1},
    };
    char text[SETTINGS_TEXT_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct arch *arch = find_arch(rows[i].arch, &error);

        assert_non_null(arch);
        assert_true(resolve_settings(arch, &rows[i].set, rows[i].set != NULL, text, &error));
        assert_int_equal(slices_wanted(arch, text), rows[i].slices);
        assert_int_equal(guests_wanted(arch, text), rows[i].guests);
    }
    assert_false(resolve_settings(find_arch("vmm", &error), (const char *const[]){"guests=9"}, 1, text, &error));
    assert_string_equal(error.text, "setting 'guests' cannot be '9'; it is one of 1|2|3|4|5|6|7|8");
}

static void distances_are_edit_distances(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } pairs[] = {{"", "", 0},      {"a", "", 1},       {"", "abc", 3},      {"kitten", "sitting", 3},
                 {"ab", "ba", 1},  {"null", "nul", 1}, {"Null", "null", 0}, {"pcdi", "pcid", 1},
                 {"ca", "abc", 3}, {"flaw", "lawn", 2}};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(suggest_distance(pairs[i].a, pairs[i].b), pairs[i].distance);
        assert_int_equal(suggest_distance(pairs[i].b, pairs[i].a), pairs[i].distance);
    }
    char huge[300];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    assert_int_equal(suggest_distance(huge, "x"), sizeof huge - 1);
}

static void the_nearest_name_is_suggested_or_none(void **state)
{
    const char *const names[] = {"read", "write", NULL, "stat", "copy", "ctx"};

    assert_string_equal(suggest("raed", names, 6), "read");
    assert_string_equal(suggest("wirte", names, 6), "write");
    assert_string_equal(suggest("st", names, 6), "stat"); /* its beginning */
    assert_null(suggest("zzzz", names, 6));
    assert_null(suggest("", names, 6));
}

static void a_program_has_its_typed_path_in_the_guest(void **state)
{
    static const struct {
        const char *cwd, *typed, *path;
    } paths[] = {
        {"/", "/bin/sh", "/bin/sh"},   {"/", "sh", "/sh"},         {"/", "./a/../b", "/b"}, {"/tmp", "a/b", "/tmp/a/b"},
        {"/tmp/", "../../../x", "/x"}, {"/tmp", "/x//y/", "/x/y"}, {"/", "..", "/"},        {"/a/./b", "c", "/a/b/c"},
        {"/tmp", "...", "/tmp/..."},
    };
    char path[PATH_MAX], *huge = malloc(2 * PATH_MAX);

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_true(guest_path(paths[i].cwd, paths[i].typed, path));
        assert_string_equal(path, paths[i].path);
    }
    memset(huge, 'x', 2 * PATH_MAX - 1);
    huge[2 * PATH_MAX - 1] = 0;
    assert_false(guest_path("/", huge, path));
    free(huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(a_program_keeps_its_options),
        cmocka_unit_test(wrong_words_are_refused_in_one_line),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(names_are_found_or_suggested),
        cmocka_unit_test(settings_have_defaults_and_values),
        cmocka_unit_test(settings_size_the_machine),
        cmocka_unit_test(distances_are_edit_distances),
        cmocka_unit_test(a_program_has_its_typed_path_in_the_guest),
        cmocka_unit_test(the_nearest_name_is_suggested_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
