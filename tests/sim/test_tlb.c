/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_tlb.c: the TLB model against a naive reference, and small cases by hand.
 *
 * The reference keeps each set as a list in order of use and flushes by removing: it follows the rules in
 * sim/memory/tlb.h and shares no idea with sim/memory/tlb.c. Random traces run both; each answer must be the same.
 * Where the model offers a short cut (tlb_recent, an unchanged tlb_epoch, the front of a set), the model takes it and the reference does
 * the full lookup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/memory/tlb.h"
#include "tests/sim/random.h"

#define ANY_PCID 0x10000

/* The reference. */

#define REF_SETS 128
#define REF_WAYS 32

struct ref_array {
    unsigned sets, ways, shift;
    unsigned count[REF_SETS];
    struct translation entry[REF_SETS][REF_WAYS]; /* most recently used first */
};

struct ref_psc_entry {
    uint64_t upper, table;
    uint16_t pcid;
    uint8_t rights;
};

struct ref_psc {
    unsigned ways, count;
    struct ref_psc_entry entry[64];
};

struct ref {
    struct ref_array first[2][PAGE_SIZES], second[PAGE_SIZES];
    struct ref_psc psc[4];
};

static void ref_array_init(struct ref_array *array, struct tlb_geometry geometry, unsigned size)
{
    memset(array, 0, sizeof *array);
    array->ways = geometry.entries ? geometry.ways : 0;
    array->sets = geometry.entries ? geometry.entries / geometry.ways : 0;
    array->shift = size * 9;
}

static struct ref *ref_create(const struct cpu_model *model)
{
    struct ref *ref = calloc(1, sizeof *ref);
    for (unsigned size = 0; size < PAGE_SIZES; size++) {
        ref_array_init(&ref->first[TLB_CODE][size], model->itlb[size], size);
        ref_array_init(&ref->first[TLB_DATA][size], model->dtlb[size], size);
        ref_array_init(&ref->second[size], model->stlb[size], size);
    }
    ref->psc[1].ways = model->pde_cache;
    ref->psc[2].ways = model->pdpte_cache;
    ref->psc[3].ways = model->pml4e_cache;
    return ref;
}

static unsigned ref_set(const struct ref_array *array, uint64_t page)
{
    return (unsigned)((page >> array->shift) % array->sets);
}

static bool ref_is_global(const struct translation *entry)
{
    return entry->flags & TRANSLATION_GLOBAL;
}

static void ref_remove_at(struct ref_array *array, unsigned set, unsigned at)
{
    for (unsigned i = at; i + 1 < array->count[set]; i++)
        array->entry[set][i] = array->entry[set][i + 1];
    array->count[set]--;
}

static void ref_push(struct ref_array *array, struct translation entry)
{
    unsigned set = ref_set(array, entry.page);
    if (array->count[set] == array->ways)
        array->count[set]--;
    for (unsigned i = array->count[set]; i > 0; i--)
        array->entry[set][i] = array->entry[set][i - 1];
    array->entry[set][0] = entry;
    array->count[set]++;
}

/* Position in its set: the PCID's own first, then a global one; -1. */
static int ref_find(const struct ref_array *array, uint64_t page, uint16_t pcid)
{
    if (!array->ways)
        return -1;
    unsigned set = ref_set(array, page);
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < array->count[set]; i++) {
            const struct translation *entry = &array->entry[set][i];
            if (entry->page >> array->shift != page >> array->shift || ref_is_global(entry) != (pass == 1))
                continue;
            if (pass == 1 || entry->pcid == pcid)
                return (int)i;
        }
    }
    return -1;
}

static bool ref_use(struct ref_array *array, uint64_t page, uint16_t pcid, struct translation *out)
{
    int at = ref_find(array, page, pcid);
    if (at < 0)
        return false;
    unsigned set = ref_set(array, page);
    *out = array->entry[set][at];
    ref_remove_at(array, set, (unsigned)at);
    ref_push(array, *out);
    return true;
}

static enum tlb_result ref_lookup(struct ref *ref, enum tlb_kind kind, uint64_t page, uint16_t pcid, struct translation *out)
{
    for (unsigned size = 0; size < PAGE_SIZES; size++)
        if (ref_use(&ref->first[kind][size], page, pcid, out))
            return TLB_HIT;
    for (unsigned size = 0; size < PAGE_SIZES; size++) {
        if (!ref_use(&ref->second[size], page, pcid, out))
            continue;
        if (ref->first[kind][size].ways)
            ref_push(&ref->first[kind][size], *out);
        return TLB_HIT_SECOND;
    }
    return TLB_MISS;
}

static void ref_insert_into(struct ref_array *array, struct translation entry)
{
    int at;
    if (!array->ways)
        return;
    entry.page = entry.page >> array->shift << array->shift;
    entry.frame = entry.frame >> array->shift << array->shift;
    while ((at = ref_find(array, entry.page, entry.pcid)) >= 0)
        ref_remove_at(array, ref_set(array, entry.page), (unsigned)at);
    ref_push(array, entry);
}

static void ref_insert(struct ref *ref, enum tlb_kind kind, struct translation entry)
{
    ref_insert_into(&ref->first[kind][entry.size], entry);
    ref_insert_into(&ref->second[entry.size], entry);
}

/* Removes what matches: a page or all, a PCID's or all (ANY_PCID), global ones too or not. */
static void ref_flush_array(struct ref_array *array, bool one_page, uint64_t page, unsigned pcid, bool global)
{
    for (unsigned set = 0; set < array->sets; set++) {
        for (unsigned i = array->count[set]; i-- > 0;) {
            const struct translation *entry = &array->entry[set][i];
            bool page_matches = !one_page || entry->page >> array->shift == page >> array->shift;
            bool owner_matches = ref_is_global(entry) ? global : pcid == ANY_PCID || entry->pcid == pcid;
            if (page_matches && owner_matches)
                ref_remove_at(array, set, i);
        }
    }
}

static void ref_flush(struct ref *ref, bool one_page, uint64_t page, unsigned pcid, bool global)
{
    for (unsigned size = 0; size < PAGE_SIZES; size++) {
        ref_flush_array(&ref->first[TLB_CODE][size], one_page, page, pcid, global);
        ref_flush_array(&ref->first[TLB_DATA][size], one_page, page, pcid, global);
        ref_flush_array(&ref->second[size], one_page, page, pcid, global);
    }
    for (unsigned level = 1; level <= 3; level++) {
        struct ref_psc *psc = &ref->psc[level];
        unsigned kept = 0;
        for (unsigned i = 0; i < psc->count; i++)
            if (pcid != ANY_PCID && psc->entry[i].pcid != pcid)
                psc->entry[kept++] = psc->entry[i];
        psc->count = kept;
    }
}

static int ref_psc_find(const struct ref_psc *psc, unsigned level, uint64_t page, uint16_t pcid)
{
    for (unsigned i = 0; i < psc->count; i++)
        if (psc->entry[i].upper == page >> (9 * level) && psc->entry[i].pcid == pcid)
            return (int)i;
    return -1;
}

static void ref_psc_front(struct ref_psc *psc, struct ref_psc_entry entry, int from)
{
    unsigned at = from >= 0 ? (unsigned)from : psc->count < psc->ways ? psc->count++ : psc->ways - 1;
    for (unsigned i = at; i > 0; i--)
        psc->entry[i] = psc->entry[i - 1];
    psc->entry[0] = entry;
}

/* Random geometries and traces. */

struct pair {
    struct tlb *tlb;
    struct front front;
    struct ref *ref;
    struct random random;
    uint16_t pcid;
    unsigned shortcuts, at_front, hits, second_hits, misses;
    /* the last page of each kind, as the machine keeps it */
    uint64_t last_page[2], last_epoch[2];
    struct translation last[2];
    uint16_t last_pcid[2];
    bool last_valid[2];
    uint64_t hot[2][8]; /* pages that come again */
};

static struct tlb_geometry random_geometry(struct random *random, bool may_be_none)
{
    if (may_be_none && random_below(random, 4) == 0)
        return (struct tlb_geometry){0};
    uint32_t ways = 1 + random_below(random, 12), sets = 1u << random_below(random, 4);
    return (struct tlb_geometry){.entries = ways * sets, .ways = ways};
}

static struct cpu_model random_model(struct random *random)
{
    struct cpu_model model = {0};
    for (unsigned size = 0; size < PAGE_SIZES; size++) {
        model.itlb[size] = random_geometry(random, size != PAGE_4K);
        model.dtlb[size] = random_geometry(random, size != PAGE_4K);
        model.stlb[size] = random_geometry(random, true);
    }
    model.pde_cache = random_below(random, 9);
    model.pdpte_cache = random_below(random, 5);
    model.pml4e_cache = random_below(random, 3);
    return model;
}

/* Few enough pages that sets overflow and large pages overlap small ones; both halves of the address space. */
static uint64_t random_page(struct random *random)
{
    uint64_t page = random_below(random, 24) | (uint64_t)random_below(random, 5) << 9 | (uint64_t)random_below(random, 3) << 18 |
                    (uint64_t)random_below(random, 2) << 27;
    return random_below(random, 3) ? page : page | 0xfffff800000000;
}

static uint16_t random_pcid(struct random *random)
{
    static const uint16_t pcids[] = {0, 1, 2, 3, 4094, 4095};
    return pcids[random_below(random, 6)];
}

static struct translation random_entry(struct pair *pair, uint64_t page, uint16_t pcid)
{
    return (struct translation){
        .page = page,
        .frame = random_next(&pair->random) & 0xffffffffff,
        .pcid = pcid,
        .size = random_below(&pair->random, 4) ? PAGE_4K : (uint8_t)random_below(&pair->random, PAGE_SIZES),
        .flags = (uint8_t)random_below(&pair->random, 32),
    };
}

static void assert_same(const struct translation *a, const struct translation *b)
{
    assert_int_equal(a->page, b->page);
    assert_int_equal(a->frame, b->frame);
    assert_int_equal(a->pcid, b->pcid);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->flags, b->flags);
}

static void keep_last(struct pair *pair, enum tlb_kind kind, uint64_t page, const struct translation *entry)
{
    pair->last_valid[kind] = true;
    pair->last_page[kind] = page;
    pair->last_pcid[kind] = pair->pcid;
    pair->last_epoch[kind] = *tlb_epoch(pair->tlb);
    pair->last[kind] = *entry;
}

static bool is_last(const struct pair *pair, enum tlb_kind kind, uint64_t page)
{
    return pair->last_valid[kind] && pair->last_page[kind] == page && pair->last_pcid[kind] == pair->pcid &&
           pair->last_epoch[kind] == *tlb_epoch(pair->tlb);
}

static void both_insert(struct pair *pair, enum tlb_kind kind, struct translation entry)
{
    tlb_insert(pair->tlb, kind, &entry);
    ref_insert(pair->ref, kind, entry);
    pair->last_valid[kind] = false; /* the machine looks up after a walk */
}

/* entry: what it should lead to; NULL: nowhere. */
static bool front_has(const struct pair *pair, enum tlb_kind kind, uint64_t page, const struct translation *entry)
{
    uint64_t found = pair->front.page[kind][page & pair->front.page_mask[kind]];

    if (kind == TLB_DATA)
        return found == page;
    return entry && found == front_code(page, entry->frame + (page - entry->page));
}

static void both_lookup(struct pair *pair, enum tlb_kind kind, uint64_t page)
{
    struct translation expected;
    const struct translation *entry = NULL;
    enum tlb_result result = ref_lookup(pair->ref, kind, page, pair->pcid, &expected);
    bool try_recent = random_below(&pair->random, 4);

    if (is_last(pair, kind, page)) {
        assert_int_equal(result, TLB_HIT);
        assert_same(&pair->last[kind], &expected);
        pair->shortcuts++;
        return;
    }
    if (front_has(pair, kind, page, result == TLB_MISS ? NULL : &expected) && random_below(&pair->random, 8)) {
        assert_int_equal(result, TLB_HIT);
        pair->at_front++;
        return;
    }
    if (try_recent && (entry = tlb_recent(pair->tlb, kind, page, pair->pcid))) {
        assert_int_equal(result, TLB_HIT);
        pair->shortcuts++;
    } else {
        assert_int_equal(tlb_lookup(pair->tlb, kind, page, pair->pcid, &entry), result);
    }
    pair->hits += result == TLB_HIT;
    pair->second_hits += result == TLB_HIT_SECOND;
    pair->misses += result == TLB_MISS;
    if (result == TLB_MISS) {
        both_insert(pair, kind, random_entry(pair, page, pair->pcid));
        return;
    }
    assert_same(entry, &expected);
    if (result == TLB_HIT)
        keep_last(pair, kind, page, entry);
    else
        pair->last_valid[kind] = false;
}

static void both_psc(struct pair *pair, uint64_t page)
{
    unsigned level = 1 + random_below(&pair->random, 3);
    struct ref_psc *psc = &pair->ref->psc[level];
    struct ref_psc_entry fresh = {.upper = page >> (9 * level), .pcid = pair->pcid};
    int at = ref_psc_find(psc, level, page, pair->pcid);
    uint64_t table = 0;
    uint8_t rights = 0;
    assert_int_equal(psc_lookup(pair->tlb, level, page, pair->pcid, &table, &rights), at >= 0);
    if (at >= 0) {
        assert_int_equal(table, psc->entry[at].table);
        assert_int_equal(rights, psc->entry[at].rights);
        ref_psc_front(psc, psc->entry[at], at);
        if (random_below(&pair->random, 8))
            return;
    }
    fresh.table = random_next(&pair->random);
    fresh.rights = (uint8_t)random_below(&pair->random, 8);
    psc_insert(pair->tlb, level, page, pair->pcid, fresh.table, fresh.rights);
    if (psc->ways)
        ref_psc_front(psc, fresh, ref_psc_find(psc, level, page, pair->pcid));
}

static void both_flush(struct pair *pair, uint64_t page)
{
    uint16_t pcid = random_pcid(&pair->random);
    uint64_t before = *tlb_epoch(pair->tlb);
    switch (random_below(&pair->random, 9)) {
    case 0:
    case 1:
    case 2:
        tlb_flush_page(pair->tlb, page, pcid);
        ref_flush(pair->ref, true, page, pcid, true);
        break;
    case 3:
        tlb_flush_pcid(pair->tlb, pcid);
        ref_flush(pair->ref, false, 0, pcid, false);
        break;
    case 4:
        tlb_flush_all(pair->tlb, false);
        ref_flush(pair->ref, false, 0, ANY_PCID, false);
        break;
    case 5:
        assert_true(tlb_invpcid(pair->tlb, 0, page, pcid));
        ref_flush(pair->ref, true, page, pcid, false);
        break;
    case 6:
        assert_true(tlb_invpcid(pair->tlb, 1, page, pcid));
        ref_flush(pair->ref, false, 0, pcid, false);
        break;
    case 7:
        assert_true(tlb_invpcid(pair->tlb, 2, page, pcid));
        ref_flush(pair->ref, false, 0, ANY_PCID, true);
        break;
    default:
        assert_true(tlb_invpcid(pair->tlb, 3, page, pcid));
        ref_flush(pair->ref, false, 0, ANY_PCID, false);
    }
    assert_true(*tlb_epoch(pair->tlb) > before);
}

static void step(struct pair *pair, unsigned flush_one_in)
{
    struct random *random = &pair->random;
    enum tlb_kind kind = random_below(random, 2) ? TLB_DATA : TLB_CODE;
    uint64_t *hot = &pair->hot[kind][random_below(random, 8)];
    uint64_t page = pair->last_valid[kind] && !random_below(random, 3) ? pair->last_page[kind] : *hot;
    if (!random_below(random, 4))
        page = *hot = random_page(random);
    if (!random_below(random, 50)) {
        pair->pcid = random_pcid(random);
        front_clear(&pair->front); /* as settle_drop_filters() */
    }
    if (!random_below(random, flush_one_in))
        both_flush(pair, page);
    else if (!random_below(random, 20))
        both_insert(pair, kind, random_entry(pair, page, random_pcid(random)));
    else if (!random_below(random, 6))
        both_psc(pair, page);
    else
        both_lookup(pair, kind, page);
}

/* How many lookups found their page at the front. */
static unsigned run_trace(uint64_t seed, unsigned steps)
{
    struct pair pair = {.random = {.state = seed}};
    struct cpu_model model = random_model(&pair.random);
    unsigned flush_one_in = 10u << random_below(&pair.random, 8);
    pair.tlb = tlb_create(&model);
    pair.ref = ref_create(&model);
    assert_non_null(pair.tlb);
    tlb_keep_front(pair.tlb, &pair.front);
    for (unsigned i = 0; i < steps; i++)
        step(&pair, flush_one_in);
    assert_true(pair.misses > 0);
    assert_true(pair.shortcuts > steps / 100);
    tlb_destroy(pair.tlb);
    free(pair.ref);
    return pair.at_front;
}

static void test_random_traces(void **state)
{
    unsigned at_front = 0;

    for (uint64_t seed = 1; seed <= 60; seed++)
        at_front += run_trace(seed, 10000);
    assert_true(at_front > 60 * 10000 / 100);
}

/* Small cases. */

static const struct cpu_model small = {
    .itlb = {[PAGE_4K] = {.entries = 4, .ways = 4}, [PAGE_2M] = {.entries = 2, .ways = 2}},
    .dtlb = {[PAGE_4K] = {.entries = 4, .ways = 4}, [PAGE_2M] = {.entries = 2, .ways = 2}},
    .stlb = {[PAGE_4K] = {.entries = 16, .ways = 4}},
    .pde_cache = 2,
    .pdpte_cache = 2,
    .pml4e_cache = 2,
};

static enum tlb_result look(struct tlb *tlb, uint64_t page, uint16_t pcid)
{
    const struct translation *entry;
    return tlb_lookup(tlb, TLB_DATA, page, pcid, &entry);
}

static void put(struct tlb *tlb, uint64_t page, uint16_t pcid, enum page_size size, uint8_t flags)
{
    struct translation entry = {.page = page, .frame = page + 1000, .pcid = pcid, .size = (uint8_t)size, .flags = flags};
    tlb_insert(tlb, TLB_DATA, &entry);
}

/* Five pages in turn through four ways: LRU always throws out the next one. */
static void test_thrash(void **state)
{
    struct cpu_model model = small;
    model.stlb[PAGE_4K] = (struct tlb_geometry){0};
    struct tlb *tlb = tlb_create(&model);
    for (int round = 0; round < 10; round++) {
        for (uint64_t page = 0; page < 5; page++) {
            assert_int_equal(look(tlb, page, 0), TLB_MISS);
            put(tlb, page, 0, PAGE_4K, 0);
        }
    }
    for (uint64_t page = 1; page < 5; page++)
        assert_int_equal(look(tlb, page, 0), TLB_HIT);
    tlb_destroy(tlb);
}

static void test_second_level_refills(void **state)
{
    struct tlb *tlb = tlb_create(&small);
    for (uint64_t page = 0; page < 5; page++)
        put(tlb, page, 0, PAGE_4K, 0);
    assert_int_equal(look(tlb, 0, 0), TLB_HIT_SECOND);
    assert_int_equal(look(tlb, 0, 0), TLB_HIT);
    assert_int_equal(look(tlb, 1, 0), TLB_HIT_SECOND); /* the refill of 0 threw 1 out */
    tlb_destroy(tlb);
}

static void test_pcid_and_global(void **state)
{
    struct tlb *tlb = tlb_create(&small);
    put(tlb, 1, 7, PAGE_4K, 0);
    put(tlb, 2, 7, PAGE_4K, TRANSLATION_GLOBAL);
    assert_int_equal(look(tlb, 1, 8), TLB_MISS);
    assert_int_equal(look(tlb, 2, 8), TLB_HIT);
    tlb_flush_pcid(tlb, 8);
    assert_int_equal(look(tlb, 1, 7), TLB_HIT);
    tlb_flush_pcid(tlb, 7);
    assert_int_equal(look(tlb, 1, 7), TLB_MISS);
    assert_int_equal(look(tlb, 2, 7), TLB_HIT);
    tlb_flush_all(tlb, false);
    assert_int_equal(look(tlb, 2, 7), TLB_HIT);
    tlb_flush_all(tlb, true);
    assert_int_equal(look(tlb, 2, 7), TLB_MISS);
    tlb_destroy(tlb);
}

static void test_invlpg_and_large_pages(void **state)
{
    struct tlb *tlb = tlb_create(&small);
    const struct translation *entry;
    put(tlb, 512 + 5, 1, PAGE_2M, 0);
    assert_int_equal(tlb_lookup(tlb, TLB_DATA, 512 + 511, 1, &entry), TLB_HIT);
    assert_int_equal(entry->page, 512);
    assert_int_equal(entry->frame, (512 + 5 + 1000) & ~511);
    tlb_flush_page(tlb, 512 + 300, 2);
    assert_int_equal(look(tlb, 512, 1), TLB_HIT);
    tlb_flush_page(tlb, 512 + 300, 1);
    assert_int_equal(look(tlb, 512, 1), TLB_MISS);
    put(tlb, 9, 1, PAGE_4K, TRANSLATION_GLOBAL);
    assert_true(tlb_invpcid(tlb, 0, 9, 1));
    assert_int_equal(look(tlb, 9, 1), TLB_HIT);
    tlb_flush_page(tlb, 9, 3); /* INVLPG drops global ones whatever the PCID */
    assert_int_equal(look(tlb, 9, 1), TLB_MISS);
    tlb_destroy(tlb);
}

static void test_invpcid_types(void **state)
{
    struct tlb *tlb = tlb_create(&small);
    uint64_t before = *tlb_epoch(tlb);
    put(tlb, 1, 0, PAGE_4K, 0);
    before = *tlb_epoch(tlb);
    assert_false(tlb_invpcid(tlb, 4, 1, 0));
    assert_int_equal(*tlb_epoch(tlb), before);
    assert_int_equal(look(tlb, 1, 0), TLB_HIT);
    tlb_destroy(tlb);
}

static void test_code_and_data_apart(void **state)
{
    struct cpu_model model = small;
    const struct translation *entry;
    model.stlb[PAGE_4K] = (struct tlb_geometry){0};
    struct tlb *tlb = tlb_create(&model);
    put(tlb, 1, 0, PAGE_4K, 0);
    assert_int_equal(tlb_lookup(tlb, TLB_CODE, 1, 0, &entry), TLB_MISS);
    assert_int_equal(tlb_lookup(tlb, TLB_DATA, 1, 0, &entry), TLB_HIT);
    tlb_destroy(tlb);
}

static void test_structure_caches(void **state)
{
    struct tlb *tlb = tlb_create(&small);
    uint64_t table;
    uint8_t rights;
    psc_insert(tlb, 1, 0x200, 3, 0x1000, TRANSLATION_USER);
    assert_true(psc_lookup(tlb, 1, 0x3ff, 3, &table, &rights));
    assert_int_equal(table, 0x1000);
    assert_int_equal(rights, TRANSLATION_USER);
    assert_false(psc_lookup(tlb, 1, 0x400, 3, &table, &rights));
    assert_false(psc_lookup(tlb, 1, 0x200, 4, &table, &rights));
    assert_false(psc_lookup(tlb, 2, 0x200, 3, &table, &rights));
    tlb_flush_page(tlb, 0xffff, 3); /* any page: INVLPG drops all of the PCID's */
    assert_false(psc_lookup(tlb, 1, 0x200, 3, &table, &rights));
    tlb_destroy(tlb);
}

/* The slot's generation has 16 bits: it must not come round. */
static void test_recent_does_not_wrap(void **state)
{
    struct tlb *tlb = tlb_create(&small);
    put(tlb, 1, 5, PAGE_4K, 0);
    assert_int_equal(look(tlb, 1, 5), TLB_HIT);
    assert_non_null(tlb_recent(tlb, TLB_DATA, 1, 5));
    for (int i = 0; i < 70000; i++) {
        tlb_flush_pcid(tlb, 5);
        assert_null(tlb_recent(tlb, TLB_DATA, 1, 5));
    }
    tlb_destroy(tlb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_traces),
        cmocka_unit_test(test_thrash),
        cmocka_unit_test(test_second_level_refills),
        cmocka_unit_test(test_pcid_and_global),
        cmocka_unit_test(test_invlpg_and_large_pages),
        cmocka_unit_test(test_invpcid_types),
        cmocka_unit_test(test_code_and_data_apart),
        cmocka_unit_test(test_structure_caches),
        cmocka_unit_test(test_recent_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
