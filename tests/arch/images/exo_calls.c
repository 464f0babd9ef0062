/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/exo_calls.c: kernel calls that a hostile library should not have made. See exo_attacks.def.
 */
#include "tests/arch/images/hostile_lib.h"

#define SPARE (hostile.frame[2 * ENV_FRAMES + 1])
#define BEYOND (hostile.boot->ram_bytes)
#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define AS(name, expression)                                                                                           \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        return expression;                                                                                             \
    }

static long share(uint64_t address, uint64_t frame, uint64_t rights)
{
    return exo_call(EXO_SHARED_MAP, address, frame, rights);
}

/* ---- frames ---- */

static long map_and_unmap(uint64_t frame)
{
    long result = map(hostile.space, ADDRESS, frame, 3);

    unmap(ADDRESS, 1);
    return result;
}

static long share_and_unshare(uint64_t frame)
{
    long result = share(LIB_HEAP, frame, 3);

    share(LIB_HEAP, 0, 0);
    return result;
}

static long make_env(uint64_t private)
{
    long env = exo_call(EXO_ENV_CREATE, private, (uint64_t)&hostile.frame[1], 0);

    if (env > 0)
        exo_call(EXO_ENV_EXIT, (uint64_t)env, 0, 0);
    return env > 0 ? 0 : env;
}

/* How many frames that were not taken it can be done with. */
static long every_frame(long (*with)(uint64_t frame))
{
    long accepted = 0;

    for (uint64_t frame = PAGE; frame < BEYOND; frame += PAGE)
        accepted += !is_taken(frame) && with(frame) == 0;
    return accepted;
}

AS(map_every_frame, every_frame(map_and_unmap))
AS(share_every_frame, every_frame(share_and_unshare))
AS(env_of_every_frame, every_frame(make_env))
AS(give_every_frame, every_frame(give))
AS(map_kernel_frame, map(hostile.space, ADDRESS, 0x100000, 1))
AS(map_frame_0, map(hostile.space, ADDRESS, 0, 1))
AS(map_misaligned_frame, map(hostile.space, ADDRESS, FRAME + 8, 1))
AS(map_beyond_ram, map(hostile.space, ADDRESS, BEYOND, 1))
AS(map_huge_frame, map(hostile.space, ADDRESS, -PAGE, 1))
AS(map_device, map(hostile.space, ADDRESS, MMIO_LAPIC, 1))
AS(give_misaligned, give(FRAME + 8))
AS(give_beyond_ram, give(BEYOND))

long attack_map_given(void)
{
    uint64_t frame = take();

    return give(frame) ? 1 : map(hostile.space, ADDRESS, frame, 3);
}

long attack_give_twice(void)
{
    uint64_t frame = take();

    return give(frame) ? 1 : give(frame);
}

long attack_give_twice_at_once(void)
{
    uint64_t frame = take(), pair[] = {frame, frame};

    return exo_call(EXO_PAGES_GIVE, (uint64_t)pair, 2, 0);
}

static long give_while(long mapped)
{
    long result = mapped ? 1 : give(FRAME);

    unmap(ADDRESS, 1);
    share(LIB_HEAP, 0, 0);
    return result;
}

AS(give_mapped, give_while(map(hostile.space, ADDRESS, FRAME, 3)))
AS(give_held, give_while(map(hostile.space, ADDRESS, FRAME, 0)))
AS(give_shared, give_while(share(LIB_HEAP, FRAME, 3)))

long attack_give_private(void)
{
    long env = exo_call(EXO_ENV_CREATE, hostile.frame[0], (uint64_t)&hostile.frame[1], 0);
    long result = give(hostile.frame[0]);

    exo_call(EXO_ENV_EXIT, (uint64_t)env, 0, 0);
    return result;
}

/* A count of 16 bits would say that nobody uses it. */
long attack_give_after_65536_uses(void)
{
    long result = 0;

    for (uint64_t i = 0; i < 65536 && result == 0; i++)
        result = share(LIB_HEAP + i * PAGE, FRAME, 1);
    result = result ? result : give(FRAME);
    for (uint64_t i = 0; i < 65536; i++)
        share(LIB_HEAP + i * PAGE, 0, 0);
    return result;
}

static uint64_t array[ROW_FRAMES];

static long take_to(uint64_t to, uint64_t count)
{
    return exo_call(EXO_PAGES_TAKE, to, count, 0);
}

AS(take_none, take_to((uint64_t)array, 0))
AS(take_too_many, take_to((uint64_t)array, 129))
AS(take_absurd, take_to((uint64_t)array, ~EXO_IN_A_ROW))
AS(take_absurd_row, take_to((uint64_t)array, -1ul))
AS(take_into_text, take_to(LIB_IMAGE, 16))

/* What others had in them is not there. */
long attack_take_read_leftovers(void)
{
    long found = 0, count;

    for (unsigned round = 0; round < 16; round++) {
        count = take_to((uint64_t)array, ROW_FRAMES);
        for (long i = 0; i < count; i++)
            for (unsigned word = 0; word < PAGE / 8; word++)
                found += ((uint64_t *)(LIB_WINDOW + array[i]))[word] != 0;
        exo_call(EXO_PAGES_GIVE, (uint64_t)array, (uint64_t)count, 0);
    }
    return found;
}

/* ---- spaces ---- */

long attack_space_every_number(void)
{
    long accepted = 0;

    for (uint64_t space = 0; space < 2 * SPACES; space++)
        if (space != hostile.space) {
            accepted += map(space, ADDRESS, FRAME, 3) != -EPERM;
            exo_call(EXO_UNMAP, space, ADDRESS, 1);
        }
    return accepted;
}

static uint64_t destroyed(void)
{
    long space = exo_call(EXO_SPACE_CREATE, 0, 0, 0);

    exo_call(EXO_SPACE_DESTROY, (uint64_t)space, 0, 0);
    return (uint64_t)space;
}

AS(space_0, map(0, ADDRESS, FRAME, 3))
AS(space_huge, map(hostile.space | 1ul << 32, ADDRESS, FRAME, 3))
AS(space_destroyed, map(destroyed(), ADDRESS, FRAME, 3))
AS(space_destroy_twice, exo_call(EXO_SPACE_DESTROY, destroyed(), 0, 0))

long attack_space_destroy_every(void)
{
    long accepted = 0;

    for (uint64_t space = 0; space < 2 * SPACES; space++)
        accepted += space != hostile.space && exo_call(EXO_SPACE_DESTROY, space, 0, 0) == 0;
    return accepted;
}

static long with_env(uint64_t space, enum exo_call nr, uint64_t a)
{
    uint64_t env = (uint64_t)exo_call(EXO_ENV_CREATE, hostile.frame[0], (uint64_t)&hostile.frame[1], 0);
    long result;

    if (space)
        exo_call(EXO_ENV_SPACE, env, space, 0);
    if (nr == EXO_ENV_START && space)
        exo_call(EXO_ENV_START, env, (uint64_t)env_exit, 0);
    result = exo_call(nr, nr == EXO_SPACE_DESTROY ? space : env, a, 0);
    exo_call(EXO_ENV_EXIT, env, 0, 0);
    return result;
}

AS(space_destroy_in_use, with_env(hostile.space, EXO_SPACE_DESTROY, 0))
AS(start_twice, with_env(hostile.space, EXO_ENV_START, (uint64_t)env_exit))
AS(start_in_no_space, with_env(0, EXO_ENV_START, (uint64_t)env_exit))
AS(enter_no_space, with_env(0, EXO_ENV_SPACE, 0))

/* ---- addresses ---- */

static long protect(uint64_t address, uint64_t pages)
{
    return exo_call5(EXO_PROTECT, hostile.space, address, pages, 7, 0);
}

AS(map_library, map(hostile.space, LIB_IMAGE, FRAME, 7))
AS(map_library_private, map(hostile.space, LIB_PRIVATE, FRAME, 7))
AS(map_library_end, map(hostile.space, LIB_END - PAGE, FRAME, 7))
AS(map_kernel_half, map(hostile.space, KERNEL_TEXT, FRAME, 7))
AS(map_user_top, map(hostile.space, TOP, FRAME, 7))
AS(map_not_canonical, map(hostile.space, NOT_CANONICAL, FRAME, 7))
AS(map_misaligned, map(hostile.space, ADDRESS + 8, FRAME, 7))
AS(map_all_rights, map(hostile.space, ADDRESS, FRAME, -1ul))
AS(unmap_into_library, unmap(LIB_BASE - PAGE, 2))
AS(unmap_everything, unmap(0, TOP / PAGE))
AS(unmap_absurd, unmap(ADDRESS, -1ul))
AS(unmap_wrapping, unmap(ADDRESS, 1ul << 52))
AS(protect_library, protect(LIB_IMAGE, 1))
AS(protect_kernel, protect(KERNEL_TEXT, 1))
AS(protect_wrapping, protect(ADDRESS, (1ul << 52) + 1))
AS(share_below_heap, share(LIB_HEAP - PAGE, FRAME, 3))
AS(share_image, share(LIB_IMAGE, FRAME, 3))
AS(share_private, share(LIB_PRIVATE, FRAME, 3))
AS(share_boot_info, share(LIB_BOOT_INFO, FRAME, 3))
AS(share_window, share(LIB_WINDOW, FRAME, 3))
AS(share_end, share(LIB_HEAP_END, FRAME, 3))
AS(share_misaligned, share(LIB_HEAP + 8, FRAME, 3))
AS(share_all_rights, share(LIB_HEAP, FRAME, 15))
AS(share_kernel_frame, share(LIB_HEAP, 0x100000, 3))
AS(share_kernel_half, share(KERNEL_TEXT, FRAME, 3))

/* ---- batches ---- */

static long batch(const struct exo_batch *change, uint64_t count)
{
    return exo_call(EXO_BATCH, (uint64_t)change, count, 0);
}

/* What comes after it is not done: the frame can be given. */
long attack_batch_bad_in_the_middle(void)
{
    const struct exo_batch change[] = {
        {EXO_MAP, hostile.space, ADDRESS, FRAME, 3},
        {EXO_MAP, hostile.space, ADDRESS + PAGE, 0x100000, 3},
        {EXO_MAP, hostile.space, ADDRESS + 2 * PAGE, SPARE, 3},
    };
    long result = batch(change, COUNT(change));

    unmap(ADDRESS, 1);
    if (give(SPARE))
        return 1;
    SPARE = take();
    return result;
}

static long batch_one(uint64_t op)
{
    const struct exo_batch change = {op, hostile.space, ADDRESS, FRAME, 3};

    return batch(&change, 1);
}

AS(batch_unknown_operation, batch_one(0))
AS(batch_of_batches, batch_one(EXO_BATCH))
AS(batch_absurd, batch((const struct exo_batch *)array, 1ul << 60))

/* The last entry that fits lies across the end of what is mapped. */
long attack_batch_straddling(void)
{
    struct exo_batch *change = (struct exo_batch *)(LIB_HEAP + PAGE - sizeof(*change) - 8);
    long result;

    share(LIB_HEAP, FRAME, 3);
    *change = (struct exo_batch){EXO_UNMAP, hostile.space, ADDRESS, 1, 0};
    result = batch(change, 2);
    share(LIB_HEAP, 0, 0);
    return result;
}

/* ---- arrays that are not there ---- */

static bool is_refused(long result)
{
    return result == -EFAULT || result == -EINVAL;
}

/* How many were not refused. `first`: the array is the call's first argument; `other` is the other one. */
static long bad_arrays(enum exo_call nr, bool first, uint64_t other)
{
    static const uint64_t bad[] = {0,   1,             UNMAPPED,   LIB_HEAP - 4, TOP - 8,
                                   TOP, NOT_CANONICAL, DIRECT_MAP, KERNEL_TEXT,  -8ul};
    long accepted = 0;

    for (unsigned i = 0; i < COUNT(bad); i++)
        accepted += !is_refused(first ? exo_call(nr, bad[i], other, 0) : exo_call(nr, other, bad[i], 0));
    return accepted;
}

AS(batch_bad_arrays, bad_arrays(EXO_BATCH, true, 1))
AS(take_bad_arrays, bad_arrays(EXO_PAGES_TAKE, true, 2))
AS(give_bad_arrays, bad_arrays(EXO_PAGES_GIVE, true, 2))
AS(create_bad_arrays, bad_arrays(EXO_ENV_CREATE, false, hostile.frame[0]))
AS(upcalls_bad_arrays, bad_arrays(EXO_UPCALLS, true, 0))
AS(log_bad_arrays, bad_arrays(EXO_LOG, true, 64))

static long upcalls_at(uint64_t address)
{
    const struct exo_upcalls upcalls = {address, address, address, address, address, address};

    return exo_call(EXO_UPCALLS, (uint64_t)&upcalls, 0, 0);
}

AS(upcalls_kernel, upcalls_at(KERNEL_TEXT))
AS(upcalls_not_canonical, upcalls_at(NOT_CANONICAL))
AS(handler_kernel, exo_call(EXO_HANDLER, KERNEL_TEXT, -1ul >> 31, 0))
AS(handler_not_canonical, exo_call(EXO_HANDLER, NOT_CANONICAL, 1, 0))
AS(handler_no_exceptions, exo_call(EXO_HANDLER, ADDRESS, -1ul, 0))
AS(limit_misaligned, exo_call(EXO_LIMIT, ADDRESS + 8, 1, 0))
AS(limit_kernel, exo_call(EXO_LIMIT, KERNEL_TEXT, 1, 7))
AS(limit_direct_map, exo_call(EXO_LIMIT, DIRECT_MAP, 1, 7))
AS(limit_library, exo_call(EXO_LIMIT, LIB_BASE - PAGE, 2, 0))
AS(limit_absurd, exo_call(EXO_LIMIT, ADDRESS, -1ul / PAGE, 7))
AS(limit_no_rights, exo_call(EXO_LIMIT, ADDRESS, 1, 16))

/* ---- envs ---- */

/* How many envs of others, or of nobody, it can be done to. */
static long every_env(enum exo_call nr, uint64_t a)
{
    long accepted = 0;

    for (uint64_t env = 1; env < 2 * ENVS; env++)
        accepted += env != hostile.self && exo_call(nr, env, a, 0) != (nr == EXO_ENV_ALIVE ? 0 : -EPERM);
    return accepted + (exo_call(nr, hostile.self | 1ul << 32, a, 0) > 0);
}

AS(exit_every_env, every_env(EXO_ENV_EXIT, 0))
AS(start_every_env, every_env(EXO_ENV_START, (uint64_t)env_exit))
AS(upcall_every_env, every_env(EXO_ENV_UPCALL, 0))
AS(space_every_env, every_env(EXO_ENV_SPACE, hostile.space))
AS(bases_every_env, every_env(EXO_ENV_BASES, KERNEL_TEXT))
AS(wake_every_env, every_env(EXO_WAKE, 0))
AS(yield_every_env, every_env(EXO_YIELD, 0))
AS(time_every_env, every_env(EXO_ENV_TIME, 0))
AS(name_every_env, every_env(EXO_NAME, 0x6c6c6177))
AS(alive_every_env, every_env(EXO_ENV_ALIVE, 0))
AS(start_oneself, exo_call(EXO_ENV_START, hostile.self, (uint64_t)env_exit, 0))
AS(name_garbage, exo_call5(EXO_NAME, 0, -1ul, 0x0a0a0a0a0a0a0a0a, 0x2525252525252525, 0))

long attack_create_kernel_stack(void)
{
    for (unsigned i = 0; i < LIB_STACK_PAGES; i++)
        array[i] = hostile.frame[i];
    array[LIB_STACK_PAGES - 1] = 0x100000;
    return exo_call(EXO_ENV_CREATE, hostile.frame[0], (uint64_t)array, 0);
}

/* ---- the first group's ---- */

AS(power_off, exo_call(EXO_POWER_OFF, 66, 0, 0))
AS(device_console, exo_call(EXO_DEVICE, MMIO_VIRTIO_CONSOLE, 0, 0))
AS(device_disk, exo_call(EXO_DEVICE, MMIO_VIRTIO_BLK, 0, 0))
AS(device_lapic, exo_call(EXO_DEVICE, MMIO_LAPIC, 0, 0))

/* ---- the disk, which is another's ---- */

AS(bind_everything, exo_call(EXO_EXTENT_BIND, 0, 0, 3))
AS(bind_beyond, exo_call(EXO_EXTENT_BIND, hostile.boot->disk_bytes / 512, 1, 3))

long attack_bind_some_sector(void)
{
    long accepted = 0;

    for (uint64_t sector = 0; sector < hostile.boot->disk_bytes / 512; sector++)
        accepted += exo_call(EXO_EXTENT_BIND, sector, 1, 1) != -EPERM;
    return accepted;
}

static long every_number(enum exo_call nr, uint64_t end)
{
    long accepted = 0;

    for (uint64_t number = 0; number < end; number++)
        accepted += exo_call5(nr, number, 0, FRAME, 512, 0) != -EPERM;
    return accepted + (exo_call5(nr, -1ul, 0, FRAME, 512, 0) != -EPERM);
}

AS(extent_every_number, every_number(EXO_EXTENT_SIZE, 2 * EXTENTS))
AS(read_every_extent, every_number(EXO_DISK_READ, 2 * EXTENTS))
AS(write_every_extent, every_number(EXO_DISK_WRITE, 2 * EXTENTS))
AS(flush_every_extent, every_number(EXO_DISK_FLUSH, 2 * EXTENTS))
AS(done_every_ticket, every_number(EXO_DISK_DONE, 65536))

/* ---- time ---- */

long attack_alarm_at_all_times(void)
{
    const uint64_t times[] = {0, 1, now_ns(), now_ns() + 1, now_ns() + 100000, 1ul << 63, UINT64_MAX - 1, UINT64_MAX};
    long refused = 0;

    for (unsigned i = 0; i < COUNT(times); i++)
        refused += exo_call(EXO_ALARM, times[i], 0, 0) != 0;
    return refused;
}

/* It comes back from each: there is an alarm for those that would last. */
long attack_sleep_for_all_events(void)
{
    const uint64_t times[] = {0, 1, now_ns(), now_ns() + 100000, 1ul << 63, UINT64_MAX};
    long failed = 0;

    for (unsigned i = 0; i < COUNT(times); i++) {
        exo_call(EXO_ALARM, now_ns() + 200000, 0, 0);
        failed += exo_call(EXO_SLEEP, times[i], -1ul, 0) <= 0;
    }
    exo_call(EXO_ALARM, UINT64_MAX, 0, 0);
    return failed;
}

/* ---- calls ---- */

long attack_unknown_calls(void)
{
    static const uint64_t numbers[] = {
        EXO_NAME + 1,  EXO_PAGES_TAKE - 1,   EXO_ENV_CREATE - 1, EXO_ALARM + 1, EXO_DEVICE - 1, EXO_CALLS_END,
        0x7fffffff,    EXO_CALL_BASE + 4096, 0x80000000,         0xffffffff,    -1ul,           1ul << 63 | EXO_POWER_OFF,
    };
    long accepted = 0;

    for (unsigned i = 0; i < COUNT(numbers); i++) {
        long result = (long)numbers[i];

        __asm__ volatile("syscall" : "+a"(result) : "D"(0), "S"(0), "d"(0) : "rcx", "r11", "memory");
        accepted += result != -ENOSYS;
    }
    return accepted;
}

long attack_call_by_bit_32(void)
{
    long result = 1ul << 32 | EXO_POWER_OFF;

    __asm__ volatile("syscall" : "+a"(result) : "D"(66) : "rcx", "r11", "memory");
    return result;
}

long attack_log_forged(void)
{
    static const char line[] = "x\npanic: forged\r\n\033[2J";

    return exo_call(EXO_LOG, (uint64_t)line, sizeof(line), 0);
}

/* ---- exhaustion: held for a while, then let go ---- */

#define HOLD_NS 400000000ul /* longer than the bystander would bear */

long attack_exhaust_envs(void)
{
    static long env[ENVS + 1];
    unsigned n = 0;
    long result;

    while (n < ENVS && (env[n] = exo_call(EXO_ENV_CREATE, hostile.frame[0], (uint64_t)&hostile.frame[1], 0)) > 0)
        n++;
    result = env[n];
    sleep_ns(HOLD_NS);
    while (n)
        exo_call(EXO_ENV_EXIT, (uint64_t)env[--n], 0, 0);
    return result;
}

long attack_exhaust_spaces(void)
{
    static long space[SPACES + 1];
    unsigned n = 0;
    long result;

    while (n < SPACES && (space[n] = exo_call(EXO_SPACE_CREATE, 0, 0, 0)) > 0)
        n++;
    result = space[n];
    sleep_ns(HOLD_NS);
    while (n)
        if (exo_call(EXO_SPACE_DESTROY, (uint64_t)space[--n], 0, 0))
            return 1;
    return result;
}

/* One frame, at so many places that the tables take all memory. */
long attack_exhaust_tables(void)
{
    uint64_t space = (uint64_t)exo_call(EXO_SPACE_CREATE, 0, 0, 0), address = ADDRESS;
    long result;

    while ((result = map(space, address, FRAME, 1)) == 0)
        address += 512 * PAGE;
    return exo_call(EXO_SPACE_DESTROY, space, 0, 0) ? 1 : result;
}

/* The numbers of each lot are in the first frame of the lot, the lots a list. */
long attack_exhaust_frames(void)
{
    uint64_t *lot = NULL, *next;
    long count;

    while ((count = take_to((uint64_t)array, ROW_FRAMES)) > 0) {
        next = (uint64_t *)(LIB_WINDOW + array[0]);
        for (long i = 0; i < count; i++)
            next[i] = array[i];
        next[ROW_FRAMES] = (uint64_t)count;
        next[ROW_FRAMES + 1] = (uint64_t)lot;
        lot = next;
    }
    for (; lot; lot = next) {
        next = (uint64_t *)lot[ROW_FRAMES + 1];
        if (exo_call(EXO_PAGES_GIVE, (uint64_t)lot, lot[ROW_FRAMES], 0))
            return 1;
    }
    return count;
}
