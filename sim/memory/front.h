/* SPDX-License-Identifier: MIT
 *
 * sim/memory/front.h: what is at the front of each set of a CPU's first-level TLBs and data cache, by virtual address.
 *
 * An access whose page is the most recently used of its TLB set, and whose line is that of its cache set, changes
 * nothing in the model: it is a hit, and the order of use stays. Whoever finds both here may skip it (native.c). The
 * TLB and the cache keep this right; an entry may be missing at any time, but is never wrong:
 *
 *  - page[kind]: pages by the set of 4 KiB entries that they fall in. One slot serves all pages of that set, so
 * touching one puts the others out. A page of 2 MiB stands here with the 4 KiB of it that were touched; when another
 * page of its own set is touched, it goes. A page comes here when it is looked up, not when its entry is filled. All
 * are of the current PCID.
 *  - read, write: virtual lines that are the first of their L1D set, for writes: whose page is dirty and no paging
 *    structure, and which no other cache has. A line goes when its cache set changes, and when a TLB entry for its page
 *    is filled (it may lead elsewhere). Whether its page is at the front must be asked apart.
 *
 * Flushes and another address space empty all of it.
 */
#ifndef RINGSIDE_SIM_FRONT_H
#define RINGSIDE_SIM_FRONT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRONT_SLOTS 64
#define FRONT_KINDS 2 /* enum tlb_kind */
#define FRONT_NONE UINT64_MAX

struct front {
    uint64_t page[FRONT_KINDS][FRONT_SLOTS]; /* virtual address >> 12; of code: front_code() */
    struct {
        uint64_t line; /* virtual address >> 6 */
        uint64_t host; /* + virtual address: where it is in the host's memory */
    } read[FRONT_SLOTS];
    uint64_t write[FRONT_SLOTS];                   /* lines */
    uint32_t page_mask[FRONT_KINDS], line_mask;    /* index: number & mask */
    uint64_t large_page[FRONT_KINDS][FRONT_SLOTS]; /* by 2 MiB sets: virtual address >> 21 of the one at the front */
    uint32_t large_mask[FRONT_KINDS];
    bool large[FRONT_KINDS][FRONT_SLOTS]; /* page[][] is part of a page of 2 MiB */
};

/* Sets beyond FRONT_SLOTS share slots. */
static inline uint32_t front_mask(uint32_t set_mask)
{
    return set_mask & (FRONT_SLOTS - 1);
}

static inline void front_forget_writes(struct front *f)
{
    memset(f->write, 0xff, sizeof f->write);
}

static inline void front_clear(struct front *f)
{
    memset(f->page, 0xff, sizeof f->page);
    memset(f->read, 0xff, sizeof f->read);
    memset(f->large_page, 0xff, sizeof f->large_page);
    front_forget_writes(f);
}

/* What stands for a page of code: with where it leads, because an entry may be stale. */
static inline uint64_t front_code(uint64_t page, uint64_t frame)
{
    return (page & 0xfffffffffull) | frame << 36;
}

/* A page of 4 KiB was used; `as` stands for it. */
static inline void front_page(struct front *f, unsigned kind, uint64_t page, uint64_t as)
{
    f->page[kind][page & f->page_mask[kind]] = as;
    f->large[kind][page & f->page_mask[kind]] = false;
}

/* Nobody of this set of 2 MiB pages is at its front. */
static inline void front_forget_large(struct front *f, unsigned kind, uint64_t set)
{
    f->large_page[kind][set] = FRONT_NONE;
    for (unsigned i = 0; i <= f->page_mask[kind]; i++)
        if (f->large[kind][i] && (f->page[kind][i] >> 9 & f->large_mask[kind]) == set)
            f->page[kind][i] = FRONT_NONE;
}

/* This one, of a page of 2 MiB. */
static inline void front_large_page(struct front *f, unsigned kind, uint64_t page, uint64_t as)
{
    uint64_t whole = page >> 9, set = whole & f->large_mask[kind];

    if (f->large_page[kind][set] != whole) {
        front_forget_large(f, kind, set);
        f->large_page[kind][set] = whole;
    }
    f->page[kind][page & f->page_mask[kind]] = as;
    f->large[kind][page & f->page_mask[kind]] = true;
}

/* An entry for this page was filled: whoever was at the front is not, and it will be once it was looked up. */
static inline void front_filled(struct front *f, unsigned kind, uint64_t page, bool large)
{
    if (large)
        front_forget_large(f, kind, page >> 9 & f->large_mask[kind]);
    f->page[kind][page & f->page_mask[kind]] = FRONT_NONE;
}

/* A TLB entry for data was filled: what is known of lines of these 1 << shift pages from `page` on is forgotten. */
static inline void front_forget_lines(struct front *f, uint64_t page, unsigned shift)
{
    for (unsigned i = 0; i <= f->line_mask; i++) {
        if (f->read[i].line >> (6 + shift) == page >> shift)
            f->read[i].line = FRONT_NONE;
        if (f->write[i] >> (6 + shift) == page >> shift)
            f->write[i] = FRONT_NONE;
    }
}

/* The L1D set of this line, physical or virtual, changed. */
static inline void front_forget_set(struct front *f, uint64_t line)
{
    f->read[line & f->line_mask].line = FRONT_NONE;
    f->write[line & f->line_mask] = FRONT_NONE;
}

#endif
