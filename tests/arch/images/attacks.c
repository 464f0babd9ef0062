/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/attacks.c: the attacks, one function each. See attack.h and attacks.def.
 */
#include "tests/arch/images/attack.h"

#include "abi/devices.h"

#define ESRCH 3
#define KERNEL_TEXT 0xffffffff80100000ul
#define DIRECT_MAP 0xffff800000000000ul
#define TOP 0x7ffffffff000ul
#define PAGE 4096ul
#define HANDLES 1024

static char loot[2 * PAGE]; /* where stolen bytes would go */

long attack_run(const struct attack *attacks, size_t count, uint64_t n, const struct target *target)
{
    if (n >= count)
        return -ENOENT;
    log_line("attack %s: %ld", attacks[n].name, attacks[n].run(target));
    return 0;
}

/* ---- copies ---- */

static long copy_with(uint64_t handle, const void *own, uint64_t other, uint64_t bytes, uint64_t flags)
{
    uint64_t absent;

    return ipc_copy(handle, (uint64_t)own, other, bytes, flags, &absent);
}

static long in(const struct target *t, uint64_t other, uint64_t bytes)
{
    return copy_with(t->handle, loot, other, bytes, t->served);
}

static long out(const struct target *t, uint64_t other, uint64_t bytes)
{
    return copy_with(t->handle, loot, other, bytes, t->served | COPY_OUT);
}

static long own(const struct target *t, uint64_t address)
{
    return copy_with(t->handle, (void *)address, t->address, 64, t->served);
}

#define AS(name, expression)                                                                                           \
    long attack_##name(const struct target *t)                                                                         \
    {                                                                                                                  \
        return expression;                                                                                             \
    }

AS(copy_granted, in(t, t->address, t->bytes))
AS(copy_before, in(t, t->address - 1, 1))
AS(copy_after, in(t, t->address + t->bytes, 1))
AS(copy_straddling_begin, in(t, t->address - 8, 16))
AS(copy_straddling_end, in(t, t->address + t->bytes - 8, 16))
AS(copy_longer, in(t, t->address, t->bytes + 1))
AS(copy_next_page, in(t, t->address + PAGE, 8))
AS(copy_other_argument, in(t, t->secret, 8))
AS(copy_null, in(t, 0, 8))
AS(copy_wrapping_length, in(t, t->address, -1ul))
AS(copy_wrapping_to_before, in(t, t->address, -8ul))
AS(copy_kernel, in(t, KERNEL_TEXT, 8))
AS(copy_direct_map, in(t, DIRECT_MAP, 8))
AS(copy_top, in(t, TOP - 4, 8))
AS(copy_wrong_direction, out(t, t->address, 8))
AS(copy_wrong_direction_outside, out(t, t->secret, 8))
AS(copy_served_of_a_program, copy_with(t->handle, loot, t->address, 8, COPY_SERVED))
AS(copy_all_flags, copy_with(t->handle, loot, t->address, 8, -1ul))
AS(own_kernel, own(t, KERNEL_TEXT))
AS(own_direct_map, own(t, DIRECT_MAP))
AS(own_top, own(t, TOP - 4))
AS(own_null, own(t, 0))
AS(own_text, own(t, SERVER_IMAGE_BASE))
AS(own_boot_info, own(t, SERVER_BOOT_INFO))
AS(own_guard_page, own(t, SERVER_STACK_TOP - (SERVER_STACK_PAGES + 1) * PAGE))
AS(own_window, own(t, WINDOW_BASE))
AS(own_foreign_device, own(t, SERVER_DEVICES + (MMIO_VIRTIO_BLK - MMIO_BASE)))
AS(write_granted, out(t, t->address, t->bytes))
AS(write_before, out(t, t->address - 1, 1))
AS(write_after, out(t, t->address + t->bytes, 1))
AS(write_straddling_begin, out(t, t->address - 8, 16))
AS(write_straddling_end, out(t, t->address + t->bytes - 8, 16))
AS(write_other_argument, out(t, t->secret, 8))
AS(write_kernel, out(t, KERNEL_TEXT, 8))
AS(read_where_written, in(t, t->address, 8))

/* ---- handles ---- */

static bool is_mine(const struct target *t, uint64_t handle)
{
    return handle == t->handle || entry_of(handle);
}

long attack_copy_any_handle(const struct target *t)
{
    long accepted = 0;

    for (uint64_t handle = 0; handle < HANDLES; handle++)
        if (!is_mine(t, handle))
            accepted += copy_with(handle, loot, t->address, 8, 0) != -ESRCH ||
                        copy_with(handle, loot, t->address, 8, COPY_SERVED) != -ESRCH;
    return accepted;
}

long attack_reply_any_handle(const struct target *t)
{
    long accepted = 0;

    for (uint64_t handle = 0; handle < HANDLES; handle++)
        if (!is_mine(t, handle))
            accepted += kcall(IPC_REPLY, handle, 0, 0) != -ESRCH;
    return accepted;
}

static const uint64_t huge[] = {HANDLES, 65535, 65536, 1ul << 32, (1ul << 32) + 1, 1ul << 63, -1ul};

long attack_copy_huge_handle(const struct target *t)
{
    long accepted = copy_with(t->handle + (1ul << 32), loot, t->address, 8, 0) != -ESRCH;

    for (unsigned i = 0; i < sizeof(huge) / sizeof(*huge); i++)
        accepted += copy_with(huge[i], loot, t->address, 8, 0) != -ESRCH;
    return accepted;
}

long attack_reply_huge_handle(const struct target *t)
{
    long accepted = kcall(IPC_REPLY, t->handle + (1ul << 32), 0, 0) != -ESRCH;

    for (unsigned i = 0; i < sizeof(huge) / sizeof(*huge); i++)
        accepted += kcall(IPC_REPLY, huge[i], 0, 0) != -ESRCH;
    return accepted;
}

/* Servers have the first handles, in the order of their numbers. */
AS(copy_own_handle_number, copy_with((uint64_t)server.number + 1, loot, t->address, 8, 0))

/* The runtime will not answer once more. */
static long answer(const struct target *t, uint64_t flags)
{
    t->entry->handle = 0;
    return kcall(IPC_REPLY, t->handle, 0, flags);
}

long attack_copy_after_answer(const struct target *t)
{
    return answer(t, 0) ? 1 : in(t, t->address, 8);
}

long attack_answer_twice(const struct target *t)
{
    return answer(t, 0) ? 1 : kcall(IPC_REPLY, t->handle, 0, 0);
}

/* The word is the exception handler's alone: from others it changes nothing. */
AS(answer_delivered, answer(t, REPLY_DELIVERED | REPLY_YIELD))

/* ---- calls without the capability ---- */

AS(frames_take, kcall(IPC_FRAMES_TAKE, (uint64_t)loot, 1, 0))
AS(frames_give, kcall(IPC_FRAMES_GIVE, (uint64_t)loot, 1, 0))
AS(space_create, kcall(IPC_SPACE_CREATE, 0, 0, 0))
AS(space_destroy, kcall(IPC_SPACE_DESTROY, 1, 0, 0))
AS(space_assign, kcall(IPC_SPACE_ASSIGN, 1, 1, 0))
AS(map, kcall4(IPC_MAP, 1, 0x400000, 0x200000, 7))
AS(unmap, kcall(IPC_UNMAP, 1, 0x400000, 1))
AS(protect, kcall4(IPC_PROTECT, 1, 0x400000, 1, 7))
AS(task_create, kcall(IPC_TASK_CREATE, 999, 1, 0))
AS(task_start, kcall(IPC_TASK_START, 1, 0, 0))
AS(task_exit, kcall(IPC_TASK_EXIT, 1, 0, 0))
AS(task_read, kcall(IPC_TASK_READ, 1, (uint64_t)loot, 0))
AS(task_write, kcall(IPC_TASK_WRITE, 1, (uint64_t)loot, 0))
AS(task_interrupt, kcall(IPC_TASK_INTERRUPT, 1, 0, 0))
AS(task_name, kcall(IPC_TASK_NAME, 1, 0x41414141, 0))
AS(task_time, kcall(IPC_TASK_TIME, 1, 0, 0))
AS(route, kcall(IPC_ROUTE, 39, CAP_SERVER((uint64_t)server.number), GRANT(3, 0, GRANT_ALL)))
AS(handlers, kcall(IPC_HANDLERS, CAP_SERVER((uint64_t)server.number), CAP_SERVER((uint64_t)server.number), 0))
AS(power_off, kcall(IPC_POWER_OFF, 0, 0, 0))
AS(server_state, kcall(IPC_SERVER_STATE, 0, 0, 0))
AS(server_stop, kcall(IPC_SERVER_STOP, 0, 0, 0))
AS(server_restart, kcall(IPC_SERVER_RESTART, 0, RESTART_FRESH, 0))

static long number(uint64_t nr, uint64_t a)
{
    uint64_t rdx;

    return (long)kcall6(nr, a, 0, 0, 0, 0, &rdx);
}

/* IPC_EXIT is for every server and in one function with calls that are not. */
AS(restart_by_bit_32, number(1ul << 32 | IPC_EXIT, 0))
AS(linux_number, number(39, 0))

long attack_numbers_beyond(const struct target *t)
{
    static const uint64_t numbers[] = {IPC_NOTIFY + 1, IPC_DMA_OF + 1, IPC_CALLS_END, 0xffffffff, -1ul, 1ul << 63, 0};
    long accepted = 0;

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        accepted += number(numbers[i], 1) != -ENOSYS;
    return accepted;
}

/* ---- own memory and time ---- */

AS(dma_text, kcall(IPC_DMA, SERVER_IMAGE_BASE, 0, 0))
AS(dma_stack, kcall(IPC_DMA, SERVER_STACK_TOP - 8, 0, 0))
AS(dma_message_page, kcall(IPC_DMA, SERVER_MESSAGE_PAGE, 0, 0))
AS(dma_beyond_heap, kcall(IPC_DMA, SERVER_HEAP_END - 8, 0, 0))
AS(dma_kernel, kcall(IPC_DMA, KERNEL_TEXT, 0, 0))
AS(grow_nothing, kcall(IPC_GROW, 0, 0, 0))
AS(grow_absurd, kcall(IPC_GROW, 1ul << 52, 0, 0))
AS(grow_all_memory, kcall(IPC_GROW, 200000, 0, 0))
AS(shrink_text, kcall(IPC_SHRINK, SERVER_IMAGE_BASE, 1, 0))
AS(shrink_stack, kcall(IPC_SHRINK, SERVER_STACK_TOP - PAGE, 1, 0))
AS(shrink_beyond, kcall(IPC_SHRINK, SERVER_HEAP_END - PAGE, 1, 0))
AS(shrink_unaligned, kcall(IPC_SHRINK, SERVER_HEAP_BASE + 1, 1, 0))
AS(shrink_wrapping, kcall(IPC_SHRINK, SERVER_HEAP_BASE, 1ul << 52, 0))

/* Pages given back twice would be two holes, and the same address would be handed out twice. */
long attack_shrink_twice(const struct target *t)
{
    uint64_t address = (uint64_t)kcall(IPC_GROW, 2, 0, 0);
    long first = kcall(IPC_SHRINK, address, 1, 0), second = kcall(IPC_SHRINK, address, 2, 0);

    if (first || kcall(IPC_SHRINK, address + PAGE, 1, 0))
        return 1;
    return second;
}

long attack_alarms(const struct target *t)
{
    static const uint64_t times[] = {0, 1, 1ul << 62, 1ul << 63, -2ul, 5, -1ul, -3ul, 0};
    long refused = 0;

    for (unsigned i = 0; i < sizeof(times) / sizeof(*times); i++)
        refused += kcall(IPC_ALARM, times[i], 0, 0) != 0;
    return refused + (kcall(IPC_ALARM, server.alarm, 0, 0) != 0);
}

AS(log_kernel, kcall(IPC_LOG, KERNEL_TEXT, 8, 0))
AS(log_null, kcall(IPC_LOG, 0, 8, 0))
AS(log_control_characters, kcall(IPC_LOG, (uint64_t) "harmless\npanic: forged", 22, 0))

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
