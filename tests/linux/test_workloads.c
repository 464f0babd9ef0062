/* SPDX-License-Identifier: MIT
 *
 * tests/linux/test_workloads.c: every workload gives natively and under Ringside the same output, exit status and
 * files.
 */
#include "tests/linux/differential.h"

#define TEXT_OF(number) #number

/* Its default number of operations: what `ringside run` runs. */
#define WORKLOAD(name, program, ops, further, operation)                                                               \
    LINUX_CASE(name, "build/programs/root", NULL, "bin/" program, TEXT_OF(ops)),

static const struct CMUnitTest tests[] = {
#include "workloads/workloads.def"
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
