/* SPDX-License-Identifier: MIT
 *
 * sim/tlb.h: the modelled TLBs and paging-structure caches of one CPU.
 *
 * Rules (Intel SDM vol. 3A §4.10):
 *  - An entry is tagged with a PCID, unless it is global: then it matches under every PCID.
 *  - A first-level miss that hits the second level refills the first level. A walk refills both.
 *  - Levels are neither inclusive nor exclusive; each evicts its own least recently used entry.
 *  - Entries of different page sizes live in separate arrays, as on the modelled processors.
 *  - A flush is one increment of an epoch, not a sweep.
 */
#ifndef RINGSIDE_SIM_TLB_H
#define RINGSIDE_SIM_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/cpu_model.h"

enum translation_flags {
    TRANSLATION_USER = 1 << 0,
    TRANSLATION_WRITE = 1 << 1,
    TRANSLATION_NX = 1 << 2,
    TRANSLATION_GLOBAL = 1 << 3,
    TRANSLATION_DIRTY = 1 << 4,
};

struct translation {
    uint64_t page;  /* virtual address >> 12, of the first 4 KiB of the page */
    uint64_t frame; /* physical address >> 12, of the first 4 KiB */
    uint16_t pcid;
    uint8_t size;   /* enum page_size */
    uint8_t flags;  /* enum translation_flags: the walk's effective rights */
};

enum tlb_kind { TLB_CODE, TLB_DATA };
enum tlb_result { TLB_HIT, TLB_HIT_SECOND, TLB_MISS };

struct tlb;

struct tlb *tlb_create(const struct cpu_model *model); /* NULL without memory */
void tlb_destroy(struct tlb *tlb);

/* Looks `page` (virtual address >> 12) up; on a hit at any level *out is the entry, valid until the next call.
 * Updates LRU and refills the first level from the second. Page sizes are tried 4 KiB, 2 MiB, 1 GiB. */
enum tlb_result tlb_lookup(struct tlb *tlb, enum tlb_kind kind, uint64_t page, uint16_t pcid, const struct translation **out);
/* After a walk: into the first level of `kind` and into the second. Replaces an entry of the same page. */
void tlb_insert(struct tlb *tlb, enum tlb_kind kind, const struct translation *entry);
/* INVLPG: the page under this PCID, and global ones, in all TLBs, and all paging-structure caches of that PCID. */
void tlb_flush_page(struct tlb *tlb, uint64_t page, uint16_t pcid);
/* MOV CR3 without bit 63, INVPCID type 1: all non-global entries of a PCID. */
void tlb_flush_pcid(struct tlb *tlb, uint16_t pcid);
/* All entries; global ones too if `global`. */
void tlb_flush_all(struct tlb *tlb, bool global);
/* Counts up with every flush of any kind and every eviction from the first level of data: a cached "the last page
 * hit" is valid as long as it has not changed. */
const uint64_t *tlb_epoch(const struct tlb *tlb);

/* Paging-structure caches. level: 3 PML4E, 2 PDPTE, 1 PDE. A hit says: the table of the next lower level for this
 * page is at *table, with these accumulated rights (USER, WRITE, NX). */
bool psc_lookup(struct tlb *tlb, unsigned level, uint64_t page, uint16_t pcid, uint64_t *table, uint8_t *rights);
void psc_insert(struct tlb *tlb, unsigned level, uint64_t page, uint16_t pcid, uint64_t table, uint8_t rights);

#endif
