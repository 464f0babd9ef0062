/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_exo_hostile.c: a hostile library beside the real one: each attack is refused, or ends whoever made it,
 * and a program of the other group sees nothing of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/arch/images/exo_outcome.h"
#include "tests/arch/micro_boot.h"

#define BYSTANDER_MS "6000" /* longer than all attacks take */

struct expected {
    const char *name;
    long result;
};

#define LIST(list) static const struct expected list##_attacks[] = {
#define ATTACK(name, expected) {#name, expected},
#define END                                                                                                            \
    }                                                                                                                  \
    ;
#include "tests/arch/images/exo_attacks.def"
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

#define HOSTILE {"hostile", "build/images/tests/hostile_lib.elf"}
#define LIBOS {"libos", "build/images/exo/libos.elf"}

static struct micro_boot boot;

static void run(const struct boot_library *libraries)
{
    boot = (struct micro_boot){.libraries = libraries,
                               .program = "build/programs/arch/bystander",
                               .arguments = {BYSTANDER_MS},
                               .limit_ms = 60000};
    micro_boot(&boot);
    if (boot.end != END_POWER_OFF || boot.exit_status != 0 || strstr(boot.log, "panic:") == boot.log ||
        strstr(boot.log, "\npanic:"))
        fail_msg("end %d, exit status %d\n%s%s%s", boot.end, boot.exit_status, boot.output,
                 boot.log + (strlen(boot.log) > 2000 ? strlen(boot.log) - 2000 : 0), boot.report);
    if (!boot.free_frames_before || boot.free_frames_before != boot.free_frames_after)
        fail_msg("%lu frames free before, %lu after\n%s", boot.free_frames_before, boot.free_frames_after, boot.log);
}

/* How many did not come out as expected; all are reported. */
static unsigned wrong_among(const struct expected *attacks, size_t count)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < count; i++) {
        char start[64], *line;
        long result = 0;

        snprintf(start, sizeof start, "hostile: attack %s: ", attacks[i].name);
        line = strstr(boot.log, start);
        if (line && sscanf(line + strlen(start), "%ld", &result) == 1 && result == attacks[i].result)
            continue;
        print_error("attack %s: %s %ld, expected %ld\n", attacks[i].name, line ? "answered" : "was not made", result,
                    attacks[i].result);
        wrong++;
    }
    return wrong;
}

static void gave_all_back(void)
{
    if (!strstr(boot.log, "\nhostile: kept 0\n"))
        fail_msg("it did not come to its end, or kept frames\n%s", boot.log);
}

static void test_beside_the_real_library(void **state)
{
    static const struct boot_library alone[] = {LIBOS, {0}}, both[] = {LIBOS, HOSTILE, {0}};
    char output[sizeof boot.output];
    unsigned wrong;

    (void)state;
    assert_true(COUNT(call_attacks) + COUNT(deadly_attacks) >= 60);
    run(alone);
    strcpy(output, boot.output);
    assert_string_equal(output, "bystander: 0 wrong, 0 slow\n");
    run(both);
    wrong = wrong_among(call_attacks, COUNT(call_attacks)) + wrong_among(deadly_attacks, COUNT(deadly_attacks));
    assert_int_equal(wrong, 0);
    gave_all_back();
    assert_string_equal(boot.output, output);
}

static void test_disk(void **state)
{
    static const struct boot_library libraries[] = {HOSTILE, {0}};

    (void)state;
    run(libraries);
    assert_int_equal(wrong_among(disk_attacks, COUNT(disk_attacks)), 0);
    gave_all_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_the_real_library),
        cmocka_unit_test(test_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
