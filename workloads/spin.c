/* SPDX-License-Identifier: MIT
 *
 * workloads/spin.c: computation and nothing else: no system call, no memory beyond a page of stack. What an architecture adds
 * to it is what it costs a program that leaves it alone: interrupts, and the tables through which its code is found.
 */
#include "workloads/region.h"

#define STEPS 4096 /* in an operation */

/* A linear congruential generator (Knuth, TAOCP vol. 2, §3.3.4): each step needs the one before. */
static unsigned long spin(unsigned long x)
{
    for (unsigned i = 0; i < STEPS; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return x;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "spin"), x = spin(1);

    region_begin();
    for (unsigned long i = 0; i < ops; i++)
        x = spin(x);
    region_end(ops);
    printf("spin: %016lx\n", x);
    return 0;
}
