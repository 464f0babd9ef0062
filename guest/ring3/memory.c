/* SPDX-License-Identifier: MIT
 *
 * guest/ring3/memory.c: pages for guest/heap.c where the heap is not the kernel's: every architecture has the same
 * allocator, in whatever ring its services are.
 *
 * heap.c asks for frames and reaches a frame at direct(frame). Here a frame is a page of the heap, named by that page's
 * address less DIRECT_MAP, so that direct() is the address again (all arithmetic is modulo 2^64).
 *
 * Free pages are in runs, on a list by address; neighbours are joined. The list lies in the free pages themselves. What
 * is free beyond memory_source.free_max pages goes back to the kernel.
 */
#include "guest/ring3/memory.h"

#include <stdint.h>

#include "guest/frames.h"
#include "guest/layout.h"

struct run {
    struct run *next;
    size_t pages;
};

static struct {
    struct run *free; /* lowest address first */
    size_t free_pages, used_pages;
} memory;

static char *end_of(const struct run *run)
{
    return (char *)run + run->pages * PAGE_BYTES;
}

/* Puts a run on the list, joined with its neighbours; the link to the run that it is part of now. */
static struct run **insert(void *address, size_t pages)
{
    struct run **link = &memory.free, **previous = NULL, *run = address;

    while (*link && *link < run) {
        previous = link;
        link = &(*link)->next;
    }
    run->pages = pages;
    run->next = *link;
    *link = run;
    memory.free_pages += pages;
    if (run->next && end_of(run) == (char *)run->next) {
        run->pages += run->next->pages;
        run->next = run->next->next;
    }
    if (!previous || end_of(*previous) != (char *)run)
        return link;
    (*previous)->pages += run->pages;
    (*previous)->next = run->next;
    return previous;
}

/* A run to the kernel, off the list before: who dies in that call leaves nothing there that is not. False: it stays. */
static bool give_back(struct run **link)
{
    struct run *run = *link;
    size_t pages = run->pages;

    *link = run->next;
    memory.free_pages -= pages;
    if (memory_source.give(run, pages))
        return true;
    insert(run, pages);
    return false;
}

static struct run **grow(size_t pages)
{
    void *first = memory_source.take(pages);

    return first ? insert(first, pages) : NULL;
}

/* The first run that is long enough, or a new one. */
static struct run **find(size_t pages)
{
    struct run **link = &memory.free;
    size_t least = memory_source.grow_pages;

    while (*link && (*link)->pages < pages)
        link = &(*link)->next;
    if (*link)
        return link;
    link = grow(pages > least ? pages : least);
    return link || pages >= least ? link : grow(pages);
}

/* The end of a run is taken, so that the list stays as it is. */
uint64_t frames_alloc(size_t count)
{
    struct run **link = find(count), *run = link ? *link : NULL;

    if (!run)
        return 0;
    memory.free_pages -= count;
    memory.used_pages += count;
    run->pages -= count;
    if (!run->pages)
        *link = run->next;
    return physical(end_of(run));
}

void frames_free(uint64_t first, size_t count)
{
    struct run **link = insert(direct(first), count);

    memory.used_pages -= count;
    if (memory.free_pages > memory_source.free_max)
        give_back(link);
}

uint64_t frame_alloc(void)
{
    return frames_alloc(1);
}

void frame_free(uint64_t frame)
{
    frames_free(frame, 1);
}

size_t memory_shrink(void)
{
    heap_shrink();
    while (memory.free && give_back(&memory.free))
        ;
    return memory.used_pages;
}
