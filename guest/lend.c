/* SPDX-License-Identifier: MIT
 *
 * guest/lend.c: see lend.h.
 */
#include "guest/lend.h"

#include "abi/probe.h"
#include "guest/frames.h"
#include "guest/heap.h"
#include "guest/layout.h"

#define ENOMEM 12
#define EBUSY 16
#define EINVAL 22
#define OWNERS 256
#define FIXED_MAX UINT16_MAX

struct loan {
    uint8_t owner; /* 0: not lent */
    bool kept;
    uint16_t fixed; /* of the uses; FIXED_MAX: so many, for ever */
    uint32_t uses; /* mappings and pins: more than the page tables that fit into RAM can hold */
};

static struct {
    struct loan *frame; /* by frame number */
    size_t frames;
    size_t held[OWNERS];
    uint8_t space_owner[SPACES_MAX];
    uint64_t pages[SPACES_MAX]; /* mapped in it */
    uint64_t *counted;          /* of the space that is being unmapped */
} lend;

bool lend_init(void)
{
    lend.frames = frames_total();
    lend.frame = heap_alloc(lend.frames * sizeof(*lend.frame));
    return lend.frame;
}

void lend_fini(void)
{
    heap_free(lend.frame, lend.frames * sizeof(*lend.frame));
    lend.frame = NULL;
}

/* ---- frames ---- */

static struct loan *loan_of(uint64_t frame)
{
    return &lend.frame[frame / PAGE_BYTES];
}

bool lend_owned(unsigned owner, uint64_t frame)
{
    return frame % PAGE_BYTES == 0 && frame / PAGE_BYTES < lend.frames && loan_of(frame)->owner == owner;
}

bool lend_any(uint64_t frame)
{
    return frame / PAGE_BYTES < lend.frames && loan_of(frame)->owner;
}

uint64_t lend_take(unsigned owner, size_t count)
{
    uint64_t first = frames_alloc(count);

    for (size_t i = 0; first && i < count; i++)
        *loan_of(first + i * PAGE_BYTES) = (struct loan){.owner = (uint8_t)owner};
    if (first)
        lend.held[owner] += count;
    return first;
}

long lend_give(unsigned owner, uint64_t frame)
{
    if (!lend_owned(owner, frame))
        return -EINVAL;
    if (loan_of(frame)->uses)
        return -EBUSY;
    *loan_of(frame) = (struct loan){0};
    lend.held[owner]--;
    frame_free(frame);
    return 0;
}

void lend_pin(uint64_t frame)
{
    loan_of(frame)->uses++;
}

void lend_unpin(uint64_t frame)
{
    loan_of(frame)->uses--;
}

size_t lend_held(unsigned owner)
{
    return lend.held[owner];
}

void lend_fix(uint64_t frame)
{
    struct loan *loan = loan_of(frame);

    loan->uses++;
    loan->fixed += loan->fixed < FIXED_MAX;
}

void lend_unfix(uint64_t frame)
{
    struct loan *loan = loan_of(frame);

    loan->uses--;
    loan->fixed -= loan->fixed < FIXED_MAX;
}

void lend_keep(uint64_t frame)
{
    loan_of(frame)->kept = true;
}

bool lend_kept(uint64_t frame)
{
    return loan_of(frame)->kept;
}

bool lend_seizable(unsigned owner, uint64_t frame)
{
    return lend_owned(owner, frame) && !loan_of(frame)->fixed && !loan_of(frame)->kept;
}

bool lend_used(uint64_t frame)
{
    return loan_of(frame)->uses;
}

/* ---- spaces ---- */

long lend_space_create(unsigned owner)
{
    struct space *space = space_create();
    long number = space ? space_number(space) : -ENOMEM;

    if (space)
        lend.space_owner[number] = (uint8_t)owner;
    return number;
}

struct space *lend_space(unsigned owner, uint64_t number)
{
    return number < SPACES_MAX && lend.space_owner[number] == owner ? space_of((long)number) : NULL;
}

void lend_space_destroy(struct space *space)
{
    long number = space_number(space);

    if (lend.pages[number])
        lend_unmap(space, 0, USER_TOP / PAGE_BYTES);
    lend.space_owner[number] = 0;
    probe(PROBE_SPACE_GONE, space_user_root(space), 0, 0);
    space_destroy(space);
}

/* ---- mappings ---- */

bool lend_range(uint64_t address, uint64_t pages)
{
    return address % PAGE_BYTES == 0 && address < USER_TOP && pages <= (USER_TOP - address) / PAGE_BYTES;
}

long lend_map(unsigned owner, struct space *space, uint64_t address, uint64_t frame, unsigned rights)
{
    uint64_t old;
    long result;

    if (!lend_range(address, 1) || !lend_owned(owner, frame) || rights > 7)
        return -EINVAL;
    old = space_held(space, address);
    result = space_map(space, address, frame, rights);
    if (result < 0)
        return result;
    loan_of(frame)->uses++;
    if (old)
        loan_of(old)->uses--;
    lend.pages[space_number(space)] += !old;
    return 0;
}

static void gone(uint64_t frame)
{
    loan_of(frame)->uses--;
    --*lend.counted;
}

void lend_unmap(struct space *space, uint64_t address, uint64_t pages)
{
    lend.counted = &lend.pages[space_number(space)];
    space_unmap(space, address, pages, gone);
}
