/* SPDX-License-Identifier: MIT
 *
 * arch-exo/memory.c: pages and spaces: bound to names that a library chooses, checked when they are bound.
 *
 * What a page is for, who may see it within the group, and when it goes, are the library's affairs. guest/lend.c checks the
 * ownership, revoke.c how much a group can have.
 */
#include "abi/devices.h"
#include "arch-exo/kernel.h"
#include "guest/clock.h"
#include "guest/tables.h"
#include "guest/trap.h"
#include "guest/x86.h"

#define BREATH_WORK 512
#define TABLES_EACH 3
#define BREATH_NS 10000000ul

/* ---- kernel calls: frames ---- */

static long lend_window(struct group *group, uint64_t frame)
{
    return shared_map(group, LIB_WINDOW + frame, frame, PAGE_READ | PAGE_WRITE);
}

/* Visible to the group from now on. What another group left in it is not. */
static bool show(struct group *group, uint64_t frame)
{
    if (kernel.groups > 1)
        zero_quads(direct(frame), PAGE_BYTES / 8);
    return lend_window(group, frame) == 0;
}

long give_one(struct group *group, uint64_t frame)
{
    bool kept = lend_owned(group->number, frame) && lend_kept(frame);
    long result = lend_give(group->number, frame);

    if (result < 0)
        return result;
    group->kept -= kept;
    space_unmap(group->shared, LIB_WINDOW + frame, 1, NULL);
    return 0;
}

static uint64_t take_single(struct group *group, uint64_t *frame, uint64_t count)
{
    uint64_t n = 0;

    count = frames_for(group, count);
    while (n < count && (frame[n] = lend_take(group->number, 1))) {
        if (!show(group, frame[n])) {
            lend_give(group->number, frame[n]);
            break;
        }
        n++;
    }
    return n;
}

/* All or none. */
static uint64_t take_row(struct group *group, uint64_t *frame, uint64_t count)
{
    uint64_t row = frames_for(group, count) == count ? lend_take(group->number, count) : 0, n = 0;

    for (uint64_t i = 0; row && i < count; i++) {
        frame[i] = row + i * PAGE_BYTES;
        n += show(group, frame[i]);
    }
    for (uint64_t i = 0; row && n < count && i < count; i++)
        give_one(group, frame[i]);
    return n < count ? 0 : n;
}

/* Memory that is there, but not in a row, is not worth more than one revocation. */
static uint64_t take(struct env *self, uint64_t *frame, uint64_t count, bool in_a_row)
{
    uint64_t (*attempt)(struct group *, uint64_t *, uint64_t) = in_a_row ? take_row : take_single;
    uint64_t n = attempt(self->group, frame, count);

    for (bool again = true; !n && again && frames_wait(self, count) && !self->group->lost; again = !in_a_row)
        n = attempt(self->group, frame, count);
    return n;
}

/* What a group keeps leaves it half of its share that can be taken. */
static bool may_keep(const struct group *group, uint64_t count)
{
    return kernel.groups == 1 || group->kept + count <= kernel.fair / 2;
}

static void keep(struct group *group, const uint64_t *frame, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        lend_keep(frame[i]);
    group->kept += count;
}

static long take_pages(struct env *self, uint64_t array, uint64_t count)
{
    uint64_t frame[BATCH_MAX], n;
    bool in_a_row = count & EXO_IN_A_ROW, kept = count & EXO_KEPT;

    count &= ~(EXO_IN_A_ROW | EXO_KEPT);
    if (!count || count > BATCH_MAX || array >= USER_TOP - sizeof(frame))
        return -EINVAL;
    if (self->group->lost)
        return -EAGAIN;
    if (kept && !may_keep(self->group, count))
        return -ENOMEM;
    n = take(self, frame, count, in_a_row);
    if (!n)
        return self->group->lost ? -EAGAIN : -ENOMEM;
    if (kept)
        keep(self->group, frame, n);
    if (!move_user_words((void *)array, frame, n))
        return (long)n;
    while (n)
        give_one(self->group, frame[--n]);
    return -EFAULT;
}

/* A transfer that has ended holds no frame, though nobody has asked for its result. */
static long give_patiently(struct group *group, uint64_t frame)
{
    long result = give_one(group, frame);

    if (result != -EBUSY)
        return result;
    disk_collect(group);
    return give_one(group, frame);
}

static long give_pages(struct env *self, uint64_t array, uint64_t count)
{
    uint64_t frame[BATCH_MAX];
    long result = 0;

    if (!count || count > BATCH_MAX || array >= USER_TOP - sizeof(frame))
        return -EINVAL;
    if (move_user_words(frame, (const void *)array, count))
        return -EFAULT;
    for (uint64_t i = 0; i < count && result == 0; i++)
        result = give_patiently(self->group, frame[i]);
    drop_translations(self->group);
    frames_given(self->group);
    return result;
}

static long map_shared(struct env *self, uint64_t address, uint64_t frame, unsigned rights)
{
    uint64_t old;
    long result;

    if (address % PAGE_BYTES || address < LIB_HEAP || address >= LIB_HEAP_END || rights > 7)
        return -EINVAL;
    if (frame && !lend_owned(self->group->number, frame))
        return -EPERM;
    old = space_held(self->group->shared, address);
    result = shared_map(self->group, address, frame, rights);
    if (result < 0)
        return result;
    if (frame)
        lend_pin(frame);
    if (old)
        lend_unpin(old);
    return 0;
}

/* ---- kernel calls: spaces ---- */

/* A page table more, and those above it? A group that would fill memory with tables is stopped at a quarter of its
 * share. */
static bool may_grow(const struct group *group)
{
    return kernel.groups == 1 || group->tables + TABLES_EACH <= kernel.fair / 4;
}

/* Its tables are the kernel's frames, but count as the group's. */
static long map_page(struct group *group, struct space *space, const struct exo_batch *b)
{
    size_t before = frames_available(), tables;
    long result;

    if (!may_grow(group) && !entry_find(space->root, b->address, 0))
        return -ENOMEM;
    result = lend_map(group->number, space, b->address, b->frame_or_pages, (unsigned)b->rights);
    tables = before - frames_available();
    place_of(space)->tables += tables;
    group->tables += tables;
    return result;
}

static long change(struct env *self, const struct exo_batch *b)
{
    struct space *space = lend_space(self->group->number, b->space);

    if (!space)
        return -EPERM;
    if (!is_programs(b->address, b->op == EXO_MAP ? 1 : b->frame_or_pages) || b->rights > 7)
        return -EINVAL;
    if (b->op == EXO_MAP)
        return map_page(self->group, space, b);
    if (b->op == EXO_UNMAP)
        lend_unmap(space, b->address, b->frame_or_pages);
    else
        space_protect(space, b->address, b->frame_or_pages, (unsigned)b->rights);
    return 0;
}

/* Without memory for a table, others are asked for some; but not for a group that has too many. */
static long change_patiently(struct env *self, const struct exo_batch *b)
{
    long result;

    while ((result = change(self, b)) == -ENOMEM && may_grow(self->group) && frames_wait(self, KERNEL_FRAMES))
        ;
    return result;
}

/* Nothing interrupts the kernel: who has much done looks at the clock itself, and lets others run. `work` is in page
 * tables. `since` is 0 to begin with: who has little done need not know the time, which is a device's to tell. */
static void breathe(uint64_t *work, uint64_t *since)
{
    uint64_t now;

    if (*work < BREATH_WORK)
        return;
    *work = 0;
    now = clock_ns();
    if (!*since)
        *since = now;
    if (now - *since < BREATH_NS)
        return;
    sched_yield();
    *since = clock_ns();
}

static long batch(struct env *self, uint64_t array, uint64_t count)
{
    struct exo_batch one;
    uint64_t work = 0, since = 0;
    long result = 0;

    if (count > 1u << 20 || array >= USER_TOP - count * sizeof(one))
        return -EINVAL;
    for (uint64_t i = 0; i < count && result == 0; i++) {
        if (move_user_words(&one, (const void *)(array + i * sizeof(one)), sizeof(one) / 8))
            return -EFAULT;
        if (one.op != EXO_MAP && one.op != EXO_UNMAP && one.op != EXO_PROTECT)
            return -EINVAL;
        result = change_patiently(self, &one);
        work += 1 + (one.op == EXO_MAP ? 0 : one.frame_or_pages / ENTRIES);
        breathe(&work, &since);
    }
    return result;
}

static long destroy_space(struct env *self, uint64_t number)
{
    struct space *space = lend_space(self->group->number, number);

    if (!space)
        return -EPERM;
    if (place_of(space)->users)
        return -EBUSY;
    space_end(self->group, space);
    return 0;
}

static long create_space(struct env *self)
{
    struct space *space;

    while (!(space = group_space(self->group)) && frames_wait(self, KERNEL_FRAMES))
        ;
    return space ? space_number(space) : -ENOMEM;
}

/* ---- kernel calls: devices ---- */

static long map_device(struct env *self, uint64_t address)
{
    if (self->group->number != 1 || (address != MMIO_VIRTIO_CONSOLE && address != MMIO_VIRTIO_STDERR))
        return -EPERM;
    return shared_map(self->group, LIB_DEVICES + (address - MMIO_BASE), address, PAGE_READ | PAGE_WRITE);
}

long memory_call(struct env *self, struct user_regs *regs)
{
    struct exo_batch one = {regs->error, regs->rdi, regs->rsi, regs->rdx, regs->r10};

    switch (regs->error) {
    case EXO_PAGES_TAKE:
        return take_pages(self, regs->rdi, regs->rsi);
    case EXO_PAGES_GIVE:
        return give_pages(self, regs->rdi, regs->rsi);
    case EXO_SHARED_MAP:
        return map_shared(self, regs->rdi, regs->rsi, (unsigned)regs->rdx);
    case EXO_SPACE_CREATE:
        return create_space(self);
    case EXO_SPACE_DESTROY:
        return destroy_space(self, regs->rdi);
    case EXO_UNMAP:
        one.rights = 0;
        return change(self, &one);
    case EXO_MAP:
    case EXO_PROTECT:
        return change_patiently(self, &one);
    case EXO_REPOSSESSED:
        return frames_lost(self, regs->rdi, regs->rsi);
    case EXO_BATCH:
        return batch(self, regs->rdi, regs->rsi);
    case EXO_DEVICE:
        return map_device(self, regs->rdi);
    default:
        return -ENOSYS;
    }
}
