/* SPDX-License-Identifier: MIT
 *
 * sim/memory/tlb.c: translation look-aside buffers and paging-structure caches, as sets of ways with a clock.
 *
 * Layer: pure model, below the MMU; knows nothing of page tables or of Unicorn. The rules are in sim/memory/tlb.h.
 *
 * One clock counts everything that is ordered: a way remembers when it was filled and when it was last used, a PCID
 * when it was last flushed. So an entry is alive if it was filled after the last flush that concerns it, the victim of
 * a set is the way used longest ago, and a flush costs one store whatever it drops. 2^64 events do not wrap.
 *
 * An array is flat: set s has the ways s * ways … s * ways + ways - 1. A way's key holds all that a lookup compares:
 * the page in units of its size (36 bits), the PCID (12 bits) or, for a global entry, bit 48 and no PCID.
 *
 * Why tlb_recent() is exact. A slot answers for (page, PCID) only if the way that a lookup found is still filled by the
 * same filling, and since then nothing happened that could make a lookup find another way first: inserting a 4 KiB
 * entry of that page clears the slot; inserting a larger entry, or a flush by clock, ends the generation of all slots.
 * A refill from the second level needs no more care: it happens because no first-level array had the page, so a slot
 * of another 4 KiB of the same large page can only be one of a 4 KiB entry, which goes first.
 */
#include "sim/memory/tlb.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_BITS 36
#define PAGE_MASK ((1ull << PAGE_BITS) - 1)
#define KEY_GLOBAL (1ull << 48)
#define PCIDS 4096
#define GENERATION_ONE (1ull << 48)
#define PSC_LEVELS 4 /* index 1…3 */

static const unsigned size_shift[PAGE_SIZES] = {[PAGE_4K] = 0, [PAGE_2M] = 9, [PAGE_1G] = 18};

struct tlb_array {
    uint64_t *keys; /* apart from the ways, so that a search reads few host cache lines */
    struct tlb_way *ways;
    uint32_t set_mask, way_count;
    unsigned shift; /* 4 KiB page number to page number of this size */
    bool ever_filled;
};

struct psc_way {
    uint64_t key; /* the page's upper bits, PCID */
    uint64_t filled, used;
    uint64_t table;
    uint16_t pcid;
    uint8_t rights;
};

struct psc {
    struct psc_way *ways;
    uint32_t way_count;
};

struct tlb {
    struct tlb_front front; /* first: tlb_recent() relies on it */
    struct tlb_array first[TLB_KINDS][PAGE_SIZES], second[PAGE_SIZES];
    struct psc psc[PSC_LEVELS];
    uint64_t all_flushed, global_flushed; /* clock of the last flush */
    uint64_t pcid_flushed[PCIDS];
};

_Static_assert(offsetof(struct tlb, front) == 0, "tlb_recent casts");

/* Life. */

static bool array_create(struct tlb_array *array, struct tlb_geometry geometry, enum page_size size)
{
    array->shift = size_shift[size];
    if (!geometry.entries)
        return true;
    array->way_count = geometry.ways;
    array->set_mask = geometry.entries / geometry.ways - 1;
    array->keys = calloc(geometry.entries, sizeof *array->keys);
    array->ways = calloc(geometry.entries, sizeof *array->ways);
    return array->keys && array->ways;
}

static void array_destroy(struct tlb_array *array)
{
    free(array->keys);
    free(array->ways);
}

static bool psc_create(struct psc *psc, uint32_t entries)
{
    psc->way_count = entries;
    psc->ways = calloc(entries ? entries : 1, sizeof *psc->ways);
    return psc->ways;
}

static bool create_arrays(struct tlb *tlb, const struct cpu_model *model)
{
    bool ok = true;
    for (int size = 0; size < PAGE_SIZES; size++) {
        ok &= array_create(&tlb->first[TLB_CODE][size], model->itlb[size], size);
        ok &= array_create(&tlb->first[TLB_DATA][size], model->dtlb[size], size);
        ok &= array_create(&tlb->second[size], model->stlb[size], size);
    }
    ok &= psc_create(&tlb->psc[3], model->pml4e_cache);
    ok &= psc_create(&tlb->psc[2], model->pdpte_cache);
    ok &= psc_create(&tlb->psc[1], model->pde_cache);
    return ok;
}

static void next_generation(struct tlb_front *front)
{
    front->generation += GENERATION_ONE;
    if (front->generation)
        return;
    memset(front->recent, 0, sizeof front->recent); /* wrapped: old keys would be current again */
    front->generation = GENERATION_ONE;
}

struct tlb *tlb_create(const struct cpu_model *model)
{
    struct tlb *tlb = calloc(1, sizeof *tlb);
    if (!tlb)
        return NULL;
    next_generation(&tlb->front); /* generation 0 is that of empty slots */
    if (create_arrays(tlb, model))
        return tlb;
    tlb_destroy(tlb);
    return NULL;
}

bool tlb_has_first(const struct tlb *tlb, enum tlb_kind kind, enum page_size size)
{
    return tlb->first[kind][size].ways;
}

void tlb_keep_front(struct tlb *tlb, struct front *front)
{
    for (int kind = 0; kind < TLB_KINDS; kind++) {
        front->page_mask[kind] = front_mask(tlb->first[kind][PAGE_4K].set_mask);
        front->large_mask[kind] = front_mask(tlb->first[kind][PAGE_2M].set_mask);
    }
    front_clear(front);
    tlb->front.first = front;
}

void tlb_destroy(struct tlb *tlb)
{
    if (!tlb)
        return;
    for (int size = 0; size < PAGE_SIZES; size++) {
        array_destroy(&tlb->first[TLB_CODE][size]);
        array_destroy(&tlb->first[TLB_DATA][size]);
        array_destroy(&tlb->second[size]);
    }
    for (int level = 0; level < PSC_LEVELS; level++)
        free(tlb->psc[level].ways);
    free(tlb);
}

/* Which entries are alive. */

/* Non-global entries of this PCID filled after this are alive. */
static inline uint64_t flushed_since(const struct tlb *tlb, uint16_t pcid)
{
    uint64_t own = tlb->pcid_flushed[pcid % PCIDS];
    return own > tlb->all_flushed ? own : tlb->all_flushed;
}

static inline bool way_alive(const struct tlb *tlb, const struct tlb_way *way)
{
    if (way->entry.flags & TRANSLATION_GLOBAL)
        return way->filled > tlb->global_flushed;
    return way->filled > flushed_since(tlb, way->entry.pcid);
}

/* One array. */

static inline uint64_t page_of(const struct tlb_array *array, uint64_t page)
{
    return (page & PAGE_MASK) >> array->shift;
}

/* Index of the first way of the page's set. */
static inline uint32_t set_of(const struct tlb_array *array, uint64_t page)
{
    return (uint32_t)(page_of(array, page) & array->set_mask) * array->way_count;
}

static inline uint64_t way_key(const struct tlb_array *array, uint64_t page, uint16_t pcid)
{
    return page_of(array, page) | (uint64_t)pcid << PAGE_BITS;
}

/* The way that translates `page` under `pcid`, or NULL. */
static struct tlb_way *find(const struct tlb *tlb, const struct tlb_array *array, uint64_t page, uint16_t pcid)
{
    if (!array->ever_filled)
        return NULL;
    struct tlb_way *global = NULL;
    uint32_t start = set_of(array, page), end = start + array->way_count;
    uint64_t own_key = way_key(array, page, pcid), global_key = way_key(array, page, 0) | KEY_GLOBAL;
    for (uint32_t i = start; i < end; i++) {
        if (array->keys[i] == own_key && array->ways[i].filled > flushed_since(tlb, pcid))
            return &array->ways[i];
        if (array->keys[i] == global_key && array->ways[i].filled > tlb->global_flushed)
            global = &array->ways[i];
    }
    return global;
}

/* A free way of the page's set, else its least recently used one. */
static struct tlb_way *victim(const struct tlb *tlb, const struct tlb_array *array, uint64_t page)
{
    struct tlb_way *set = &array->ways[set_of(array, page)], *oldest = set;
    for (uint32_t i = 0; i < array->way_count; i++) {
        if (!way_alive(tlb, &set[i]))
            return &set[i];
        if (set[i].used < oldest->used)
            oldest = &set[i];
    }
    return oldest;
}

static struct tlb_way *fill(struct tlb *tlb, struct tlb_array *array, const struct translation *entry)
{
    struct tlb_way *way = victim(tlb, array, entry->page);
    bool global = entry->flags & TRANSLATION_GLOBAL;
    way->entry = *entry;
    array->keys[way - array->ways] = way_key(array, entry->page, global ? 0 : entry->pcid) | (global ? KEY_GLOBAL : 0);
    way->filled = way->used = ++tlb->front.clock;
    array->ever_filled = true;
    return way;
}

/* Drops what lookups of this page under this PCID find: its own entry and, if `global`, the global one. */
static void drop(struct tlb *tlb, struct tlb_array *array, uint64_t page, uint16_t pcid, bool global)
{
    if (!array->ever_filled)
        return;
    uint32_t start = set_of(array, page), end = start + array->way_count;
    uint64_t own_key = way_key(array, page, pcid), global_key = way_key(array, page, 0) | KEY_GLOBAL;
    for (uint32_t i = start; i < end; i++)
        if (array->keys[i] == own_key || (global && array->keys[i] == global_key))
            array->ways[i].filled = 0;
}

/* Both levels. */

/* The first level of `kind` got this entry, which may lead elsewhere than one before. */
static void first_filled(struct tlb *tlb, enum tlb_kind kind, const struct translation *entry)
{
    struct front *f = tlb->front.first;

    if (!f)
        return;
    front_filled(f, kind, entry->page, entry->size == PAGE_2M);
    if (kind == TLB_DATA)
        front_forget_lines(f, entry->page, size_shift[entry->size]);
}

static void flushed(const struct tlb *tlb)
{
    if (tlb->front.first)
        front_clear(tlb->front.first);
}

static void remember(struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid, struct tlb_way *way)
{
    struct tlb_recent *slot = tlb_recent_slot(&tlb->front, kind, page);
    *slot = (struct tlb_recent){
        .key = tlb_recent_key(&tlb->front, page, pcid), .filled = way->filled, .way = way};
}

static const struct translation *refill(struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid,
                                        struct tlb_way *second)
{
    struct tlb_array *array = &tlb->first[kind][second->entry.size];
    second->used = ++tlb->front.clock;
    if (!array->ways)
        return &second->entry;
    tlb->front.epoch++;
    struct tlb_way *way = fill(tlb, array, &second->entry);
    first_filled(tlb, kind, &way->entry);
    remember(tlb, kind, page, pcid, way);
    return &way->entry;
}

enum tlb_result tlb_lookup(struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid, const struct translation **out)
{
    for (int size = 0; size < PAGE_SIZES; size++) {
        struct tlb_way *way = find(tlb, &tlb->first[kind][size], page, pcid);
        if (!way)
            continue;
        way->used = ++tlb->front.clock;
        tlb_used(&tlb->front, kind, page, &way->entry);
        remember(tlb, kind, page, pcid, way);
        *out = &way->entry;
        return TLB_HIT;
    }
    for (int size = 0; size < PAGE_SIZES; size++) {
        struct tlb_way *way = find(tlb, &tlb->second[size], page, pcid);
        if (!way)
            continue;
        *out = refill(tlb, kind, page, pcid, way);
        return TLB_HIT_SECOND;
    }
    return TLB_MISS;
}

const struct translation *tlb_peek(const struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid)
{
    for (int level = 0; level < 2; level++)
        for (int size = 0; size < PAGE_SIZES; size++) {
            const struct tlb_array *array = level == 0 ? &tlb->first[kind][size] : &tlb->second[size];
            const struct tlb_way *way = find(tlb, array, page, pcid);

            if (way)
                return &way->entry;
        }
    return NULL;
}

/* The recent slots that an insertion could make wrong: see the head of this file. */
static void forget(struct tlb *tlb, enum tlb_kind kind, const struct translation *entry)
{
    if (entry->size == PAGE_4K)
        tlb_recent_slot(&tlb->front, kind, entry->page)->key = 0;
    else
        next_generation(&tlb->front);
}

void tlb_insert(struct tlb *tlb, enum tlb_kind kind, const struct translation *entry)
{
    struct translation rounded = *entry;
    uint64_t inside = (1ull << size_shift[entry->size]) - 1;
    rounded.page &= ~inside;
    rounded.frame &= ~inside;
    struct tlb_array *arrays[] = {&tlb->first[kind][entry->size], &tlb->second[entry->size]};
    tlb->front.epoch++;
    forget(tlb, kind, entry);
    for (int level = 0; level < 2; level++) {
        if (!arrays[level]->ways)
            continue;
        drop(tlb, arrays[level], rounded.page, rounded.pcid, true);
        fill(tlb, arrays[level], &rounded);
        if (level == 0)
            first_filled(tlb, kind, entry);
    }
}

/* Flushes. */

static void psc_drop(struct tlb *tlb, uint16_t pcid)
{
    for (int level = 1; level < PSC_LEVELS; level++)
        for (uint32_t i = 0; i < tlb->psc[level].way_count; i++)
            if (tlb->psc[level].ways[i].pcid == pcid)
                tlb->psc[level].ways[i].filled = 0;
}

static void flush_page(struct tlb *tlb, uint64_t page, uint16_t pcid, bool global)
{
    tlb->front.epoch++;
    flushed(tlb);
    for (int size = 0; size < PAGE_SIZES; size++) {
        drop(tlb, &tlb->first[TLB_CODE][size], page, pcid, global);
        drop(tlb, &tlb->first[TLB_DATA][size], page, pcid, global);
        drop(tlb, &tlb->second[size], page, pcid, global);
    }
    psc_drop(tlb, pcid);
}

void tlb_flush_page(struct tlb *tlb, uint64_t page, uint16_t pcid)
{
    flush_page(tlb, page, pcid, true);
}

static uint64_t flush_clock(struct tlb *tlb)
{
    tlb->front.epoch++;
    flushed(tlb);
    next_generation(&tlb->front);
    return ++tlb->front.clock;
}

void tlb_flush_pcid(struct tlb *tlb, uint16_t pcid)
{
    tlb->pcid_flushed[pcid % PCIDS] = flush_clock(tlb);
}

void tlb_flush_all(struct tlb *tlb, bool global)
{
    tlb->all_flushed = flush_clock(tlb);
    if (global)
        tlb->global_flushed = tlb->all_flushed;
}

bool tlb_invpcid(struct tlb *tlb, unsigned type, uint64_t page, uint16_t pcid)
{
    switch (type) {
    case 0:
        flush_page(tlb, page, pcid, false);
        return true;
    case 1:
        tlb_flush_pcid(tlb, pcid);
        return true;
    case 2:
    case 3:
        tlb_flush_all(tlb, type == 2);
        return true;
    default:
        return false;
    }
}

const uint64_t *tlb_epoch(const struct tlb *tlb)
{
    return &tlb->front.epoch;
}

/* Paging-structure caches: fully associative, so small that a search is a loop. */

static uint64_t psc_key(unsigned level, uint64_t page, uint16_t pcid)
{
    return (page & PAGE_MASK) >> (9 * level) | (uint64_t)pcid << PAGE_BITS;
}

static struct psc_way *psc_find(const struct tlb *tlb, const struct psc *psc, uint64_t key, uint16_t pcid)
{
    uint64_t since = flushed_since(tlb, pcid);
    for (uint32_t i = 0; i < psc->way_count; i++)
        if (psc->ways[i].key == key && psc->ways[i].filled > since)
            return &psc->ways[i];
    return NULL;
}

static struct psc_way *psc_victim(const struct tlb *tlb, const struct psc *psc)
{
    struct psc_way *oldest = psc->ways;
    for (uint32_t i = 0; i < psc->way_count; i++) {
        struct psc_way *way = &psc->ways[i];
        if (way->filled <= flushed_since(tlb, way->pcid))
            return way;
        if (way->used < oldest->used)
            oldest = way;
    }
    return oldest;
}

bool psc_lookup(struct tlb *tlb, unsigned level, uint64_t page, uint16_t pcid, uint64_t *table, uint8_t *rights)
{
    struct psc_way *way = psc_find(tlb, &tlb->psc[level], psc_key(level, page, pcid), pcid);
    if (!way)
        return false;
    way->used = ++tlb->front.clock;
    *table = way->table;
    *rights = way->rights;
    return true;
}

void psc_insert(struct tlb *tlb, unsigned level, uint64_t page, uint16_t pcid, uint64_t table, uint8_t rights)
{
    struct psc *psc = &tlb->psc[level];
    uint64_t key = psc_key(level, page, pcid);
    if (!psc->way_count)
        return;
    struct psc_way *way = psc_find(tlb, psc, key, pcid);
    if (!way)
        way = psc_victim(tlb, psc);
    *way = (struct psc_way){.key = key, .pcid = pcid, .table = table, .rights = rights};
    way->filled = way->used = ++tlb->front.clock;
}

void psc_forget(struct tlb *tlb, uint64_t page, uint16_t pcid)
{
    for (unsigned level = 1; level < PSC_LEVELS; level++) {
        struct psc_way *way = psc_find(tlb, &tlb->psc[level], psc_key(level, page, pcid), pcid);
        if (way)
            way->filled = 0;
    }
}
