/* SPDX-License-Identifier: MIT
 *
 * workloads/fault.c: the first write to a page of an anonymous mapping: one page fault, one
 * zeroed frame. lmbench's lat_pagefault.
 *
 * Mapping and unmapping are outside the region up to CHUNK pages; a longer run maps again
 * for each further chunk, which is two calls in 4096 operations.
 */
#include <sys/mman.h>

#include "workloads/region.h"

#define PAGE 4096ul
#define CHUNK 4096ul

static char *map_pages(unsigned long pages)
{
    char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    require(memory != MAP_FAILED, "mmap");
    return memory;
}

static void touch(char *memory, unsigned long pages)
{
    for (unsigned long i = 0; i < pages; i++)
        ((volatile char *)memory)[i * PAGE] = (char)(i + 1);
}

/* Every page holds what was written, and nothing else. */
static unsigned long verify(const char *memory, unsigned long pages)
{
    unsigned long good = 0;

    for (unsigned long i = 0; i < pages; i++)
        good += memory[i * PAGE] == (char)(i + 1) && memory[i * PAGE + 1] == 0 && memory[i * PAGE + PAGE - 1] == 0;
    return good;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "fault"), pages = ops < CHUNK ? ops : CHUNK, good;
    char *memory = map_pages(64);

    touch(memory, 64);
    memory = map_pages(pages);
    region_begin();
    touch(memory, pages);
    for (unsigned long left = ops - pages; left > 0; left -= pages) {
        require(munmap(memory, pages * PAGE) == 0, "munmap");
        pages = left < CHUNK ? left : CHUNK;
        memory = map_pages(pages);
        touch(memory, pages);
    }
    region_end(ops);
    good = verify(memory, pages);
    require(good == pages, "a page was not zero, or forgot");
    printf("fault: %lu pages, the last %lu verified\n", ops, good);
    return 0;
}
