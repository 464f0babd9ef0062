/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_cache.c: the cache model against a naive reference, and small cases by hand.
 *
 * The reference keeps each set as a list of {line, dirty} in order of use and does every access in full, coherence
 * included: it follows the rules in sim/memory/cache.h and shares no idea with sim/memory/cache.c. On random traces of
 * several CPUs, devices and geometries each access must cost and miss the same. The model skips what its filter allows,
 * as the machine does, so the traces also prove the filter exact; and after each step the filter is compared with the
 * reference's most recently used lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/memory/cache.h"
#include "tests/sim/random.h"

/* The reference. */

#define REF_SETS 64
#define REF_WAYS 32
#define NONE UINT64_MAX

struct ref_line {
    uint64_t line;
    bool dirty;
};

struct ref_cache {
    unsigned sets, ways; /* sets 0: no such cache */
    unsigned count[REF_SETS];
    struct ref_line entry[REF_SETS][REF_WAYS]; /* most recently used first */
};

struct ref_cpu {
    struct ref_cache l1[2], l2;
};

struct ref {
    const struct cpu_model *model;
    unsigned cpus;
    struct ref_cache l3;
    struct ref_cpu cpu[8];
};

static void ref_cache_init(struct ref_cache *cache, const struct cache_geometry *geometry)
{
    cache->sets = geometry->bytes / geometry->ways / geometry->line;
    cache->ways = geometry->ways;
}

static struct ref *ref_create(const struct cpu_model *model, unsigned cpus)
{
    struct ref *ref = calloc(1, sizeof *ref);
    ref->model = model;
    ref->cpus = cpus;
    ref_cache_init(&ref->l3, &model->l3);
    for (unsigned i = 0; i < cpus; i++) {
        ref_cache_init(&ref->cpu[i].l1[CACHE_CODE], &model->l1i);
        ref_cache_init(&ref->cpu[i].l1[CACHE_DATA], &model->l1d);
        ref_cache_init(&ref->cpu[i].l2, &model->l2);
    }
    return ref;
}

static struct ref_line *ref_find(struct ref_cache *cache, uint64_t line)
{
    if (!cache->sets)
        return NULL;
    unsigned set = (unsigned)(line % cache->sets);
    for (unsigned i = 0; i < cache->count[set]; i++)
        if (cache->entry[set][i].line == line)
            return &cache->entry[set][i];
    return NULL;
}

static void ref_remove(struct ref_cache *cache, uint64_t line)
{
    struct ref_line *found = ref_find(cache, line);
    if (!found)
        return;
    unsigned set = (unsigned)(line % cache->sets);
    unsigned at = (unsigned)(found - cache->entry[set]);
    for (unsigned i = at; i + 1 < cache->count[set]; i++)
        cache->entry[set][i] = cache->entry[set][i + 1];
    cache->count[set]--;
}

static bool ref_touch(struct ref_cache *cache, uint64_t line)
{
    struct ref_line *found = ref_find(cache, line);
    if (!found)
        return false;
    struct ref_line kept = *found;
    unsigned set = (unsigned)(line % cache->sets);
    ref_remove(cache, line);
    memmove(&cache->entry[set][1], &cache->entry[set][0], cache->count[set] * sizeof kept);
    cache->entry[set][0] = kept;
    cache->count[set]++;
    return true;
}

/* A new line to the front; the evicted one, or NONE. */
static struct ref_line ref_add(struct ref_cache *cache, uint64_t line, bool dirty)
{
    struct ref_line evicted = {.line = NONE};
    unsigned set = (unsigned)(line % cache->sets);
    if (cache->count[set] == cache->ways)
        evicted = cache->entry[set][--cache->count[set]];
    memmove(&cache->entry[set][1], &cache->entry[set][0], cache->count[set] * sizeof evicted);
    cache->entry[set][0] = (struct ref_line){.line = line, .dirty = dirty};
    cache->count[set]++;
    return evicted;
}

/* next: NULL-terminated list of the levels below. */
static void ref_write_back(struct ref_cache **next, struct ref_line evicted)
{
    if (evicted.line == NONE || !evicted.dirty || !*next || !(*next)->sets)
        return;
    if (ref_touch(*next, evicted.line))
        ref_find(*next, evicted.line)->dirty = true;
    else
        ref_write_back(next + 1, ref_add(*next, evicted.line, true));
}

static struct cache_result ref_access(struct ref *ref, unsigned cpu, enum cache_port port, uint64_t address, bool write)
{
    uint64_t line = address / ref->model->l1d.line;
    struct ref_cpu *own = &ref->cpu[cpu];
    struct ref_cache *levels[] = {&own->l1[port], &own->l2, &ref->l3, NULL};
    const struct cache_geometry *first = port == CACHE_CODE ? &ref->model->l1i : &ref->model->l1d;
    uint32_t latency[] = {first->latency, ref->model->l2.latency, ref->model->l3.latency, ref->model->memory_latency};
    unsigned found = 0;
    while (found < 3 && !ref_touch(levels[found], line))
        found++;
    for (unsigned level = found; level-- > 0;)
        if (levels[level]->sets)
            ref_write_back(&levels[level + 1], ref_add(levels[level], line, false));
    if (write) {
        ref_find(levels[0], line)->dirty = true;
        for (unsigned i = 0; i < ref->cpus; i++) {
            if (i == cpu)
                continue;
            ref_remove(&ref->cpu[i].l1[CACHE_CODE], line);
            ref_remove(&ref->cpu[i].l1[CACHE_DATA], line);
            ref_remove(&ref->cpu[i].l2, line);
        }
    }
    return (struct cache_result){.cycles = latency[found] - latency[0],
                                 .missed_l1 = found > 0,
                                 .missed_l2 = found > 1,
                                 .missed_l3 = found > 2};
}

static void ref_invalidate(struct ref *ref, uint64_t address, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at++) {
        uint64_t line = (address + at) / ref->model->l1d.line;
        for (unsigned i = 0; i < ref->cpus; i++) {
            ref_remove(&ref->cpu[i].l1[CACHE_CODE], line);
            ref_remove(&ref->cpu[i].l1[CACHE_DATA], line);
            ref_remove(&ref->cpu[i].l2, line);
        }
        ref_remove(&ref->l3, line);
    }
}

/* Random geometries and traces. */

static struct cache_geometry random_geometry(struct random *random, uint32_t line, uint32_t latency, unsigned max_set_bits)
{
    uint32_t ways = 1 + random_below(random, 8), sets = 1u << random_below(random, max_set_bits + 1);
    return (struct cache_geometry){.bytes = ways * sets * line, .ways = ways, .line = line, .latency = latency};
}

static struct cpu_model random_model(struct random *random)
{
    struct cpu_model model = {.memory_latency = 200};
    uint32_t line = 32u << random_below(random, 3);
    model.l1i = random_geometry(random, line, 1 + random_below(random, 3), 3);
    model.l1d = random_geometry(random, line, 1 + random_below(random, 3), 3);
    model.l2 = random_geometry(random, line, 12, 4);
    model.l3 = random_geometry(random, line, 40, 5);
    if (!random_below(random, 4))
        model.l3.bytes = 0;
    return model;
}

struct pair {
    struct cpu_model model;
    struct cache_system *caches;
    struct front front[8]; /* kept for physical lines here */
    struct ref *ref;
    struct random random;
    unsigned cpus;
    uint32_t lines;
    uint64_t base;
    unsigned skipped, at_front[2], misses[3];
};

static bool filter_holds(const struct pair *pair, unsigned cpu, enum cache_port port, bool write, uint64_t line)
{
    uint32_t mask;
    const uint64_t *filter = cache_filter(pair->caches, cpu, port, write, &mask);
    return filter && filter[line & mask] == line;
}

static bool front_holds(const struct front *f, bool write, uint64_t line)
{
    unsigned slot = (unsigned)line & f->line_mask;

    return (write ? f->write[slot] : f->read[slot].line) == line;
}

/* As data.c. */
static void to_front(struct front *f, uint64_t line, bool exclusive)
{
    unsigned slot = (unsigned)line & f->line_mask;

    f->read[slot].line = line;
    if (exclusive)
        f->write[slot] = line;
}

static void both_access(struct pair *pair, unsigned cpu, enum cache_port port, uint64_t address, bool write)
{
    uint64_t line = address / pair->model.l1d.line;
    struct cache_result expected = ref_access(pair->ref, cpu, port, address, write), result = {0};
    if (port == CACHE_DATA && front_holds(&pair->front[cpu], write, line))
        pair->at_front[write]++;
    else if (filter_holds(pair, cpu, port, write, line))
        pair->skipped++;
    else
        result = cache_access(pair->caches, cpu, port, address, write);
    assert_int_equal(result.cycles, expected.cycles);
    assert_int_equal(result.missed_l1, expected.missed_l1);
    assert_int_equal(result.missed_l2, expected.missed_l2);
    assert_int_equal(result.missed_l3, expected.missed_l3);
    assert_true(filter_holds(pair, cpu, port, write, line));
    if (port == CACHE_DATA && random_below(&pair->random, 4))
        to_front(&pair->front[cpu], line, filter_holds(pair, cpu, port, true, line));
    pair->misses[0] += result.missed_l1;
    pair->misses[1] += result.missed_l2;
    pair->misses[2] += result.missed_l3;
}

static bool held_elsewhere(struct pair *pair, unsigned cpu, uint64_t line)
{
    for (unsigned i = 0; i < pair->cpus; i++) {
        struct ref_cpu *other = &pair->ref->cpu[i];
        if (i != cpu && (ref_find(&other->l1[0], line) || ref_find(&other->l1[1], line) || ref_find(&other->l2, line)))
            return true;
    }
    return false;
}

/* The read filter is exactly the front line of each set; the write filter such a line if dirty and nowhere else. */
static void check_filters(struct pair *pair, unsigned cpu, enum cache_port port)
{
    struct ref_cache *first = &pair->ref->cpu[cpu].l1[port];
    uint32_t mask, write_mask;
    const uint64_t *reads = cache_filter(pair->caches, cpu, port, false, &mask);
    const uint64_t *writes = cache_filter(pair->caches, cpu, port, true, &write_mask);
    assert_int_equal(mask, first->sets - 1);
    assert_int_equal(write_mask, mask);
    assert_int_equal(writes != NULL, port == CACHE_DATA);
    for (unsigned set = 0; set < first->sets; set++) {
        uint64_t front = first->count[set] ? first->entry[set][0].line : NONE;
        assert_int_equal(reads[set], front);
        if (!writes || writes[set] == NONE)
            continue;
        assert_int_equal(writes[set], front);
        assert_true(first->entry[set][0].dirty);
        assert_false(held_elsewhere(pair, cpu, front));
    }
}

static uint64_t random_address(struct pair *pair)
{
    uint64_t line = random_below(&pair->random, random_below(&pair->random, 3) ? pair->lines / 8 + 1 : pair->lines);
    return pair->base + line * pair->model.l1d.line + random_below(&pair->random, pair->model.l1d.line);
}

static void step(struct pair *pair, unsigned device_one_in)
{
    struct random *random = &pair->random;
    unsigned cpu = random_below(random, pair->cpus);
    enum cache_port port = random_below(random, 3) ? CACHE_DATA : CACHE_CODE;
    uint64_t address = random_address(pair);
    if (!random_below(random, device_one_in)) {
        uint64_t bytes = random_below(random, 5 * pair->model.l1d.line);
        cache_invalidate(pair->caches, address, bytes);
        ref_invalidate(pair->ref, address, bytes);
    } else {
        both_access(pair, cpu, port, address, port == CACHE_DATA && random_below(random, 3) == 0);
    }
    check_filters(pair, random_below(random, pair->cpus), random_below(random, 2) ? CACHE_DATA : CACHE_CODE);
}

static void run_trace(uint64_t seed, unsigned steps)
{
    struct pair pair = {.random = {.state = seed}};
    pair.model = random_model(&pair.random);
    pair.cpus = 1 + random_below(&pair.random, 2) * random_below(&pair.random, 8);
    pair.lines = 16u << random_below(&pair.random, 5);
    pair.base = random_below(&pair.random, 2) ? 0 : CACHE_ADDRESS_MAX - (1u << 20);
    unsigned device_one_in = 20u << random_below(&pair.random, 6);
    pair.caches = cache_system_create(&pair.model, pair.cpus);
    pair.ref = ref_create(&pair.model, pair.cpus);
    assert_non_null(pair.caches);
    for (unsigned i = 0; i < pair.cpus; i++) {
        front_clear(&pair.front[i]);
        cache_keep_front(pair.caches, i, &pair.front[i]);
    }
    for (unsigned i = 0; i < steps; i++)
        step(&pair, device_one_in);
    assert_true(pair.misses[0] > 0 && pair.misses[1] > 0 && pair.misses[2] > 0);
    assert_true(pair.skipped > 0 && pair.at_front[false] > 0 && pair.at_front[true] > 0);
    cache_system_destroy(pair.caches);
    free(pair.ref);
}

static void test_random_traces(void **state)
{
    for (uint64_t seed = 1; seed <= 80; seed++)
        run_trace(seed, 8000);
}

/* Small cases: one set of two ways in each first-level cache, one set of four in L2, one of eight in L3. */

static const struct cpu_model small = {
    .l1i = {.bytes = 128, .ways = 2, .line = 64, .latency = 1},
    .l1d = {.bytes = 128, .ways = 2, .line = 64, .latency = 2},
    .l2 = {.bytes = 256, .ways = 4, .line = 64, .latency = 10},
    .l3 = {.bytes = 512, .ways = 8, .line = 64, .latency = 30},
    .memory_latency = 100,
};

static uint32_t cycles(struct cache_system *caches, unsigned cpu, enum cache_port port, unsigned line, bool write)
{
    return cache_access(caches, cpu, port, line * 64ull, write).cycles;
}

/* One line more than fits, in turn, misses for ever; and costs what the level that holds all of them costs. */
static void test_thrash(void **state)
{
    struct cache_system *caches = cache_system_create(&small, 1);
    for (unsigned line = 0; line < 3; line++)
        assert_int_equal(cycles(caches, 0, CACHE_DATA, line, false), 98);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(cycles(caches, 0, CACHE_DATA, i % 3, false), 8);
    for (unsigned i = 0; i < 5; i++)
        cycles(caches, 0, CACHE_DATA, i, false);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(cycles(caches, 0, CACHE_DATA, i % 5, false), 28);
    for (unsigned i = 0; i < 9; i++)
        cycles(caches, 0, CACHE_DATA, i, false);
    for (unsigned i = 0; i < 36; i++)
        assert_int_equal(cycles(caches, 0, CACHE_DATA, i % 9, false), 98);
    cache_system_destroy(caches);
}

static void test_ports_apart(void **state)
{
    struct cache_system *caches = cache_system_create(&small, 1);
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 1, false), 98);
    assert_int_equal(cycles(caches, 0, CACHE_CODE, 1, false), 9); /* in L2 by the data side; L1I's hit is 1 */
    assert_int_equal(cycles(caches, 0, CACHE_CODE, 1, false), 0);
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 1, false), 0);
    cache_system_destroy(caches);
}

/* L1 holds a dirty line that L2 has long lost; evicting it puts it back there. */
static void test_write_back_allocates(void **state)
{
    struct cache_system *caches = cache_system_create(&small, 1);
    cycles(caches, 0, CACHE_DATA, 0, true);
    for (unsigned line = 1; line <= 4; line++) {
        cycles(caches, 0, CACHE_DATA, line, false);
        cycles(caches, 0, CACHE_DATA, 0, true);
    }
    cycles(caches, 0, CACHE_DATA, 5, false);
    cycles(caches, 0, CACHE_DATA, 6, false); /* 0 leaves L1 */
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 0, false), 8);
    cache_system_destroy(caches);
}

static void test_clean_eviction_leaves_nothing(void **state)
{
    struct cache_system *caches = cache_system_create(&small, 1);
    cycles(caches, 0, CACHE_DATA, 0, false);
    for (unsigned line = 1; line <= 4; line++) {
        cycles(caches, 0, CACHE_DATA, line, false);
        cycles(caches, 0, CACHE_DATA, 0, false);
    }
    cycles(caches, 0, CACHE_DATA, 5, false);
    cycles(caches, 0, CACHE_DATA, 6, false);
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 0, false), 28);
    cache_system_destroy(caches);
}

static void test_writes_invalidate_others(void **state)
{
    struct cache_system *caches = cache_system_create(&small, 3);
    cycles(caches, 0, CACHE_DATA, 1, false);
    assert_int_equal(cycles(caches, 1, CACHE_DATA, 1, false), 28); /* the shared L3 has it */
    assert_int_equal(cycles(caches, 2, CACHE_CODE, 1, false), 29);
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 1, true), 0);
    assert_int_equal(cycles(caches, 1, CACHE_DATA, 1, false), 28);
    assert_int_equal(cycles(caches, 2, CACHE_CODE, 1, false), 29);
    assert_int_equal(cycles(caches, 1, CACHE_DATA, 1, true), 0); /* no longer 0's alone */
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 1, false), 28);
    cache_system_destroy(caches);
}

static void test_devices_invalidate_all(void **state)
{
    struct cache_system *caches = cache_system_create(&small, 2);
    cycles(caches, 0, CACHE_DATA, 1, true);
    cycles(caches, 1, CACHE_DATA, 2, false);
    cache_invalidate(caches, 64 + 63, 2); /* the last byte of line 1, the first of line 2 */
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 1, false), 98);
    assert_int_equal(cycles(caches, 1, CACHE_DATA, 2, false), 98);
    cache_invalidate(caches, 64, 0);
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 1, false), 0);
    cache_system_destroy(caches);
}

static void test_without_l3(void **state)
{
    struct cpu_model model = small;
    model.l3.bytes = 0;
    struct cache_system *caches = cache_system_create(&model, 1);
    struct cache_result result = cache_access(caches, 0, CACHE_DATA, 0, true);
    assert_int_equal(result.cycles, 98);
    assert_int_equal(result.missed_l3, 1);
    for (unsigned line = 1; line <= 6; line++)
        cycles(caches, 0, CACHE_DATA, line, true);
    assert_int_equal(cycles(caches, 0, CACHE_DATA, 0, false), 98);
    cache_system_destroy(caches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_traces),
        cmocka_unit_test(test_thrash),
        cmocka_unit_test(test_ports_apart),
        cmocka_unit_test(test_write_back_allocates),
        cmocka_unit_test(test_clean_eviction_leaves_nothing),
        cmocka_unit_test(test_writes_invalidate_others),
        cmocka_unit_test(test_devices_invalidate_all),
        cmocka_unit_test(test_without_l3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
