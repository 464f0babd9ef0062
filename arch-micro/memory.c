/* SPDX-License-Identifier: MIT
 *
 * arch-micro/memory.c: frames and mappings, for the server that holds CAP_MEMORY, and the heaps of all servers.
 *
 * The pager gets frames, maps them into the spaces of programs, and sees each of them through a window in its own space
 * (L4's sigma0 in small). It names frames by physical address, but only those that it was given (guest/lend.c). Which
 * program may see which frame is the pager's decision, and so programs trust it; the kernel does not: a frame is taken back
 * only when no program's space maps it.
 */
#include "abi/probe.h"
#include "arch-micro/kernel.h"
#include "guest/frames.h"
#include "guest/lend.h"
#include "guest/trap.h"
#include "guest/x86.h"

#define BATCH_MAX 256
/* Owners of what is lent. */
#define PAGER 1
#define HEAP(server) (2 + (unsigned)(server)->task.badge)

/* ---- frames ---- */

static bool take_one(struct task *self, uint64_t *out)
{
    uint64_t frame = lend_take(PAGER, 1);

    if (!frame)
        return false;
    if (space_map(self->thread.space, WINDOW_BASE + frame, frame, PAGE_READ | PAGE_WRITE) < 0) {
        lend_give(PAGER, frame);
        return false;
    }
    *out = frame;
    return true;
}

static long take_frames(struct task *self, uint64_t array, uint64_t count)
{
    uint64_t frame[BATCH_MAX];
    uint64_t n = 0;

    if (count > BATCH_MAX || array > USER_TOP - sizeof(frame))
        return -EINVAL;
    while (n < count && take_one(self, &frame[n]))
        n++;
    if (!n)
        return -ENOMEM;
    return move_user_words((void *)array, frame, n) ? -EFAULT : (long)n;
}

static long give_frames(struct task *self, uint64_t array, uint64_t count)
{
    uint64_t frame[BATCH_MAX];

    if (count > BATCH_MAX || array > USER_TOP - sizeof(frame))
        return -EINVAL;
    if (move_user_words(frame, (const void *)array, count))
        return -EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        if (lend_give(PAGER, frame[i]) < 0)
            return -EINVAL;
        space_unmap(self->thread.space, WINDOW_BASE + frame[i], 1, NULL);
    }
    return 0;
}

/* ---- spaces ---- */

/* Who lives in it, and what runs as it: with no space of its own it would run in that of whoever ran before. */
static void destroy(struct space *space)
{
    for (unsigned i = 0; i < TASK_BUCKETS; i++)
        for (struct task *task = kernel.tasks[i]; task; task = task->next)
            if (task->thread.space == space)
                task->thread.space = kernel.nowhere;
    lend_space_destroy(space);
}

/* An address space that a new program runs in is called after it. */
static long assign(int pid, struct space *space)
{
    struct task *task = task_find(pid);

    if (!task)
        return -ESRCH;
    if (task->exec_name[0])
        __builtin_memcpy(task->name, task->exec_name, sizeof(task->name));
    task->exec_name[0] = 0;
    if (task->name[0])
        probe(PROBE_DOMAIN, space_user_root(space), (uint64_t)task->name, 3);
    task->thread.space = space;
    return 0;
}

static long call_on_space(struct user_regs *regs, struct space *space)
{
    switch (regs->error) {
    case IPC_SPACE_DESTROY:
        destroy(space);
        return 0;
    case IPC_MAP:
        return lend_map(PAGER, space, regs->rsi, regs->rdx, (unsigned)regs->r10);
    case IPC_UNMAP:
        if (!lend_range(regs->rsi, regs->rdx))
            return -EINVAL;
        lend_unmap(space, regs->rsi, regs->rdx);
        return 0;
    case IPC_PROTECT:
        if (!lend_range(regs->rsi, regs->rdx) || regs->r10 > 7)
            return -EINVAL;
        space_protect(space, regs->rsi, regs->rdx, (unsigned)regs->r10);
        return 0;
    default:
        return -ENOSYS;
    }
}

long memory_call(struct task *self, struct user_regs *regs)
{
    struct space *space;

    switch (regs->error) {
    case IPC_FRAMES_TAKE:
        return take_frames(self, regs->rdi, regs->rsi);
    case IPC_FRAMES_GIVE:
        return give_frames(self, regs->rdi, regs->rsi);
    case IPC_SPACE_CREATE:
        return lend_space_create(PAGER);
    case IPC_SPACE_ASSIGN:
        space = lend_space(PAGER, regs->rsi);
        return space ? assign((int)regs->rdi, space) : -EINVAL;
    default:
        space = lend_space(PAGER, regs->rdi);
        return space ? call_on_space(regs, space) : -EINVAL;
    }
}

/* ---- heaps of servers ---- */

static uint64_t hole_take(struct server *server, uint64_t pages)
{
    for (unsigned i = server->holes; i-- > 0;) {
        struct heap_hole *hole = &server->hole[i];

        if (hole->pages < pages)
            continue;
        hole->pages -= pages;
        if (hole->pages)
            return hole->address + hole->pages * PAGE_BYTES;
        pages = hole->address;
        *hole = server->hole[--server->holes];
        return pages;
    }
    return 0;
}

static void hole_put(struct server *server, uint64_t address, uint64_t pages)
{
    if (server->holes < HEAP_HOLES)
        server->hole[server->holes++] = (struct heap_hole){address, pages};
}

/* What a device may still move has no new owner. */
static bool is_moved(const struct server *server, uint64_t frame)
{
    return server->moved && lend_kept(frame);
}

bool heap_frame_free(const struct server *server, uint64_t frame)
{
    return !is_moved(server, frame) && lend_give(HEAP(server), frame) == 0;
}

static void heap_unmap(struct server *server, uint64_t address, uint64_t pages)
{
    struct space *space = server->task.thread.space;

    for (uint64_t i = 0; i < pages; i++) {
        uint64_t frame = space_frame(space, address + i * PAGE_BYTES, PAGE_WRITE);

        space_unmap(space, address + i * PAGE_BYTES, 1, NULL);
        if (frame)
            lend_give(HEAP(server), frame);
    }
}

/* In a row if possible: a device can then move several pages at once, as from any kernel's heap. */
static bool heap_map(struct server *server, uint64_t address, uint64_t pages)
{
    uint64_t row = lend_take(HEAP(server), pages);

    for (uint64_t i = 0; i < pages; i++) {
        uint64_t frame = row ? row + i * PAGE_BYTES : lend_take(HEAP(server), 1);

        if (frame && space_map(server->task.thread.space, address + i * PAGE_BYTES, frame, PAGE_READ | PAGE_WRITE) == 0) {
            zero_quads(direct(frame), PAGE_BYTES / 8);
            continue;
        }
        for (uint64_t rest = row ? pages - i : frame != 0; rest; rest--, frame += PAGE_BYTES)
            lend_give(HEAP(server), frame);
        heap_unmap(server, address, i);
        return false;
    }
    return true;
}

long heap_grow(struct server *server, uint64_t pages)
{
    uint64_t address;

    if (!pages || pages > (SERVER_HEAP_END - SERVER_HEAP_BASE) / PAGE_BYTES)
        return -EINVAL;
    address = hole_take(server, pages);
    if (!address) {
        address = server->heap_top;
        if (pages > (SERVER_HEAP_END - address) / PAGE_BYTES)
            return -ENOMEM;
        server->heap_top += pages * PAGE_BYTES;
    }
    if (heap_map(server, address, pages))
        return (long)address;
    hole_put(server, address, pages);
    return -ENOMEM;
}

/* Given back twice, they would be in two holes, and handed out twice. */
static long may_shrink(const struct server *server, uint64_t address, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t frame = space_frame(server->task.thread.space, address + i * PAGE_BYTES, PAGE_WRITE);

        if (!frame)
            return -EINVAL;
        if (is_moved(server, frame))
            return -EBUSY;
    }
    return 0;
}

long heap_shrink_by(struct server *server, uint64_t address, uint64_t pages)
{
    long refused;

    if (address % PAGE_BYTES || address < SERVER_HEAP_BASE || address > server->heap_top ||
        pages > (server->heap_top - address) / PAGE_BYTES)
        return -EINVAL;
    refused = may_shrink(server, address, pages);
    if (refused)
        return refused;
    heap_unmap(server, address, pages);
    hole_put(server, address, pages);
    return 0;
}

/* ---- devices ---- */

/* The first frame that is another's ends it, so its length is bounded by what it has. */
static bool is_heap_of(const struct server *server, uint64_t physical, uint64_t bytes)
{
    uint64_t end = physical + bytes;

    if (end < physical)
        return false;
    for (uint64_t frame = physical & ~(PAGE_BYTES - 1); frame < end; frame += PAGE_BYTES)
        if (!lend_owned(HEAP(server), frame))
            return false;
    return true;
}

/* A driver moves for others by physical addresses, which are not its own to check. */
long heap_dma_of(struct task *driver, uint64_t handle, uint64_t physical, uint64_t bytes)
{
    struct task *asker = ipc_served(driver, handle);

    if (!driver->image->role->device[0] || !asker || asker->kind != MSG_REQUEST)
        return -EPERM;
    if (!is_heap_of(asker->image, physical, bytes))
        return -EPERM;
    for (uint64_t frame = physical & ~(PAGE_BYTES - 1); frame < physical + bytes; frame += PAGE_BYTES)
        lend_keep(frame);
    asker->image->moved = bytes;
    if (!bytes)
        server_is_up(asker->image);
    return 0;
}
