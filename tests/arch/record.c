/* SPDX-License-Identifier: MIT
 *
 * tests/arch/record.c: see record.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/arch/record.h"

json_t *record_run(const char *arguments)
{
    char command[512];
    json_error_t error;
    json_t *document;
    FILE *pipe;

    snprintf(command, sizeof command, "build/ringside run %s --no-cache --json 2>/dev/null", arguments);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    document = json_loadf(pipe, 0, &error);
    if (pclose(pipe) != 0 || !document)
        fail_msg("%s: %s", command, document ? "exit status" : error.text);
    return document;
}

json_t *record_of(json_t *document, const char *workload)
{
    json_t *results = json_object_get(document, "results"), *result;
    size_t i;

    json_array_foreach(results, i, result) if (strcmp(json_string_value(json_object_get(result, "workload")),
                                                      workload) == 0) return result;
    fail_msg("no result of %s", workload);
    return NULL;
}

static double number(json_t *result, const char *group, const char *name)
{
    json_t *value = json_object_get(json_object_get(result, group), name);

    if (!json_is_number(value))
        fail_msg("no %s.%s", group, name);
    return json_number_value(value);
}

double record_per_op(json_t *result, const char *counter)
{
    return number(result, "per_op", counter);
}

double record_total(json_t *result, const char *counter)
{
    return number(result, "total", counter);
}

double record_cause(json_t *result, const char *cause)
{
    return number(result, "causes", cause);
}

int record_command(const char *command, char *text, size_t bytes)
{
    FILE *pipe = popen(command, "r");
    size_t used;
    int status;

    assert_non_null(pipe);
    used = fread(text, 1, bytes - 1, pipe);
    text[used] = 0;
    while (!feof(pipe) && fgetc(pipe) != EOF)
        ;
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
