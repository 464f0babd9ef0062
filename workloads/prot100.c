/* SPDX-License-Identifier: MIT
 *
 * workloads/prot100.c: prot in bulk, as a collector or a checkpoint does it: protect 100 pages by one call, then write
 * to each of them in a scattered order; the handler takes note, the page is unprotected, the write goes on. Appel and
 * Li's protN, trap, unprot.
 *
 * Where pages are unprotected by mprotect() each splits the mapping at another place, and the next round's protection
 * joins them again.
 */
#include "workloads/barrier.h"

#define PAGES 100ul
#define STRIDE 37ul /* shares no divisor with PAGES: each page once */

static char *pages;
static unsigned long caught[PAGES];

BARRIER_HANDLER static void note(char *address, unsigned long *rip)
{
    caught[(unsigned long)(address - pages) / BARRIER_PAGE]++;
}

static void protect_write(unsigned long rounds)
{
    for (unsigned long i = 0; i < rounds; i++) {
        require(barrier_protect(pages, PAGES * BARRIER_PAGE), "protect");
        for (unsigned long j = 0; j < PAGES; j++)
            *(volatile unsigned long *)(pages + j * STRIDE % PAGES * BARRIER_PAGE) = i + j;
    }
}

/* Pages that were caught in each round and hold what was written last. */
static unsigned long verify(unsigned long rounds)
{
    unsigned long good = 0;

    for (unsigned long j = 0; j < PAGES; j++) {
        unsigned long page = j * STRIDE % PAGES;

        good += caught[page] == rounds && *(unsigned long *)(pages + page * BARRIER_PAGE) == rounds - 1 + j;
    }
    return good;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "prot100");

    pages = barrier_pages(PAGES);
    barrier_install(note);
    protect_write(2);
    memset(caught, 0, sizeof caught);
    region_begin();
    protect_write(ops);
    region_end(ops);
    require(verify(ops) == PAGES, "a write was lost");
    printf("prot100: %lu rounds, each write to %lu pages caught\n", ops, PAGES);
    return 0;
}
