/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/memory.c: where the pages of the library's heap come from (guest/ring3/memory.c).
 *
 * The heap is frames of the group's, used where all envs see them anyway: in the window. So contiguous frames are
 * contiguous addresses, which makes long transfers of the disk, and an address less LIB_WINDOW is what a device needs.
 * The kernel promises not to take any by force: the library cannot do without what it knows.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"

#define TAKE_MAX 128 /* the kernel's limit */
#define DISK_NS 1000000ul

static uint64_t frames[TAKE_MAX]; /* for one kernel call */
static bool (*mend_others)(void);

static long take(size_t pages)
{
    return exo_call(EXO_PAGES_TAKE, (uint64_t)frames, pages | EXO_IN_A_ROW | EXO_KEPT, 0);
}

static void *take_pages(size_t pages)
{
    long taken = pages <= TAKE_MAX ? take(pages) : -ENOMEM;

    if (taken == -EAGAIN && mend_others && mend_others())
        taken = take(pages);
    return taken < (long)pages ? NULL : page_window(frames[0]);
}

/* What the disk still writes to, for a reader that is no more, can be given when it has. The others have been. */
static void give_one_by_one(size_t count)
{
    for (size_t i = 0; i < count; i++)
        while (exo_call(EXO_PAGES_GIVE, (uint64_t)&frames[i], 1, 0) == -EBUSY)
            exo_call(EXO_SLEEP, clock_ns() + DISK_NS, EVENT_DISK, 0);
}

static bool give_pages(void *first, size_t pages)
{
    uint64_t frame = (uint64_t)first - LIB_WINDOW;

    while (pages) {
        size_t count = pages < TAKE_MAX ? pages : TAKE_MAX;

        for (size_t i = 0; i < count; i++, frame += PAGE_BYTES)
            frames[i] = frame;
        if (exo_call(EXO_PAGES_GIVE, (uint64_t)frames, count, 0) < 0)
            give_one_by_one(count);
        pages -= count;
    }
    return true;
}

void memory_mends(bool (*mend)(void))
{
    mend_others = mend;
}

const struct memory_source memory_source = {.grow_pages = 32, .free_max = 256, .take = take_pages, .give = give_pages};
