/* SPDX-License-Identifier: MIT
 *
 * sim/memory/cache.c: data and instruction caches as small ordered arrays.
 *
 * Layer: pure model; knows physical addresses only. The rules are in sim/memory/cache.h.
 *
 * A cache is one flat array of 32-bit entries. A set is `ways` of them, ordered: the most recently used first, free
 * ways last. So a hit moves the entry to the front, a victim is the last one, and an L1 set of eight ways is half a
 * host cache line. An entry is the line's tag (line number / sets) and two flags below it:
 *
 *   DIRTY      newer than the next level
 *   EXCLUSIVE  L1D only, implies DIRTY: no other CPU's private cache holds the line, so that a further write has nothing
 *              to invalidate. Set by a write; lost when another CPU reads the line. It saves work and changes no result.
 *
 * A CPU that holds a line exclusively wrote it last, which dropped it from all others; so only a read that misses the
 * reader's L1 and L2 can meet another CPU's EXCLUSIVE flag, and only then do we look for it.
 *
 * Each first-level cache keeps its filter up to date: the line at the front of each set (and a second array of those
 * that are EXCLUSIVE). An access to it would change nothing, so the caller may skip it.
 */
#include "sim/memory/cache.h"

#include <emmintrin.h>
#include <stdlib.h>
#include <string.h>

#define DIRTY 1u
#define EXCLUSIVE 2u
#define FLAGS 3u
#define TAG_SHIFT 2
#define FREE UINT32_MAX /* no line below CACHE_ADDRESS_MAX has this tag */
#define NO_LINE UINT64_MAX
#define CPUS_MAX 8

_Static_assert((CACHE_ADDRESS_MAX / 32 - 1) << TAG_SHIFT < (FREE & ~FLAGS), "a tag fits an entry");

struct cache {
    uint32_t *entries; /* NULL: this level does not exist */
    uint32_t ways, set_mask;
    unsigned set_bits;
    uint64_t *read_filter, *write_filter; /* first level only */
    struct front *front;                  /* L1D, if somebody asks */
};

struct cache_cpu {
    struct cache l1[2], l2; /* l1: by enum cache_port */
};

struct cache_system {
    unsigned cpus, line_bits;
    /* cycles beyond a first-level hit, by port: found in L2, in L3, in memory */
    uint32_t l2_cycles[2], l3_cycles[2], memory_cycles[2];
    struct cache l3;
    struct cache_cpu cpu[CPUS_MAX];
};

/* Life. */

static unsigned log2_of(uint32_t power)
{
    return (unsigned)__builtin_ctz(power);
}

static bool create_cache(struct cache *cache, const struct cache_geometry *geometry)
{
    if (!geometry->bytes)
        return true;
    uint32_t lines = geometry->bytes / geometry->line;
    cache->ways = geometry->ways;
    cache->set_mask = lines / geometry->ways - 1;
    cache->set_bits = log2_of(cache->set_mask + 1);
    cache->entries = malloc(lines * sizeof *cache->entries);
    if (cache->entries)
        memset(cache->entries, 0xff, lines * sizeof *cache->entries);
    return cache->entries;
}

static uint64_t *create_filter(const struct cache *cache)
{
    size_t bytes = (cache->set_mask + 1) * sizeof(uint64_t);
    uint64_t *filter = malloc(bytes);
    if (filter)
        memset(filter, 0xff, bytes);
    return filter;
}

static bool create_first(struct cache *cache, const struct cache_geometry *geometry)
{
    if (!create_cache(cache, geometry))
        return false;
    cache->read_filter = create_filter(cache);
    cache->write_filter = create_filter(cache);
    return cache->read_filter && cache->write_filter;
}

static uint32_t beyond(uint32_t latency, uint32_t first)
{
    return latency > first ? latency - first : 0;
}

static void set_costs(struct cache_system *caches, const struct cpu_model *model)
{
    const struct cache_geometry *first[] = {[CACHE_CODE] = &model->l1i, [CACHE_DATA] = &model->l1d};
    for (int port = 0; port < 2; port++) {
        caches->l2_cycles[port] = beyond(model->l2.latency, first[port]->latency);
        caches->l3_cycles[port] = beyond(model->l3.latency, first[port]->latency);
        caches->memory_cycles[port] = beyond(model->memory_latency, first[port]->latency);
    }
}

struct cache_system *cache_system_create(const struct cpu_model *model, unsigned cpus)
{
    struct cache_system *caches = calloc(1, sizeof *caches);
    if (!caches)
        return NULL;
    caches->cpus = cpus;
    caches->line_bits = log2_of(model->l1d.line);
    set_costs(caches, model);
    bool ok = create_cache(&caches->l3, &model->l3);
    for (unsigned i = 0; i < cpus; i++) {
        ok &= create_first(&caches->cpu[i].l1[CACHE_CODE], &model->l1i);
        ok &= create_first(&caches->cpu[i].l1[CACHE_DATA], &model->l1d);
        ok &= create_cache(&caches->cpu[i].l2, &model->l2);
    }
    if (ok)
        return caches;
    cache_system_destroy(caches);
    return NULL;
}

static void destroy_cache(struct cache *cache)
{
    free(cache->entries);
    free(cache->read_filter);
    free(cache->write_filter);
}

void cache_system_destroy(struct cache_system *caches)
{
    if (!caches)
        return;
    for (unsigned i = 0; i < caches->cpus; i++) {
        destroy_cache(&caches->cpu[i].l1[CACHE_CODE]);
        destroy_cache(&caches->cpu[i].l1[CACHE_DATA]);
        destroy_cache(&caches->cpu[i].l2);
    }
    destroy_cache(&caches->l3);
    free(caches);
}

/* One set. */

static inline uint32_t *set_of(const struct cache *cache, uint64_t line)
{
    return &cache->entries[(line & cache->set_mask) * cache->ways];
}

static inline uint32_t entry_of(const struct cache *cache, uint64_t line)
{
    return (uint32_t)(line >> cache->set_bits) << TAG_SHIFT;
}

static inline uint64_t line_of(const struct cache *cache, uint32_t entry, uint64_t same_set)
{
    return (uint64_t)(entry >> TAG_SHIFT) << cache->set_bits | (same_set & cache->set_mask);
}

/* Bit i: it is entry i of these four. */
static inline unsigned is_in_4(const uint32_t *entries, uint32_t want)
{
    __m128i four = _mm_loadu_si128((const __m128i *)(const void *)entries);
    __m128i same = _mm_cmpeq_epi32(_mm_andnot_si128(_mm_set1_epi32(FLAGS), four), _mm_set1_epi32((int)want));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(same));
}

/* Position of the line in its set, or -1. */
static inline int position(const struct cache *cache, uint64_t line)
{
    const uint32_t *set = set_of(cache, line);
    uint32_t want = entry_of(cache, line), i = 0;
    if (cache->ways == 8) {
        unsigned found = is_in_4(set, want) | is_in_4(set + 4, want) << 4;
        return found ? __builtin_ctz(found) : -1;
    }
    for (; i + 4 <= cache->ways; i += 4) {
        unsigned found = is_in_4(&set[i], want);
        if (found)
            return (int)i + __builtin_ctz(found);
    }
    for (; i < cache->ways; i++)
        if ((set[i] & ~FLAGS) == want)
            return (int)i;
    return -1;
}

/* put_first() in a set of eight, without a jump that depends on the place: half of those would be mispredicted. */
static inline void put_first_of_8(uint32_t *set, uint32_t count, uint32_t entry)
{
    __m128i *half = (__m128i *)(void *)set;
    __m128i low = _mm_loadu_si128(half), high = _mm_loadu_si128(half + 1), last = _mm_set1_epi32((int)count);
    __m128i down_low = _mm_or_si128(_mm_slli_si128(low, 4), _mm_cvtsi32_si128((int)entry));
    __m128i down_high = _mm_or_si128(_mm_slli_si128(high, 4), _mm_srli_si128(low, 12));
    __m128i keep_low = _mm_cmpgt_epi32(_mm_setr_epi32(0, 1, 2, 3), last); /* behind `count` */
    __m128i keep_high = _mm_cmpgt_epi32(_mm_setr_epi32(4, 5, 6, 7), last);
    _mm_storeu_si128(half, _mm_or_si128(_mm_and_si128(keep_low, low), _mm_andnot_si128(keep_low, down_low)));
    _mm_storeu_si128(half + 1, _mm_or_si128(_mm_and_si128(keep_high, high), _mm_andnot_si128(keep_high, down_high)));
}

/* The same in a set of a multiple of four, four by four. */
static inline void put_first_of_4n(uint32_t *set, uint32_t count, uint32_t entry)
{
    __m128i from_before = _mm_cvtsi32_si128((int)entry), lane = _mm_setr_epi32(0, 1, 2, 3);
    for (uint32_t i = 0; i <= count; i += 4) {
        __m128i *four = (__m128i *)(void *)&set[i], old = _mm_loadu_si128(four);
        __m128i down = _mm_or_si128(_mm_slli_si128(old, 4), from_before);
        __m128i keep = _mm_cmpgt_epi32(lane, _mm_set1_epi32((int)(count - i)));
        from_before = _mm_srli_si128(old, 12);
        _mm_storeu_si128(four, _mm_or_si128(_mm_and_si128(keep, old), _mm_andnot_si128(keep, down)));
    }
}

/* Makes `entry` the first of `count` + 1 entries; those before position `count` move down by one. */
static inline void put_first(const struct cache *cache, uint32_t *set, uint32_t count, uint32_t entry)
{
    if (cache->ways == 8) {
        put_first_of_8(set, count, entry);
        return;
    }
    if (cache->ways % 4 == 0) {
        put_first_of_4n(set, count, entry);
        return;
    }
    for (uint32_t i = count; i > 0; i--)
        set[i] = set[i - 1];
    set[0] = entry;
}

/* Makes the line the most recently used, if it is there. */
static inline bool touch(const struct cache *cache, uint64_t line, uint32_t flags)
{
    int at = position(cache, line);
    if (at < 0)
        return false;
    uint32_t *set = set_of(cache, line);
    put_first(cache, set, (uint32_t)at, set[at] | flags);
    return true;
}

/* Puts the line first. What falls out at the end: a dirty line's number, or NO_LINE. */
static inline uint64_t allocate(const struct cache *cache, uint64_t line, uint32_t flags)
{
    uint32_t *set = set_of(cache, line);
    uint32_t out = set[cache->ways - 1];
    put_first(cache, set, cache->ways - 1, entry_of(cache, line) | flags);
    return out != FREE && (out & DIRTY) ? line_of(cache, out, line) : NO_LINE;
}

static inline void refresh_filter(struct cache *first, uint64_t line)
{
    uint32_t entry = set_of(first, line)[0];
    uint64_t front = entry == FREE ? NO_LINE : line_of(first, entry, line);
    first->read_filter[line & first->set_mask] = front;
    first->write_filter[line & first->set_mask] = entry & EXCLUSIVE ? front : NO_LINE;
    if (first->front)
        front_forget_set(first->front, line);
}

/* Drops the line. The others keep their order; the free way goes last. */
static bool drop(const struct cache *cache, uint64_t line)
{
    if (!cache->entries)
        return false;
    int at = position(cache, line);
    if (at < 0)
        return false;
    uint32_t *set = set_of(cache, line);
    memmove(&set[at], &set[at + 1], (cache->ways - 1 - (uint32_t)at) * sizeof *set);
    set[cache->ways - 1] = FREE;
    return true;
}

/* Several levels. */

static void write_back_l3(struct cache_system *caches, uint64_t line)
{
    if (line != NO_LINE && caches->l3.entries && !touch(&caches->l3, line, DIRTY))
        allocate(&caches->l3, line, DIRTY);
}

static void write_back_l2(struct cache_system *caches, struct cache *l2, uint64_t line)
{
    if (line != NO_LINE && !touch(l2, line, DIRTY))
        write_back_l3(caches, allocate(l2, line, DIRTY));
}

static void drop_private(struct cache_cpu *cpu, uint64_t line)
{
    for (int port = 0; port < 2; port++)
        if (drop(&cpu->l1[port], line))
            refresh_filter(&cpu->l1[port], line);
    drop(&cpu->l2, line);
}

static void drop_from_others(struct cache_system *caches, unsigned writer, uint64_t line)
{
    for (unsigned i = 0; i < caches->cpus; i++)
        if (i != writer)
            drop_private(&caches->cpu[i], line);
}

/* `reader` is about to hold the line too. */
static void share(struct cache_system *caches, unsigned reader, uint64_t line)
{
    for (unsigned i = 0; i < caches->cpus; i++) {
        struct cache *l1d = &caches->cpu[i].l1[CACHE_DATA];
        int at = i == reader ? -1 : position(l1d, line);
        if (at < 0)
            continue;
        set_of(l1d, line)[at] &= ~EXCLUSIVE;
        refresh_filter(l1d, line);
    }
}

/* The first level missed: where was the line? */
static struct cache_result fetch(struct cache_system *caches, unsigned cpu, enum cache_port port, uint64_t line)
{
    struct cache *l2 = &caches->cpu[cpu].l2, *l3 = &caches->l3;
    struct cache_result result = {.cycles = caches->l2_cycles[port], .missed_l1 = 1};
    if (touch(l2, line, 0))
        return result;
    share(caches, cpu, line);
    result.missed_l2 = 1;
    result.cycles = caches->l3_cycles[port];
    if (!l3->entries || !touch(l3, line, 0)) {
        result.missed_l3 = 1;
        result.cycles = caches->memory_cycles[port];
        if (l3->entries)
            allocate(l3, line, 0);
    }
    write_back_l3(caches, allocate(l2, line, 0));
    return result;
}

/* The line is the first of its set in L1D and not yet known to be exclusive. */
static void own(struct cache_system *caches, unsigned cpu, uint64_t line)
{
    drop_from_others(caches, cpu, line);
    set_of(&caches->cpu[cpu].l1[CACHE_DATA], line)[0] |= DIRTY | EXCLUSIVE;
}

struct cache_result cache_access(struct cache_system *caches, unsigned cpu, enum cache_port port, uint64_t address, bool write)
{
    struct cache *first = &caches->cpu[cpu].l1[port];
    uint64_t line = (address & (CACHE_ADDRESS_MAX - 1)) >> caches->line_bits;
    struct cache_result result = {0};
    if (!touch(first, line, 0)) {
        result = fetch(caches, cpu, port, line);
        write_back_l2(caches, &caches->cpu[cpu].l2, allocate(first, line, 0));
    }
    if (write && !(set_of(first, line)[0] & EXCLUSIVE))
        own(caches, cpu, line);
    refresh_filter(first, line);
    return result;
}

void cache_invalidate(struct cache_system *caches, uint64_t address, uint64_t bytes)
{
    if (!bytes)
        return;
    uint64_t last = (address + bytes - 1) >> caches->line_bits;
    for (uint64_t line = address >> caches->line_bits; line <= last; line++) {
        drop_from_others(caches, caches->cpus, line);
        drop(&caches->l3, line);
    }
}

void cache_keep_front(struct cache_system *caches, unsigned cpu, struct front *front)
{
    caches->cpu[cpu].l1[CACHE_DATA].front = front;
    front->line_mask = front_mask(caches->cpu[cpu].l1[CACHE_DATA].set_mask);
}

const uint64_t *cache_filter(const struct cache_system *caches, unsigned cpu, enum cache_port port, bool write, uint32_t *mask)
{
    const struct cache *first = &caches->cpu[cpu].l1[port];
    *mask = first->set_mask;
    if (!write)
        return first->read_filter;
    return port == CACHE_DATA ? first->write_filter : NULL;
}
