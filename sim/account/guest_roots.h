/* SPDX-License-Identifier: MIT
 *
 * sim/account/guest_roots.h: which root page tables are a virtual machine's (PROBE_GUEST_ROOT, abi/probe.h).
 *
 * A hash with linear probing. Roots come and go by the thousand, mostly in the same frames: one that is taken out keeps
 * its slot until the table grows.
 */
#ifndef RINGSIDE_SIM_GUEST_ROOTS_H
#define RINGSIDE_SIM_GUEST_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_root {
    uint64_t root;  /* physical address */
    uint64_t space; /* the guest's own CR3: the page, guest-physical */
    uint16_t guest; /* from 1; 0: nobody's */
    bool kernel;    /* the guest's kernel mode runs on it */
    bool used;      /* this slot of the table is taken, though perhaps by nobody's root */
};

struct guest_roots {
    struct guest_root *slots; /* NULL: no root was ever a guest's */
    size_t room, used;
};

/* `root` becomes this guest's; guest 0: nobody's. What it was before: a copy. Without memory the machine ends. */
struct guest_root guest_roots_set(struct guest_roots *roots, const struct guest_root *root);
/* What is known of a root; guest 0: nothing. */
struct guest_root guest_roots_find(const struct guest_roots *roots, uint64_t root);
void guest_roots_close(struct guest_roots *roots);

#endif
