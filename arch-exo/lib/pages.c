/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/pages.c: struct vm_host: frames and spaces, from the exokernel.
 *
 * Frames are taken and given back in batches; free ones wait here. All that the group has it sees at LIB_WINDOW.
 *
 * Changes of spaces are put off and sent by one call: so a fork is a few kernel calls, not hundreds. That is sound
 * because only the caller's own space and new ones change, whose programs do not run before: pages_flush comes before
 * the return to any program, before its memory is touched, before a frame leaves the library, before a space changes
 * hands, and before sleep.
 *
 * But then vm has been told that a page is mapped before the kernel has found memory for its tables. So the library
 * keeps RESERVE free frames that no program gets, as many as the tables that the changes put off can need at most (3 a
 * region of 2 MiB), and gives them to the kernel when it has none. While it cannot keep them, a mapping is sent at once
 * and its failure reported.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/heap.h"
#include "guest/x86.h"

#define TAKE_BATCH 32
#define GIVE_BATCH 128 /* the kernel's limit; each costs it all translations */
#define POOL_MAX 256
#define CHANGES_MAX 128
#define REGIONS_MAX 8
#define REGION_SHIFT 21
#define TABLES_EACH 3
#define RESERVE (REGIONS_MAX * TABLES_EACH)

static struct {
    frame_t free[POOL_MAX]; /* last given, first taken */
    size_t free_count;
    struct exo_batch change[CHANGES_MAX];
    size_t change_count;
    unsigned regions; /* that mappings among them touch, at most */
    uint64_t last_space, last_region;
} pages;

/* ---- changes of spaces ---- */

static long send(const struct exo_batch *c)
{
    return exo_call5((enum exo_call)c->op, c->space, c->address, c->frame_or_pages, c->rights, 0);
}

/* What is in use stays: a mapping is still to be undone, or the kernel has not yet taken an env apart. */
static void give_one_by_one(void)
{
    size_t kept = 0;

    for (size_t i = 0; i < pages.free_count; i++)
        if (exo_call(EXO_PAGES_GIVE, (uint64_t)&pages.free[i], 1, 0) == -EBUSY)
            pages.free[kept++] = pages.free[i];
    pages.free_count = kept;
}

/* The last `count`. False: some are in use; none is left that is not. */
static bool give(size_t count)
{
    if (exo_call(EXO_PAGES_GIVE, (uint64_t)(pages.free + pages.free_count - count), count, 0) < 0) {
        give_one_by_one();
        return false;
    }
    pages.free_count -= count;
    return true;
}

static void give_all(void)
{
    while (pages.free_count && give(pages.free_count < GIVE_BATCH ? pages.free_count : GIVE_BATCH))
        ;
}

/* The kernel has no memory for a table: it gets the reserve. Each change may be made twice. If a frame is not
 * the library's any more, mending has dealt with whose it was. */
static void send_again(void)
{
    give_all();
    for (size_t i = 0; i < pages.change_count; i++) {
        long result = send(&pages.change[i]);

        if (result < 0 && !pages_mend())
            panic("change %lx of space %lu at %lx: error %ld", pages.change[i].op, pages.change[i].space,
                  pages.change[i].address, -result);
    }
}

void pages_send(void)
{
    long result = 0;

    if (pages.change_count == 1)
        result = send(&pages.change[0]);
    else if (pages.change_count)
        result = exo_call(EXO_BATCH, (uint64_t)pages.change, pages.change_count, 0);
    if (result < 0)
        send_again();
    pages.change_count = pages.regions = 0;
    pages.last_space = 0;
    task_current()->attention &= ~(uint32_t)ATTENTION_MAPPINGS;
}

static void put_off(const struct exo_batch *change)
{
    uint64_t region = change->address >> REGION_SHIFT;
    bool new_region = change->op == EXO_MAP && (pages.last_space != change->space || pages.last_region != region);

    if (pages.change_count == CHANGES_MAX || (new_region && pages.regions == REGIONS_MAX))
        pages_send();
    if (new_region) {
        pages.regions++;
        pages.last_space = change->space;
        pages.last_region = region;
    }
    pages.change[pages.change_count++] = *change;
    task_current()->attention |= ATTENTION_MAPPINGS;
}

/* An area may reach from below the library's part of a space to above it. */
static void put_off_range(const struct exo_batch *change)
{
    uint64_t start = change->address, end = start + change->frame_or_pages * PAGE_BYTES;
    struct exo_batch part = *change;

    if (end <= LIB_BASE || start >= LIB_END) {
        put_off(change);
        return;
    }
    if (start < LIB_BASE) {
        part.frame_or_pages = (LIB_BASE - start) / PAGE_BYTES;
        put_off(&part);
    }
    if (end > LIB_END) {
        part.address = LIB_END;
        part.frame_or_pages = (end - LIB_END) / PAGE_BYTES;
        put_off(&part);
    }
}

/* ---- frames ---- */

static bool refill(void)
{
    long count;

    while ((count = exo_call(EXO_PAGES_TAKE, (uint64_t)(pages.free + pages.free_count), TAKE_BATCH, 0)) == -EAGAIN)
        pages_mend();

    if (count > 0)
        pages.free_count += (size_t)count;
    return pages.free_count > RESERVE;
}

frame_t page_take(void)
{
    if (pages.free_count <= RESERVE && !refill() && !(tasks_reap() && pages.free_count > RESERVE))
        return FRAME_NONE;
    return pages.free[--pages.free_count];
}

void page_give(frame_t frame)
{
    if (pages.free_count == POOL_MAX) {
        pages_flush();
        give(GIVE_BATCH);
        if (pages.free_count == POOL_MAX)
            panic("the kernel takes no frame back");
    }
    pages.free[pages.free_count++] = frame;
}

void pages_shrink(void)
{
    pages_flush();
    give_all();
}

static bool is_among(frame_t frame, const frame_t *frames, size_t count)
{
    size_t i = 0;

    while (i < count && frames[i] != frame)
        i++;
    return i < count;
}

void pages_forget(const frame_t *frames, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < pages.free_count; i++)
        if (!is_among(pages.free[i], frames, count))
            pages.free[kept++] = pages.free[i];
    pages.free_count = kept;
}

/* ---- struct vm_host ---- */

static frame_t frame_take(void *ctx)
{
    return page_take();
}

static void frame_give(void *ctx, frame_t frame)
{
    page_give(frame);
}

static void *frame_window(void *ctx, frame_t frame)
{
    return page_window(frame);
}

static void frame_zero(void *ctx, frame_t frame)
{
    zero_quads(page_window(frame), PAGE_BYTES / 8);
}

static void frame_copy(void *ctx, frame_t to, frame_t from)
{
    copy_quads(page_window(to), page_window(from), PAGE_BYTES / 8);
}

static long create_space(void *ctx)
{
    return exo_call(EXO_SPACE_CREATE, 0, 0, 0);
}

static bool is_in(const struct task *task, uint64_t space)
{
    return task->space == (long)space;
}

/* Who ends runs in it to the last: mostly the current task, else the one that process 1 takes along. */
static struct task *who_ends_in(long space)
{
    struct task *self = task_current();

    if (self->space == space)
        return self;
    return exo_call(EXO_SPACE_DESTROY, (uint64_t)space, 0, 0) == -EBUSY ? task_search(is_in, (uint64_t)space) : NULL;
}

static void destroy_space(void *ctx, long space)
{
    struct task *task;

    pages_flush();
    task = who_ends_in(space);
    if (task)
        task->doomed_space = space;
}

/* The next space has the name of the program, and none of its calls has been made yet. */
static void begin_program(struct task *task)
{
    const uint64_t *name = (const uint64_t *)task->exec_name;

    exo_call5(EXO_NAME, task->env, name[0], name[1], name[2], 0);
    task->exec_name[0] = 0;
    __builtin_memset(task->reflected, 0, sizeof(task->reflected));
}

/* execve brings the name of its program, fork keeps its parent's. */
static void assign_space(void *ctx, int pid, long space)
{
    struct task *task = task_find(pid);

    if (!task)
        panic("a space for process %d, which has no env", pid);
    if (task->exec_name[0])
        begin_program(task);
    pages_flush();
    task->space = space;
    if (exo_call(EXO_ENV_SPACE, task->env, (uint64_t)space, 0) < 0)
        panic("process %d cannot enter space %ld", pid, space);
}

static long map(void *ctx, long space, uint64_t address, frame_t frame, unsigned prot)
{
    const struct exo_batch change = {EXO_MAP, (uint64_t)space, address, frame, prot};

    if (address >= LIB_BASE && address < LIB_END)
        return -ENOMEM;
    if (unlikely(pages.free_count < RESERVE) && !refill()) {
        pages_flush();
        return send(&change);
    }
    put_off(&change);
    return 0;
}

static void unmap(void *ctx, long space, uint64_t address, size_t count)
{
    put_off_range(&(struct exo_batch){EXO_UNMAP, (uint64_t)space, address, count, 0});
}

static void protect(void *ctx, long space, uint64_t address, size_t count, unsigned prot)
{
    put_off_range(&(struct exo_batch){EXO_PROTECT, (uint64_t)space, address, count, prot});
}

void pages_init(struct vm_host *host)
{
    memory_mends(pages_mend);
    *host = (struct vm_host){
        .frame_alloc = frame_take,
        .frame_free = frame_give,
        .frame_zero = frame_zero,
        .frame_copy = frame_copy,
        .frame_window = frame_window,
        .space_create = create_space,
        .space_destroy = destroy_space,
        .space_assign = assign_space,
        .map = map,
        .unmap = unmap,
        .protect = protect,
    };
}
