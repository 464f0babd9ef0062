/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/space.h: the program's areas, for space.c and load.c.
 */
#ifndef RINGSIDE_ARCH_EXO_COPIER_SPACE_H
#define RINGSIDE_ARCH_EXO_COPIER_SPACE_H

#include "arch-exo/copier/copier.h"

typedef uint64_t page_t; /* a frame, with PAGE_LOANED or without; 0: zeroes, at the first touch */
#define PAGE_LOANED 1ul

struct area {
    struct area *next;
    uint64_t start, end;
    unsigned prot;
    page_t *page;
};

struct space {
    long number; /* 0: none yet */
    struct area *areas;
};

extern struct space space;

static inline uint64_t pages_of(const struct area *area)
{
    return (area->end - area->start) / PAGE_BYTES;
}

static inline page_t *page_at(const struct area *area, uint64_t address)
{
    return &area->page[(address - area->start) / PAGE_BYTES];
}

static inline uint64_t page_up(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* NULL: none has that address. */
struct area *area_of(uint64_t address);
/* 0, -ENOMEM, or -EEXIST: the range is not free. */
long area_add(uint64_t start, uint64_t end, unsigned prot);
/* Its end moves up: 0, or -ENOMEM. */
long area_grow(struct area *area, uint64_t end);
/* An area that `at` lies within becomes two that meet there: 0, or -ENOMEM. */
long area_cut(uint64_t at);
/* Those that begin in the range, which has been cut at both ends. */
void each_area(uint64_t start, uint64_t end, void (*change)(struct area *area, unsigned prot), unsigned prot);
void area_free(struct area *area);
void area_protect(struct area *area, unsigned prot);
/* A page of zeroes where there is none: 0, or -ENOMEM. */
long page_new(const struct area *area, uint64_t address);

#endif
