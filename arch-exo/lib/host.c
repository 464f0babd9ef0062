/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/host.c: what the services call back for, in a program's own address space.
 *
 * Memory is the library's heap, another service is a function call, the caller's memory is right there, the clock and
 * the consoles are device pages that the kernel has mapped. All services share one struct host.
 */
#include "abi/devices.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/heap.h"
#include "guest/x86.h"
#include "services/string.h"

#define NS_PER_SECOND 1000000000ul
#define LEAF_FEATURES 7
#define FEATURE_EBX_ERMS (1u << 9)

uint8_t copy_user_erms;

static uint64_t ns_per_cycle_32; /* cycles × a 32.32 fixed-point factor, as guest/clock.c has it */

static uint64_t read_clock(unsigned reg)
{
    return mmio_read64(LIB_DEVICES + (MMIO_CLOCK - MMIO_BASE) + reg);
}

uint64_t clock_ns(void)
{
    return (uint64_t)((unsigned __int128)read_clock(CLOCK_CYCLES) * ns_per_cycle_32 >> 32);
}

/* ---- struct host ---- */

static void *host_alloc(void *ctx, size_t bytes)
{
    return heap_alloc(bytes);
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    heap_free(memory, bytes);
}

/* The library's own part of the space is not the program's to name. */
static bool is_programs(uint64_t address, size_t bytes)
{
    if (address >= USER_TOP || bytes > USER_TOP - address)
        return false;
    return address >= LIB_END || address + bytes <= LIB_BASE;
}

/* The caller's space is loaded, because its call runs on its own env: but for the last call of a process whose env is
 * no more, which the housekeeper makes. */
static long host_copy(struct call *call, void *to, const void *from, size_t bytes, uint64_t user)
{
    struct task *task = task_current();

    if (!is_programs(user, bytes) || task->pid != call->pid)
        return bytes ? -EFAULT : 0;
    pages_flush();
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

static uint64_t host_now(void *ctx)
{
    return clock_ns();
}

static void host_wake(void *ctx, uint64_t channel)
{
    task_wake(channel);
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
    else if (is_programs(rq->arg[0], sizeof(path)) &&
             peek_user_string(path, (const char *)rq->arg[0], sizeof(path)) >= 0)
        task_name_exec(task, path);
}

static long host_ask(void *ctx, struct request *rq)
{
    const struct service *service = &library.services[rq->service < SERVICE_COUNT ? rq->service : SERVICE_NONE];
    long result;

    if (!service->request)
        return -ENOSYS;
    result = service->request(service->self, rq);
    if (rq->service == SERVICE_FS && rq->op == FS_OPEN_EXEC && result >= 0)
        note_exec(rq);
    return result;
}

/* The asker's memory is ours. */
static bool beyond(const struct request *rq, size_t offset, size_t bytes)
{
    return offset > rq->size || bytes > rq->size - offset;
}

static long host_take(void *ctx, struct request *rq, void *to, size_t offset, size_t bytes)
{
    if (beyond(rq, offset, bytes))
        return -EFAULT;
    memcpy(to, (const char *)rq->data + offset, bytes);
    return 0;
}

static long host_give(void *ctx, struct request *rq, size_t offset, const void *from, size_t bytes)
{
    if (beyond(rq, offset, bytes))
        return -EFAULT;
    memcpy((char *)rq->data + offset, from, bytes);
    return 0;
}

/* The heap is frames seen through the window (memory.c). */
static uint64_t host_dma(void *ctx, void *memory)
{
    return (uint64_t)memory - LIB_WINDOW;
}

/* ---- struct device ---- */

static uint32_t device_read(void *ctx, unsigned offset)
{
    return mmio_read32((uint64_t)ctx + offset);
}

static void device_write(void *ctx, unsigned offset, uint32_t value)
{
    mmio_write32((uint64_t)ctx + offset, value);
}

static struct device device_at(uint64_t address)
{
    void *registers = (void *)(LIB_DEVICES + (address - MMIO_BASE));

    if (exo_call(EXO_DEVICE, address, 0, 0) < 0)
        panic("no console");
    return (struct device){.ctx = registers, .read = device_read, .write = device_write};
}

void host_init(void)
{
    ns_per_cycle_32 = (NS_PER_SECOND << 32) / read_clock(CLOCK_HZ);
    copy_user_erms = (cpuid(LEAF_FEATURES, 0).ebx & FEATURE_EBX_ERMS) != 0;
    library.host = (struct host){
        .alloc = host_alloc,
        .free = host_free,
        .copy_in = host_copy_in,
        .copy_out = host_copy_out,
        .now = host_now,
        .wake = host_wake,
        .ask = host_ask,
        .take = host_take,
        .give = host_give,
        .dma = host_dma,
    };
    if (!has_consoles())
        return;
    library.console_device = device_at(MMIO_VIRTIO_CONSOLE);
    library.stderr_device = device_at(MMIO_VIRTIO_STDERR);
}
