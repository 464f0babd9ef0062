/* SPDX-License-Identifier: MIT
 *
 * arch-exo/revoke.c: memory between groups: visible revocation, abort, and the repossession vector.
 *
 * Each group can have a fair share of the frames at any time; what nobody else wants it may have besides. Who finds no
 * frame (the asker) makes the kernel ask another group (the victim): the one that holds most, if that is more than its
 * fair share and more than the asker holds. Which frames it gives back is the victim's choice. Until the asker has what
 * it needs, or the victim's time is over, that much is for nobody else: not for the victim, which could take again what
 * it gives, nor for a third one, which waits. So there is one revocation at a time. A victim that wants frames itself,
 * and has given none yet, is told that there are none: its library then finds some to give. When it has, it waits too.
 *
 * Abort. A victim that has not given enough in time loses the rest by force: frames that nothing maps first, then
 * others, highest first; never those that it was promised to keep, nor those that its envs stand on or a device moves.
 * It reads which in its vector, and until it has done so gets no other frame, so that a name in the vector is never
 * that of a frame that it has taken since.
 *
 * Page tables are the kernel's frames, but a group's to answer for: they count towards what it holds (memory.c limits
 * them). RESERVE frames are for these and other things of the kernel's, so that they are rarely waited for.
 *
 * With one group there is nobody to ask, and nothing of this happens.
 */
#include "abi/probe.h"
#include "arch-exo/kernel.h"
#include "guest/clock.h"
#include "guest/heap.h"
#include "guest/print.h"
#include "guest/tables.h"
#include "guest/trap.h"

#define RESERVE 64
#define REVOKE_FRAMES 256 /* at least so many are asked for */

static struct {
    struct group *victim; /* NULL: nobody is asked */
    const struct env *asker;
    size_t count;   /* what the asker needs */
    bool answered;  /* the victim has given some */
} revocation;

static size_t map_bytes(void)
{
    return (frames_total() + 63) / 64 * sizeof(uint64_t);
}

void revoke_init(void)
{
    for (unsigned i = 0; kernel.groups > 1 && i < kernel.groups; i++) {
        kernel.group[i].lost_map = heap_alloc(map_bytes());
        kernel.group[i].revoke_next = REVOKE_FRAMES;
        if (!kernel.group[i].lost_map)
            panic("not enough memory for group %u", i + 1);
    }
    kernel.fair = (frames_available() - RESERVE) / kernel.groups;
}

void revoke_end(void)
{
    for (unsigned i = 0; i < kernel.groups; i++)
        heap_free(kernel.group[i].lost_map, map_bytes());
}

static size_t holds(const struct group *group)
{
    return lend_held(group->number) + group->tables;
}

/* ---- the repossession vector ---- */

static bool is_lost(const struct group *group, uint64_t frame)
{
    return group->lost_map[frame / PAGE_BYTES / 64] >> frame / PAGE_BYTES % 64 & 1;
}

static void change_lost(struct group *group, uint64_t frame)
{
    group->lost_map[frame / PAGE_BYTES / 64] ^= 1ul << frame / PAGE_BYTES % 64;
}

static size_t read_lost(struct group *group, uint64_t *frames, size_t count)
{
    size_t n = 0;

    for (uint64_t at = 0; group->lost && n < count && at < frames_total() * PAGE_BYTES; at += PAGE_BYTES) {
        if (!is_lost(group, at))
            continue;
        change_lost(group, at);
        group->lost--;
        frames[n++] = at;
    }
    return n;
}

long frames_lost(struct env *self, uint64_t array, uint64_t count)
{
    uint64_t frame[BATCH_MAX];
    size_t n;

    if (!count || count > BATCH_MAX || array >= USER_TOP - sizeof(frame))
        return -EINVAL;
    n = read_lost(self->group, frame, count);
    if (!n || !move_user_words((void *)array, frame, n))
        return (long)n;
    for (size_t i = 0; i < n; i++)
        change_lost(self->group, frame[i]);
    self->group->lost += n;
    return -EFAULT;
}

/* ---- abort ---- */

/* The mappings of chosen frames below a table of a space, whose first address is `base`. */
static void unmap_below(struct group *victim, struct space *space, uint64_t *table, unsigned level, uint64_t base)
{
    for (unsigned i = 0; i < (level == 3 ? ENTRIES / 2 : ENTRIES); i++) {
        uint64_t address = base + i * LEVEL_SPAN(level);

        if (level == 3 && i == index_of(LIB_BASE, 3))
            continue;
        if (level && table[i] & PTE_P)
            unmap_below(victim, space, table_at(table[i]), level - 1, address);
        else if (!level && table[i] & (PTE_P | PTE_HELD) && is_lost(victim, table[i] & PTE_FRAME) &&
                 lend_owned(victim->number, table[i] & PTE_FRAME))
            lend_unmap(space, address, 1);
    }
}

/* What the library has put into its shared region (EXO_SHARED_MAP). */
static void unmap_shared(struct group *victim)
{
    for (uint64_t at = LIB_HEAP; at < LIB_HEAP_END; at += PAGE_BYTES) {
        uint64_t frame;

        if (!entry_find(victim->shared->root, at, 0)) {
            at = (at | (LEVEL_SPAN(1) - 1)) + 1 - PAGE_BYTES;
            continue;
        }
        frame = space_held(victim->shared, at);
        if (!frame || !is_lost(victim, frame) || !lend_owned(victim->number, frame))
            continue;
        space_unmap(victim->shared, at, 1, NULL);
        lend_unpin(frame);
    }
}

/* Marks up to `count` frames that can be taken, of those that are used or of those that are not: the highest, which the
 * group mostly has not had for long. */
static size_t choose(struct group *victim, size_t count, bool used)
{
    size_t n = 0;

    for (uint64_t at = frames_total() * PAGE_BYTES; n < count && at; at -= PAGE_BYTES) {
        if (!lend_seizable(victim->number, at - PAGE_BYTES) || lend_used(at - PAGE_BYTES) != used)
            continue;
        change_lost(victim, at - PAGE_BYTES);
        n++;
    }
    return n;
}

static void unmap_chosen(struct group *victim)
{
    for (struct list *link = victim->spaces.next; link != &victim->spaces; link = link->next) {
        struct space *space = space_at(link);

        unmap_below(victim, space, direct(space->root), 3, 0);
    }
    unmap_shared(victim);
}

/* What was chosen, out of the window too. */
static size_t collect(struct group *victim)
{
    size_t n = 0;

    for (uint64_t at = 0; at < frames_total() * PAGE_BYTES; at += PAGE_BYTES) {
        if (!is_lost(victim, at) || !lend_owned(victim->number, at))
            continue;
        if (give_one(victim, at) == 0)
            n++;
        else
            change_lost(victim, at);
    }
    return n;
}

static size_t seize(struct group *victim, size_t count)
{
    size_t n, unused;

    disk_collect(victim);
    unused = choose(victim, count, false);
    if (unused < count && choose(victim, count - unused, true))
        unmap_chosen(victim);
    n = collect(victim);
    victim->lost += n;
    drop_translations(victim);
    return n;
}

/* ---- visible revocation ---- */

size_t frames_for(const struct group *group, size_t count)
{
    size_t free = frames_available(), others = RESERVE;

    if (kernel.groups == 1)
        return count;
    if (revocation.victim && revocation.asker->group != group)
        others += revocation.count;
    if (free <= others)
        return 0;
    return free - others < count ? free - others : count;
}

static struct group *victim_for(const struct group *asker)
{
    struct group *victim = NULL;

    for (unsigned i = 0; i < kernel.groups; i++) {
        struct group *group = &kernel.group[i];

        if (group == asker || group->done || holds(group) <= kernel.fair)
            continue;
        if (holds(group) > holds(victim ? victim : asker))
            victim = group;
    }
    return victim;
}

/* Nobody is left who could answer for them. */
static bool inherit(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < kernel.groups; i++)
        if (kernel.group[i].done && lend_held(kernel.group[i].number))
            n += seize(&kernel.group[i], SIZE_MAX);
    return n;
}

static size_t wanted_of(const struct group *victim, size_t count)
{
    size_t excess = holds(victim) - kernel.fair, wanted = count > victim->revoke_next ? count : victim->revoke_next;

    return wanted < excess ? wanted : excess;
}

/* What is given back while the asker waits. */
static void wait_for_answer(const struct env *asker, size_t count)
{
    uint64_t until = clock_ns() + REVOKE_NS;

    group_revoke(revocation.victim, wanted_of(revocation.victim, count));
    while (frames_for(asker->group, count) < count && clock_ns() < until)
        sched_sleep(CHANNEL_FRAMES, until, false);
}

static bool ask(const struct env *asker, struct group *victim, size_t count)
{
    size_t held = lend_held(victim->number), wanted = wanted_of(victim, count), left, forced = 0;

    revocation.victim = victim;
    revocation.asker = asker;
    revocation.count = count;
    revocation.answered = false;
    wait_for_answer(asker, count);
    left = lend_held(victim->number);
    if (frames_for(asker->group, count) < count && left + wanted > held) {
        forced = seize(victim, left + wanted - held);
        victim->revoke_next *= 2;
        group_revoke(victim, 0);
    } else {
        victim->revoke_next = REVOKE_FRAMES;
    }
    if (forced || left < held)
        probe(PROBE_REVOKED, left < held ? held - left : 0, (uint64_t)victim->name, forced);
    revocation.victim = NULL;
    sched_wake(CHANNEL_FRAMES);
    return forced || left < held;
}

bool frames_wait(struct env *self, size_t count)
{
    struct group *victim;

    if (kernel.groups == 1 || frames_for(self->group, count) == count)
        return false;
    if (revocation.victim == self->group && !revocation.answered)
        return false;
    if (revocation.victim) {
        sched_sleep(CHANNEL_FRAMES, SCHED_FOREVER, false);
        return true;
    }
    if (inherit())
        return true;
    victim = victim_for(self->group);
    return victim && ask(self, victim, count);
}

void frames_given(const struct group *group)
{
    if (revocation.victim == group)
        revocation.answered = true;
    if (revocation.victim && frames_for(revocation.asker->group, revocation.count) == revocation.count)
        sched_wake(CHANNEL_FRAMES);
}

void frames_forget(const struct env *env)
{
    if (!revocation.victim || revocation.asker != env)
        return;
    revocation.victim = NULL;
    sched_wake(CHANNEL_FRAMES);
}
