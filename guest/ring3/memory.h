/* SPDX-License-Identifier: MIT
 *
 * guest/ring3/memory.h: the heap of a server or a library: guest/heap.h over pages that its kernel gives.
 */
#ifndef RINGSIDE_GUEST_RING3_MEMORY_H
#define RINGSIDE_GUEST_RING3_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/heap.h"

/* Where pages come from: the image supplies it. */
struct memory_source {
    size_t grow_pages; /* at least so many are taken at once, if there are so many */
    size_t free_max;   /* pages; what is free beyond that goes back */
    /* Pages in a row, contents undefined; NULL: there are none. */
    void *(*take)(size_t pages);
    /* Pages in a row, of one take or of several. False: they stay, as a device may still move one. */
    bool (*give)(void *first, size_t pages);
};
extern const struct memory_source memory_source;

/* Gives all free pages back to the kernel; how many are left, in use. */
size_t memory_shrink(void);

#endif
