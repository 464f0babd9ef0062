/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/shadow_pages.c: shadow pages: which there are, which of their entries let a guest write to what, and keeping the
 * guest from its own page tables. The idea is in shadow.c.
 */
#include "abi/probe.h"
#include "arch-vmm/shadow.h"
#include "guest/paging.h"
#include "guest/x86.h"

#define STORES_MAX 3

__attribute__((noinline)) void shadow_write(uint64_t *entry, uint64_t value)
{
    *entry = value;
}
/* ---- translations ---- */

static void invalidate(uint64_t type, uint16_t pcid, uint64_t address)
{
    struct {
        uint64_t pcid, address;
    } descriptor = {pcid, address};

    invpcid(type, &descriptor);
}

void shadow_flush_all(struct guest *guest)
{
    if (paging.pcid)
        invalidate(INVPCID_ALL_BUT_GLOBAL, 0, 0);
    else
        write_cr3(read_cr3());
}

/* What is global is so in all of the guest's spaces; its upper half is taken for that. */
void shadow_flush_page(struct vcpu *v, uint64_t address)
{
    if (!v->root[0])
        return;
    if (!paging.pcid)
        invlpg(address);
    else if (address >> 47)
        shadow_flush_all(v->guest);
    else
        for (unsigned kernel = 0; kernel < 2; kernel++)
            invalidate(INVPCID_ADDRESS, v->root[kernel]->pcid, address);
}

/* ---- which entries map a frame writable ---- */

static uint64_t guest_address(const struct guest *guest, uint64_t entry)
{
    return (entry & PTE_FRAME) - guest->base;
}

static void count_writable(struct guest *guest, uint64_t *slot, uint64_t entry)
{
    struct frame_state *f = state_of(guest->shadow, guest_address(guest, entry));

    f->writable = f->writable_count++ ? NULL : slot;
}

static void forget_writable(struct guest *guest, uint64_t *slot, uint64_t entry)
{
    struct frame_state *f = state_of(guest->shadow, guest_address(guest, entry));

    f->writable_count--;
    if (f->writable == slot)
        f->writable = NULL;
}

/* An entry of the last level. */
void leaf_write(struct guest *guest, uint64_t *slot, uint64_t value)
{
    uint64_t old = *slot;

    if (old == value)
        return;
    if ((old & (PTE_P | PTE_W)) == (PTE_P | PTE_W))
        forget_writable(guest, slot, old);
    shadow_write(slot, value);
    if ((value & (PTE_P | PTE_W)) == (PTE_P | PTE_W))
        count_writable(guest, slot, value);
}

/* The monitor's own, in every root. */
static bool is_ours(const struct shadow_page *page, unsigned index)
{
    return page->level == 3 && index >= index_of(MONITOR_BEGIN, 3) && index < index_of(MONITOR_END, 3);
}

/* Whether there was something. */
static bool entry_clear(struct guest *guest, struct shadow_page *page, unsigned index)
{
    if (!page->table[index] || is_ours(page, index))
        return false;
    if (page->level == 0)
        leaf_write(guest, &page->table[index], 0);
    else
        shadow_write(&page->table[index], 0);
    return true;
}

/* No translation is left that nobody vouches for: the guest may give a page more rights without flushing anything. */
static void entry_flush(struct guest *guest, const struct shadow_page *page, unsigned index)
{
    uint64_t address = page->place + index * LEVEL_SPAN(page->level);

    if (page->level || page->many)
        shadow_flush_all(guest);
    else if (paging.pcid)
        invalidate(INVPCID_ADDRESS, page->pcid, address);
    else
        invlpg(address);
}

static void page_clear(struct guest *guest, struct shadow_page *page)
{
    for (unsigned i = 0; i < ENTRIES; i++)
        entry_clear(guest, page, i);
}

/* ---- guarding the guest's tables ---- */

/* All there are: rare, as a frame that becomes a table is mapped once, by the kernel's direct map. */
static void search_writable(struct guest *guest, uint64_t frame)
{
    struct shadow *s = guest->shadow;

    for (uint32_t n = 1; n <= s->used; n++)
        for (unsigned i = 0; s->page[n].level == 0 && i < ENTRIES; i++) {
            uint64_t *slot = &s->page[n].table[i];

            if ((*slot & (PTE_P | PTE_W)) == (PTE_P | PTE_W) && (*slot & PTE_FRAME) == frame)
                leaf_write(guest, slot, *slot & ~PTE_W);
        }
}

void guard(struct guest *guest, uint64_t address)
{
    struct frame_state *f = state_of(guest->shadow, address);

    f->stores = 0;
    if (f->guarded)
        return;
    f->guarded = true;
    if (!f->writable_count)
        return;
    if (f->writable_count == 1 && f->writable)
        leaf_write(guest, f->writable, *f->writable & ~PTE_W);
    else
        search_writable(guest, guest->base + (address & ~(PAGE_BYTES - 1)));
    shadow_flush_all(guest);
}

bool shadow_guards(const struct guest *guest, uint64_t address)
{
    return state_of(guest->shadow, address)->guarded;
}

void shadow_release(struct guest *guest, uint64_t address)
{
    struct shadow *s = guest->shadow;
    struct frame_state *f = state_of(s, address);

    f->guarded = false;
    f->stores = 0;
    for (uint32_t n = f->tables; n; n = s->page[n].sibling)
        page_clear(guest, &s->page[n]);
    shadow_flush_all(guest);
}

void shadow_wrote(struct guest *guest, uint64_t address)
{
    struct shadow *s = guest->shadow;
    struct frame_state *f = state_of(s, address);
    unsigned index = address % PAGE_BYTES / 8;

    for (uint32_t n = f->tables; n; n = s->page[n].sibling)
        if (entry_clear(guest, &s->page[n], index))
            entry_flush(guest, &s->page[n], index);
    if (++f->stores == STORES_MAX)
        shadow_release(guest, address);
}

/* ---- shadow pages ---- */

static uint32_t *bucket_of(struct shadow *s, uint32_t gfn, unsigned level)
{
    return &s->bucket[(gfn * 2654435761u + level * 40503u) >> 22 & (BUCKETS - 1)];
}

struct shadow_page *page_find(struct shadow *s, uint32_t gfn, unsigned level, bool kernel, bool part)
{
    for (uint32_t n = *bucket_of(s, gfn, level); n; n = s->page[n].next) {
        struct shadow_page *p = &s->page[n];

        if (p->gfn == gfn && p->level == level && p->kernel == kernel && p->part == part)
            return p;
    }
    return NULL;
}

/* The frames of shadow pages are kept: they are needed again. */
static uint64_t *table_take(struct shadow *s, struct shadow_page *page)
{
    uint64_t frame;

    if (page->table)
        zero_quads(page->table, ENTRIES);
    else if ((frame = table_create()))
        page->table = direct(frame);
    return page->table;
}

struct shadow_page *page_make(struct guest *guest, uint32_t gfn, unsigned level, bool kernel, bool part)
{
    struct shadow *s = guest->shadow;
    uint32_t n = s->used + 1, *bucket = bucket_of(s, gfn, level);
    struct shadow_page *p = &s->page[n];
    uint64_t *table = n <= s->pages ? table_take(s, p) : NULL;

    if (!table) {
        s->full = true;
        return NULL;
    }
    s->used = n;
    *p = (struct shadow_page){.table = table, .gfn = gfn, .level = (uint8_t)level, .kernel = kernel, .part = part, .place = NOWHERE, .next = *bucket};
    *bucket = n;
    if (!part) {
        p->sibling = s->frame[gfn].tables;
        s->frame[gfn].tables = n;
    }
    return p;
}

static void tell_gone(const struct shadow_page *root)
{
    probe(PROBE_GUEST_ROOT, physical(root->table), 0, 0);
}

/* Off the processor too: the monitor's own root is loaded until a guest's is. */
void drop_all(struct guest *guest)
{
    struct shadow *s = guest->shadow;

    for (uint32_t n = 1; n <= s->used; n++) {
        page_clear(guest, &s->page[n]);
        if (s->page[n].level == 3)
            tell_gone(&s->page[n]);
    }
    for (uint64_t n = 0; n < s->frames; n++) {
        s->frame[n].tables = NONE;
        s->frame[n].guarded = false;
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        s->bucket[i] = NONE;
    s->used = 0;
    s->full = false;
    guest->cpu.root[0] = guest->cpu.root[1] = NULL;
    write_cr3(paging.root);
    shadow_flush_all(guest);
}

/* Parts depend on nothing that the guest can change. */
void drop_derived(struct guest *guest)
{
    struct shadow *s = guest->shadow;

    for (uint32_t n = 1; n <= s->used; n++)
        if (!s->page[n].part)
            page_clear(guest, &s->page[n]);
    for (uint64_t n = 0; n < s->frames; n++)
        s->frame[n].guarded = false;
    shadow_flush_all(guest);
}
