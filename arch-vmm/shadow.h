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
#define WRITABLE_KNOWN 5 /* the kernel's direct map, a program, its kernel for it; spaces that the guest has forgotten */
#define NOWHERE UINT64_MAX
#define PCIDS_EACH (4096 / GUESTS_MAX) /* that a guest has; more roots than that share them */

struct shadow_page {
    uint64_t *table; /* through the monitor's direct map */
    uint32_t gfn;    /* frame number of the guest's table, or of the first page of a large one's part */
    uint16_t entries; /* that are not 0 */
    uint8_t level;
    bool kernel, part, live;
    bool flush;      /* of a root: its translations must go when it is loaded next */
    bool many;       /* linked in several places */
    uint16_t pcid;   /* of a root; else of the one that it is linked below */
    uint64_t place;  /* the first address that it translates; ~0: not linked yet */
    uint32_t next;   /* in its bucket, or of those that are free */
    uint32_t sibling; /* another one of the same guest's table */
};

/* What is known of a frame of the guest's memory. */
struct frame_state {
    uint32_t writable[WRITABLE_KNOWN]; /* shadow entries that map it writable: page × ENTRIES + index; 0: none, or not known */
    uint32_t writable_count;           /* how many there are */
    uint32_t tables;    /* the first shadow page whose guest's table it is; 0: none */
    bool guarded;
    uint8_t stores;     /* emulated since the table was last used */
};

struct shadow {
    struct shadow_page *page; /* from 1 */
    uint32_t pages, used; /* from `used` + 1 on none has ever been in use */
    uint32_t free;        /* the first of those that are so no more */
    uint32_t room;        /* how many could be made now */
    uint32_t bucket[BUCKETS];
    struct frame_state *frame;
    uint64_t frames;
    uint32_t next_pcid;
    const struct shadow_page *tagged[PCIDS_EACH]; /* by PCID: the root that was loaded with it last */
    bool cached; /* shadow-cache=on */
    bool full;   /* a page was wanted and none was there: all must go */
};

static inline struct frame_state *state_of(const struct shadow *s, uint64_t address)
{
    return &s->frame[address / PAGE_BYTES];
}

/* Makes an entry what it is to be, if it is not; who maps a frame writable is kept in mind. Counted by the machine
 * (abi/shadow_routines.def). */
void entry_write(struct guest *guest, struct shadow_page *page, unsigned index, uint64_t value);
/* The guest's table there is in use: from now on its changes are seen. */
void guard(struct guest *guest, uint64_t address);
/* The counterpart of the guest's table at a frame, for a role; NULL: there is none. */
struct shadow_page *page_find(struct shadow *s, uint32_t gfn, unsigned level, bool kernel, bool part);
/* NULL: no room. */
struct shadow_page *page_make(struct guest *guest, uint32_t gfn, unsigned level, bool kernel, bool part);
/* All that depends on the guest's tables goes, roots and all; the parts of large pages stay. Off the processor too: the
 * monitor's own root is loaded until a guest's is. */
void drop_all(struct guest *guest);
/* The same is emptied, and stays. */
void drop_derived(struct guest *guest);

#endif
