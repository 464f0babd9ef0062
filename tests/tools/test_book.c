/* SPDX-License-Identifier: MIT
 *
 * tests/tools/test_book.c: the book's generator puts in what was counted, and refuses what nobody counted: what is
 * unknown, what does not hold, what somebody typed; there a script stands for ringside. The book's own predictions hold
 * on the machine, its JSON reference names every key, its man page every option.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/shell.h"

static const char fake[] =
    "#!/bin/bash\n"
    "case $2 in one | two,key=on) ;; *) echo \"ringside: unknown architecture '$2'\" >&2; exit 2 ;; esac\n"
    "[ $2 = one ] && times=1 || times=3\n"
    "echo arch,variant,workload,cpu,cpus,model,settings,ops,exit,cycles,mode_switches,messages\n"
    "echo one,plain,\\\"null\\\",tiny,1,timing,pcid=on,1000,0,$((1234567 * times)),2,0.125\n"
    "echo one,plain,\\\"ipc\\\",tiny,1,timing,pcid=on,1000,0,,,\n";

/* The book of one template. */
static int make_book(const char *template, const char *predictions)
{
    write_file("ringside", fake, 0755);
    write_file("page.md", template, 0644);
    write_file("predictions.def", predictions, 0644);
    return run("cd %s && mkdir -p book && awk -v out=book -v ringside=./ringside -v predictions=predictions.def"
               " -f \"$OLDPWD\"/tools/book.awk page.md && cat book/page.md",
               folder());
}

static void expect_book(const char *template, const char *predictions, const char *expected)
{
    assert_int_equal(make_book(template, predictions), 0);
    assert_string_equal(output(), expected);
}

static void expect_refusal(const char *template, const char *predictions, const char *words)
{
    int status = make_book(template, predictions);

    if (status != 1 || !strstr(output(), words) || strchr(output(), '\n') != output() + strlen(output()) - 1)
        fail_msg("%s: status %d, '%s', expected '%s'", template, status, output(), words);
}

static void figures_are_what_was_counted(void **state)
{
    expect_book("{{one null cycles}} and {{two,key=on null messages}}.\n", "", "1,234,567 and 0.12.\n");
    expect_book("{{ratio cycles null two,key=on one}} times\n", "", "3.0 times\n");
    expect_book("nothing to put in: { } {x}\n", "", "nothing to put in: { } {x}\n");
}

static void tables_have_a_row_a_workload(void **state)
{
    expect_book("{{table cycles one two,key=on}}\n", "",
                "| workload | one | two,key=on |\n| --- | --- | --- |\n"
                "| `null` | 1,234,567 | 3,703,701 |\n| `ipc` | – | – |\n");
}

static void predictions_stand_beside_what_was_counted(void **state)
{
    expect_book("{{predictions one}}\n",
                "/* text */\nPREDICTION(\"one\", \"null\", \"mode_switches\", 2)\n"
                "PREDICTION_ABOUT(\"one\", \"null\", \"mode_switches\", 2)\n"
                "PREDICTION_LEAST(\"one\", \"null\", \"cycles\", 1000)\n",
                "| workload | event | predicted | counted |\n| --- | --- | --- | --- |\n"
                "| `null` | `mode_switches` | 2 | 2 |\n| `null` | `mode_switches` | 2 | 2 |\n"
                "| `null` | `cycles` | at least 1,000 | 1,234,567 |\n");
}

static void wrong_predictions_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        {"PREDICTION(\"one\", \"null\", \"mode_switches\", 4)\n", "mode_switches predicted 4, counted 2"},
        {"PREDICTION_ABOUT(\"one\", \"null\", \"mode_switches\", 1)\n", "predicted 1, counted 2"},
        {"PREDICTION_ABOUT(\"one\", \"null\", \"messages\", 0)\n", "predicted 0, counted 0.125"},
        {"PREDICTION_LEAST(\"one\", \"null\", \"mode_switches\", 3)\n", "predicted 3, counted 2"},
        {"PREDICTION(\"one\", \"ipc\", \"mode_switches\", 0)\n", "ipc has no mode_switches on one"},
        {"PREDICTION(\"one\", \"null\", mode_switches, 2)\n", "predictions.def:1: not a prediction"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refusal("shown or not\n", wrong[i][0], wrong[i][1]);
}

static void the_unknown_is_refused(void **state)
{
    expect_refusal("\n{{three null cycles}}\n", "", "page.md:2: ringside: unknown architecture 'three'");
    expect_refusal("{{one nul cycles}}\n", "", "there is no workload 'nul'");
    expect_refusal("{{one null cycle}}\n", "", "there is no counter 'cycle'");
    expect_refusal("{{one ipc cycles}}\n", "", "ipc has no cycles on one");
    expect_refusal("{{one null}}\n", "", "what is {{one null}}?");
    expect_refusal("{{$(reboot) null cycles}}\n", "", "cannot be an architecture");
    expect_refusal("{{predictions one}}\n", "", "nothing is predicted for 'one'");
    expect_refusal("{{table cycle one}}\n", "", "there is no counter 'cycle'");
    expect_refusal("{{section page.md Nowhere}}\n", "", "has no section 'Nowhere'");
}

static void typed_cycles_are_refused(void **state)
{
    static const char *const typed[] = {"it takes 276 cycles\n", "41,203 cycles.\n", "2 million cycles\n",
                                        "1.5 cycles\n"};

    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
        expect_refusal(typed[i], "", "page.md:1: a number of cycles is typed in");
    expect_book("{{one null mode_switches}} cycles; 4 cycles_x\n", "", "2 cycles; 4 cycles_x\n");
}

static void commands_and_sections_are_put_in(void **state)
{
    expect_book("    {{$ echo a; echo; echo b}}\n{{| echo '| x |'}}\n", "",
                "    echo a; echo; echo b\n\n    a\n\n    b\n| x |\n");
    expect_book("# T\n\ntop\n\n## A b\n\nin A\n\n## C\n{{section page.md A b}}\n", "",
                "# T\n\ntop\n\n## A b\n\nin A\n\n## C\n## A b\n\nin A\n");
    expect_book("# T\n\ntop\n\n## A\n{{section page.md}}\n", "", "# T\n\ntop\n\n## A\ntop\n");
    expect_book("<!-- template -->\n{{no}} 1 cycle\n<!-- book -->\nb\n", "", "b\n");
    expect_refusal("{{$ echo no; exit 3}}\n", "", "exit status 3 of: echo no; exit 3");
}

/* ---- docs/ as it is ---- */

static void predictions_are_in_the_form(void **state)
{
    assert_int_equal(run("grep -c '^PREDICTION' docs/predictions.def"), 0);
    assert_in_range(atoi(output()), 50, 1000);
    assert_int_equal(run("! grep '^PRE' docs/predictions.def | grep -vE '^PREDICTION(_ABOUT|_LEAST)?\\(\"[a-z:,=-]+\", "
                         "\"[a-z0-9-]+\","
                         " \"[a-z0-9_]+\", [0-9]+\\)$'"),
                     0);
}

/* Events are the same under the count model, which is fast; large workloads have no predictions. */
static void predictions_hold_on_the_machine(void **state)
{
    write_file("counting",
               "#!/bin/bash\nexec build/ringside \"$@\" --model count $(sed -n 's/^PREDICTION[A-Z_]*(\"[^\"]*\", "
               "\"\\([^\"]*\\).*/"
               "--workload \\1/p' docs/predictions.def | sort -u)\n",
               0755);
    if (run("awk -v out=%s -v ringside=%s/counting -v predictions=docs/predictions.def -f tools/book.awk </dev/null",
            folder(), folder()) != 0)
        fail_msg("%s", output());
}

/* Without a simulation: every number of cycles in the templates comes from a run, every section is there. */
static void templates_hold_no_typed_cycles(void **state)
{
    if (run("for page in docs/*.md; do sed 's/{{[^}]*}}//g' $page | grep -nE '[0-9] *(million |thousand "
            ")?cycles?([^a-z_]|$)' &&"
            " echo $page && exit 1; done; true") != 0)
        fail_msg("typed in: %s", output());
}

static const char *in_folder(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder(), name);
    return path;
}

/* The calls between backquotes in the tables of a section of docs/linux.md, a line each after its row's first word. */
static int list_calls(const char *section, const char *filter)
{
    return run(
        "set -o pipefail; awk -v section='## %s' '/^## /{ inside = $0 == section } inside && /^\\|/ {"
        " n = split($0, part, \"`\"); for (i = 2; i <= n; i += 2) if (part[i] ~ /^[a-z0-9_]+$/) print $2, part[i] }'"
        " docs/linux.md | %s",
        section, filter);
}

static void the_calls_of_the_page_are_those_of_the_table(void **state)
{
    assert_int_equal(
        run("sed -n 's/^CALL([0-9]*, \\([a-z0-9_]*\\), \\([A-Z]*\\))/\\L\\2 \\1/p' abi/calls.def | sort >%s/calls",
            folder()),
        0);
    write_file("here", "#!/bin/sh\nsort | diff - ${0%here}calls\n", 0755);
    write_file("elsewhere",
               "#!/bin/sh\ncut -d' ' -f2 | grep -vx clone | sort >$0.page;"
               " [ $(wc -l <$0.page) -ge 40 ] && cut -d' ' -f2 ${0%elsewhere}calls | sort | comm -12 - $0.page\n",
               0755);
    if (list_calls("Calls that are there", in_folder("here")) != 0)
        fail_msg("docs/linux.md (<) and abi/calls.def (>) differ:\n%s", output());
    if (list_calls("Calls that are not there", in_folder("elsewhere")) != 0 || *output())
        fail_msg("docs/linux.md says that these are not there: %s", output());
}

static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(key, *names) == 0)
            return true;
    return false;
}

/* Is what is below a key described elsewhere, or keyed by what there is on the machine? */
static bool ends_here(const char *key, const json_t *value)
{
    static const char *const objects[] = {"parameters", "settings",           "per_op",  "total",
                                          "causes",     "vm_exits_by_reason", "numbers", NULL};
    static const char *const arrays[] = {"faults", "cpus", NULL};

    return is_one_of(key, json_is_object(value) ? objects : arrays);
}

/* Is `path` between backquotes in the section of `schema`? What all records have is in that of run. */
static bool is_documented(const char *reference, const char *schema, const char *path)
{
    char heading[64], name[300];
    const char *section, *found, *end;

    snprintf(heading, sizeof heading, "\n## %s:", schema);
    snprintf(name, sizeof name, "`%s`", path);
    section = strstr(reference, heading);
    end = section ? strstr(section + 1, "\n## ") : NULL;
    found = section ? strstr(section, name) : NULL;
    if (found && (!end || found < end))
        return true;
    return strncmp(path, "results", 7) == 0 && strcmp(schema, "ringside.run/1") != 0 &&
           is_documented(reference, "ringside.run/1", path);
}

static void expect_documented(const char *reference, const char *schema, const char *path, json_t *json)
{
    char key_path[256];
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_array(json)) {
        snprintf(key_path, sizeof key_path, "%s[]", path);
        json_array_foreach(json, i, value) if (json_is_object(value))
            expect_documented(reference, schema, key_path, value);
        return;
    }
    json_object_foreach(json, key, value)
    {
        snprintf(key_path, sizeof key_path, "%s%s%s", path, *path ? "." : "", key);
        if (ends_here(key, value) || !(json_is_array(value) || json_is_object(value))) {
            if (!is_documented(reference, schema, key_path))
                fail_msg("docs/json.md does not know %s of %s", key_path, schema);
        } else
            expect_documented(reference, schema, key_path, value);
    }
}

static void the_json_reference_names_every_key(void **state)
{
    static const char *const commands[] = {
        "build/ringside compare monolithic vmm --workload null --workload ctx:processes=2 --ops 5 --json 2>/dev/null",
        "build/ringside run exo null --set groups=2 --ops 5 --json 2>/dev/null",
        "build/ringside run exo null ipc --inject crash=kernel@op:1 --ops 5 --json 2>/dev/null",
        "build/ringside run exo null --ops 5 --json --model count",
        "build/ringside list archs --json",
        "build/ringside list workloads --json",
        "build/ringside list counters --json",
        "build/ringside doctor --json",
        "build/ringside report-functions exo null --ops 5 --json",
        "build/ringside trace micro pipe --ops 1 --format steps -o /dev/stdout",
        "build/ringside trace exo read --ops 1 --format steps -o /dev/stdout",
    };
    char *reference;
    json_t *json;

    assert_int_equal(run("cat docs/json.md"), 0);
    reference = strdup(output());
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        assert_int_equal(run("%s", commands[i]), 0);
        json = json_loads(output(), 0, NULL);
        if (!json)
            fail_msg("no JSON: %s", commands[i]);
        expect_documented(reference, json_string_value(json_object_get(json, "schema")), "", json);
        json_decref(json);
    }
    free(reference);
}

static void the_man_page_has_every_option_and_no_error(void **state)
{
    assert_int_equal(
        run("for c in $(build/ringside --help | sed -n 's/^  ringside \\([a-z-]*\\).*/\\1/p'); do"
            " build/ringside $c --help | sed -n 's/^  \\(--[a-z-]*\\).*/\\1/p'; done | sort -u | while read -r o; do"
            " grep -qF -- \"\\\\fB$(sed 's/-/\\\\-/g' <<<$o)\" build/docs/ringside.1 || echo $o; done"),
        0);
    assert_string_equal(output(), "");
    assert_int_equal(run("! grep -n '{{' build/docs/ringside.1"), 0);
    if (run("command -v groff") != 0)
        return; /* a reader of man pages is no part of set-up */
    assert_int_equal(run("groff -man -Tutf8 -Kutf8 -ww -z build/docs/ringside.1"), 0);
    assert_string_equal(output(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_what_was_counted),
        cmocka_unit_test(tables_have_a_row_a_workload),
        cmocka_unit_test(predictions_stand_beside_what_was_counted),
        cmocka_unit_test(wrong_predictions_are_refused),
        cmocka_unit_test(the_unknown_is_refused),
        cmocka_unit_test(typed_cycles_are_refused),
        cmocka_unit_test(commands_and_sections_are_put_in),
        cmocka_unit_test(predictions_are_in_the_form),
        cmocka_unit_test(predictions_hold_on_the_machine),
        cmocka_unit_test(templates_hold_no_typed_cycles),
        cmocka_unit_test(the_calls_of_the_page_are_those_of_the_table),
        cmocka_unit_test(the_json_reference_names_every_key),
        cmocka_unit_test(the_man_page_has_every_option_and_no_error),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
