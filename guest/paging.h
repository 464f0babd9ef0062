/* SPDX-License-Identifier: MIT
 *
 * guest/paging.h: address spaces as 4-level page tables.
 *
 * All spaces share the kernel half (guest/layout.h). The program's half is one space's own. Changes of a space flush
 * what this CPU may hold of it: page by page for a few pages, all of it for many; spaces that are not loaded are
 * flushed when they are loaded next.
 */
#ifndef RINGSIDE_GUEST_PAGING_H
#define RINGSIDE_GUEST_PAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPACES_MAX 1024

#define PAGE_READ 1u
#define PAGE_WRITE 2u
#define PAGE_EXEC 4u

struct space {
    uint64_t root;      /* physical; 0: this slot is free */
    uint64_t user_root; /* with page-table isolation: loaded while ring 3 runs */
    uint64_t kept_on;   /* CPUs (bit = number) whose TLB may keep translations of this space across a switch */
    uint16_t pcid;
    uint32_t tables; /* its tables but for the roots: the first one's frame number, chained in paging.next_table */
};

struct paging_options {
    bool pcid;     /* tag translations by space, if the CPU can */
    bool isolated; /* page-table isolation */
    uint64_t ram_bytes; /* what is mapped at DIRECT_MAP; more than frames.h manages, if it holds guests' memory */
};

/* Builds the kernel's own tables and switches to them. After frames_init and cpu_init. */
void paging_init(const struct paging_options *options);

/* NULL without memory or when there are SPACES_MAX. */
struct space *space_create(void);
/* Frees its tables, not what they map. Leaves it first, if it is loaded. */
void space_destroy(struct space *space);
/* A small positive number and back; NULL if there is no such space. */
long space_number(const struct space *space);
struct space *space_of(long number);
/* The root that is loaded while ring 3 runs in it: the name by which the machine knows the space. */
static inline uint64_t space_user_root(const struct space *space)
{
    return space->user_root ? space->user_root : space->root;
}
/* From now on user addresses mean this space; NULL: none (the kernel's own root). */
void space_switch(struct space *space);

/* Rights PAGE_*; 0 maps with no access. Replaces. 0 or -ENOMEM. */
long space_map(struct space *space, uint64_t address, uint64_t frame, unsigned rights);
/* gone(frame), if it is not NULL, for each page that was mapped. */
void space_unmap(struct space *space, uint64_t address, size_t pages, void (*gone)(uint64_t frame));
/* Changes the rights of the mapped pages of a range. */
void space_protect(struct space *space, uint64_t address, size_t pages, unsigned rights);
/* Allows of what space_map and space_protect allow no more than `rights`, until the page is mapped anew or limited
 * otherwise. `once`: until the first access that this denies (space_limited). */
void space_limit(struct space *space, uint64_t address, size_t pages, unsigned rights, bool once);
/* Whether ring 3 cannot make this access (one of PAGE_*) to a page for its limit alone. With `lift` a limit for once is
 * no more then. Only for a page whose fault has just been taken: that has dropped its translation (SDM vol. 3A
 * §4.10.4.1). */
bool space_limited(struct space *space, uint64_t address, unsigned access, bool lift);
/* Drops all that any CPU may hold of the space. */
void space_flush(struct space *space);
/* The physical address of the byte at `address`, if ring 3 has these rights to it there, else 0. */
uint64_t space_frame(const struct space *space, uint64_t address, unsigned rights);
/* The frame that is mapped at a page, with whatever rights, or 0. */
uint64_t space_held(const struct space *space, uint64_t address);

/* A page of the kernel's region for stacks. */
void stack_page_map(uint64_t address, uint64_t frame);
/* The frame that was there. The caller flushes. */
uint64_t stack_page_unmap(uint64_t address);
/* Drops every translation that this CPU holds, of all spaces and global ones. */
void flush_everything(void);

#endif
