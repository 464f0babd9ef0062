/* SPDX-License-Identifier: MIT
 *
 * workloads/trap.c: a trap to the program's own handler and back, alone: a write to a page that stays protected; the
 * handler counts it and steps over the instruction. Appel and Li's trap, lmbench's lat_sig prot. What prot costs more
 * is changes of protection.
 */
#include "workloads/barrier.h"

static volatile unsigned long caught;
extern char after_write[];

BARRIER_HANDLER static void step_over(char *address, unsigned long *rip)
{
    caught++;
    *rip = (unsigned long)after_write;
}

/* Never inlined: the label is there once. */
static __attribute__((noinline)) void write_to(char *page)
{
    __asm__ volatile("movb $1, %0\nafter_write:" : "=m"(*page));
}

static void write_pages(char *page, unsigned long ops)
{
    for (unsigned long i = 0; i < ops; i++)
        write_to(page);
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "trap");
    char *page = barrier_pages(1);

    barrier_install(step_over);
    require(barrier_close(page, BARRIER_PAGE), "protect");
    write_pages(page, 32);
    caught = 0;
    region_begin();
    write_pages(page, ops);
    region_end(ops);
    require(caught == ops && *page == 0, "a write was not stopped");
    printf("trap: %lu writes stopped\n", caught);
    return 0;
}
