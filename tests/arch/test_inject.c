/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_inject.c: faults in the services of a monolithic kernel: each kills it, whichever service, kind and
 * moment, and the report says so. (What a microkernel makes of them is its own test.)
 *
 * The moments are spread over the whole run: a first run is asked for faults that never come, and its warnings say how
 * often each service was entered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/arch/record.h"

#define NEVER "999999999"
#define MOMENTS 4

static const char *const services[] = {"proc", "vm", "fs", "blk", "tty"};
static const char *const kinds[] = {"crash", "wild-write", "hang"};
#define SERVICES (sizeof services / sizeof *services)
#define KINDS (sizeof kinds / sizeof *kinds)

static char text[65536];

static int run(const char *options, const char *spec)
{
    char command[512];

    snprintf(command, sizeof command, "build/ringside run monolithic fork --ops 5 %s --inject %s 2>&1", options, spec);
    return record_command(command, text, sizeof text);
}

static void assert_says(const char *spec, const char *part)
{
    if (!strstr(text, part))
        fail_msg("%s: the report lacks \"%s\":\n%s", spec, part, text);
}

static unsigned times_entered(json_t *result, const char *service)
{
    json_t *warning;
    char start[64];
    size_t i;

    snprintf(start, sizeof start, "inject: %sd was entered only ", service);
    json_array_foreach(json_object_get(result, "warnings"), i, warning)
    {
        const char *says = json_string_value(warning);

        if (strncmp(says, start, strlen(start)) == 0)
            return (unsigned)atoi(says + strlen(start));
    }
    fail_msg("nobody counted %s", service);
    return 0;
}

static void kill_at(const char *service, const char *kind, unsigned op, const char *options)
{
    char spec[64], injected[128];

    snprintf(spec, sizeof spec, "%s=%sd@op:%u", kind, service, op);
    snprintf(injected, sizeof injected, "injected: %s of %s at op %u in domain kernel, ring 0\n", kind, service, op);
    if (run(options, spec) != 3)
        fail_msg("%s: the kernel survived:\n%s", spec, text);
    assert_says(spec, injected);
    assert_says(spec, "ringside: fork: the guest kernel crashed\n");
    if (strcmp(kind, "hang") == 0)
        assert_says(spec, "a jump to itself with interrupts ");
    else
        assert_says(spec, strcmp(kind, "crash") ? "cr2 ffffffff80100000" : "panic: exception 6,");
}

/* Moments from the first to the last. */
static void every_fault_kills(const char *options)
{
    char arguments[256];
    json_t *document, *result;

    snprintf(arguments, sizeof arguments,
             "monolithic fork --ops 5 %s --inject crash=procd@op:" NEVER ",crash=vmd@op:" NEVER ",crash=fsd@op:" NEVER
             ",crash=blkd@op:" NEVER ",crash=ttyd@op:" NEVER,
             options);
    document = record_run(arguments);
    result = record_of(document, "fork");
    for (size_t s = 0; s < SERVICES; s++) {
        unsigned ops = times_entered(result, services[s]);

        assert_true(ops >= MOMENTS);
        for (size_t k = 0; k < KINDS; k++)
            for (unsigned m = 0; m < MOMENTS; m++)
                kill_at(services[s], kinds[k], 1 + m * (ops - 1) / (MOMENTS - 1), options);
    }
    json_decref(document);
}

static void every_fault_kills_timed(void **state)
{
    (void)state;
    every_fault_kills("--model timing");
}

static void every_fault_kills_counted(void **state)
{
    (void)state;
    every_fault_kills("--model count");
}

static void on_two_cpus_too(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        kill_at("fs", kinds[k], 20, "--cpus 2");
    kill_at("proc", "hang", 60, "--cpus 2 --set pti=on");
}

/* In the middle of an operation. */
static void blocks_later(void **state)
{
    static const unsigned blocks[] = {1, 10, 100, 1000};
    char spec[64], injected[128];

    (void)state;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        snprintf(spec, sizeof spec, "crash=fsd@op:30+%u", blocks[i]);
        snprintf(injected, sizeof injected, "injected: crash of fs at op 30+%u in domain kernel, ring 0\n", blocks[i]);
        assert_int_equal(run("", spec), 3);
        assert_says(spec, injected);
    }
}

static void same_every_time(void **state)
{
    static char first[sizeof text];

    (void)state;
    assert_int_equal(run("", "hang=vmd@op:50+7"), 3);
    memcpy(first, text, sizeof text);
    assert_int_equal(run("", "hang=vmd@op:50+7"), 3);
    assert_string_equal(first, text);
}

/* What does not come changes no number. */
static void waiting_costs_nothing(void **state)
{
    static const char *const keys[] = {"total", "per_op", "causes", "domains"};
    json_t *with = record_run("monolithic fork --ops 5 --inject crash=fsd@op:" NEVER ",hang=procd@op:3+" NEVER);
    json_t *without = record_run("monolithic fork --ops 5");

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(json_equal(json_object_get(record_of(with, "fork"), keys[i]),
                               json_object_get(record_of(without, "fork"), keys[i])));
    assert_int_equal(json_array_size(json_object_get(record_of(with, "fork"), "faults")), 2);
    assert_null(json_object_get(record_of(without, "fork"), "faults"));
    json_decref(with);
    json_decref(without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_kills_timed), cmocka_unit_test(every_fault_kills_counted),
        cmocka_unit_test(on_two_cpus_too),         cmocka_unit_test(blocks_later),
        cmocka_unit_test(same_every_time),         cmocka_unit_test(waiting_costs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
