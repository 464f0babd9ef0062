/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/memory.c: pages of the library's heap, for guest/heap.c: every architecture has the same allocator.
 *
 * The heap is frames of the group's, used where all envs see them anyway: in the window. So contiguous frames are
 * contiguous addresses, which makes long transfers of the disk, and an address less LIB_WINDOW is what a device needs.
 * heap.c reaches a frame at direct(frame): the names that it gets are addresses less DIRECT_MAP, so that direct()
 * is the address again (all arithmetic is modulo 2^64).
 *
 * Free pages are in runs, on a list by address; neighbours are joined. The list lies in the free pages themselves. What
 * is free beyond FREE_MAX pages goes back to the kernel. The kernel promises not to take any by force: the library cannot
 * do without what it knows.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/frames.h"
#include "guest/heap.h"

#define GROW_PAGES 32 /* at least so many at once */
#define TAKE_MAX 128  /* the kernel's limit */
#define FREE_MAX 256
#define DISK_NS 1000000ul

struct run {
    struct run *next;
    size_t pages;
};

static struct {
    struct run *free; /* lowest address first */
    size_t free_pages, used_pages;
    uint64_t frame[TAKE_MAX]; /* for one kernel call */
    bool (*mend)(void);
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

/* What the disk still writes to, for a reader that is no more, can be given when it has. The others have been. */
static void give_one_by_one(size_t count)
{
    for (size_t i = 0; i < count; i++)
        while (exo_call(EXO_PAGES_GIVE, (uint64_t)&memory.frame[i], 1, 0) == -EBUSY)
            exo_call(EXO_SLEEP, clock_ns() + DISK_NS, EVENT_DISK, 0);
}

/* A run, off the list, to the kernel. */
static void give_back(struct run **link)
{
    uint64_t frame = (uint64_t)*link - LIB_WINDOW;
    size_t pages = (*link)->pages;

    *link = (*link)->next;
    memory.free_pages -= pages;
    while (pages) {
        size_t count = pages < TAKE_MAX ? pages : TAKE_MAX;

        for (size_t i = 0; i < count; i++, frame += PAGE_BYTES)
            memory.frame[i] = frame;
        if (exo_call(EXO_PAGES_GIVE, (uint64_t)memory.frame, count, 0) < 0)
            give_one_by_one(count);
        pages -= count;
    }
}

static long take(size_t pages)
{
    return exo_call(EXO_PAGES_TAKE, (uint64_t)memory.frame, pages | EXO_IN_A_ROW | EXO_KEPT, 0);
}

static struct run **grow(size_t pages)
{
    long taken = pages <= TAKE_MAX ? take(pages) : -ENOMEM;

    if (taken == -EAGAIN && memory.mend && memory.mend())
        taken = take(pages);
    if (taken < (long)pages)
        return NULL;
    return insert(page_window(memory.frame[0]), pages);
}

/* The first run that is long enough, or a new one. */
static struct run **find(size_t pages)
{
    struct run **link = &memory.free;

    while (*link && (*link)->pages < pages)
        link = &(*link)->next;
    if (*link)
        return link;
    link = grow(pages > GROW_PAGES ? pages : GROW_PAGES);
    return link || pages >= GROW_PAGES ? link : grow(pages);
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
    return physical((char *)run + run->pages * PAGE_BYTES);
}

void frames_free(uint64_t first, size_t count)
{
    struct run **link = insert(direct(first), count);

    memory.used_pages -= count;
    if (memory.free_pages > FREE_MAX)
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

void memory_mends(bool (*mend)(void))
{
    memory.mend = mend;
}

size_t memory_shrink(void)
{
    heap_shrink();
    while (memory.free)
        give_back(&memory.free);
    return memory.used_pages;
}
