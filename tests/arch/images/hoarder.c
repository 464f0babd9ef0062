/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/hoarder.c: a library of the exokernel that wants all memory and keeps it, in one of several ways: the
 * setting hoard=WAY of the test (test_exo_revoke.c).
 *
 *   ignore   takes all frames, and does not hear that some are wanted back
 *   retake   gives back what is wanted, and at once takes as much again
 *   lie      gives back what is not its own, what it has mapped, and the same frame again and again
 *   pins     as ignore, and has each frame mapped in its region and in a space
 *   kept     as ignore, and has as many as it may promised to it (EXO_KEPT)
 *   dma      the second system: as ignore, and has the disk read into all of them, whose results it never asks for; it
 *            ends after DMA_NS, and gives nothing back
 *   tables   fills memory with page tables, all for one frame
 *   claim    waits until others have had time to take all, then takes its fair share, and checks each frame
 *   extents  the second system of three: binds and reads its own slice of the disk, and tries to reach the others':
 *            the first's, which has been bound, and the third's, which has not
 */
#include <stdbool.h>

#include "abi/boot.h"
#include "abi/devices.h"
#include "arch-exo/lib/exo_call.h"
#include "guest/ring3/log.h"

#define PAGE 4096ul
#define BATCH 128
#define FRAMES_MAX 32768
#define ADDRESS 0x10000000ul
#define TABLE_SPAN (1ul << 21)
#define TICK_NS 1000000ul
#define CLAIM_AFTER_NS 1500000000ul
#define EAGAIN 11
#define SECTOR 512
#define TRANSFER_PAGES 256
#define DMA_NS 2000000000ul

#define PRIVATE ((volatile struct exo_private *)LIB_PRIVATE)
#define BOOT ((const struct boot_info *)LIB_BOOT_INFO)

static uint64_t frames[FRAMES_MAX];
static size_t count;
static uint64_t space;

static uint64_t now_ns(void)
{
    const volatile uint64_t *clock = (const volatile uint64_t *)(LIB_DEVICES + (MMIO_CLOCK - MMIO_BASE));

    return clock[CLOCK_CYCLES / 8] * 1000 / (clock[CLOCK_HZ / 8] / 1000000);
}

static uint64_t sleep_ns(uint64_t ns, uint64_t events)
{
    return (uint64_t)exo_call(EXO_SLEEP, now_ns() + ns, events, 0);
}

/* ---- taking and giving ---- */

static bool take_more(size_t most)
{
    size_t room = FRAMES_MAX - count < most ? FRAMES_MAX - count : most;
    long n = room ? exo_call(EXO_PAGES_TAKE, (uint64_t)&frames[count], room < BATCH ? room : BATCH, 0) : 0;

    if (n <= 0)
        return false;
    count += (size_t)n;
    return true;
}

/* All of it or nothing. */
static bool take_batch(uint64_t how)
{
    if (FRAMES_MAX - count < BATCH || exo_call(EXO_PAGES_TAKE, (uint64_t)&frames[count], BATCH | how, 0) != BATCH)
        return false;
    count += BATCH;
    return true;
}

static void take_all(void)
{
    while (take_more(FRAMES_MAX))
        ;
    log_line("took all");
}

static void give_last(size_t wanted)
{
    for (; wanted && count; wanted--)
        exo_call(EXO_PAGES_GIVE, (uint64_t)&frames[--count], 1, 0);
}

/* ---- ways ---- */

static void ignore(void)
{
    take_all();
    for (;;) {
        sleep_ns(TICK_NS, 0);
        take_more(1);
    }
}

static void retake(void)
{
    take_all();
    for (;;) {
        size_t wanted, before;

        if (!(sleep_ns(TICK_NS, EVENT_REVOKE) & EVENT_REVOKE))
            continue;
        wanted = PRIVATE->revoke;
        give_last(wanted);
        for (before = count; count < before + wanted && take_more(wanted);)
            ;
    }
}

static void lie(void)
{
    uint64_t twice[2];

    take_all();
    exo_call5(EXO_MAP, space, ADDRESS, frames[1], 3, 0);
    for (;;) {
        if (!(sleep_ns(TICK_NS, EVENT_REVOKE) & EVENT_REVOKE))
            continue;
        twice[0] = twice[1] = frames[0];
        for (uint64_t frame = 0; frame < 64 * PAGE; frame += PAGE)
            exo_call(EXO_PAGES_GIVE, (uint64_t)&frame, 1, 0); /* the kernel's */
        for (unsigned i = 0; i < 64; i++)
            exo_call(EXO_PAGES_GIVE, (uint64_t)&frames[1], 1, 0);
        exo_call(EXO_PAGES_GIVE, (uint64_t)twice, 2, 0);
    }
}

static void pins(void)
{
    take_all();
    for (size_t i = 0; i < count; i++) {
        exo_call5(EXO_MAP, space, ADDRESS + i * PAGE, frames[i], 3, 0);
        exo_call(EXO_SHARED_MAP, LIB_HEAP + i * PAGE, frames[i], 3);
    }
    log_line("all mapped");
    for (;;)
        sleep_ns(TICK_NS, 0);
}

static void kept(void)
{
    while (take_batch(EXO_KEPT))
        ;
    log_line(count && count < FRAMES_MAX / 3 ? "was promised some" : "was promised too much");
    ignore();
}

static void tables(void)
{
    uint64_t n = 0;
    long result;

    take_more(1);
    while ((result = exo_call5(EXO_MAP, space, ADDRESS + n * TABLE_SPAN, frames[0], 3, 0)) == 0)
        n++;
    log_line("tables: %ld", result);
    for (;;)
        sleep_ns(TICK_NS, 0);
}

static void claim(void)
{
    size_t wrong = 0;

    sleep_ns(CLAIM_AFTER_NS, 0);
    while (count < FRAMES_MAX / 3 && take_more(BATCH))
        ;
    for (size_t i = 0; i < count; i++)
        *(volatile uint64_t *)(LIB_WINDOW + frames[i]) = i;
    for (size_t i = 0; i < count; i++)
        wrong += *(volatile uint64_t *)(LIB_WINDOW + frames[i]) != i;
    log_line("claimed %s, %lu wrong", count >= FRAMES_MAX / 3 ? "all" : "less", wrong);
    for (;;)
        sleep_ns(TICK_NS, 0);
}

/* ---- the disk ---- */

static long bind(uint64_t first, uint64_t sectors)
{
    return exo_call(EXO_EXTENT_BIND, first, sectors, 3);
}

static long read(long extent, uint64_t sector)
{
    long ticket = exo_call5(EXO_DISK_READ, (uint64_t)extent, sector, frames[0], SECTOR, 0), result;

    if (ticket <= 0)
        return ticket;
    while ((result = exo_call(EXO_DISK_DONE, (uint64_t)ticket, 0, 0)) == -EAGAIN)
        sleep_ns(TICK_NS, EVENT_DISK);
    return result;
}

static void extents(void)
{
    uint64_t slice = BOOT->disk_bytes / SECTOR / BOOT->disk_slices;
    long own;

    take_more(1);
    log_line("the first slice: %ld", bind(0, slice));
    log_line("its last sector: %ld", bind(slice - 1, 1));
    log_line("one before its own: %ld", bind(slice - 1, 2));
    log_line("all: %ld", bind(0, 0));
    log_line("the third slice: %ld", bind(2 * slice, slice));
    log_line("the end of the disk: %ld", bind(3 * slice - 1, 0));
    log_line("one behind its own: %ld", bind(2 * slice - 1, 2));
    log_line("one behind the disk: %ld", bind(3 * slice - 1, 2));
    own = bind(slice, 0);
    log_line("size of its own: %ld", exo_call(EXO_EXTENT_SIZE, (uint64_t)own, 0, 0) - (long)slice);
    log_line("twice: %ld", bind(slice, 0));
    log_line("others' extents: %ld", own == 1 ? read(2, 0) : read(1, 0));
    log_line("first sector: %ld", read(own, 0));
    log_line("last sector: %ld", read(own, slice - 1));
    log_line("behind the last: %ld", read(own, slice));
    log_line("behind all: %ld", read(own, -slice));
    exo_call(EXO_POWER_OFF, 5, 0, 0);
}

/* How many from the n-th on are in a row, at most what one transfer moves. */
static size_t row_at(size_t n)
{
    size_t pages = 1;

    while (pages < TRANSFER_PAGES && n + pages < count && frames[n + pages] == frames[n] + pages * PAGE)
        pages++;
    return pages;
}

/* The disk's queue may be full for a moment. */
static bool read_into(long extent, uint64_t frame, uint64_t bytes)
{
    long ticket = -EAGAIN;

    for (unsigned i = 0; i < 10 && ticket == -EAGAIN; i++) {
        ticket = exo_call5(EXO_DISK_READ, (uint64_t)extent, 0, frame, bytes, 0);
        if (ticket == -EAGAIN)
            sleep_ns(TICK_NS, 0);
    }
    return ticket > 0;
}

static void dma(void)
{
    long own = bind(BOOT->disk_bytes / SECTOR / BOOT->disk_slices, 0);
    uint64_t until = now_ns() + DMA_NS;
    size_t moved = 0;

    while (take_batch(EXO_IN_A_ROW))
        ;
    take_all();
    for (size_t n = 0; n < count; n += row_at(n))
        if (read_into(own, frames[n], row_at(n) * PAGE))
            moved += row_at(n);
    log_line(moved > count / 2 ? "most is moved" : "less is moved: %lu of %lu", moved, count);
    while (now_ns() < until)
        sleep_ns(TICK_NS, 0);
    exo_call(EXO_POWER_OFF, 0, 0, 0);
}

/* ---- which ---- */

static bool is_way(const char *way)
{
    for (const char *s = BOOT->settings; *s; s++) {
        const char *a = s, *b = way;

        while (*b && *a == *b)
            a++, b++;
        if (!*b)
            return true;
    }
    return false;
}

void _start(void);
void _start(void)
{
    static const struct {
        const char *setting;
        void (*run)(void);
    } ways[] = {
        {"hoard=ignore", ignore}, {"hoard=retake", retake}, {"hoard=lie", lie},         {"hoard=pins", pins},
        {"hoard=tables", tables}, {"hoard=claim", claim},   {"hoard=extents", extents}, {"hoard=kept", kept},
        {"hoard=dma", dma},
    };

    space = (uint64_t)exo_call(EXO_SPACE_CREATE, 0, 0, 0);
    for (unsigned i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (is_way(ways[i].setting))
            ways[i].run();
    for (;;)
        exo_call(EXO_SLEEP, UINT64_MAX, 0, 0);
}
