/* SPDX-License-Identifier: MIT
 *
 * guest/frames.h: who has which 4 KiB frame of RAM.
 *
 * Frames are named by physical address; direct() gives a kernel's pointer to one.
 */
#ifndef RINGSIDE_GUEST_FRAMES_H
#define RINGSIDE_GUEST_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "abi/boot.h"
#include "guest/layout.h"

/* Once, on the boot page tables. */
void frames_init(const struct boot_info *boot);

/* A frame with undefined contents; 0 when there is none. */
uint64_t frame_alloc(void);
void frame_free(uint64_t frame);
/* `count` frames in a row, 0 when there is no such run. Freed together, or one by one. */
uint64_t frames_alloc(size_t count);
void frames_free(uint64_t first, size_t count);
size_t frames_available(void);
/* The number of frames up to the last that was ever free: with guests' memory above them, not all the machine has. */
size_t frames_total(void);

static inline void *direct(uint64_t physical)
{
    return (void *)(DIRECT_MAP + physical);
}

static inline uint64_t physical(const void *pointer)
{
    return (uint64_t)pointer - DIRECT_MAP;
}

#endif
