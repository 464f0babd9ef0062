/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/vm_part.c: vm as the pager of all programs: frames and mappings are the kernel's, what they mean is
 * vm's.
 *
 * Frames are taken from the kernel and given back in batches. The kernel maps all that vm has at WINDOW_BASE.
 *
 * A server that copies from or to a program may need a page of it, and asks (OP_FAULT). It may itself be the one that
 * we would ask for the page's contents: so such a fault asks politely, and if it cannot end at once it becomes a job
 * here, and the server, which was answered CALL_WAIT, is told when it has ended.
 */
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/server.h"
#include "guest/layout.h"
#include "guest/x86.h"
#include "services/vm/vm.h"

#define BATCH 32
#define FRAMES_MAX 96

static struct {
    struct vm *vm;
    struct vm_host host;
    size_t free_count;
    uint64_t free[FRAMES_MAX]; /* last given, first taken */
} part;

/* ---- struct vm_host ---- */

static frame_t take_frame(void *ctx)
{
    if (!part.free_count) {
        long count = kcall(IPC_FRAMES_TAKE, (uint64_t)part.free, BATCH, 0);

        part.free_count = count > 0 ? (size_t)count : 0;
    }
    return part.free_count ? part.free[--part.free_count] : FRAME_NONE;
}

static void give_frames(size_t count)
{
    part.free_count -= count;
    kcall(IPC_FRAMES_GIVE, (uint64_t)(part.free + part.free_count), count, 0);
}

static void free_frame(void *ctx, frame_t frame)
{
    if (part.free_count == FRAMES_MAX)
        give_frames(BATCH);
    part.free[part.free_count++] = frame;
}

static void *window(void *ctx, frame_t frame)
{
    return (void *)(WINDOW_BASE + frame);
}

static void zero_frame(void *ctx, frame_t frame)
{
    zero_quads(window(ctx, frame), PAGE_BYTES / 8);
}

static void copy_frame(void *ctx, frame_t to, frame_t from)
{
    copy_quads(window(ctx, to), window(ctx, from), PAGE_BYTES / 8);
}

static long create_space(void *ctx)
{
    return kcall(IPC_SPACE_CREATE, 0, 0, 0);
}

static void destroy_space(void *ctx, long space)
{
    kcall(IPC_SPACE_DESTROY, (uint64_t)space, 0, 0);
}

static void assign_space(void *ctx, int pid, long space)
{
    kcall(IPC_SPACE_ASSIGN, (uint64_t)pid, (uint64_t)space, 0);
}

static long map(void *ctx, long space, uint64_t address, frame_t frame, unsigned prot)
{
    return kcall4(IPC_MAP, (uint64_t)space, address, frame, prot);
}

static void unmap(void *ctx, long space, uint64_t address, size_t pages)
{
    kcall(IPC_UNMAP, (uint64_t)space, address, pages);
}

static void protect(void *ctx, long space, uint64_t address, size_t pages, unsigned prot)
{
    kcall4(IPC_PROTECT, (uint64_t)space, address, pages, prot);
}

/* ---- a page for another server ---- */

static long fault(void *self, struct call *call)
{
    const struct route *route = &server.routes[CALL_FAULT];

    server.entered = route->op;
    return route->op(route->self, call);
}

static struct reply fault_done(struct entry *entry, long result)
{
    entry_release(entry);
    wake_channel(CHANNEL_PAGE);
    return NO_REPLY;
}

static bool is_fault_of_request(const struct entry *entry, uint64_t unused)
{
    const struct call *call = &server.request_entry.call;

    return entry->op == fault && entry->call.pid == call->pid &&
           entry->call.arg[0] / PAGE_BYTES == call->arg[0] / PAGE_BYTES && entry->call.arg[1] == call->arg[1];
}

/* It goes on by itself. The asker looks again when the job has ended. */
static long fault_waits(struct call *call)
{
    struct entry *job = entry_create(fault, fault_done);

    if (!job)
        return -ENOMEM;
    job->polite = true;
    job->call.nr = CALL_FAULT;
    job->call.pid = call->pid;
    job->call.arg[0] = call->arg[0];
    job->call.arg[1] = call->arg[1];
    job->call.channel = call->channel;
    job->call.until = call->until;
    entry_keep(job);
    return call_wait(call, CHANNEL_PAGE, CALL_FOREVER);
}

static long fault_for_server(struct request *rq)
{
    struct call *call = rq->call;
    long result;

    call->nr = CALL_FAULT;
    call->arg[0] = rq->arg[0];
    call->arg[1] = rq->arg[1];
    if (entry_find(is_fault_of_request, 0))
        return call_wait(call, CHANNEL_PAGE, CALL_FOREVER);
    server.request_entry.polite = true;
    result = fault(NULL, call);
    server.request_entry.polite = false;
    return result == CALL_WAIT ? fault_waits(call) : result;
}

static long operation(struct request *rq)
{
    if (rq->op == OP_FAULT)
        return fault_for_server(rq);
    return rq->op == OP_SHRINK ? (long)vm_shrink(part.vm) : -ENOSYS;
}

/* ---- life ---- */

static void create(enum server_why why)
{
    part.host = (struct vm_host){
        .frame_alloc = take_frame,
        .frame_free = free_frame,
        .frame_zero = zero_frame,
        .frame_copy = copy_frame,
        .frame_window = window,
        .space_create = create_space,
        .space_destroy = destroy_space,
        .space_assign = assign_space,
        .map = map,
        .unmap = unmap,
        .protect = protect,
    };
    part.vm = vm_create(&server.host, &part.host, server.boot->ram_bytes);
    if (!part.vm)
        panic("not enough memory");
    server_add(SERVICE_VM, vm_service(part.vm));
}

static void destroy(void)
{
    vm_destroy(part.vm);
    give_frames(part.free_count);
}

const struct part vm_part = {.create = create, .destroy = destroy, .operation = operation};
