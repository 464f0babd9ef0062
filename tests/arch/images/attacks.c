/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/attacks.c: the attacks on programs and on the kernel, one function each. See attack.h and
 * attacks.def.
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
