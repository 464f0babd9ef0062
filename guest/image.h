/* SPDX-License-Identifier: MIT
 *
 * guest/image.h: boot modules as images to load: static ELF64 files whose segments go where they say.
 */
#ifndef RINGSIDE_GUEST_IMAGE_H
#define RINGSIDE_GUEST_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/boot.h"

/* Where its segments may lie. */
struct image_place {
    uint64_t begin, end;
};

/* Calls page(ctx, address, rights) for each page of each segment, in order: memory in which the page's bytes are then put, zeros
 * around them. `writable`: segments that are, too; else only the others. Panics if the file is no such image. The entry
 * point. */
uint64_t image_load(const struct boot_module *module, const struct image_place *place, bool writable,
                    void *(*page)(void *ctx, uint64_t address, unsigned rights), void *ctx);

#endif
