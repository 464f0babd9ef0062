/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/shadow.c: the page tables that the processor uses while a guest runs: the guest's own, with the machine's
 * addresses in them (Bugnion et al., "Disco", SOSP 1997; Adams and Agesen, ASPLOS 2006, §2.3).
 *
 * A shadow page is the counterpart of one table of the guest, for one CPL: at CPL 3 it has what the guest's entries give to
 * programs, at CPL 0 everything; all of it is open to ring 3, where both run. Entries have the guest's rights, but dirty
 * comes late: a page becomes writable by its first write, so that the guest sees its D bit. Large pages of the guest are
 * tables here ("parts"), filled as a whole, whose entries depend on no memory of the guest.
 *
 * Shadow pages are found by (frame of the guest's table, level, CPL), linked on demand by page faults, and shared by all
 * roots that reach them. They stay when the guest changes CR3. For them to stay true, the guest cannot write to a table
 * that has a counterpart: such frames are guarded, that is, mapped without W. A write to one is emulated if it is a plain store,
 * and the counterpart of the entry is cleared. Another kind of write, or the third store in a row to a table that is not
 * used between them, releases the frame: its shadow pages are emptied and the guest writes as it likes, until a page fault leads
 * through the table again. So what becomes data costs one fault, and a table that is filled entry by entry costs three.
 *
 * Shadow pages of dead address spaces are not missed: when there is no room all go, and those needed come back.
 *
 * TLBs are the guest's affair, as on a processor: what it flushes is flushed. The monitor flushes on its own account when it
 * takes a right away (guarding), and when it gives up shadow pages.
 */
#include "abi/probe.h"
#include "arch-vmm/kernel.h"
#include "guest/heap.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/settings.h"
#include "guest/x86.h"

#define PTE_D (1ul << 6)
#define BUCKETS 1024
#define STORES_MAX 3
#define PCIDS 4096
#define NONE 0
#define NOWHERE UINT64_MAX

struct shadow_page {
    uint64_t *table; /* through the monitor's direct map */
    uint32_t gfn;    /* frame number of the guest's table, or of the first page of a large one's part */
    uint8_t level;
    bool kernel, part;
    bool flush;      /* of a root: its translations must go when it is loaded next */
    bool many;       /* linked in several places */
    uint16_t pcid;   /* of a root; else of the one that it is linked below */
    uint64_t place;  /* the first address that it translates; ~0: not linked yet */
    uint32_t next;   /* in its bucket */
    uint32_t sibling; /* another one of the same guest's table */
};

/* What is known of a frame of the guest's memory. */
struct frame_state {
    uint64_t *writable; /* the shadow entry that maps it writable, if there is just one and it is known */
    uint32_t writable_count;
    uint32_t tables;    /* the first shadow page whose guest's table it is; 0: none */
    bool guarded;
    uint8_t stores;     /* emulated since the table was last used */
};

struct shadow {
    struct shadow_page *page; /* from 1 */
    uint32_t pages, used;
    uint32_t bucket[BUCKETS];
    struct frame_state *frame;
    uint64_t frames;
    uint32_t next_pcid;
    bool cached; /* shadow-cache=on */
    bool full;   /* a page was wanted and none was there: all must go */
};

/* Each is counted by the machine (abi/shadow_routines.def). */
void shadow_write(uint64_t *entry, uint64_t value);
__attribute__((noinline)) void shadow_write(uint64_t *entry, uint64_t value)
{
    *entry = value;
}

/* ---- translations ---- */

static uint64_t cr3_of(const struct shadow_page *root)
{
    return physical(root->table) | (paging.pcid ? root->pcid : 0);
}

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

static struct frame_state *state_of(const struct shadow *s, uint64_t address)
{
    return &s->frame[address / PAGE_BYTES];
}

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
static void leaf_write(struct guest *guest, uint64_t *slot, uint64_t value)
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

static void guard(struct guest *guest, uint64_t address)
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

static struct shadow_page *page_find(struct shadow *s, uint32_t gfn, unsigned level, bool kernel, bool part)
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

static struct shadow_page *page_make(struct guest *guest, uint32_t gfn, unsigned level, bool kernel, bool part)
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
static void drop_all(struct guest *guest)
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
static void drop_derived(struct guest *guest)
{
    struct shadow *s = guest->shadow;

    for (uint32_t n = 1; n <= s->used; n++)
        if (!s->page[n].part)
            page_clear(guest, &s->page[n]);
    for (uint64_t n = 0; n < s->frames; n++)
        s->frame[n].guarded = false;
    shadow_flush_all(guest);
}

void shadow_forget(struct guest *guest)
{
    drop_all(guest);
}

/* ---- roots ---- */

static struct shadow_page *root_make(struct guest *guest, uint64_t cr3, bool kernel)
{
    struct shadow_page *p = page_make(guest, (uint32_t)(cr3 / PAGE_BYTES), 3, kernel, false);
    const uint64_t *own = direct(paging.root);

    if (!p)
        return NULL;
    for (unsigned i = index_of(MONITOR_BEGIN, 3); i < index_of(MONITOR_END, 3); i++)
        p->table[i] = own[i];
    guest->shadow->next_pcid = guest->shadow->next_pcid % (PCIDS / GUESTS_MAX - 1) + 1;
    p->pcid = (uint16_t)(guest->shadow->next_pcid + (guest->number - 1) * (PCIDS / GUESTS_MAX));
    p->flush = true;
    probe(PROBE_GUEST_ROOT, physical(p->table), guest->number | (kernel ? GUEST_KERNEL : 0), cr3);
    return p;
}

static struct shadow_page *root_get(struct guest *guest, uint64_t cr3, bool kernel)
{
    struct shadow_page *p = page_find(guest->shadow, (uint32_t)(cr3 / PAGE_BYTES), 3, kernel, false);

    return p ? p : root_make(guest, cr3, kernel);
}

static bool roots_get(struct vcpu *v)
{
    for (unsigned kernel = 0; kernel < 2; kernel++)
        v->root[kernel] = root_get(v->guest, v->cr3 & PTE_FRAME, kernel);
    return v->root[0] && v->root[1];
}

/* For a path of tables, so that filling does not fail half-way. */
static void make_room(struct vcpu *v)
{
    struct shadow *s = v->guest->shadow;

    if (s->full || s->used + 8 > s->pages)
        drop_all(v->guest);
    if (!v->root[0] && !roots_get(v))
        panic("guest %u: not enough memory for shadow tables", v->guest->number);
}

void shadow_switch(struct vcpu *v, bool keep)
{
    if (!guest_memory(v->guest, v->cr3 & PTE_FRAME, PAGE_BYTES))
        guest_crash(v->guest, "CR3 %lx is outside its memory", v->cr3);
    if (!v->guest->shadow->cached && (!v->root[0] || v->root[0]->gfn != (v->cr3 & PTE_FRAME) / PAGE_BYTES))
        drop_derived(v->guest);
    v->root[0] = v->root[1] = NULL;
    make_room(v);
    if (!roots_get(v)) {
        v->guest->shadow->full = true;
        make_room(v);
    }
    if (!keep)
        v->root[0]->flush = v->root[1]->flush = true;
}

void shadow_load(struct vcpu *v)
{
    struct shadow_page *root;
    uint64_t cr3;

    if (!v->root[0])
        make_room(v);
    root = v->root[v->kernel];
    cr3 = cr3_of(root);
    if (read_cr3() == cr3 && !root->flush)
        return;
    write_cr3(paging.pcid && !root->flush ? cr3 | CR3_NOFLUSH : cr3);
    root->flush = false;
}

/* ---- filling ---- */

static uint64_t rights_of(const struct vcpu *v, uint64_t entry, bool kernel)
{
    bool write = entry & PTE_W || (kernel && !(v->cr0 & CR0_WP));

    return PTE_P | PTE_U | (write ? PTE_W : 0) | (entry & PTE_NX);
}

static uint64_t page_rights(const struct guest *guest, uint64_t address)
{
    return PTE_P | PTE_U | (state_of(guest->shadow, address)->guarded ? 0 : PTE_W);
}

/* The part of a large page that one table covers. */
static void part_fill(struct guest *guest, struct shadow_page *page)
{
    uint64_t address = (uint64_t)page->gfn * PAGE_BYTES;

    for (unsigned i = 0; i < ENTRIES && guest_memory(guest, address, PAGE_BYTES); i++, address += PAGE_BYTES)
        leaf_write(guest, &page->table[i], (guest->base + address) | page_rights(guest, address));
}

static void link_write(uint64_t *slot, uint64_t value)
{
    if (*slot != value)
        shadow_write(slot, value);
}

static void note_place(struct shadow_page *page, uint64_t place, uint16_t pcid)
{
    if (page->place == NOWHERE) {
        page->place = place;
        page->pcid = pcid;
    }
    page->many |= page->place != place || page->pcid != pcid;
}

/* Not dirty: not yet writable. */
static uint64_t large_rights(const struct vcpu *v, const struct walk *walk, bool kernel)
{
    uint64_t entry = walk->entry[walk->level], rights = rights_of(v, entry, kernel);

    return entry & PTE_D ? rights : rights & ~PTE_W;
}

/* SMEP (SDM vol. 3A §4.6.1): a program's pages are nothing to execute for its kernel. */
static uint64_t smep(const struct vcpu *v, const struct walk *walk, bool kernel)
{
    return kernel && walk->user && v->cr4 & CR4_SMEP ? PTE_NX : 0;
}

/* What the entry of `level` leads to. */
static struct shadow_page *descend(struct vcpu *v, struct shadow_page *page, uint64_t address, unsigned level, const struct walk *walk)
{
    struct guest *guest = v->guest;
    uint64_t *slot = &page->table[index_of(address, level)], to, rights;
    struct shadow_page *child;
    bool part = level <= walk->level;

    if (part) {
        to = walk->address & ~(LEVEL_SPAN(level) - 1);
        rights = level == walk->level ? large_rights(v, walk, page->kernel) | smep(v, walk, page->kernel) : PTE_P | PTE_U | PTE_W;
    } else {
        to = walk->entry[level] & PTE_FRAME;
        rights = rights_of(v, walk->entry[level], page->kernel);
        guard(guest, to);
    }
    child = page_find(guest->shadow, (uint32_t)(to / PAGE_BYTES), level - 1, page->kernel, part);
    if (!child) {
        child = page_make(guest, (uint32_t)(to / PAGE_BYTES), level - 1, page->kernel, part);
        if (child && part && level == 1)
            part_fill(guest, child);
    }
    if (!child)
        return NULL;
    note_place(child, address & ~(LEVEL_SPAN(level) - 1), v->root[page->kernel]->pcid);
    link_write(slot, physical(child->table) | rights);
    return child;
}

static void fill_page(struct vcpu *v, struct shadow_page *page, uint64_t address, const struct walk *walk)
{
    uint64_t frame = walk->address & ~(PAGE_BYTES - 1), entry = walk->entry[0];
    uint64_t rights = rights_of(v, entry, page->kernel);

    if (!(entry & PTE_D) || state_of(v->guest->shadow, frame)->guarded)
        rights &= ~PTE_W;
    leaf_write(v->guest, &page->table[index_of(address, 0)], (v->guest->base + frame) | rights | smep(v, walk, page->kernel));
}

/* A part's page: guarded or not may have changed. */
static void refill_part(struct vcpu *v, struct shadow_page *page, uint64_t address, const struct walk *walk)
{
    uint64_t frame = walk->address & ~(PAGE_BYTES - 1);

    leaf_write(v->guest, &page->table[index_of(address, 0)], (v->guest->base + frame) | page_rights(v->guest, frame));
}

void shadow_fill(struct vcpu *v, uint64_t address, enum vm_access access, const struct walk *walk)
{
    struct shadow_page *page;

    make_room(v);
    page = v->root[v->kernel];
    guard(v->guest, v->cr3 & PTE_FRAME);
    for (unsigned level = 3; page && level > 0; level--)
        page = descend(v, page, address, level, walk);
    if (!page)
        v->guest->shadow->full = true; /* the page fault will be back */
    else if (walk->level)
        refill_part(v, page, address, walk);
    else
        fill_page(v, page, address, walk);
}

/* ---- life ---- */

bool shadow_init(struct guest *guest)
{
    struct shadow *s = heap_alloc(sizeof(*s));

    if (!s)
        return false;
    guest->shadow = s;
    s->frames = guest->bytes / PAGE_BYTES;
    s->pages = (uint32_t)((16ul << 20) / PAGE_BYTES * 3 / 4);
    s->cached = settings_on(monitor.boot->settings, "shadow-cache", true);
    s->page = heap_alloc((s->pages + 1) * sizeof(*s->page));
    s->frame = heap_alloc(s->frames * sizeof(*s->frame));
    return s->page && s->frame;
}

void shadow_fini(struct guest *guest)
{
    struct shadow *s = guest->shadow;

    drop_all(guest);
    for (uint32_t n = 1; n <= s->pages; n++)
        if (s->page[n].table)
            frame_free(physical(s->page[n].table));
    heap_free(s->frame, s->frames * sizeof(*s->frame));
    heap_free(s->page, (s->pages + 1) * sizeof(*s->page));
    heap_free(s, sizeof(*s));
}
