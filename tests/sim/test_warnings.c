/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_warnings.c: a system call that nobody implements is warned about once, by the name that Linux gives
 * it; a number that means nothing to Linux stays a number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "abi/probe.h"
#include "tests/sim/guest.h"

#define LEAF 0x52494e47
_Static_assert(LEAF == PROBE_LEAF && PROBE_WARN == 4 && PROBE_WARN_ENOSYS == 1, "the assembler knows no enum");

#define WARN(number) "mov eax, " AT(LEAF) "; mov ecx, 4; mov edx, 1; mov rsi, " #number "; cpuid;"

SNIPPET(calls,
        "push rbx;" WARN(41) WARN(449) WARN(41) WARN(202) WARN(400) WARN(-1) WARN(449) "pop rbx; xor eax, eax; ret");

static void each_call_has_one_line_with_its_name(void **state)
{
    static const char *const expected[] = {
        "system call socket (41) is not implemented: answered ENOSYS",
        "system call futex_waitv (449) is not implemented: answered ENOSYS",
        "system call futex (202) is not implemented: answered ENOSYS",
        "system call 400 is not implemented: answered ENOSYS",
        "system call 18446744073709551615 is not implemented: answered ENOSYS",
    };
    const struct machine_result *result;
    struct guest guest;

    guest_open(&guest, "tiny");
    guest_must_run(&guest, calls, calls_end, 0);
    result = machine_result(guest.machine);
    assert_int_equal(result->warning_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < result->warning_count; i++)
        assert_string_equal(result->warnings[i], expected[i]);
    guest_close(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_call_has_one_line_with_its_name)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
