/* SPDX-License-Identifier: MIT
 *
 * workloads/null.c: the cheapest call there is: getppid(), straight to the kernel.
 *
 * What it measures is the way into the kernel and back and nothing else, as lmbench's
 * lat_syscall null does.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "workloads/region.h"

static long parent_sum(unsigned long ops)
{
    long sum = 0;

    for (unsigned long i = 0; i < ops; i++)
        sum += syscall(SYS_getppid);
    return sum;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "null");
    long parent = parent_sum(1), sum;

    parent_sum(64);
    region_begin();
    sum = parent_sum(ops);
    region_end(ops);
    require(sum == parent * (long)ops, "getppid changed its answer");
    printf("null: %lu answers, all equal\n", ops);
    return 0;
}
