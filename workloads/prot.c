/* SPDX-License-Identifier: MIT
 *
 * workloads/prot.c: memory protection as a program uses it (workloads/barrier.h): protect a page, write to it; the
 * handler takes note, the page is unprotected, the write goes on. lmbench's lat_sig prot, with the handler doing its
 * work; nearly Appel and Li's appel1.
 */
#include "workloads/barrier.h"

static char *page;
static volatile unsigned long caught;

BARRIER_HANDLER static void note(char *address, unsigned long *rip)
{
    caught += address == page;
}

static void protect_write(unsigned long ops)
{
    for (unsigned long i = 0; i < ops; i++) {
        require(barrier_protect(page, BARRIER_PAGE), "protect");
        *(volatile unsigned long *)page = i;
    }
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "prot");

    page = barrier_pages(1);
    barrier_install(note);
    protect_write(32);
    caught = 0;
    region_begin();
    protect_write(ops);
    region_end(ops);
    require(caught == ops && *(unsigned long *)page == ops - 1, "a write was lost");
    printf("prot: %lu writes caught\n", caught);
    return 0;
}
