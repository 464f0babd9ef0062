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
 * Shadow pages of dead address spaces are not missed: when there is no room all but the parts go, and those needed come back.
 * What is kept in mind of them is shadow_pages.c's.
 *
 * TLBs are the guest's affair, as on a processor: what it flushes is flushed. The monitor flushes on its own account when it
 * takes a right away (guarding), and when it gives up shadow pages.
 */
#include "abi/probe.h"
#include "arch-vmm/shadow.h"
#include "guest/heap.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/settings.h"
#include "guest/x86.h"

#define PATH_PAGES 8 /* two roots, two paths of tables */

/* ---- roots ---- */

static uint64_t cr3_of(const struct shadow_page *root)
{
    return physical(root->table) | (paging.pcid ? root->pcid : 0);
}

static struct shadow_page *root_make(struct guest *guest, uint64_t cr3, bool kernel)
{
    struct shadow_page *p = page_make(guest, (uint32_t)(cr3 / PAGE_BYTES), 3, kernel, false);
    const uint64_t *own = direct(paging.root);

    if (!p)
        return NULL;
    for (unsigned i = index_of(MONITOR_BEGIN, 3); i < index_of(MONITOR_END, 3); i++)
        p->table[i] = own[i];
    guest->shadow->next_pcid = guest->shadow->next_pcid % (PCIDS_EACH - 1) + 1;
    p->pcid = (uint16_t)(guest->shadow->next_pcid + (guest->number - 1) * PCIDS_EACH);
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

    if (s->full || s->room < PATH_PAGES)
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
    const struct shadow_page **tagged;
    struct shadow_page *root;
    uint64_t cr3;

    if (!v->root[0])
        make_room(v);
    root = v->root[v->kernel];
    cr3 = cr3_of(root);
    if (read_cr3() == cr3 && !root->flush)
        return;
    tagged = &v->guest->shadow->tagged[root->pcid % PCIDS_EACH];
    root->flush |= *tagged != root;
    *tagged = root;
    write_cr3(paging.pcid && !root->flush ? cr3 | CR3_NOFLUSH : cr3);
    root->flush = false;
}

void shadow_forget(struct guest *guest)
{
    drop_all(guest);
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
        entry_write(guest, page, i, (guest->base + address) | page_rights(guest, address));
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
    uint64_t to, rights;
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
    entry_write(guest, page, index_of(address, level), physical(child->table) | rights);
    return child;
}

static void fill_page(struct vcpu *v, struct shadow_page *page, uint64_t address, const struct walk *walk)
{
    uint64_t frame = walk->address & ~(PAGE_BYTES - 1), entry = walk->entry[0];
    uint64_t rights = rights_of(v, entry, page->kernel);

    if (!(entry & PTE_D) || state_of(v->guest->shadow, frame)->guarded)
        rights &= ~PTE_W;
    entry_write(v->guest, page, index_of(address, 0), (v->guest->base + frame) | rights | smep(v, walk, page->kernel));
}

/* A part's page: guarded or not may have changed. */
static void refill_part(struct vcpu *v, struct shadow_page *page, uint64_t address, const struct walk *walk)
{
    uint64_t frame = walk->address & ~(PAGE_BYTES - 1);

    entry_write(v->guest, page, index_of(address, 0), (v->guest->base + frame) | page_rights(v->guest, frame));
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
    s->room = s->pages;
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
