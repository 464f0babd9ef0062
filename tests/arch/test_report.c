/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_report.c: what a person is told when a guest kernel crashes. The monolithic kernel panics on a machine
 * without a disk; the report names the reason, the registers, the functions on the stack, the page walk of the last
 * faulting address and the last transitions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/arch/boot.h"

static char *report_of(struct machine *machine)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    machine_report(machine, out);
    fclose(out);
    return text;
}

static void test_a_panic_is_explained(void **state)
{
    static const char *const parts[] = {
        "CPU 0, ring 0, domain kernel: the kernel panicked",
        "RIP ffffffff801", "CR3 ", " panic+0x", "backtrace\n", " kernel_main+0x", "page walk of 0x", "  PML4E at 0x",
        "last transitions: clock, kind, CPL, from ",
    };
    static struct boot boot;
    char *report;

    (void)state;
    boot_image(&boot, "build/images/monolithic/kernel.elf", "skylake", "");
    assert_int_equal(boot.end, END_CRASH);
    report = report_of(boot.machine);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(report, parts[i]))
            fail_msg("the report lacks \"%s\":\n%s", parts[i], report);
    free(report);
    boot_close(&boot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_panic_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
