/* SPDX-License-Identifier: MIT
 *
 * guest/tables.h: page tables as paging.c (the kernel half) and space.c (the program's half) share them.
 */
#ifndef RINGSIDE_GUEST_TABLES_H
#define RINGSIDE_GUEST_TABLES_H

#include "guest/frames.h"
#include "guest/layout.h"
#include "guest/paging.h"

#define PTE_P (1ul << 0)
#define PTE_W (1ul << 1)
#define PTE_U (1ul << 2)
#define PTE_PCD (1ul << 4)
#define PTE_LARGE (1ul << 7)
#define PTE_G (1ul << 8)
#define PTE_HELD (1ul << 9) /* ours: a frame is here, but nobody may use it */
#define PTE_RIGHTS_SHIFT 52            /* ours: PAGE_*, what space_map and space_protect allow */
#define PTE_DENIED_SHIFT 55            /* ours: PAGE_*, what space_limit takes of it */
#define PTE_LIMIT_ONCE (1ul << 58)     /* ours: until the first access that it denies */
#define PTE_LIMIT (7ul << PTE_DENIED_SHIFT | PTE_LIMIT_ONCE)
#define PTE_NX (1ul << 63)
#define PTE_FRAME 0x000ffffffffff000ul

#define ENTRIES 512
#define KERNEL_SLOTS 4 /* entries of a PML4 that the kernel half needs: direct map, stacks, image */

/* Bit position of the index into the table of a level: 0 page table … 3 PML4. */
#define LEVEL_SHIFT(level) (12 + 9 * (level))
#define LEVEL_SPAN(level) (1ul << LEVEL_SHIFT(level))

/* Set once by paging_init, but for the spaces. */
struct paging {
    uint64_t root;        /* the kernel's own: no program */
    uint64_t entry_table; /* the PDPT below which .entry and .percpu are, for isolated roots */
    uint64_t global;      /* PTE_G, or 0 with page-table isolation */
    bool pcid, isolated;
    uint16_t kernel_slot[KERNEL_SLOTS]; /* which entries of the root are in use */
    unsigned kernel_slots;
    uint32_t *next_table;            /* by frame number; 0 ends */
    struct space spaces[SPACES_MAX]; /* slot 0 is not used */
};

extern struct paging paging;

static inline unsigned index_of(uint64_t address, unsigned level)
{
    return address >> LEVEL_SHIFT(level) & (ENTRIES - 1);
}

static inline uint64_t *table_at(uint64_t entry)
{
    return direct(entry & PTE_FRAME);
}

/* A zeroed table's frame; 0 without memory. */
uint64_t table_create(void);
/* The entry for `address` in the table of `level` under `root`; NULL if there is no such table. */
uint64_t *entry_find(uint64_t root, uint64_t address, unsigned level);
/* The same, making the tables on the way. `space`: whose they are, or NULL: the kernel's. NULL without memory. */
uint64_t *entry_make(uint64_t root, uint64_t address, unsigned level, struct space *space);

#endif
