/* SPDX-License-Identifier: MIT
 *
 * guest/paging.c: page tables and what they imply for the TLB (Intel SDM vol. 3A ch. 4).
 *
 * Kernel half. Built once; every root copies its upper 256 entries, whose tables never change place, so that a change
 * below them is seen in all spaces. RAM and devices are mapped by 2 MiB pages, the image and the stacks by 4 KiB pages with
 * the rights of each section. Kernel pages are global: one TLB entry serves all spaces. Not so with page-table
 * isolation, where a global entry would outlive the switch that is to hide it: then only what the program's
 * tables map too (.entry and .percpu) is global.
 *
 * Program's half. An entry that must stay but may not be used (PROT_NONE) is kept non-present with PTE_HELD.
 *
 * Page-table isolation. Each space has a second root whose lower half holds the same entries and whose upper half
 * maps .entry and .percpu alone. Its translations carry PCID | PCID_USER.
 *
 * The tables of a space are chained, so that its end need not search them for one another.
 *
 * PCIDs. A space's PCID is its slot number. A load of CR3 keeps that PCID's translations (bit 63) if kept_on says that
 * they are this space's and still true; whoever changes a space that is not loaded clears kept_on.
 */
#include "abi/devices.h"
#include "guest/cpu.h"
#include "guest/frames.h"
#include "guest/layout.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/x86.h"

#define ENOMEM 12

#define PTE_P (1ul << 0)
#define PTE_W (1ul << 1)
#define PTE_U (1ul << 2)
#define PTE_PCD (1ul << 4)
#define PTE_LARGE (1ul << 7)
#define PTE_G (1ul << 8)
#define PTE_HELD (1ul << 9) /* ours: a frame is here, but nobody may use it */
#define PTE_NX (1ul << 63)
#define PTE_FRAME 0x000ffffffffff000ul

#define ENTRIES 512
#define LARGE_BYTES (2ul << 20)
#define KERNEL_SLOTS 4 /* entries of a PML4 that the kernel half needs: direct map, stacks, image */
#define PCID_USER 0x800u
#define FLUSH_PAGES_MAX 32

/* Bit position of the index into the table of a level: 0 page table … 3 PML4. */
#define LEVEL_SHIFT(level) (12 + 9 * (level))
#define LEVEL_SPAN(level) (1ul << LEVEL_SHIFT(level))

extern char __image_begin[], __entry_begin[], __entry_end[], __text_end[], __rodata_end[], __percpu_begin[], __percpu_end[],
    __image_end[];

static struct {
    uint64_t root;        /* the kernel's own: no program */
    uint64_t entry_table; /* the PDPT below which .entry and .percpu are, for isolated roots */
    uint64_t global;      /* PTE_G, or 0 with page-table isolation */
    bool pcid, isolated;
    uint16_t kernel_slot[KERNEL_SLOTS]; /* which entries of the root are in use */
    unsigned kernel_slots;
    uint32_t *next_table; /* by frame number; 0 ends */
    struct space spaces[SPACES_MAX]; /* slot 0 is not used */
} paging;

static unsigned index_of(uint64_t address, unsigned level)
{
    return address >> LEVEL_SHIFT(level) & (ENTRIES - 1);
}

static uint64_t *table_at(uint64_t entry)
{
    return direct(entry & PTE_FRAME);
}

/* A zeroed table's frame; 0 without memory. */
static uint64_t table_create(void)
{
    uint64_t frame = frame_alloc();

    if (frame)
        zero_quads(direct(frame), ENTRIES);
    return frame;
}

/* The entry for `address` in the table of `level` under `root`; NULL if there is no such table. */
static uint64_t *entry_find(uint64_t root, uint64_t address, unsigned level)
{
    uint64_t *table = direct(root);

    for (unsigned l = 3; l > level; l--) {
        uint64_t entry = table[index_of(address, l)];

        if (!(entry & PTE_P))
            return NULL;
        table = table_at(entry);
    }
    return &table[index_of(address, level)];
}

/* The same, making the tables on the way. `space`: whose they are, or NULL: the kernel's. NULL without memory. */
static uint64_t *entry_make(uint64_t root, uint64_t address, unsigned level, struct space *space)
{
    uint64_t *table = direct(root);

    for (unsigned l = 3; l > level; l--) {
        uint64_t *entry = &table[index_of(address, l)];

        if (!(*entry & PTE_P)) {
            uint64_t frame = table_create();

            if (!frame)
                return NULL;
            *entry = frame | PTE_P | PTE_W | (space ? PTE_U : 0);
            if (space) {
                paging.next_table[frame / PAGE_BYTES] = space->tables;
                space->tables = (uint32_t)(frame / PAGE_BYTES);
            }
        }
        table = table_at(*entry);
    }
    return &table[index_of(address, level)];
}

/* ---- the kernel half ---- */

static void kernel_map(uint64_t root, uint64_t address, uint64_t frame, unsigned level, uint64_t flags)
{
    uint64_t *entry = entry_make(root, address, level, NULL);

    if (!entry)
        panic("paging: no memory for the kernel's tables");
    *entry = frame | PTE_P | flags;
}

static void map_direct(void)
{
    uint64_t ram = frames_total() * PAGE_BYTES;
    uint64_t flags = PTE_W | PTE_NX | PTE_LARGE | paging.global;

    for (uint64_t at = 0; at < ram; at += LARGE_BYTES)
        kernel_map(paging.root, BOOT_DIRECT_MAP + at, at, 1, flags);
    for (uint64_t at = MMIO_BASE; at < MMIO_END; at += LARGE_BYTES)
        kernel_map(paging.root, BOOT_DIRECT_MAP + at, at, 1, flags | PTE_PCD);
}

static void map_image_part(uint64_t root, const char *from, const char *to, uint64_t flags)
{
    for (uint64_t at = (uint64_t)from; at < (uint64_t)to; at += PAGE_BYTES)
        kernel_map(root, at, at - BOOT_KERNEL_BASE, 0, flags);
}

static void map_image(void)
{
    map_image_part(paging.root, __entry_begin, __entry_end, PTE_G);
    map_image_part(paging.root, __entry_end, __text_end, paging.global);
    map_image_part(paging.root, __text_end, __rodata_end, PTE_NX | paging.global);
    map_image_part(paging.root, __rodata_end, __percpu_begin, PTE_W | PTE_NX | paging.global);
    map_image_part(paging.root, __percpu_begin, __percpu_end, PTE_W | PTE_NX | PTE_G);
    map_image_part(paging.root, __percpu_end, __image_end, PTE_W | PTE_NX | paging.global);
}

/* All tables of the region, so that threads come and go without making any. */
static void prepare_stacks(void)
{
    for (uint64_t at = 0; at < STACKS_MAX * STACK_SPAN; at += LEVEL_SPAN(1))
        if (!entry_make(paging.root, STACKS_BASE + at, 0, NULL))
            panic("paging: no memory for the stacks' tables");
}

static void prepare_isolation(void)
{
    uint64_t root = table_create();

    if (!root)
        panic("paging: no memory for isolation");
    map_image_part(root, __entry_begin, __entry_end, PTE_G);
    map_image_part(root, __percpu_begin, __percpu_end, PTE_W | PTE_NX | PTE_G);
    paging.entry_table = table_at(root)[ENTRIES - 1];
    frame_free(root);
}

static void prepare_spaces(void)
{
    uint64_t bytes = frames_total() * sizeof(*paging.next_table);
    uint64_t frame = frames_alloc((bytes + PAGE_BYTES - 1) / PAGE_BYTES);

    if (!frame)
        panic("paging: no memory for spaces");
    paging.next_table = direct(frame);
    for (unsigned i = ENTRIES / 2; i < ENTRIES; i++)
        if (table_at(paging.root)[i] && paging.kernel_slots < KERNEL_SLOTS)
            paging.kernel_slot[paging.kernel_slots++] = (uint16_t)i;
}

void paging_init(const struct paging_options *options)
{
    paging.isolated = options->isolated;
    paging.global = options->isolated ? 0 : PTE_G;
    paging.root = table_create();
    map_direct();
    map_image();
    prepare_stacks();
    prepare_spaces();
    if (paging.isolated)
        prepare_isolation();
    write_cr3(paging.root);
    paging.pcid = options->pcid && cpu_has_pcid();
    if (paging.pcid)
        write_cr4(read_cr4() | CR4_PCIDE);
    if (paging.isolated)
        this_cpu()->kernel_cr3 = paging.root;
    this_cpu()->cr3_noflush = paging.pcid ? CR3_NOFLUSH : 0;
}

void stack_page_map(uint64_t address, uint64_t frame)
{
    kernel_map(paging.root, address, frame, 0, PTE_W | PTE_NX | paging.global);
}

uint64_t stack_page_unmap(uint64_t address)
{
    uint64_t *entry = entry_find(paging.root, address, 0);
    uint64_t frame = *entry & PTE_FRAME;

    *entry = 0;
    return frame;
}

/* A change of CR4.PGE drops all there is (SDM vol. 3A §4.10.4.1). */
void flush_everything(void)
{
    uint64_t cr4 = read_cr4();

    write_cr4(cr4 & ~CR4_PGE);
    write_cr4(cr4);
}

/* ---- spaces ---- */

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

static void flush_one(struct space *space, uint64_t address)
{
    struct flush flush;

    flush_begin(&flush, space);
    flush_add(&flush, address);
    flush_do(&flush);
}

/* ---- mappings ---- */

static uint64_t entry_value(uint64_t frame, unsigned rights)
{
    uint64_t entry = frame | PTE_U | (rights ? PTE_P : PTE_HELD);

    if (rights & PAGE_WRITE)
        entry |= PTE_W;
    if (!(rights & PAGE_EXEC))
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
    *entry = entry_value(frame, rights);
    if (old & PTE_P)
        flush_one(space, address);
    return 0;
}

/* Calls change() for each entry of a range that holds a frame; it returns the new entry. */
static void range_change(struct space *space, uint64_t address, size_t pages, uint64_t (*change)(uint64_t entry, unsigned),
                         unsigned rights)
{
    struct flush flush;
    uint64_t end = address + pages * PAGE_BYTES;

    flush_begin(&flush, space);
    while (address < end) {
        unsigned level = 3;
        uint64_t *entry = entry_find(space->root, address, level);

        while (level && *entry & PTE_P)
            entry = entry_find(space->root, address, --level);
        if (level) {
            address = (address & ~(LEVEL_SPAN(level) - 1)) + LEVEL_SPAN(level);
            continue;
        }
        do {
            if (*entry & (PTE_P | PTE_HELD)) {
                if (*entry & PTE_P)
                    flush_add(&flush, address);
                *entry = change(*entry, rights);
            }
            entry++;
            address += PAGE_BYTES;
        } while (address < end && index_of(address, 0));
    }
    flush_do(&flush);
}

static uint64_t change_to_nothing(uint64_t entry, unsigned rights)
{
    return 0;
}

static uint64_t change_rights(uint64_t entry, unsigned rights)
{
    return entry_value(entry & PTE_FRAME, rights);
}

void space_unmap(struct space *space, uint64_t address, size_t pages)
{
    range_change(space, address, pages, change_to_nothing, 0);
}

void space_protect(struct space *space, uint64_t address, size_t pages, unsigned rights)
{
    range_change(space, address, pages, change_rights, rights);
}
