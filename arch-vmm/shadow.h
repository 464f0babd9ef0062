/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/shadow.h: shadow pages, as shadow.c fills them and shadow_pages.c keeps them.
 */
#ifndef RINGSIDE_ARCH_VMM_SHADOW_H
#define RINGSIDE_ARCH_VMM_SHADOW_H

#include "arch-vmm/kernel.h"

#define PTE_D (1ul << 6)
#define BUCKETS 1024
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

static inline struct frame_state *state_of(const struct shadow *s, uint64_t address)
{
    return &s->frame[address / PAGE_BYTES];
}

/* An entry of any level. Each is counted by the machine (abi/shadow_routines.def). */
void shadow_write(uint64_t *entry, uint64_t value);
/* One of the last level: who maps a frame writable is known. */
void leaf_write(struct guest *guest, uint64_t *slot, uint64_t value);
/* The guest's table there is in use: from now on its changes are seen. */
void guard(struct guest *guest, uint64_t address);
/* The counterpart of the guest's table at a frame, for a role; NULL: there is none. */
struct shadow_page *page_find(struct shadow *s, uint32_t gfn, unsigned level, bool kernel, bool part);
/* NULL: no room. */
struct shadow_page *page_make(struct guest *guest, uint32_t gfn, unsigned level, bool kernel, bool part);
/* All shadow pages go. Off the processor too: the monitor's own root is loaded until a guest's is. */
void drop_all(struct guest *guest);
/* What depends on the guest's tables is emptied. */
void drop_derived(struct guest *guest);

#endif
