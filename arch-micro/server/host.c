/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/host.c: struct host in ring 3: what a service calls back for, from the kernel.
 *
 * A copy from or to a program names the program by the handle of its call, and the kernel holds it to what that call
 * grants. If a page is not there, vm is asked to bring it in; what then has to wait waits as the service's call does.
 */
#include "abi/devices.h"
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/server.h"
#include "guest/ring3/memory.h"

/* ---- memory ---- */

static void *host_alloc(void *ctx, size_t bytes)
{
    return heap_alloc(bytes);
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    heap_free(memory, bytes);
}

static uint64_t host_dma(void *ctx, void *memory)
{
    return (uint64_t)kcall(IPC_DMA, (uint64_t)memory, 0, 0);
}

/* ---- the caller's memory ---- */

static long ask_for_page(const struct call *call, uint64_t address, uint64_t access, struct call *fault)
{
    const struct service *vm = &server.services[SERVICE_VM];
    struct request rq = {
        .service = SERVICE_VM, .op = OP_FAULT, .pid = call->pid, .arg = {address, access}, .call = fault};

    *fault = (struct call){.nr = CALL_FAULT, .pid = call->pid, .arg = {address, access}};
    return vm->calls ? service_call(vm, fault) : ask_server(server.where[SERVICE_VM], &rq);
}

/* 0: it is there now. Any refusal of vm's is a bad address. */
static long bring_in(struct call *call, uint64_t address, uint64_t access)
{
    struct call fault;
    long r = ask_for_page(call, address, access, &fault);

    if (r == CALL_WAIT)
        return call_wait(call, fault.channel, fault.until);
    return r ? -EFAULT : 0;
}

static long copy(struct call *call, const void *own, uint64_t other, size_t bytes, uint64_t flags)
{
    const struct entry *entry = server.current;
    uint64_t absent = 0;
    long r;

    if (!bytes)
        return 0;
    if (call != &entry->call || !entry->handle)
        return -EFAULT;
    if (entry->kind == ENTRY_REQUEST)
        flags |= COPY_SERVED;
    while ((r = ipc_copy(entry->handle, (uint64_t)own, other, bytes, flags, &absent)) != 0) {
        if (r == -EAGAIN)
            r = bring_in(call, absent, flags & COPY_OUT ? VM_WRITE : VM_READ);
        else
            r = -EFAULT;
        if (r)
            return r;
    }
    return 0;
}

static long host_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    return copy(call, to, from, bytes, 0);
}

static long host_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    return copy(call, from, to, bytes, COPY_OUT);
}

/* ---- the rest ---- */

static uint64_t host_now(void *ctx)
{
    return server_now();
}

static void host_wake(void *ctx, uint64_t channel)
{
    if (channel == CHANNEL_POLL && !server.services[SERVICE_FS].request)
        kcall(IPC_NOTIFY, CAP_SERVER(server.where[SERVICE_FS]), NOTIFY_POLL, 0);
    else
        wake_channel(channel);
}

void host_init(void)
{
    server.host = (struct host){
        .alloc = host_alloc,
        .free = host_free,
        .copy_in = host_copy_in,
        .copy_out = host_copy_out,
        .now = host_now,
        .wake = host_wake,
        .ask = ask,
        .dma = host_dma,
        .take = serve_take,
        .give = serve_give,
    };
}

/* ---- devices ---- */

static uint32_t device_read(void *ctx, unsigned offset)
{
    return *(volatile uint32_t *)((char *)ctx + offset);
}

static void device_write(void *ctx, unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)((char *)ctx + offset) = value;
}

struct device device_at(uint64_t mmio)
{
    void *registers = (void *)(SERVER_DEVICES + (mmio - MMIO_BASE));

    return (struct device){.ctx = registers, .read = device_read, .write = device_write};
}
