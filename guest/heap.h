/* SPDX-License-Identifier: MIT
 *
 * guest/heap.h: memory for the kernel and the services in it.
 */
#ifndef RINGSIDE_GUEST_HEAP_H
#define RINGSIDE_GUEST_HEAP_H

#include <stddef.h>

/* Zeroed, 16-byte aligned; from 4096 bytes on page aligned and physically contiguous. NULL without memory. */
void *heap_alloc(size_t bytes);
/* `bytes` as given to heap_alloc. NULL is fine. */
void heap_free(void *memory, size_t bytes);
/* Gives empty pages kept for later back to the frame allocator. */
void heap_shrink(void);

#endif
