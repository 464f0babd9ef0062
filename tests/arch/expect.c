/* SPDX-License-Identifier: MIT
 *
 * tests/arch/expect.c: see expect.h.
 */
#include "tests/arch/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void expect_per_op(json_t *document, const char *workload, const char *counter, double expected)
{
    double counted = record_per_op(record_of(document, workload), counter);

    if (counted != expected)
        fail_msg("%s: %s %g, expected %g", workload, counter, counted, expected);
}

static void check_warnings(json_t *result)
{
    json_t *warnings = json_object_get(result, "warnings"), *warning;
    size_t i;

    json_array_foreach(warnings, i, warning) if (strstr(json_string_value(warning), "frames"))
        fail_msg("%s: %s", json_string_value(json_object_get(result, "workload")), json_string_value(warning));
}

void expect_clean(const char *arch)
{
    json_t *run = record_run(arch), *result;
    size_t i;

    assert_true(json_array_size(json_object_get(run, "results")) >= 13);
    json_array_foreach(json_object_get(run, "results"), i, result)
    {
        check_warnings(result);
        if (!json_object_get(result, "not_applicable") && record_total(result, "stale_translations") != 0)
            fail_msg("%s, %s: stale translations", arch, json_string_value(json_object_get(result, "workload")));
    }
    json_decref(run);
}

void expect_end(const char *arch, const char *how, int status)
{
    char command[256], text[4096];
    int ended;

    snprintf(command, sizeof command, "build/ringside exec %s --model count -- build/programs/arch/ends %s 2>&1", arch, how);
    ended = record_command(command, text, sizeof text);
    if (ended != status)
        fail_msg("%s: ends %s: exit status %d, expected %d\n%s", arch, how, ended, status, text);
    if (strstr(text, "frames") || strstr(text, "panic") || strstr(text, "did not end") || strstr(text, "leak"))
        fail_msg("%s: ends %s: %s", arch, how, text);
}

static void drop_line(char *text, const char *start)
{
    char *line = strstr(text, start), *end = line ? strchr(line, '\n') : NULL;

    if (end)
        memmove(line, end + 1, strlen(end));
}

void expect_as_native_but(const char *arch, const char *attempt)
{
    char command[256], native[8192], guest[8192];

    snprintf(command, sizeof command, "build/ringside exec %s -- build/programs/arch/hostile 2>/dev/null", arch);
    assert_int_equal(record_command("build/programs/arch/hostile", native, sizeof native), 0);
    assert_int_equal(record_command(command, guest, sizeof guest), 0);
    if (attempt) {
        drop_line(native, attempt);
        drop_line(guest, attempt);
    }
    assert_string_equal(native, guest);
}

void expect_as_native(const char *arch)
{
    expect_as_native_but(arch, NULL);
}
