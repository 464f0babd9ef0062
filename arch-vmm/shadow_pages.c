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

void shadow_write(uint64_t *entry, uint64_t value);
/* Each is counted by the machine (abi/shadow_routines.def). */
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

static uint32_t name_of(const struct shadow *s, const struct shadow_page *page, unsigned index)
{
    return (uint32_t)(page - s->page) * ENTRIES + index;
}

static void count_writable(struct guest *guest, uint32_t name, uint64_t entry)
{
    struct frame_state *f = state_of(guest->shadow, guest_address(guest, entry));
    unsigned i = 0;

    f->writable_count++;
    while (i < WRITABLE_KNOWN && f->writable[i])
        i++;
    if (i < WRITABLE_KNOWN)
        f->writable[i] = name;
}

static void forget_writable(struct guest *guest, uint32_t name, uint64_t entry)
{
    struct frame_state *f = state_of(guest->shadow, guest_address(guest, entry));

    f->writable_count--;
    for (unsigned i = 0; i < WRITABLE_KNOWN; i++)
        if (f->writable[i] == name)
            f->writable[i] = NONE;
}

static bool is_writable(uint64_t entry)
{
    return (entry & (PTE_P | PTE_W)) == (PTE_P | PTE_W);
}

void entry_write(struct guest *guest, struct shadow_page *page, unsigned index, uint64_t value)
{
    uint64_t old = page->table[index];
    uint32_t name = name_of(guest->shadow, page, index);

    if (old == value)
        return;
    if (page->level == 0 && is_writable(old))
        forget_writable(guest, name, old);
    shadow_write(&page->table[index], value);
    if (page->level == 0 && is_writable(value))
        count_writable(guest, name, value);
    page->entries = (uint16_t)(page->entries + !old - !value);
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
    entry_write(guest, page, index, 0);
    return true;
}

/* No translation is left that nobody vouches for: the guest may give a page more rights without flushing anything. A page
 * below one that several roots share is in all of them, and does not know it; the upper half is taken for that. */
static void entry_flush(struct guest *guest, const struct shadow_page *page, unsigned index)
{
    uint64_t address = page->place + index * LEVEL_SPAN(page->level);

    if (page->level || page->many || page->place >> 47)
        shadow_flush_all(guest);
    else if (paging.pcid)
        invalidate(INVPCID_ADDRESS, page->pcid, address);
    else
        invlpg(address);
}

static void page_clear(struct guest *guest, struct shadow_page *page)
{
    for (unsigned i = 0; i < ENTRIES && page->entries; i++)
        entry_clear(guest, page, i);
}

/* ---- guarding the guest's tables ---- */

static void take_write(struct guest *guest, struct shadow_page *page, unsigned index)
{
    entry_write(guest, page, index, page->table[index] & ~PTE_W);
    entry_flush(guest, page, index);
}

static void take_known(struct guest *guest, struct frame_state *f)
{
    struct shadow *s = guest->shadow;

    for (unsigned i = 0; i < WRITABLE_KNOWN; i++)
        if (f->writable[i])
            take_write(guest, &s->page[f->writable[i] / ENTRIES], f->writable[i] % ENTRIES);
}

/* All there are: rare. */
static void take_all(struct guest *guest, uint64_t frame)
{
    struct shadow *s = guest->shadow;

    for (uint32_t n = 1; n <= s->used; n++)
        for (unsigned i = 0; s->page[n].live && s->page[n].level == 0 && i < ENTRIES; i++)
            if (is_writable(s->page[n].table[i]) && (s->page[n].table[i] & PTE_FRAME) == frame)
                take_write(guest, &s->page[n], i);
}

void guard(struct guest *guest, uint64_t address)
{
    struct frame_state *f = state_of(guest->shadow, address);

    f->stores = 0;
    if (f->guarded)
        return;
    f->guarded = true;
    take_known(guest, f);
    if (f->writable_count)
        take_all(guest, guest->base + (address & ~(PAGE_BYTES - 1)));
}

bool shadow_guards(const struct guest *guest, uint64_t address)
{
    return state_of(guest->shadow, address)->guarded;
}

void shadow_release(struct guest *guest, uint64_t address)
{
    struct shadow *s = guest->shadow;
    struct frame_state *f = state_of(s, address);

    bool had_any = false;

    f->guarded = false;
    f->stores = 0;
    for (uint32_t n = f->tables; n; n = s->page[n].sibling) {
        had_any |= s->page[n].entries;
        page_clear(guest, &s->page[n]);
    }
    if (had_any)
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
static uint64_t *table_take(struct shadow_page *page)
{
    uint64_t frame;

    if (page->table)
        zero_quads(page->table, ENTRIES);
    else if ((frame = table_create()))
        page->table = direct(frame);
    return page->table;
}

static uint32_t number_take(struct shadow *s)
{
    uint32_t n = s->free ? s->free : s->used < s->pages ? s->used + 1 : NONE;

    if (!n || !table_take(&s->page[n]))
        return NONE;
    if (n == s->free)
        s->free = s->page[n].next;
    else
        s->used = n;
    return n;
}

static void hash(struct shadow *s, uint32_t n)
{
    uint32_t *bucket = bucket_of(s, s->page[n].gfn, s->page[n].level);

    s->page[n].next = *bucket;
    *bucket = n;
}

struct shadow_page *page_make(struct guest *guest, uint32_t gfn, unsigned level, bool kernel, bool part)
{
    struct shadow *s = guest->shadow;
    uint32_t n = number_take(s);
    struct shadow_page *p = &s->page[n];

    if (!n) {
        s->full = true;
        return NULL;
    }
    *p = (struct shadow_page){.table = p->table, .gfn = gfn, .level = (uint8_t)level, .kernel = kernel, .part = part, .live = true,
                              .place = NOWHERE};
    s->room--;
    hash(s, n);
    if (!part) {
        p->sibling = s->frame[gfn].tables;
        s->frame[gfn].tables = n;
    }
    return p;
}

/* What it maps is counted anew afterwards. */
static void page_drop(struct shadow *s, uint32_t n)
{
    struct shadow_page *p = &s->page[n];

    if (p->level == 3)
        probe(PROBE_GUEST_ROOT, physical(p->table), 0, 0);
    p->live = false;
    p->next = s->free;
    s->free = n;
    s->room++;
}

static void count_part(struct guest *guest, struct shadow_page *page)
{
    for (unsigned i = 0; page->level == 0 && i < ENTRIES; i++)
        if (is_writable(page->table[i]))
            count_writable(guest, name_of(guest->shadow, page, i), page->table[i]);
}

/* From the last on, so that those with low numbers are taken first again. */
void drop_all(struct guest *guest)
{
    struct shadow *s = guest->shadow;

    zero_quads(s->frame, s->frames * sizeof(*s->frame) / 8);
    zero_quads(s->bucket, sizeof(s->bucket) / 8);
    for (uint32_t n = s->used; n > 0; n--) {
        if (!s->page[n].live)
            continue;
        if (!s->page[n].part) {
            page_drop(s, n);
            continue;
        }
        hash(s, n);
        count_part(guest, &s->page[n]);
    }
    s->full = false;
    guest->cpu.root[0] = guest->cpu.root[1] = NULL;
    write_cr3(paging.root);
    shadow_flush_all(guest);
}

void drop_derived(struct guest *guest)
{
    struct shadow *s = guest->shadow;

    for (uint32_t n = 1; n <= s->used; n++)
        if (s->page[n].live && !s->page[n].part)
            page_clear(guest, &s->page[n]);
    for (uint64_t n = 0; n < s->frames; n++)
        s->frame[n].guarded = false;
    shadow_flush_all(guest);
}
