/* SPDX-License-Identifier: MIT
 *
 * tests/linux/test_programs.c: our own programs at the corners of the system-call interface, each linked static with
 * musl and with glibc.
 */
#include "tests/linux/differential.h"

#define ROOT "build/programs/linux"

#define PROGRAM(name)                                                                                                  \
    LINUX_CASE(name "-musl", ROOT, NULL, "bin/" name "-musl"),                                                         \
        LINUX_CASE(name "-glibc", ROOT, NULL, "bin/" name "-glibc")

static const struct CMUnitTest tests[] = {
    PROGRAM("files"),   PROGRAM("names"),  PROGRAM("directories"), PROGRAM("memory"),  PROGRAM("shared"),
    PROGRAM("signals"), PROGRAM("pipes"),  PROGRAM("processes"),   PROGRAM("execs"),   PROGRAM("clocks"),
    PROGRAM("locks"),   PROGRAM("floats"), PROGRAM("errors"),      PROGRAM("library"), PROGRAM("limits"),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
