/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/memory.c: where the pages of a server's heap come from (guest/ring3/memory.c).
 */
#include "guest/ring3/memory.h"

#include "arch-micro/server/kcall.h"

static void *take_pages(size_t pages)
{
    long address = kcall(IPC_GROW, pages, 0, 0);

    return address < 0 ? NULL : (void *)address;
}

static bool give_pages(void *first, size_t pages)
{
    return kcall(IPC_SHRINK, (uint64_t)first, pages, 0) >= 0;
}

const struct memory_source memory_source = {.grow_pages = 16, .free_max = 128, .take = take_pages, .give = give_pages};
