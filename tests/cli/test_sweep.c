/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_sweep.c: what can be swept: parameters of workloads (WORKLOAD:KEY=VALUE) and numbers of a CPU model
 * (--cpu-set), and that records say so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/cpu_variant.h"
#include "sim/cli/parameters.h"
#include "tests/cli/command.h"

static struct error error;

/* ---- parameters ---- */

static void a_word_without_parameters_is_the_workload(void **state)
{
    struct choice c;

    assert_true(choose_workload(&c, "ctx", &error));
    assert_string_equal(c.workload.name, "ctx");
    assert_string_equal(c.workload.program, "ctx");
    assert_string_equal(c.workload.arguments, "");
    assert_string_equal(c.workload.parameters, "processes=8 bytes=16384");
    assert_int_equal(workload_ops(&c.workload, 0), 800);
    assert_int_equal(workload_ops(&c.workload, 5), 5);
    assert_true(choose_workload(&c, "null", &error));
    assert_string_equal(c.workload.parameters, "");
}

static void parameters_go_to_the_program_in_their_order(void **state)
{
    struct choice c;

    assert_true(choose_workload(&c, "ctx:bytes=4096", &error));
    assert_string_equal(c.workload.name, "ctx:bytes=4096");
    assert_string_equal(c.workload.arguments, "8 4096");
    assert_string_equal(c.workload.parameters, "processes=8 bytes=4096");
    assert_true(choose_workload(&c, "ctx:bytes=64,ops=7,processes=2", &error));
    assert_string_equal(c.workload.arguments, "2 64");
    assert_string_equal(c.workload.parameters, "processes=2 bytes=64");
    assert_int_equal(workload_ops(&c.workload, 5), 7);
    assert_true(choose_workload(&c, "null:ops=3", &error));
    assert_string_equal(c.workload.arguments, "");
    assert_int_equal(workload_ops(&c.workload, 5), 3);
}

static void wrong_parameters_are_one_line(void **state)
{
    static const char *const cases[][2] = {
        {"ctx:", "ctx: a parameter is KEY=VALUE, not ''"},
        {"ctx:bytes", "ctx: a parameter is KEY=VALUE, not 'bytes'"},
        {"ctx:bytes=4096,", "ctx: a parameter is KEY=VALUE, not ''"},
        {"ctx:byte=1", "workload 'ctx' has no parameter 'byte'; did you mean 'bytes'? (see 'ringside list workloads')"},
        {"ctx:processes=1", "ctx:processes wants a number from 2 to 32, not '1'"},
        {"ctx:processes=-1", "ctx:processes wants a number from 2 to 32, not '-1'"},
        {"ctx:bytes=99999999999999999999", "ctx:bytes wants a number from 8 to 1048576, not '99999999999999999999'"},
        {"null:ops=0", "null:ops wants a number from 1 to 1000000000, not '0'"},
        {"ctxx:bytes=1", "unknown workload 'ctxx'; did you mean 'ctx'? (see 'ringside list workloads')"},
        {"ctx:bytes=000000000000000000000000000000000000000000000000000001",
         "'ctx:bytes=000000000000000000000000000000...' is too long for a workload"},
    };
    struct choice c;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(choose_workload(&c, cases[i][0], &error));
        assert_string_equal(error.text, cases[i][1]);
        assert_int_equal(error.status, STATUS_USAGE);
    }
}

/* ---- CPU models ---- */

static struct cpu_model tiny(void)
{
    struct cpu_model model;
    char why[CPU_MODEL_ERROR_MAX];

    assert_int_equal(cpu_model_read(&model, "sim/cpus/tiny.ini", why), 0);
    return model;
}

static void a_variant_has_another_name_and_version(void **state)
{
    static const char *const changes[] = {"cr3_write_cost=7", "l2.latency=12"}, *const same[] = {"syscall_cost=100"};
    struct cpu_model model = tiny(), variant = model;
    char name[CPU_NAME_MAX], version[CPU_VERSION_MAX], other[CPU_VERSION_MAX];

    cpu_version(&model, version);
    assert_int_equal(strlen(version), 12);
    assert_true(cpu_variant(&variant, NULL, 0, name, &error));
    assert_string_equal(name, "tiny");
    assert_true(cpu_variant(&variant, changes, 2, name, &error));
    assert_string_equal(name, "tiny+cr3_write_cost=7+l2.latency=12");
    assert_int_equal(variant.cr3_write_cost, 7);
    assert_int_equal(variant.l2.latency, 12);
    cpu_version(&variant, other);
    assert_string_not_equal(version, other);
    variant = model; /* the number that it had: the same CPU */
    assert_true(cpu_variant(&variant, same, 1, name, &error));
    cpu_version(&variant, other);
    assert_string_equal(version, other);
}

static void wrong_changes_are_one_line(void **state)
{
    static const char *const cases[][2] = {
        {"syscall_cost", "--cpu-set wants KEY=VALUE, not 'syscall_cost'"},
        {"=4", "--cpu-set wants KEY=VALUE, not '=4'"},
        {"sysret=4",
         "--cpu-set sysret: no such number of a CPU model; see 'ringside list cpus --json' or sim/cpus/*.ini"},
        {"title=4",
         "--cpu-set title: no such number of a CPU model; see 'ringside list cpus --json' or sim/cpus/*.ini"},
        {"latency=4", "--cpu-set latency: several sections have it; say which, as in `l1i.latency`"},
        {"l2.bytes=3",
         "--cpu-set l2.bytes: [l2] has no whole number of sets that is a power of two; change bytes, ways "
         "or line so that bytes / (ways * line) is one"},
        {"syscall_cost=4x", "--cpu-set syscall_cost: `syscall_cost = 4x` is not a number; write decimal digits only"},
        {"syscall_cost=1000001", "--cpu-set syscall_cost: `syscall_cost = 1000001` is out of range; use 0 to 1000000"},
    };
    char name[CPU_NAME_MAX];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cpu_model model = tiny(), before = model;

        assert_false(cpu_variant(&model, &cases[i][0], 1, name, &error));
        assert_string_equal(error.text, cases[i][1]);
        assert_memory_equal(&model, &before, sizeof model);
    }
}

/* ---- records ---- */

static json_t *results_of(const char *const argv[])
{
    struct result r = run(argv, false);
    json_t *json = json_loads(r.out, 0, NULL);

    assert_int_equal(r.status, 0);
    assert_non_null(json);
    release(&r);
    return json;
}

static long long at(json_t *json, const char *object, const char *key)
{
    json_t *value = json_object_get(object ? json_object_get(json, object) : json, key);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* A smaller transfer copies as much as it says, and the record says so. */
static void a_record_has_its_parameters(void **state)
{
    static const char *const argv[] = {PLAIN,   "run",    "monolithic", "write:bytes=512,ops=20",
                                       "write", "--ops",  "10",         "--model",
                                       "count", "--json", "--no-cache", NULL};
    json_t *json = results_of(argv), *results = json_object_get(json, "results");
    json_t *small = json_array_get(results, 0), *usual = json_array_get(results, 1);

    assert_string_equal(json_string_value(json_object_get(small, "workload")), "write:bytes=512,ops=20");
    assert_int_equal(at(small, "parameters", "bytes"), 512);
    assert_int_equal(at(small, "total", "bytes_copied"), 20 * 512);
    assert_int_equal(at(small, NULL, "ops"), 20);
    assert_int_equal(at(usual, "parameters", "bytes"), 4096);
    assert_int_equal(at(usual, "total", "bytes_copied"), 10 * 4096);
    json_decref(json);
}

/* null is one SYSCALL an operation, so its cycles grow by what that costs more, exactly. */
static void a_record_has_its_cpu(void **state)
{
    static const char *const base[] = {PLAIN, "compare", "monolithic", "--workload", "null",       "--ops",
                                       "10",  "--cpu",   "tiny",       "--json",     "--no-cache", NULL};
    static const char *const more[] = {
        PLAIN,   "compare", "monolithic", "--workload",       "null",   "--ops",      "10",
        "--cpu", "tiny",    "--cpu-set",  "syscall_cost=150", "--json", "--no-cache", NULL};
    json_t *a = results_of(base), *b = results_of(more);
    json_t *first = json_array_get(json_object_get(a, "results"), 0),
           *second = json_array_get(json_object_get(b, "results"), 0);
    json_t *cpu = json_object_get(b, "cpu"), *numbers = json_object_get(cpu, "numbers");

    assert_int_equal(at(second, "total", "cycles") - at(first, "total", "cycles"), 10 * 50);
    assert_string_equal(json_string_value(json_object_get(second, "cpu")), "tiny+syscall_cost=150");
    assert_string_equal(json_string_value(json_object_get(cpu, "name")), "tiny+syscall_cost=150");
    assert_string_equal(json_string_value(json_object_get(cpu, "model")), "tiny");
    assert_int_equal(at(numbers, "transitions", "syscall_cost"), 150);
    assert_string_equal(json_string_value(json_object_get(cpu, "version")),
                        json_string_value(json_object_get(second, "cpu_version")));
    assert_string_not_equal(json_string_value(json_object_get(first, "cpu_version")),
                            json_string_value(json_object_get(second, "cpu_version")));
    assert_true(at(json_array_get(json_object_get(a, "archs"), 0), NULL, "tcb_bytes") > 0);
    json_decref(a);
    json_decref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_without_parameters_is_the_workload),
        cmocka_unit_test(parameters_go_to_the_program_in_their_order),
        cmocka_unit_test(wrong_parameters_are_one_line),
        cmocka_unit_test(a_variant_has_another_name_and_version),
        cmocka_unit_test(wrong_changes_are_one_line),
        cmocka_unit_test(a_record_has_its_parameters),
        cmocka_unit_test(a_record_has_its_cpu),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
