/* SPDX-License-Identifier: MIT
 *
 * sim/memory/tlb.h: the modelled TLBs and paging-structure caches of one CPU.
 *
 * Rules (Intel SDM vol. 3A §4.10):
 *  - An entry is tagged with a PCID, unless it is global: then it matches under every PCID. Where both match, the PCID's
 *    own entry is used.
 *  - First-level arrays are tried 4 KiB, 2 MiB, 1 GiB; then the second level's in the same order.
 *  - A first-level miss that hits the second level refills the first level. A walk refills both.
 *  - Levels are neither inclusive nor exclusive; each array evicts its own least recently used entry, once its set has no
 *    free way. A flushed entry's way is free. A first-level hit does not touch the second level's order.
 *  - Entries of different page sizes live in separate arrays, as on the modelled processors. An array of no entries
 *    holds nothing: with no first level for a size, each access to it is answered by the second level or by a walk.
 *  - A flush is one increment of a clock, not a sweep.
 *
 * The hot path. A caller that executes hundreds of millions of accesses first compares with its own last page, then
 * asks tlb_recent() (inline: a direct-mapped table of pages that the first level is known to hold), then tlb_lookup().
 * tlb_recent() answers a first-level hit with exactly the effect on the order of use that tlb_lookup() would have.
 */
#ifndef RINGSIDE_SIM_TLB_H
#define RINGSIDE_SIM_TLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/cpu_model.h"
#include "sim/memory/front.h"

enum translation_flags {
    TRANSLATION_USER = 1 << 0,
    TRANSLATION_WRITE = 1 << 1,
    TRANSLATION_NX = 1 << 2,
    TRANSLATION_GLOBAL = 1 << 3,
    TRANSLATION_DIRTY = 1 << 4,
};

struct translation {
    uint64_t page;  /* virtual address >> 12, of the first 4 KiB of the page */
    uint64_t frame; /* physical address >> 12, of the first 4 KiB */
    uint16_t pcid;
    uint8_t size;   /* enum page_size */
    uint8_t flags;  /* enum translation_flags: the walk's effective rights */
};

enum tlb_kind { TLB_CODE, TLB_DATA, TLB_KINDS };
enum tlb_result { TLB_HIT, TLB_HIT_SECOND, TLB_MISS };

struct tlb;

struct tlb *tlb_create(const struct cpu_model *model); /* NULL without memory */
/* Does a first level hold pages of this size? */
bool tlb_has_first(const struct tlb *tlb, enum tlb_kind kind, enum page_size size);
/* From now on it keeps this right (front.h); the caller's. Before anything is in the TLB. */
void tlb_keep_front(struct tlb *tlb, struct front *front);
void tlb_destroy(struct tlb *tlb);

/* Looks `page` (virtual address >> 12, of a canonical address) up; on a hit at any level *out is the entry, valid until
 * the next call. Updates LRU and refills the first level from the second. pcid: 0…4095. */
enum tlb_result tlb_lookup(struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid, const struct translation **out);
/* The entry that a lookup would find at any level, without one; NULL: none. Valid until the next call. */
const struct translation *tlb_peek(const struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid);
/* After a walk: into the first level of `kind` and into the second. Replaces what a lookup of this page, size and PCID
 * would find there. `page` and `frame` may be of any 4 KiB of the page: they are rounded down to its first. */
void tlb_insert(struct tlb *tlb, enum tlb_kind kind, const struct translation *entry);
/* INVLPG: the page (of any size) under this PCID, and global ones, in all TLBs, and all paging-structure caches of that
 * PCID (SDM 4.10.4.1). */
void tlb_flush_page(struct tlb *tlb, uint64_t page, uint16_t pcid);
/* MOV CR3 without bit 63, INVPCID type 1: all non-global entries of a PCID, and its paging-structure caches. */
void tlb_flush_pcid(struct tlb *tlb, uint16_t pcid);
/* All entries of all PCIDs; global ones too if `global`. Always all paging-structure caches. */
void tlb_flush_all(struct tlb *tlb, bool global);
/* INVPCID (SDM vol. 2A): type 0, one page of a PCID but not global ones; 1, a PCID; 2, everything; 3, everything but
 * global ones. false: no such type, nothing done (the instruction raises #GP). */
bool tlb_invpcid(struct tlb *tlb, unsigned type, uint64_t page, uint16_t pcid);
/* Counts up with every flush of any kind and every entry that leaves or changes in a first level: a cached "the last
 * page hit" is valid as long as it has not changed. */
const uint64_t *tlb_epoch(const struct tlb *tlb);

/* Paging-structure caches. level: 3 PML4E, 2 PDPTE, 1 PDE. A hit says: the table of the next lower level for this
 * page is at *table, with these accumulated rights (USER, WRITE, NX). */
bool psc_lookup(struct tlb *tlb, unsigned level, uint64_t page, uint16_t pcid, uint64_t *table, uint8_t *rights);
void psc_insert(struct tlb *tlb, unsigned level, uint64_t page, uint16_t pcid, uint64_t table, uint8_t rights);
/* A page fault: those that a walk for this page would use (SDM 4.10.4.1). */
void psc_forget(struct tlb *tlb, uint64_t page, uint16_t pcid);

/* One way of a first-level array, as tlb_recent() needs it. `filled` is unique for each filling; 0 is empty. */
struct tlb_way {
    uint64_t filled, used;
    struct translation entry;
};

#define TLB_RECENT_SLOTS 64

struct tlb_recent {
    uint64_t key; /* page (36 bits), PCID (12 bits), generation (16 bits) */
    uint64_t filled;
    struct tlb_way *way;
};

/* The first member of struct tlb; for tlb_recent() only. */
struct tlb_front {
    uint64_t clock; /* order of use, of filling and of flushing */
    uint64_t epoch;
    uint64_t generation; /* in bits 48…63 of recent keys; a new one drops them all */
    struct front *first; /* NULL: nobody asks */
    struct tlb_recent recent[TLB_KINDS][TLB_RECENT_SLOTS];
};

static inline uint64_t tlb_recent_key(const struct tlb_front *front, uint64_t page, uint16_t pcid)
{
    return (page & 0xfffffffffull) | (uint64_t)pcid << 36 | front->generation;
}

static inline struct tlb_recent *tlb_recent_slot(struct tlb_front *front, enum tlb_kind kind, uint64_t page)
{
    return &front->recent[kind][(page ^ page >> 6) % TLB_RECENT_SLOTS];
}

/* An entry of the first level was used for this page. */
static inline void tlb_used(const struct tlb_front *front, enum tlb_kind kind, uint64_t page,
                            const struct translation *entry)
{
    uint64_t as = kind == TLB_CODE ? front_code(page, entry->frame + (page - entry->page)) : page;

    if (!front->first)
        return;
    if (entry->size == PAGE_4K)
        front_page(front->first, kind, page, as);
    else if (entry->size == PAGE_2M)
        front_large_page(front->first, kind, page, as);
}

/* A first-level hit, counted as used, or NULL: nothing has happened, call tlb_lookup. */
static inline const struct translation *tlb_recent(struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid)
{
    struct tlb_front *front = (struct tlb_front *)(void *)tlb;
    struct tlb_recent *slot = tlb_recent_slot(front, kind, page);
    if (slot->key != tlb_recent_key(front, page, pcid) || slot->way->filled != slot->filled)
        return NULL;
    slot->way->used = ++front->clock;
    tlb_used(front, kind, page, &slot->way->entry);
    return &slot->way->entry;
}

#endif
