/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_accesses.c: the planned data accesses of whole workloads (sim/execute/access.c) against the engine's
 * memory hook: each in its place (RINGSIDE_ACCESSES=verified: a difference is a crash), on every architecture; and the
 * same result to the last counter, where the hook is exact. (It takes a device that is mapped at two addresses to be at
 * the one used last: exo's and vmm's kernels share theirs with ring 3.) And blocks with host code of their own
 * (native.c, in_place.c): the same result as without, on every architecture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "tests/arch/record.h"

#define WORKLOADS "null pipe fork exec fault prot sqlite --ops 5"

static json_t *run_with(const char *accesses, const char *arguments)
{
    json_t *document;

    if (accesses)
        setenv("RINGSIDE_ACCESSES", accesses, 1);
    document = record_run(arguments);
    unsetenv("RINGSIDE_ACCESSES");
    return document;
}

/* All but the host's part. */
static void same_results(const char *arguments, const char *oracle)
{
    json_t *planned = run_with(NULL, arguments), *other = run_with(oracle, arguments), *a, *b;
    size_t i;

    assert_true(json_array_size(json_object_get(planned, "results")) > 0);
    json_array_foreach(json_object_get(planned, "results"), i, a)
    {
        b = json_array_get(json_object_get(other, "results"), i);
        json_object_del(a, "host");
        json_object_del(b, "host");
        if (!json_equal(a, b))
            fail_msg("%s: %s differs", arguments, json_string_value(json_object_get(a, "workload")));
    }
    json_decref(planned);
    json_decref(other);
}

static void test_the_same_results(void **state)
{
    (void)state;
    same_results("monolithic " WORKLOADS, "hooked");
    same_results("micro " WORKLOADS, "hooked");
}

static void test_the_same_without_host_code(void **state)
{
    static const char *const runs[] = {
        "monolithic",
        "micro " WORKLOADS,
        "exo " WORKLOADS,
        "vmm " WORKLOADS,
        "monolithic ctx exec copy --cpu tiny --set pcid=off",
        "monolithic ctx exec copy --cpu zen4 --set pti=on",
    };

    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        same_results(runs[i], "listed");
}

static void test_the_same_counted(void **state)
{
    (void)state;
    same_results("monolithic --model count", "hooked");
    same_results("micro " WORKLOADS " --model count", "hooked");
    same_results("vmm " WORKLOADS " --model count", "hooked");
}

static void test_each_in_its_place(void **state)
{
    static const char *const architectures[] = {
        "monolithic " WORKLOADS,
        "micro " WORKLOADS,
        "exo " WORKLOADS,
        "vmm " WORKLOADS,
        "monolithic shell copy ctx --ops 1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        json_decref(run_with("verified", architectures[i]));
}

static void test_another_word_is_refused(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(
        record_command("RINGSIDE_ACCESSES=hoked build/ringside run monolithic null 2>&1", text, sizeof text), 2);
    assert_string_equal(
        text, "ringside: RINGSIDE_ACCESSES in the environment is planned, listed, hooked or verified, not 'hoked'\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_results),        cmocka_unit_test(test_the_same_without_host_code),
        cmocka_unit_test(test_the_same_counted),        cmocka_unit_test(test_each_in_its_place),
        cmocka_unit_test(test_another_word_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
