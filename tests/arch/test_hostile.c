/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_hostile.c: a server of the microkernel that attacks kernel, programs and other servers while it
 * serves a call. The kernel refuses each attempt with the right error, and programs see nothing of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/arch/images/hostile.h"
#include "tests/arch/micro_boot.h"

struct expected {
    const char *name;
    long result;
};

#define LIST(when)
#define ATTACK(name, expected) {#name, expected},
#define END
static const struct expected of_fsd[] = {
#include "tests/arch/images/attacks.def"
};
static const struct expected of_ttyd[] = {
#include "tests/arch/images/attacks_ttyd.def"
};
static const struct expected of_vmd[] = {
#include "tests/arch/images/attacks_vmd.def"
};
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static struct micro_boot boot;

static void run(const char *settings, const char *server, const char *image, const char *how, const char *number)
{
    boot = (struct micro_boot){.replaced = server,
                               .image = image,
                               .program = "build/programs/arch/victim",
                               .settings = settings,
                               .limit_ms = 20000};
    boot.arguments[0] = how;
    boot.arguments[1] = number;
    micro_boot(&boot);
}

static void ends_well(void)
{
    if (boot.end != END_POWER_OFF || boot.exit_status != 0)
        fail_msg("end %d, exit status %d\n%s%s", boot.end, boot.exit_status, boot.output,
                 boot.log + (strlen(boot.log) > 600 ? strlen(boot.log) - 600 : 0));
    if (!boot.free_frames_before || boot.free_frames_before != boot.free_frames_after)
        fail_msg("%lu frames free before, %lu after\n%s", boot.free_frames_before, boot.free_frames_after, boot.log);
}

/* All are reported before it is a failure. */
static void all_refused(const char *server, const struct expected *attacks, size_t count)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < count; i++) {
        char start[64], *line;
        long result = 0;

        snprintf(start, sizeof start, "%s: attack %s: ", server, attacks[i].name);
        line = strstr(boot.log, start);
        if (line && sscanf(line + strlen(start), "%ld", &result) == 1 && result == attacks[i].result)
            continue;
        print_error("attack %s: %s %ld, expected %ld\n", attacks[i].name, line ? "answered" : "was not made", result,
                    attacks[i].result);
        wrong++;
    }
    if (wrong)
        fail_msg("%u attacks of %zu\n%s%s%s", wrong, count, boot.output, boot.log, boot.report);
}

static void hostile_fsd(const char *settings)
{
    run(settings, "fsd", "build/images/tests/hostile_fsd.elf", "fsd", NULL);
    all_refused("fsd", of_fsd, COUNT(of_fsd));
    ends_well();
    assert_null(strstr(boot.log, "\npanic: forged"));
    assert_string_equal(boot.output, "damaged: 0\n"
                                     "damaged: 0\n"
                                     "never answered: killed, its handle is stale\n"
                                     "the handle again: another's, stale\n"
                                     "whose it is now: exit 9\n"
                                     "bystander: all right\n");
}

static void test_fsd_attacks(void **state)
{
    (void)state;
    assert_true(COUNT(of_fsd) >= 60);
    hostile_fsd(NULL);
}

static void test_fsd_attacks_the_general_path(void **state)
{
    (void)state;
    hostile_fsd("fastpath=off");
}

static void test_fsd_attacks_the_first_generation(void **state)
{
    (void)state;
    hostile_fsd("mach=on fastpath=off");
}

/* ---- silence ---- */

/* What fsd forgets is an error of the caller, or of who asked fsd for it; what it says to keep, and does not, only
 * SIGKILL ends. In the end it goes while procd waits for it. */
static void silent_fsd(const char *settings)
{
    run(settings, "fsd", "build/images/tests/hostile_fsd.elf", "silence", NULL);
    ends_well();
    assert_string_equal(boot.output, "a call is forgotten: EIO\n"
                                     "a request is forgotten: EIO\n"
                                     "a call is kept for ever: waits, signal 9\n"
                                     "bystander: all right\n");
    assert_non_null(strstr(boot.log, "rsd: fsd has forgotten 1 calls: they failed\n"));
}

static void test_fsd_is_silent(void **state)
{
    (void)state;
    silent_fsd(NULL);
    silent_fsd("fastpath=off");
    silent_fsd("mach=on fastpath=off");
}

/* The servers as they are: no wait is too long. */
static void patient(const char *settings)
{
    boot = (struct micro_boot){.program = "build/programs/arch/patient", .settings = settings, .limit_ms = 20000};
    micro_boot(&boot);
    ends_well();
    assert_string_equal(boot.output, "read: right\n"
                                     "poll: right\n"
                                     "nanosleep: right\n"
                                     "wait4: right\n"
                                     "vfork: right\n"
                                     "stopped: right\n"
                                     "futex: right\n"
                                     "pause: right\n");
    assert_null(strstr(boot.log, "forgotten"));
}

static void test_long_waits_are_kept(void **state)
{
    (void)state;
    patient(NULL);
    patient("mach=on fastpath=off");
}

/* It is started again from nothing, and who had called it gets an error. */
static void test_fsd_is_deaf(void **state)
{
    (void)state;
    run(NULL, "fsd", "build/images/tests/hostile_fsd.elf", "deaf", NULL);
    ends_well();
}

/* ---- vmd ---- */

static void test_vmd_attacks(void **state)
{
    (void)state;
    run(NULL, "vmd", "build/images/tests/hostile_vmd.elf", "vmd", NULL);
    all_refused("vmd", of_vmd, COUNT(of_vmd));
    ends_well();
    assert_string_equal(boot.output, "without a space: ended\nbystander: all right\n");
}

/* ---- ttyd ---- */

static void hostile_ttyd(unsigned number)
{
    char text[16];

    snprintf(text, sizeof text, "%u", number);
    run(NULL, "ttyd", "build/images/tests/hostile_ttyd.elf", "ttyd", text);
    ends_well();
}

static void assert_log(const char *line)
{
    char whole[128];

    snprintf(whole, sizeof whole, "ttyd: %s\n", line);
    if (!strstr(boot.log, whole))
        fail_msg("the log lacks \"%s\":\n%s", line, boot.log);
}

/* It copies from and to the program that fsd serves by asking it, and from fsd itself. */
static void test_ttyd_attacks_whom_fsd_serves(void **state)
{
    static const char *const lines[] = {
        "copy granted: 0",
        "copy before: -1",
        "copy after: -1",
        "copy straddling begin: -1",
        "copy straddling end: -1",
        "copy write before: -1",
        "copy write after: -1",
        "copy kernel: -14",
        "copy the asker's text: -1",
        "copy the asker's message page: -1",
        "copy the asker at the program's address: -1",
        "request back: -35",
        "copy of nobody: -3",
    };

    (void)state;
    hostile_ttyd(0);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_log(lines[i]);
    all_refused("ttyd", of_ttyd, COUNT(of_ttyd));
    assert_string_equal(boot.output, "damaged: 0\nbystander: all right\n");
}

static const char *const deadly[] = {
#define DEADLY_ATTACK(name) #name,
#include "tests/arch/images/deadly.def"
};

/* It is started again from nothing; what the program prints afterwards arrives. */
static void test_ttyd_does_what_kills_it(void **state)
{
    char line[64];

    (void)state;
    for (unsigned n = 0; n < sizeof deadly / sizeof *deadly; n++) {
        hostile_ttyd(HOSTILE_DEADLY | n);
        snprintf(line, sizeof line, "attack %s", deadly[n]);
        assert_log(line);
        snprintf(line, sizeof line, "survived %s", deadly[n]);
        if (strstr(boot.log, line) || strcmp(boot.output, "damaged: 0\nbystander: all right\n") != 0)
            fail_msg("%s: %s%s", deadly[n], boot.log, boot.output);
    }
}

/* Who does not trust the memory of a fresh start either is not started for ever. */
static void test_ttyd_refuses_to_start(void **state)
{
    (void)state;
    boot = (struct micro_boot){.replaced = "ttyd",
                               .image = "build/images/tests/hostile_ttyd.elf",
                               .program = "build/programs/arch/victim",
                               .arguments = {"ttyd", "32768", HOSTILE_REFUSES},
                               .limit_ms = 20000};
    micro_boot(&boot);
    if (boot.end == END_POWER_OFF || !strstr(boot.log, "rsd: ttyd dies again and again\n"))
        fail_msg("end %d\n%s%s", boot.end, boot.output, boot.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fsd_attacks),
        cmocka_unit_test(test_fsd_attacks_the_general_path),
        cmocka_unit_test(test_fsd_attacks_the_first_generation),
        cmocka_unit_test(test_fsd_is_silent),
        cmocka_unit_test(test_long_waits_are_kept),
        cmocka_unit_test(test_fsd_is_deaf),
        cmocka_unit_test(test_vmd_attacks),
        cmocka_unit_test(test_ttyd_attacks_whom_fsd_serves),
        cmocka_unit_test(test_ttyd_does_what_kills_it),
        cmocka_unit_test(test_ttyd_refuses_to_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
