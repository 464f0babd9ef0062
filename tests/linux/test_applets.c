/* SPDX-License-Identifier: MIT
 *
 * tests/linux/test_applets.c: Debian's busybox, which we did not write: the rows of applets.def.
 */
#include "tests/linux/differential.h"

#define ROOT "build/programs/applets"

#define APPLET(name, ...) LINUX_CASE(name, ROOT, NULL, "bin/busybox", __VA_ARGS__),
#define INPUT(name, file, ...) LINUX_CASE(name, ROOT, file, "bin/busybox", __VA_ARGS__),
#define SCRIPT(name, text) LINUX_CASE(name, ROOT, NULL, "bin/busybox", "sh", "-c", text),

static const struct CMUnitTest tests[] = {
#include "tests/linux/applets.def"
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
