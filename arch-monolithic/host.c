/* SPDX-License-Identifier: MIT
 *
 * arch-monolithic/host.c: what the services call back for, in a monolithic kernel.
 *
 * Memory is the kernel's heap, another service is a function call, a channel is a list of sleeping threads, frames and
 * page tables are guest/'s, a device is its registers in the direct map. All services share one struct host.
 */
#include "abi/devices.h"
#include "abi/probe.h"
#include "arch-monolithic/kernel.h"
#include "guest/driver.h"
#include "guest/frames.h"
#include "guest/layout.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/trap.h"
#include "guest/x86.h"

/* ---- struct host ---- */

/* The program's space is loaded, because its call runs on its own thread. */
static long host_copy(struct call *call, void *to, const void *from, size_t bytes, uint64_t user)
{
    struct task *task = task_current();

    if (user >= USER_TOP || bytes > USER_TOP - user)
        return bytes ? -EFAULT : 0;
    if (task->pid != call->pid)
        panic("process %d copies to or from process %d", task->pid, call->pid);
    if (!bytes || copy_user(to, from, bytes) == 0)
        return 0;
    if (task->fault_result == CALL_WAIT)
        return call_wait(call, task->fault.channel, task->fault.until);
    return task->fault_result;
}

static long host_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    return host_copy(call, to, (const void *)from, bytes, from);
}

static long host_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    return host_copy(call, (void *)to, from, bytes, to);
}

static void host_wake(void *ctx, uint64_t channel)
{
    sched_wake(channel);
}

/* An execve has found its file: its name is the space's that vm is about to make. */
static void note_exec(const struct request *rq)
{
    struct task *task = task_find(rq->pid);
    char path[256];

    if (!task)
        return;
    if (!rq->arg[0])
        task_name_exec(task, rq->data);
    else if (rq->arg[0] < USER_TOP - sizeof(path) &&
             peek_user_string(path, (const char *)rq->arg[0], sizeof(path)) >= 0)
        task_name_exec(task, path);
}

static long host_ask(void *ctx, struct request *rq)
{
    long result = local_ask(kernel.services, rq);

    if (rq->service == SERVICE_FS && rq->op == FS_OPEN_EXEC && result >= 0)
        note_exec(rq);
    return result;
}

/* ---- struct vm_host ---- */

static frame_t vm_frame_alloc(void *ctx)
{
    return frame_alloc();
}

static void vm_frame_free(void *ctx, frame_t frame)
{
    frame_free(frame);
}

static void vm_frame_zero(void *ctx, frame_t frame)
{
    zero_quads(direct(frame), PAGE_BYTES / 8);
}

static void vm_frame_copy(void *ctx, frame_t to, frame_t from)
{
    copy_quads(direct(to), direct(from), PAGE_BYTES / 8);
}

static void *vm_frame_window(void *ctx, frame_t frame)
{
    return direct(frame);
}

static long vm_space_create(void *ctx)
{
    struct space *space = space_create();

    return space ? space_number(space) : -ENOMEM;
}

static void vm_space_destroy(void *ctx, long number)
{
    struct space *space = space_of(number);

    probe(PROBE_SPACE_GONE, space_user_root(space), 0, 0);
    if (thread_current()->space == space)
        thread_current()->space = NULL;
    space_destroy(space);
}

/* execve brings the name of its program, fork keeps its parent's. */
static void vm_space_assign(void *ctx, int pid, long number)
{
    struct task *task = task_find(pid);
    struct space *space = space_of(number);

    if (!task)
        panic("a space for process %d, which has no thread", pid);
    if (task->exec_name[0])
        __builtin_memcpy(task->name, task->exec_name, sizeof(task->name));
    task->exec_name[0] = 0;
    if (task->name[0])
        probe(PROBE_DOMAIN, space_user_root(space), (uint64_t)task->name, 3);
    task->thread.space = space;
    if (&task->thread == thread_current())
        space_switch(space);
}

_Static_assert(VM_PROT_READ == PAGE_READ && VM_PROT_WRITE == PAGE_WRITE && VM_PROT_EXEC == PAGE_EXEC, "same rights");

static long vm_map(void *ctx, long space, uint64_t address, frame_t frame, unsigned prot)
{
    return space_map(space_of(space), address, frame, prot);
}

static void vm_unmap(void *ctx, long space, uint64_t address, size_t pages)
{
    space_unmap(space_of(space), address, pages, NULL);
}

static void vm_protect(void *ctx, long space, uint64_t address, size_t pages, unsigned prot)
{
    space_protect(space_of(space), address, pages, prot);
}

void host_init(void)
{
    kernel.host = (struct host){
        .copy_in = host_copy_in,
        .copy_out = host_copy_out,
        .wake = host_wake,
        .ask = host_ask,
        .take = local_take,
        .give = local_give,
    };
    driver_host(&kernel.host);
    kernel.vm_host = (struct vm_host){
        .frame_alloc = vm_frame_alloc,
        .frame_free = vm_frame_free,
        .frame_zero = vm_frame_zero,
        .frame_copy = vm_frame_copy,
        .frame_window = vm_frame_window,
        .space_create = vm_space_create,
        .space_destroy = vm_space_destroy,
        .space_assign = vm_space_assign,
        .map = vm_map,
        .unmap = vm_unmap,
        .protect = vm_protect,
    };
    tasks_init(&kernel.proc_host);
    kernel.blk_device = driver_device(MMIO_VIRTIO_BLK);
    kernel.console_device = driver_device(MMIO_VIRTIO_CONSOLE);
    kernel.stderr_device = driver_device(MMIO_VIRTIO_STDERR);
}
