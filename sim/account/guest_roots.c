/* SPDX-License-Identifier: MIT
 *
 * sim/account/guest_roots.c: see guest_roots.h.
 */
#include "sim/account/guest_roots.h"

#include <stdlib.h>

enum { FIRST_ROOM = 64 }; /* a power of two */

/* Where `root` is, or the empty slot where it belongs. There is always an empty one. */
static size_t slot_of(const struct guest_roots *r, uint64_t root)
{
    size_t i = (size_t)((root >> 12) * 0x9e3779b97f4a7c15u >> 32) & (r->room - 1);

    while (r->slots[i].used && r->slots[i].root != root)
        i = (i + 1) & (r->room - 1);
    return i;
}

static void put(struct guest_roots *r, const struct guest_root *root)
{
    struct guest_root *slot = &r->slots[slot_of(r, root->root)];

    r->used += !slot->used;
    *slot = *root;
    slot->used = true;
}

/* At most half full. */
static void make_room(struct guest_roots *r)
{
    struct guest_roots old = *r;

    if (2 * (r->used + 1) <= r->room)
        return;
    r->room = r->room ? 2 * r->room : FIRST_ROOM;
    r->used = 0;
    r->slots = calloc(r->room, sizeof *r->slots);
    if (!r->slots)
        abort(); /* 24 bytes a root: the host is beyond help */
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].guest)
            put(r, &old.slots[i]);
    free(old.slots);
}

struct guest_root guest_roots_set(struct guest_roots *r, const struct guest_root *root)
{
    struct guest_root before = guest_roots_find(r, root->root);

    if (!before.guest && !root->guest)
        return before;
    make_room(r);
    put(r, root);
    return before;
}

struct guest_root guest_roots_find(const struct guest_roots *r, uint64_t root)
{
    if (r->slots) {
        const struct guest_root *slot = &r->slots[slot_of(r, root)];

        if (slot->used)
            return *slot;
    }
    return (struct guest_root){.root = root};
}

void guest_roots_close(struct guest_roots *r)
{
    free(r->slots);
    *r = (struct guest_roots){0};
}
