/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_inject.c: --inject: its grammar, the column of each mistake, and what is said about faults afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/probe.h"
#include "sim/cli/inject_spec.h"
#include "sim/cli/options.h"
#include "sim/cli/record.h"
#include "tests/cli/command.h"
#include "tests/sim/random.h"

static struct error error;
static struct fault_spec list[FAULTS_MAX];
static size_t count;

static bool parse(const char *text)
{
    memset(&error, 0, sizeof error);
    return parse_faults("--inject", text, list, &count, &error);
}

/* ---- grammar ---- */

static void faults_are_understood(void **state)
{
    static const struct {
        const char *text;
        struct fault_spec spec;
    } good[] = {
        {"crash=fsd@op:200", {FAULT_CRASH, FAULT_FS, 200, 0}},
        {"wild-write=blkd@op:50", {FAULT_WILD_WRITE, FAULT_BLK, 50, 0}},
        {"hang=ttyd@op:1+7", {FAULT_HANG, FAULT_TTY, 1, 7}},
        {"hang=procd@op:0080+0", {FAULT_HANG, FAULT_PROC, 80, 0}},
        {"hang=kernel@op:3", {FAULT_HANG, FAULT_KERNEL, 3, 0}},
        {"crash=vm@op:18446744073709551615", {FAULT_CRASH, FAULT_VM, UINT64_MAX, 0}},
        {"crash=fs@op:1+18446744073709551615", {FAULT_CRASH, FAULT_FS, 1, UINT64_MAX}},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(parse(good[i].text));
        assert_int_equal(count, 1);
        assert_memory_equal(&list[0], &good[i].spec, sizeof list[0]);
    }
    assert_true(parse("crash=fsd@op:1,hang=fsd@op:2,wild-write=tty@op:1+3"));
    assert_int_equal(count, 3);
    assert_int_equal(list[2].kind, FAULT_WILD_WRITE);
    assert_int_equal(list[2].service, FAULT_TTY);
    assert_int_equal(list[2].blocks, 3);
}

static void mistakes_have_a_column(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "column 1: wants a fault, as in crash=fsd@op:200"},
        {"=", "column 1: wants a fault"},
        {"crash", "column 6: wants '=' behind the fault, as in crash=fsd@op:200"},
        {"crsh=fsd@op:1", "column 1: a fault is crash, wild-write or hang, not 'crsh'; did you mean 'crash'?"},
        {"Crash=fsd@op:1", "column 1: a fault is crash, wild-write or hang, not 'Crash'"},
        {" crash=fsd@op:1", "column 1: a fault is crash, wild-write or hang, not ' crash'"},
        {"crash=", "column 7: a server is procd, vmd, fsd, blkd, ttyd or kernel, not ''"},
        {"crash=fdd@op:1",
         "column 7: a server is procd, vmd, fsd, blkd, ttyd or kernel, not 'fdd'; did you mean 'fsd'?"},
        {"crash=shell@op:1", "column 7: a server is procd, vmd, fsd, blkd, ttyd or kernel, not 'shell'"},
        {"crash=fsd", "column 10: wants '@op:' behind the server"},
        {"crash=fsd@", "column 11: wants '@op:' behind the server"},
        {"crash=fsd@po:1", "column 11: wants '@op:' behind the server"},
        {"crash=fsd@op1", "column 13: wants '@op:' behind the server"},
        {"crash=fsd@op:", "column 14: wants a number from 1 on"},
        {"crash=fsd@op:0", "column 14: wants a number from 1 on"},
        {"crash=fsd@op:-1", "column 14: wants a number from 1 on"},
        {"crash=fsd@op:18446744073709551616", "column 14: the number is too large"},
        {"crash=fsd@op:0x10", "column 14: wants a number from 1 on"},
        {"crash=fsd@op:1+", "column 16: wants a number from 0 on"},
        {"crash=fsd@op:1 ", "column 15: wants ',' and another fault, or the end"},
        {"crash=fsd@op:1;hang=fsd@op:2", "column 15: wants ',' and another fault, or the end"},
        {"crash=fsd@op:1,", "column 16: wants a fault"},
        {"crash=fsd@op:1,hang", "column 20: wants '=' behind the fault"},
        {"crash=fsd@op:1,hang=fs@op:1", "column 16: there is a fault at this moment already"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse(bad[i].text));
        assert_int_equal(error.status, STATUS_USAGE);
        if (strncmp(error.text, "--inject: ", 10) != 0 ||
            strncmp(error.text + 10, bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("'%s': said '%s', wanted '%s'", bad[i].text, error.text, bad[i].says);
    }
}

static void there_is_room_for_sixteen(void **state)
{
    char text[1024] = "";

    for (unsigned i = 1; i <= FAULTS_MAX + 1; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%scrash=fsd@op:%u", i > 1 ? "," : "", i);
    assert_false(parse(text));
    assert_non_null(strstr(error.text, "more than 16 faults"));
    *strrchr(text, ',') = 0;
    assert_true(parse(text));
    assert_int_equal(count, FAULTS_MAX);
}

/* Random bytes, and good faults with a few bytes changed: one line of error with a column inside the text, or faults.
 */
static void parser_takes_anything(void **state)
{
    static const char good[] = "crash=fsd@op:200,wild-write=blkd@op:50+3,hang=ttyd@op:7";
    struct random random = {4};

    for (unsigned i = 0; i < 100000; i++) {
        size_t bytes = random_below(&random, i % 2 ? sizeof good : 40);
        char *text = malloc(bytes + 1);
        unsigned column;

        for (size_t at = 0; at < bytes; at++)
            text[at] = i % 2 && at < sizeof good - 1 ? good[at] : (char)(1 + random_below(&random, 255));
        for (unsigned n = random_below(&random, 3); i % 2 && bytes && n > 0; n--)
            text[random_below(&random, (uint32_t)bytes)] = (char)(32 + random_below(&random, 95));
        text[bytes] = 0;
        if (parse(text)) {
            assert_true(count > 0 && count <= FAULTS_MAX);
        } else {
            assert_int_equal(sscanf(error.text, "--inject: column %u: ", &column), 1);
            assert_in_range(column, 1, bytes + 1);
            assert_null(strchr(error.text, '\n'));
        }
        free(text);
    }
}

static void it_is_an_option(void **state)
{
    char *words[] = {"monolithic", "--inject", "crash=fsd@op:3", "null"}, *wrong[] = {"--inject=crash=fs"};
    struct options o;

    assert_true(parse_options(&o, COMMAND_RUN, 4, words, &error));
    assert_int_equal(o.words, 2);
    assert_int_equal(o.faults, 1);
    assert_int_equal(o.fault[0].op, 3);
    assert_true(parse_options(&o, COMMAND_EXEC, 4, words, &error));
    assert_true(parse_options(&o, COMMAND_COMPARE, 4, words, &error));
    assert_false(parse_options(&o, COMMAND_LIST, 4, words, &error));
    assert_false(parse_options(&o, COMMAND_RUN, 1, wrong, &error));
    assert_string_equal(error.text, "--inject: column 9: wants '@op:' behind the server, as in crash=fsd@op:200");
}

static void the_command_says_it_in_one_line(void **state)
{
    const char *argv[] = {SANITIZED, "run", "monolithic", "null", "--inject", "crash=fsd@op:x\ny", NULL};
    struct result r = run(argv, false);

    assert_int_equal(r.status, 2);
    assert_string_equal(r.out, "");
    assert_string_equal(r.err, "ringside: --inject: column 14: wants a number from 1 on\n");
    release(&r);
}

/* ---- what became of them ---- */

/* Four faults: one for each fate. */
static const struct fault_result fates[] = {
    {.spec = {FAULT_CRASH, FAULT_FS, 200, 0},
     .hit = true,
     .domain = "fsd",
     .ring = 3,
     .hit_at = 1000000,
     .died = true,
     .cause = 6,
     .died_at = 1000900,
     .back = true,
     .back_at = 1041203},
    {.spec = {FAULT_HANG, FAULT_BLK, 80, 2},
     .hit = true,
     .domain = "blkd",
     .ring = 3,
     .hit_at = 5,
     .died = true,
     .cause = PROBE_DEATH_HANG,
     .died_at = 1000,
     .back = true,
     .back_at = 1234567,
     .calls_failed = 1,
     .lost = "2 buffers"},
    {.spec = {FAULT_WILD_WRITE, FAULT_TTY, 1, 0}, .hit = true, .domain = "kernel", .died = false},
    {.spec = {FAULT_CRASH, FAULT_VM, 9, 0}},
};

static void fill(struct record *r, enum machine_model model)
{
    *r = (struct record){.arch = &archs[0], .workload = "sqlite", .model = model, .ops = 1, .fault_count = 4};
    memcpy(r->faults, fates, sizeof fates);
}

static void assert_text(enum machine_model model, size_t records, const char *text)
{
    static struct record r[2];
    char said[4096] = "";
    FILE *file = fmemopen(said, sizeof said, "w");

    fill(&r[0], model);
    records_faults(r, records, file);
    fclose(file);
    assert_string_equal(said, text);
}

static void one_line_a_fault(void **state)
{
    assert_text(MODEL_TIMING, 1,
                "fault: crash of fsd at op 200 (domain fsd, ring 3): died by #UD, back after 41,203 cycles, 0 calls "
                "failed, nothing lost\n"
                "fault: hang of blkd at op 80+2 (domain blkd, ring 3): died by hang, back after 1,234,562 cycles, 1 "
                "call failed, lost: 2 buffers\n"
                "fault: wild-write of tty at op 1 (domain kernel, ring 0): nobody noticed\n"
                "fault: crash of vmd at op 9: its moment never came\n");
    assert_text(MODEL_COUNT, 2,
                "fault in sqlite: crash of fsd at op 200 (domain fsd, ring 3): died by #UD, back, 0 calls failed, "
                "nothing lost\n"
                "fault in sqlite: hang of blkd at op 80+2 (domain blkd, ring 3): died by hang, back, 1 call failed, "
                "lost: 2 buffers\n"
                "fault in sqlite: wild-write of tty at op 1 (domain kernel, ring 0): nobody noticed\n"
                "fault in sqlite: crash of vmd at op 9: its moment never came\n");
}

static json_int_t number(json_t *json, size_t i, const char *key)
{
    return json_integer_value(json_object_get(json_array_get(json, i), key));
}

static void an_object_a_fault(void **state)
{
    static struct record r;
    json_t *timed, *counted;

    fill(&r, MODEL_TIMING);
    timed = record_faults_json(&r);
    assert_int_equal(json_array_size(timed), 4);
    assert_int_equal(number(timed, 0, "recovery_cycles"), 41203);
    assert_int_equal(number(timed, 0, "hit_cycle"), 1000000);
    assert_string_equal(json_string_value(json_object_get(json_array_get(timed, 0), "server")), "fsd");
    assert_string_equal(json_string_value(json_object_get(json_array_get(timed, 0), "died_by")), "#UD");
    assert_true(json_is_null(json_object_get(json_array_get(timed, 0), "lost")));
    assert_int_equal(number(timed, 1, "calls_failed"), 1);
    assert_null(json_object_get(json_array_get(timed, 3), "domain"));
    fill(&r, MODEL_COUNT);
    counted = record_faults_json(&r);
    assert_null(json_object_get(json_array_get(counted, 0), "recovery_cycles"));
    assert_true(json_is_true(json_object_get(json_array_get(counted, 0), "back")));
    json_decref(timed);
    json_decref(counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_understood),     cmocka_unit_test(mistakes_have_a_column),
        cmocka_unit_test(there_is_room_for_sixteen), cmocka_unit_test(parser_takes_anything),
        cmocka_unit_test(it_is_an_option),           cmocka_unit_test(the_command_says_it_in_one_line),
        cmocka_unit_test(one_line_a_fault),          cmocka_unit_test(an_object_a_fault),
    };

    return cmocka_run_group_tests_name("--inject", tests, make_folder, remove_folder);
}
