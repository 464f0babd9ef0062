/* SPDX-License-Identifier: MIT
 *
 * sim/memory/cache.h: the modelled caches: L1I, L1D, L2 of each CPU and a shared L3.
 *
 * Rules (compare cachegrind's):
 *  - Physical tags. Write-back, write-allocate, true LRU.
 *  - An access is to one line; the caller splits one that crosses a line (both miss: two misses).
 *  - The levels are asked in order until one holds the line. A miss allocates in every level on the way, the outermost
 *    first. L3 is not inclusive; an eviction of a dirty line writes it to the next level (allocating there, as the most
 *    recently used line), at no cost in time. What L3 (or L2 without one) evicts goes to memory.
 *  - A write makes the line dirty in L1D only.
 *  - A write by a CPU or a device invalidates the line in the other CPUs' private caches (counted as their later miss):
 *    dirty or not, it is dropped; the newer data supersede it. A device's write drops it from all caches.
 *  - A free way is taken before a line is evicted.
 *  - Without an L3 an access that L2 misses goes to memory and counts as missed_l3.
 *
 * The hot path: read cache_filter() inline and call cache_access() only for what it does not hold.
 */
#ifndef RINGSIDE_SIM_CACHE_H
#define RINGSIDE_SIM_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/cpu_model.h"
#include "sim/memory/front.h"

struct cache_system; /* all caches of a machine */

enum cache_port { CACHE_CODE, CACHE_DATA };

/* What one access cost and missed. */
struct cache_result {
    uint32_t cycles;   /* beyond the first-level hit */
    uint8_t missed_l1, missed_l2, missed_l3;
};

struct cache_system *cache_system_create(const struct cpu_model *model, unsigned cpus); /* NULL without memory; cpus: 1…8 */
void cache_system_destroy(struct cache_system *caches);

/* Physical addresses are below this: 16 GiB. Lines are of 32 bytes or more. */
#define CACHE_ADDRESS_MAX (1ull << 34)

/* One access of CPU `cpu` to the line of `address` (physical). CACHE_CODE: `write` is false. */
struct cache_result cache_access(struct cache_system *caches, unsigned cpu, enum cache_port port, uint64_t address, bool write);
/* A device wrote physical memory: drop those lines everywhere. */
void cache_invalidate(struct cache_system *caches, uint64_t address, uint64_t bytes);
/* The exact filter of MACHINE.md: line numbers (address / line), one for each L1 set, that are the most recently used
 * line of their set (data: and, for writes, known to be dirty and exclusive). Reading it may skip cache_access; the
 * model clears what it evicts or invalidates. Index: line & (sets - 1). An empty slot is UINT64_MAX. The array stays
 * where it is for the life of the caches. CACHE_CODE with `write`: NULL. */
const uint64_t *cache_filter(const struct cache_system *caches, unsigned cpu, enum cache_port port, bool write, uint32_t *mask);

/* From now on CPU `cpu`'s data cache keeps the lines of this right (front.h); the caller's. Its lines are of 64 bytes. */
void cache_keep_front(struct cache_system *caches, unsigned cpu, struct front *front);

#endif
