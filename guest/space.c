/* SPDX-License-Identifier: MIT
 *
 * guest/space.c: the program's half of address spaces, and what a change of it means for the TLB (SDM vol. 3A §4.10).
 *
 * An entry that must stay but may not be used (no rights) is kept non-present with PTE_HELD. Each remembers the rights
 * that it was given and its limit (space_limit), in bits that the CPU ignores. The tables of a space are chained, so
 * that its end need not search them for one another.
 *
 * Page-table isolation. Each space has a second root whose lower half holds the same entries and whose upper half
 * maps .entry and .percpu alone. Its translations carry PCID | PCID_USER.
 *
 * PCIDs. A space's PCID is its slot number. A load of CR3 keeps that PCID's translations (bit 63) if kept_on says that
 * they are this space's and still true; whoever changes a space that is not loaded clears kept_on.
 */
#include "guest/cpu.h"
#include "guest/tables.h"
#include "guest/x86.h"

#define ENOMEM 12
#define PCID_USER 0x800u
#define FLUSH_PAGES_MAX 32

long space_number(const struct space *space)
{
    return space - paging.spaces;
}

struct space *space_of(long number)
{
    return number > 0 && number < SPACES_MAX && paging.spaces[number].root ? &paging.spaces[number] : NULL;
}

static struct space *slot_find(void)
{
    for (unsigned i = 1; i < SPACES_MAX; i++)
        if (!paging.spaces[i].root)
            return &paging.spaces[i];
    return NULL;
}

static uint64_t user_root_create(void)
{
    uint64_t root = table_create();

    if (root)
        table_at(root)[ENTRIES - 1] = paging.entry_table;
    return root;
}

struct space *space_create(void)
{
    struct space *space = slot_find();
    uint64_t root = space ? table_create() : 0, user_root = 0;

    if (!root)
        return NULL;
    if (paging.isolated && !(user_root = user_root_create())) {
        frame_free(root);
        return NULL;
    }
    for (unsigned i = 0; i < paging.kernel_slots; i++)
        table_at(root)[paging.kernel_slot[i]] = table_at(paging.root)[paging.kernel_slot[i]];
    *space = (struct space){.root = root, .user_root = user_root};
    space->pcid = paging.pcid ? (uint16_t)space_number(space) : 0;
    return space;
}

void space_destroy(struct space *space)
{
    if (this_cpu()->space == space)
        space_switch(NULL);
    for (uint32_t table = space->tables; table; table = paging.next_table[table])
        frame_free(table * PAGE_BYTES);
    frame_free(space->root);
    if (space->user_root)
        frame_free(space->user_root);
    *space = (struct space){0};
}

static void set_user_cr3(struct cpu *cpu, const struct space *space, uint64_t keep)
{
    uint64_t pcid = paging.pcid ? space->pcid | PCID_USER : 0;

    cpu->kernel_cr3 = space->root | space->pcid | cpu->cr3_noflush;
    cpu->user_cr3 = space->user_root | pcid | keep;
}

/* An isolated CPU without a space has nothing to return to, so user_cr3 may keep its old value. */
void space_switch(struct space *space)
{
    struct cpu *cpu = this_cpu();
    uint64_t keep = 0;

    if (cpu->space == space)
        return;
    cpu->space = space;
    if (!space) {
        if (paging.isolated)
            cpu->kernel_cr3 = paging.root;
        write_cr3(paging.root | cpu->cr3_noflush);
        return;
    }
    if (paging.pcid && space->kept_on >> cpu->number & 1)
        keep = CR3_NOFLUSH;
    space->kept_on |= 1ul << cpu->number;
    if (paging.isolated)
        set_user_cr3(cpu, space, keep);
    write_cr3(space->root | space->pcid | keep);
}

/* ---- flushing ---- */

struct flush {
    struct space *space;
    size_t pages;
    uint64_t page[FLUSH_PAGES_MAX];
};

/* By hand: an initialiser would clear the array at every page fault. */
static void flush_begin(struct flush *flush, struct space *space)
{
    flush->space = space;
    flush->pages = 0;
}

static void flush_add(struct flush *flush, uint64_t address)
{
    if (flush->pages < FLUSH_PAGES_MAX)
        flush->page[flush->pages] = address;
    flush->pages++;
}

/* INVLPG reaches the current PCID alone: the isolated root's is flushed as a whole by the next exit. */
static void flush_do(const struct flush *flush)
{
    struct cpu *cpu = this_cpu();
    uint64_t here = 1ul << cpu->number;

    if (!flush->pages)
        return;
    if (cpu->space != flush->space) {
        flush->space->kept_on = 0;
        return;
    }
    flush->space->kept_on &= here;
    if (flush->pages > FLUSH_PAGES_MAX)
        write_cr3(flush->space->root | flush->space->pcid);
    else
        for (size_t i = 0; i < flush->pages; i++)
            invlpg(flush->page[i]);
    if (paging.isolated)
        cpu->user_cr3 &= ~CR3_NOFLUSH;
}

void space_flush(struct space *space)
{
    struct flush flush;

    flush_begin(&flush, space);
    flush.pages = FLUSH_PAGES_MAX + 1;
    flush_do(&flush);
}

static void flush_one(struct space *space, uint64_t address)
{
    struct flush flush;

    flush_begin(&flush, space);
    flush_add(&flush, address);
    flush_do(&flush);
}

/* ---- mappings ---- */

static unsigned entry_rights(uint64_t entry)
{
    return entry >> PTE_RIGHTS_SHIFT & 7;
}

/* Of its rights, what its limit leaves. */
static unsigned entry_allowed(uint64_t entry)
{
    return entry_rights(entry) & ~(unsigned)(entry >> PTE_DENIED_SHIFT);
}

/* `limit`: bits of PTE_LIMIT. */
static uint64_t entry_value(uint64_t frame, unsigned rights, uint64_t limit)
{
    uint64_t entry = frame | PTE_U | (uint64_t)rights << PTE_RIGHTS_SHIFT | limit;
    unsigned allowed = entry_allowed(entry);

    entry |= allowed ? PTE_P : PTE_HELD;
    if (allowed & PAGE_WRITE)
        entry |= PTE_W;
    if (!(allowed & PAGE_EXEC))
        entry |= PTE_NX;
    return entry;
}

long space_map(struct space *space, uint64_t address, uint64_t frame, unsigned rights)
{
    uint64_t *entry = entry_make(space->root, address, 0, space), old;

    if (!entry)
        return -ENOMEM;
    if (space->user_root)
        table_at(space->user_root)[index_of(address, 3)] = table_at(space->root)[index_of(address, 3)];
    old = *entry;
    *entry = entry_value(frame, rights, 0);
    if (old & PTE_P)
        flush_one(space, address);
    return 0;
}

/* Changes each entry of a range that holds a frame: to nothing, telling gone() of the frame if it is not NULL; or to the
 * same with other rights, or with another limit. */
struct change {
    enum { CHANGE_UNMAP, CHANGE_RIGHTS, CHANGE_LIMIT } what;
    unsigned rights;
    uint64_t limit;
    void (*gone)(uint64_t frame);
};

static uint64_t entry_changed(uint64_t entry, const struct change *change)
{
    if (change->what == CHANGE_RIGHTS)
        return entry_value(entry & PTE_FRAME, change->rights, entry & PTE_LIMIT);
    if (change->what == CHANGE_LIMIT)
        return entry_value(entry & PTE_FRAME, entry_rights(entry), change->limit);
    if (change->gone)
        change->gone(entry & PTE_FRAME);
    return 0;
}

/* One step of a walk: from the entry of a level to that of the next one, if there is a table. */
static inline bool descend(uint64_t **entry, uint64_t address, unsigned *level)
{
    if (!(**entry & PTE_P))
        return false;
    *entry = table_at(**entry) + index_of(address, --*level);
    return true;
}

/* The entry of the lowest table that there is for an address, and its level: 0 for a page's own. Not a loop: every fault
 * and every change comes by here. */
static inline uint64_t *lowest_entry(const struct space *space, uint64_t address, unsigned *level)
{
    uint64_t *entry = (uint64_t *)direct(space->root) + index_of(address, 3);

    *level = 3;
    if (descend(&entry, address, level) && descend(&entry, address, level))
        descend(&entry, address, level);
    return entry;
}

static inline void page_change(struct space *space, uint64_t address, const struct change *change)
{
    unsigned level;
    uint64_t *entry = lowest_entry(space, address, &level), old = *entry;

    if (level || !(old & (PTE_P | PTE_HELD)))
        return;
    *entry = entry_changed(old, change);
    if (old & PTE_P)
        flush_one(space, address);
}

static void pages_change(struct space *space, uint64_t address, size_t pages, const struct change *change)
{
    struct flush flush;
    uint64_t end = address + pages * PAGE_BYTES;

    flush_begin(&flush, space);
    while (address < end) {
        unsigned level;
        uint64_t *entry = lowest_entry(space, address, &level);

        if (level) {
            address = (address & ~(LEVEL_SPAN(level) - 1)) + LEVEL_SPAN(level);
            continue;
        }
        do {
            if (*entry & (PTE_P | PTE_HELD)) {
                if (*entry & PTE_P)
                    flush_add(&flush, address);
                *entry = entry_changed(*entry, change);
            }
            entry++;
            address += PAGE_BYTES;
        } while (address < end && index_of(address, 0));
    }
    flush_do(&flush);
}

static inline void range_change(struct space *space, uint64_t address, size_t pages, const struct change *change)
{
    if (pages == 1)
        page_change(space, address, change);
    else
        pages_change(space, address, pages, change);
}

void space_unmap(struct space *space, uint64_t address, size_t pages, void (*gone)(uint64_t frame))
{
    range_change(space, address, pages, &(struct change){.what = CHANGE_UNMAP, .gone = gone});
}

void space_protect(struct space *space, uint64_t address, size_t pages, unsigned rights)
{
    range_change(space, address, pages, &(struct change){.what = CHANGE_RIGHTS, .rights = rights});
}

void space_limit(struct space *space, uint64_t address, size_t pages, unsigned rights, bool once)
{
    uint64_t limit = (uint64_t)(~rights & 7) << PTE_DENIED_SHIFT | (once ? PTE_LIMIT_ONCE : 0);

    range_change(space, address, pages, &(struct change){.what = CHANGE_LIMIT, .limit = limit});
}

/* SDM vol. 3A §4.6: what can be written or executed can be read. */
static bool allows(unsigned rights, unsigned access)
{
    return access == PAGE_READ ? rights : rights & access;
}

bool space_limited(struct space *space, uint64_t address, unsigned access, bool lift)
{
    unsigned level;
    uint64_t *leaf = lowest_entry(space, address, &level), entry = level ? 0 : *leaf;

    if (!(entry & PTE_LIMIT) || !allows(entry_rights(entry), access) || allows(entry_allowed(entry), access))
        return false;
    if (lift && entry & PTE_LIMIT_ONCE)
        *leaf = entry_value(entry & PTE_FRAME, entry_rights(entry), 0);
    return true;
}

uint64_t space_frame(const struct space *space, uint64_t address, unsigned rights)
{
    uint64_t needed = PTE_P | PTE_U | (rights & PAGE_WRITE ? PTE_W : 0), entry = space->root | PTE_P;

    for (int level = 3; level >= 0; level--) {
        if (!(entry & PTE_P))
            return 0;
        entry = table_at(entry)[index_of(address, (unsigned)level)];
    }
    return (entry & needed) == needed ? (entry & PTE_FRAME) | address % PAGE_BYTES : 0;
}

uint64_t space_held(const struct space *space, uint64_t address)
{
    unsigned level;
    uint64_t entry = *lowest_entry(space, address, &level);

    return !level && entry & (PTE_P | PTE_HELD) ? entry & PTE_FRAME : 0;
}
