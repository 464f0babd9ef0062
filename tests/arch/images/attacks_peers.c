/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/attacks_peers.c: the attacks on other servers, and by way of them. See attack.h and attacks.def.
 */
#include "tests/arch/images/attack.h"

#include "abi/devices.h"

#define ESRCH 3
#define KERNEL_TEXT 0xffffffff80100000ul
#define HANDLES 1024

static char loot[64]; /* where stolen bytes would go */

/* ---- others ---- */

static const uint64_t forged[] = {0, 7, 8, 15, 16, 17, 18, 31, 32, 255, 1ul << 32, (1ul << 32) + 1, -1ul};

long attack_notify_forged(const struct target *t)
{
    long accepted = 0;

    for (unsigned i = 0; i < sizeof(forged) / sizeof(*forged); i++)
        accepted += kcall(IPC_NOTIFY, forged[i], -1ul, 0) != -EBADF;
    return accepted;
}

/* That it may; they must bear it. */
long attack_notify_everybody(const struct target *t)
{
    long refused = 0;

    for (unsigned n = 0; n < server.boot->module_count; n++)
        for (unsigned bit = 0; bit < 65; bit++)
            refused += kcall(IPC_NOTIFY, CAP_SERVER(n), bit < 64 ? 1ul << bit : -1ul, 0) != 0;
    return refused;
}

AS(close_server, kcall(IPC_CLOSE, CAP_SERVER(0), 0, 0))
/* A server has its own, and the kernel no place to take others back. */
AS(endpoints, kcall(IPC_ENDPOINT, 0, 0, 0))
AS(call_plain, kcall(IPC_CALL, CAP_SERVER(0), 0, 0))
AS(wait_at_another, kcall(IPC_WAIT, CAP_SERVER(0), 0, 0))

long attack_request_forged(const struct target *t)
{
    long accepted = 0;

    for (unsigned i = 0; i < sizeof(forged) / sizeof(*forged); i++)
        accepted += kcall(IPC_REQUEST, forged[i], 0, 0) != -EBADF;
    return accepted;
}

AS(request_oneself, kcall(IPC_REQUEST, CAP_SERVER((uint64_t)server.number), 0, 0))

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252ul;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static const int nobody[] = {-1, -77, 0, 8000000, 0x7fffffff, -0x7fffffff - 1};

/* All words of the page are random, but that the request is about nobody who lives. The disk obeys fsd: from that, none
 * of its transfers. */
static void write_garbage(int to)
{
    bool obeyed = to == server.where[SERVICE_BLK] && server.number == server.where[SERVICE_FS];
    volatile uint64_t *words = (volatile uint64_t *)SERVER_MESSAGE_PAGE;
    volatile struct message *page = MESSAGE_PAGE;

    for (unsigned i = 0; i < MESSAGE_WORDS; i++)
        words[i] = next_random();
    page->service = next_random() % (SERVICE_COUNT + 2);
    page->op = next_random() % 2 ? next_random() % 16 : next_random() % 2 ? 0x100 + next_random() % 8 : next_random();
    page->pid = nobody[next_random() % 6];
    if (obeyed && (uint16_t)page->op < OP_FAULT)
        page->op = 16 + next_random() % 200;
}

long attack_request_garbage(const struct target *t)
{
    long strange = 0;

    for (int to = 0; to < (int)server.boot->module_count; to++)
        for (unsigned i = 0; i < 100 && to != server.number && to != server_supervisor(); i++) {
            long r;

            write_garbage(to);
            r = kcall(IPC_REQUEST, CAP_SERVER((uint64_t)to), REQUEST_TRY, 0);
            strange += r != 0 && r != -EAGAIN && r != -EDEADLK;
        }
    return strange;
}

/* The answer, or what the kernel answered. Who is busy is given time. */
static long request_of(enum service_id service, unsigned op)
{
    volatile struct message *page = MESSAGE_PAGE;
    long r = -EAGAIN;

    for (unsigned tries = 0; r == -EAGAIN && tries < 100; tries++) {
        write_garbage(server.where[service]);
        page->service = service;
        page->op = op;
        r = kcall(IPC_REQUEST, CAP_SERVER((uint64_t)server.where[service]), REQUEST_TRY, 0);
        if (r == -EAGAIN)
            kcall(IPC_YIELD, 0, 0, 0);
    }
    return r ? r : page->result;
}

/* How many operations of [first, end) the server of that service does not refuse. */
static long not_refused(enum service_id service, unsigned first, unsigned end)
{
    long accepted = 0;

    for (unsigned op = first; op < end; op++)
        accepted += request_of(service, op) != -EPERM;
    return accepted;
}

AS(request_vm, not_refused(SERVICE_VM, 1, VM_RESERVE + 1))
AS(request_vm_shrink, not_refused(SERVICE_VM, OP_SHRINK, OP_SHRINK + 1))
AS(request_blk, not_refused(SERVICE_BLK, 1, BLK_FORGET + 1))

/* Of all but who asks us: that one waits. */
long attack_request_quit(const struct target *t)
{
    long accepted = 0;

    for (enum service_id service = SERVICE_FS; service < SERVICE_COUNT; service++)
        if (server.where[service] != NOWHERE && server.where[service] != server.number &&
            (t->entry || server.where[service] != server.requester))
            accepted += not_refused(service, OP_QUIT, OP_QUIT + 1);
    return accepted;
}

/* It answers nothing but no. */
long attack_request_supervisor(const struct target *t)
{
    volatile struct message *page = MESSAGE_PAGE;
    long r;

    write_garbage(server_supervisor());
    r = kcall(IPC_REQUEST, CAP_SERVER((uint64_t)server_supervisor()), 0, 0);
    return r ? r : page->result;
}

/* ---- the disk as a way to memory ---- */

static long transfer(unsigned op, uint64_t address, uint64_t bytes)
{
    volatile struct message *page = MESSAGE_PAGE;
    long r;

    write_garbage(server.where[SERVICE_BLK]);
    page->service = SERVICE_BLK;
    page->op = op;
    page->arg[0] = 0;
    page->arg[1] = bytes;
    page->arg[2] = address;
    r = kcall(IPC_REQUEST, CAP_SERVER((uint64_t)server.where[SERVICE_BLK]), 0, 0);
    return r ? r : page->result;
}

/* The zero page, the kernel, beyond memory, the end of all, a device. */
long attack_transfer_others(const struct target *t)
{
    static const uint64_t addresses[] = {0, 0x100000, 0x101000, 1ul << 40, -512ul, MMIO_VIRTIO_BLK};
    long accepted = 0;

    for (unsigned i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
        accepted += transfer(BLK_READ, addresses[i], 512) != -EFAULT;
        accepted += transfer(BLK_WRITE, addresses[i], 512) != -EFAULT;
    }
    return accepted;
}

/* From its own page on through all memory. */
long attack_transfer_beyond(const struct target *t)
{
    uint64_t own = (uint64_t)kcall(IPC_GROW, 1, 0, 0), address = (uint64_t)kcall(IPC_DMA, own, 0, 0);
    long result = transfer(BLK_READ, address, 1ul << 30);

    return kcall(IPC_SHRINK, own, 1, 0) ? 1000 : result;
}

/* The page would have a new owner while the device writes to it. */
long attack_transfer_and_shrink(const struct target *t)
{
    uint64_t own = (uint64_t)kcall(IPC_GROW, 1, 0, 0), address = (uint64_t)kcall(IPC_DMA, own, 0, 0);

    return transfer(BLK_READ, address, 512) > 0 ? kcall(IPC_SHRINK, own, 1, 0) : 1000;
}

/* ---- what is kept ---- */

long attack_keep_any_handle(const struct target *t)
{
    long accepted = 0;

    for (uint64_t handle = 1; handle < HANDLES; handle++)
        if (!is_mine(t, handle))
            accepted += kcall(IPC_KEEP, handle, 0, 0) != -ESRCH;
    return accepted;
}

AS(keep_huge_handle, kcall(IPC_KEEP, t->handle + (1ul << 32), 0, 0))

/* ---- while another server asks ---- */

static long of_asker(const struct target *t, uint64_t address)
{
    return copy_with(t->handle, loot, address, 8, COPY_OUT);
}

AS(request_read, copy_with(t->handle, loot, t->address, 8, 0))
AS(request_before, of_asker(t, t->address - 8))
AS(request_after, of_asker(t, t->address + t->bytes))
AS(request_text, copy_with(t->handle, loot, SERVER_IMAGE_BASE, 8, 0))
AS(request_message_page, of_asker(t, SERVER_MESSAGE_PAGE))
AS(request_stack, of_asker(t, SERVER_STACK_TOP - 64))
AS(request_kernel, of_asker(t, KERNEL_TEXT))
AS(request_window, of_asker(t, WINDOW_BASE + 0x200000))

/* What vmd serves by it is a page fault, which grants vmd all, but not whom it asks. */
long attack_request_serves_no_call(const struct target *t)
{
    long r = copy_with(t->handle, loot, 0x400000, 8, COPY_SERVED);

    return r != -ESRCH && r != -EPERM;
}

AS(request_kept, kcall(IPC_KEEP, t->handle, 0, 0))
/* That nothing of the asker is moved any more is not for any server to say. */
AS(request_dma, kcall(IPC_DMA_OF, t->handle, 0, 0))
AS(request_back, kcall(IPC_REQUEST, CAP_SERVER((uint64_t)server.where[SERVICE_VM]), 0, 0))
