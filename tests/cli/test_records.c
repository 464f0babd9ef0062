/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_records.c: results as JSON, CSV and a table, from made-up counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/record.h"
#include "sim/cli/table.h"

#define TEXT_MAX 65536

/* Counter c has value 1000 + c in 10 operations; cause c has c + 1 cycles. */
static void make_record(struct record *r, enum machine_model model)
{
    struct domain_result domain = {.name = "kernel", .cycles = 7, .instructions = 8};
    char warning[160] = "a \"warning\"";
    struct machine_result result = {.exit_status = 3,
                                    .region = true,
                                    .ops = 10,
                                    .domains = &domain,
                                    .domain_count = 1,
                                    .warnings = &warning,
                                    .warning_count = 1,
                                    .total_instructions = 5000000,
                                    .free_frames_before = 100,
                                    .free_frames_after = 99};

    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        result.counters.value[c] = 1000 + c;
    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        result.causes[c] = c + 1;
    *r = (struct record){.arch = &archs[0],
                         .workload = "null",
                         .cpu = "tiny",
                         .cpus = 2,
                         .model = model,
                         .settings = "pcid=on pti=off",
                         .seconds = 0.5};
    assert_true(record_take(r, &result));
}

static json_t *first_result(const struct record *r)
{
    json_t *json = records_json(r, 1);
    json_t *result = json_incref(json_array_get(json_object_get(json, "results"), 0));

    assert_string_equal(json_string_value(json_object_get(json, "schema")), "ringside.run/1");
    json_decref(json);
    return result;
}

static long long integer(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void json_has_every_field_of_the_schema(void **state)
{
    static const char *const keys[] = {"arch",    "variant", "workload", "cpu",    "cpus",
                                       "model",   "ops",     "settings", "per_op", "total",
                                       "domains", "causes",  "warnings", "exit",   "host",
                                       "cpu_version"};
    struct record r;
    json_t *json, *object;

    make_record(&r, MODEL_TIMING);
    json = first_result(&r);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(json_object_get(json, keys[i]));
    assert_int_equal(json_object_size(json), sizeof keys / sizeof *keys);
    assert_string_equal(json_string_value(json_object_get(json, "model")), "timing");
    assert_int_equal(integer(json, "exit"), 3);
    assert_int_equal(integer(json, "ops"), 10);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "settings"), "pti")), "off");
    assert_int_equal(json_object_size(json_object_get(json, "total")), COUNTER_COUNT);
    assert_int_equal(integer(json_object_get(json, "total"), "instructions"), 1001);
    assert_int_equal(integer(json_object_get(json, "per_op"), "cycles"), 100); /* whole stays whole */
    assert_true(json_real_value(json_object_get(json_object_get(json, "per_op"), "instructions")) == 100.1);
    object = json_array_get(json_object_get(json, "domains"), 0);
    assert_int_equal(integer(object, "cycles"), 7);
    assert_int_equal(integer(json_object_get(json, "causes"), "work"), 1);
    object = json_object_get(json, "warnings");
    assert_int_equal(json_array_size(object), 2);
    assert_string_equal(json_string_value(json_array_get(object, 0)), "a \"warning\"");
    assert_string_equal(json_string_value(json_array_get(object, 1)),
                        "free frames: 100 before the first program, 99 after the last");
    assert_true(json_real_value(json_object_get(json_object_get(json, "host"), "mips")) == 10.0);
    json_decref(json);
    record_free(&r);
}

/* As an object in their order; absent when there were none. */
static void exits_are_by_reason(void **state)
{
    struct exit_reason exits[] = {{"swapgs", 12}, {"interrupt", 5}, {"mov cr3", 5}};
    struct machine_result result = {.region = true, .ops = 1, .exits = exits, .exit_count = 3};
    struct record r = {.arch = &archs[0], .workload = "null", .cpu = "tiny"};
    json_t *json, *value;
    const char *name;
    size_t i = 0;

    assert_true(record_take(&r, &result));
    json = first_result(&r);
    json_object_foreach(json_object_get(json, "vm_exits_by_reason"), name, value)
    {
        assert_string_equal(name, exits[i].name);
        assert_int_equal(json_integer_value(value), exits[i++].count);
    }
    assert_int_equal(i, 3);
    json_decref(json);
    record_free(&r);
    r = (struct record){.arch = &archs[0], .workload = "null", .cpu = "tiny"};
    result.exit_count = 0;
    assert_true(record_take(&r, &result));
    json = first_result(&r);
    assert_null(json_object_get(json, "vm_exits_by_reason"));
    json_decref(json);
    record_free(&r);
}

static void what_the_count_model_cannot_see_is_absent(void **state)
{
    struct record r;
    json_t *json, *total;

    make_record(&r, MODEL_COUNT);
    json = first_result(&r);
    total = json_object_get(json, "total");
    assert_null(json_object_get(total, "cycles"));
    assert_null(json_object_get(json_object_get(json, "per_op"), "dtlb_misses"));
    assert_int_equal(integer(total, "syscalls"), 1000 + COUNTER_syscalls);
    assert_int_equal(json_object_size(json_object_get(json, "causes")), 0);
    assert_null(json_object_get(json_array_get(json_object_get(json, "domains"), 0), "cycles"));
    json_decref(json);
    record_free(&r);
}

static void names_need_not_be_utf8(void **state)
{
    struct record r;
    json_t *json;

    make_record(&r, MODEL_TIMING);
    strcpy(r.workload, "a\xff"
                       "b");
    strcpy(r.domains[0].name, "\xc3");
    json = first_result(&r);
    assert_string_equal(json_string_value(json_object_get(json, "workload")), "a?b");
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json, "domains"), 0), "name")),
                        "?");
    json_decref(json);
    record_free(&r);
}

/* What `print` writes, NUL-terminated, to be freed. */
static char *printed(void (*print)(const struct record *r, unsigned width, FILE *out), const struct record *r,
                     unsigned width)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *out = fmemopen(text, TEXT_MAX, "w");

    print(r, width, out);
    fclose(out);
    return text;
}

static void print_table(const struct record *r, unsigned width, FILE *out)
{
    records_table(r, 1, width, out);
}

static void print_csv(const struct record *r, unsigned width, FILE *out)
{
    records_csv(r, 1, out);
}

static size_t longest_line(const char *text)
{
    size_t longest = 0;

    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        longest = strcspn(text, "\n") > longest ? strcspn(text, "\n") : longest;
    return longest;
}

static void a_table_fits_its_width(void **state)
{
    struct record r;
    char *text;

    make_record(&r, MODEL_TIMING);
    text = printed(print_table, &r, 24);
    assert_string_equal(text, "workload  cycles  instrs\n"
                              "null         100   100.1\n");
    free(text);
    for (unsigned width = 20; width < 200; width++) {
        text = printed(print_table, &r, width);
        assert_in_range(longest_line(text), 8, width);
        free(text);
    }
    text = printed(print_table, &r, 200);
    assert_non_null(strstr(text, "vmexit"));
    free(text);
    record_free(&r);
    make_record(&r, MODEL_COUNT);
    text = printed(print_table, &r, 24);
    assert_string_equal(text, "workload  instrs   mode\n" /* what is not counted has no column */
                              "null       100.1  100.3\n");
    free(text);
    record_free(&r);
}

static unsigned commas(const char *line)
{
    unsigned count = 0;

    for (; *line && *line != '\n'; line++)
        count += *line == ',';
    return count;
}

static void csv_has_as_many_values_as_headings(void **state)
{
    struct record r;
    char *text;

    make_record(&r, MODEL_COUNT);
    strcpy(r.workload, "a \"b\"");
    text = printed(print_csv, &r, 0);
    assert_int_equal(commas(text), 8 + 2 * COUNTER_COUNT + CAUSE_COUNT);
    assert_int_equal(commas(strchr(text, '\n') + 1), commas(text));
    assert_non_null(strstr(text, "\nmonolithic,plain,\"a \"\"b\"\"\",tiny,2,count,pcid=on pti=off,10,3,,100.1,"));
    free(text);
    record_free(&r);
}

static void figures_are_short(void **state)
{
    static const struct {
        double value;
        const char *text;
    } figures[] = {{0, "0"},
                   {2, "2"},
                   {0.005, "0.01"},
                   {1.5, "1.50"},
                   {99.99, "99.99"},
                   {100.25, "100.2"},
                   {12345.6, "12345.6"},
                   {123456.7, "123457"},
                   {9999999, "9999999"},
                   {12345678, "12346k"},
                   {1234567890, "1234.6M"},
                   {0.25e12, "250000M"}};

    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        char cell[TABLE_CELL_MAX];

        table_figure(cell, figures[i].value);
        assert_string_equal(cell, figures[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_every_field_of_the_schema),
        cmocka_unit_test(exits_are_by_reason),
        cmocka_unit_test(what_the_count_model_cannot_see_is_absent),
        cmocka_unit_test(names_need_not_be_utf8),
        cmocka_unit_test(a_table_fits_its_width),
        cmocka_unit_test(csv_has_as_many_values_as_headings),
        cmocka_unit_test(figures_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
