/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm_hostile.c: a hostile kernel (tests/arch/images/vmm_hostile.c) beside a guest that works: each
 * attack comes out as vmm_attacks.def says, or ends the attacker with the report that is there; the monitor lives, and
 * the neighbour sees nothing of it: its output is the same, and comes in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/arch/images/vmm_outcome.h"
#include "tests/arch/vmm_boot.h"

#define HOSTILE "build/images/tests/vmm_hostile.elf"
#define NEIGHBOUR "build/programs/arch/bystander"
#define QUIET "bystander: 0 wrong, 0 slow\n"
#define BOOT_MS "0"   /* what the neighbour does beside a storm: to boot takes enough of slices and disk */
#define SHORT_MS "1"  /* beside one attack: a round */
#define LONG_MS "150" /* and beside all that do not end the attacker, which take about as long */
#define LIMIT_MS 1000

struct expected {
    const char *name;
    long outcome;
    const char *report; /* of the deadly ones */
};

#define LIST(list) static const struct expected list##_attacks[] = {
#define ATTACK(name, outcome) {#name, outcome, NULL},
#define DEADLY(name, report) {#name, 0, report},
#define END                                                                                                            \
    }                                                                                                                  \
    ;
#include "tests/arch/images/vmm_attacks.def"
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static struct vmm_boot boot;

static const char *tail(const char *text)
{
    size_t length = strlen(text);

    return text + (length > 900 ? length - 900 : 0);
}

/* The hostile kernel beside the neighbour. */
static void run(const char *settings, const char *ms, enum machine_model model)
{
    boot = (struct vmm_boot){.kernel = {MONOLITHIC, HOSTILE},
                             .program = NEIGHBOUR,
                             .arguments = {ms},
                             .settings = settings,
                             .model = model,
                             .limit_ms = LIMIT_MS};
    vmm_boot(&boot);
    if (vmm_monitor_failed(&boot) || boot.end != END_POWER_OFF || boot.exit_status != 0) {
        print_error("%s", tail(boot.log));
        print_error("%s", boot.report);
        fail_msg("%s: end %d, exit status %d, output %s", settings, boot.end, boot.exit_status, boot.output);
    }
    assert_string_equal(boot.output, QUIET);
    if (!boot.free_frames_before || boot.free_frames_before != boot.free_frames_after)
        fail_msg("%s: %lu frames free before, %lu after", settings, boot.free_frames_before, boot.free_frames_after);
}

/* Whether it came out so; else that is printed. */
static bool came_out(const struct expected *attack)
{
    char start[80];
    const char *line;
    long outcome = 0;

    snprintf(start, sizeof start, "guest 2: attack %s: ", attack->name);
    line = vmm_line(&boot, start);
    if (line && sscanf(line + strlen(start), "%ld", &outcome) == 1 && outcome == attack->outcome)
        return true;
    print_error("attack %s: %s %ld, expected %ld\n", attack->name, line ? "came out as" : "did not end:", outcome,
                attack->outcome);
    return false;
}

static void test_live(void **state)
{
    unsigned wrong = 0;

    run("", LONG_MS, MODEL_COUNT);
    for (size_t i = 0; i < COUNT(live_attacks); i++)
        wrong += !came_out(&live_attacks[i]);
    if (!vmm_line(&boot, "guest 2: attacks: done\n"))
        fail_msg("%s", vmm_line(&boot, "guest 2: crash"));
    assert_int_equal(wrong, 0);
    print_message("%zu attacks that their maker survives\n", COUNT(live_attacks));
}

/* Where it matters what TLBs keep, they must be there. */
static void test_live_with_tlbs(void **state)
{
    char settings[32];

    for (size_t i = 0; i < COUNT(live_attacks); i++) {
        if (!strstr(live_attacks[i].name, "tags"))
            continue;
        snprintf(settings, sizeof settings, "live=%zu", i);
        run(settings, SHORT_MS, MODEL_TIMING);
        assert_true(came_out(&live_attacks[i]));
    }
}

/* The neighbour ended while the storm went on: it had its slices. */
static void test_storms(void **state)
{
    char settings[32];
    unsigned wrong = 0;

    for (size_t i = 0; i < COUNT(storm_attacks); i++) {
        snprintf(settings, sizeof settings, "storm=%zu", i);
        run(settings, BOOT_MS, MODEL_COUNT);
        wrong += !came_out(&storm_attacks[i]);
        if (!strstr(boot.log + boot.heard, "guest 2: attack ")) {
            print_error("attack %s: the neighbour was heard when it was over\n", storm_attacks[i].name);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    print_message("%zu storms\n", COUNT(storm_attacks));
}

static bool ended(const struct expected *attack)
{
    const char *line = vmm_line(&boot, "guest 2: ");

    if (line && strstr(line, attack->report) && !vmm_line(&boot, "guest 2: attack"))
        return true;
    print_error("attack %s: '%.*s', expected '%s'\n", attack->name, line ? (int)strcspn(line, "\n") : 0,
                line ? line : "", attack->report);
    return false;
}

static void test_deadly(void **state)
{
    char settings[32];
    unsigned wrong = 0;

    for (size_t i = 0; i < COUNT(deadly_attacks); i++) {
        snprintf(settings, sizeof settings, "deadly=%zu", i);
        run(settings, SHORT_MS, MODEL_COUNT);
        wrong += !ended(&deadly_attacks[i]);
    }
    assert_int_equal(wrong, 0);
    print_message("%zu attacks that end their maker\n", COUNT(deadly_attacks));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_live_with_tlbs),
        cmocka_unit_test(test_deadly),
        cmocka_unit_test(test_storms),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    assert_true(COUNT(live_attacks) + COUNT(deadly_attacks) + COUNT(storm_attacks) >= 60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
