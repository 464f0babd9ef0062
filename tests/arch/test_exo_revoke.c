/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_exo_revoke.c: several groups on one exokernel: each its own system, together more than there is memory for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/arch/micro_boot.h"

#define LIBOS {"libos", "build/images/exo/libos.elf"}

static struct micro_boot boot;

static void fail_with_log(const char *why)
{
    fail_msg("%s: end %d, exit status %d, visible %lu (%lu frames), forced %lu (%lu frames)\n%s%s%s", why, boot.end,
             boot.exit_status, boot.revocations.visible, boot.revocations.visible_frames, boot.revocations.forced,
             boot.revocations.forced_frames, boot.output,
             boot.log + (strlen(boot.log) > 3000 ? strlen(boot.log) - 3000 : 0), boot.report);
}

static void run_to_end(void)
{
    micro_boot(&boot);
    if (boot.end != END_POWER_OFF)
        fail_with_log("no power off");
    if (!boot.free_frames_before || boot.free_frames_before != boot.free_frames_after)
        fail_with_log("frames leaked");
}

static void expect_in_log(const char *line)
{
    if (!strstr(boot.log, line))
        fail_with_log(line);
}

/* Three programs, each with 56 MiB of files that it reads again and again and 8 MiB of fs's buffers: 192 MiB, on a machine
 * of 128. */
static void test_half_as_much_again(void **state)
{
    static const struct boot_library libraries[] = {LIBOS, {0}};

    (void)state;
    boot = (struct micro_boot){.libraries = libraries,
                               .program = "build/programs/arch/reread",
                               .arguments = {"7", "3"},
                               .slices = 3,
                               .disk_free = 64ul << 20,
                               .limit_ms = 60000};
    run_to_end();
    if (strcmp(boot.output, "reread: 0 wrong\n") != 0 || boot.exit_status != 0)
        fail_with_log("output");
    expect_in_log("libos.2: reread: 0 wrong\n");
    expect_in_log("libos.3: reread: 0 wrong\n");
    printf("visible %lu (%lu frames), forced %lu (%lu frames)\n", boot.revocations.visible, boot.revocations.visible_frames, boot.revocations.forced,
             boot.revocations.forced_frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_as_much_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
