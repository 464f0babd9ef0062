/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/exo_disk.c: attacks on the disk, by a group that has extents of it: small ones, at its beginning.
 */
#include "tests/arch/images/hostile_lib.h"

#define READ 1
#define WRITE 2
#define FIRST 8
#define SECTORS 8 /* of each extent */
#define AS(name, expression)                                                                                           \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        return expression;                                                                                             \
    }

static struct {
    long read, write, both; /* extents */
} own;

static long bind(uint64_t first, uint64_t sectors, uint64_t rights)
{
    return exo_call(EXO_EXTENT_BIND, first, sectors, rights);
}

static long dma(enum exo_call nr, long extent, uint64_t sector, uint64_t address, uint64_t bytes)
{
    return exo_call5(nr, (uint64_t)extent, sector, address, bytes, 0);
}

static uint64_t disk_sectors(void)
{
    return hostile.boot->disk_bytes / 512;
}

static long done(uint64_t ticket)
{
    long result;

    while ((result = exo_call(EXO_DISK_DONE, ticket, 0, 0)) == -EAGAIN)
        exo_call(EXO_SLEEP, UINT64_MAX, EVENT_DISK, 0);
    return result;
}

/* ---- extents ---- */

long attack_disk_bind_overlapping(void)
{
    own.read = bind(FIRST, SECTORS, READ);
    own.write = bind(FIRST + SECTORS, SECTORS, WRITE);
    own.both = bind(FIRST + 2 * SECTORS, SECTORS, READ | WRITE);
    return bind(FIRST + SECTORS - 1, 2, READ | WRITE);
}

AS(disk_bind_around, bind(0, 0, READ | WRITE))
AS(disk_bind_beyond, bind(disk_sectors(), 1, READ))
AS(disk_bind_straddling_end, bind(disk_sectors() - 1, 2, READ))
AS(disk_bind_wrapping, bind(FIRST + 4 * SECTORS, -8ul, READ))
AS(disk_bind_all_rights, bind(FIRST + 4 * SECTORS, 1, 7))
AS(disk_write_read_only, dma(EXO_DISK_WRITE, own.read, 0, FRAME, 512))
AS(disk_read_write_only, dma(EXO_DISK_READ, own.write, 0, FRAME, 512))
AS(disk_sector_beyond, dma(EXO_DISK_READ, own.both, SECTORS, FRAME, 512))
AS(disk_sector_straddling, dma(EXO_DISK_READ, own.both, SECTORS - 1, FRAME, 1024))
AS(disk_sector_wrapping, dma(EXO_DISK_READ, own.both, -1ul, FRAME, 1024))
AS(disk_bytes_none, dma(EXO_DISK_READ, own.both, 0, FRAME, 0))
AS(disk_bytes_odd, dma(EXO_DISK_READ, own.both, 0, FRAME, 513))
AS(disk_bytes_wrapping, dma(EXO_DISK_READ, own.both, 0, FRAME, -512ul))

/* ---- memory ---- */

AS(disk_dma_kernel, dma(EXO_DISK_READ, own.both, 0, 0x100000, 512))
AS(disk_dma_beyond_ram, dma(EXO_DISK_READ, own.both, 0, hostile.boot->ram_bytes, 512))
AS(disk_dma_wrapping, dma(EXO_DISK_READ, own.both, 0, -512ul, 1024))
AS(disk_dma_straddling, dma(EXO_DISK_READ, own.both, 0, hostile.boot->ram_bytes - 512, 1024))

/* Out of memory, not into it: its own stack is among the frames. */
long attack_disk_dma_every_frame(void)
{
    long accepted = 0, ticket;

    for (uint64_t frame = 0; frame < hostile.boot->ram_bytes; frame += PAGE) {
        ticket = is_taken(frame) ? 0 : dma(EXO_DISK_WRITE, own.both, 0, frame, 512);
        if (ticket > 0) {
            done((uint64_t)ticket);
            accepted++;
        }
    }
    return accepted;
}

long attack_disk_give_in_flight(void)
{
    long ticket = dma(EXO_DISK_READ, own.both, 0, FRAME, PAGE), result = give(FRAME);

    return done((uint64_t)ticket) ? 1 : result;
}

/* ---- tickets ---- */

AS(disk_ticket_forged, exo_call(EXO_DISK_DONE, 4711, 0, 0))

long attack_disk_ticket_twice(void)
{
    uint64_t ticket = (uint64_t)dma(EXO_DISK_READ, own.both, 0, FRAME, 512);

    return done(ticket) ? 1 : exo_call(EXO_DISK_DONE, ticket, 0, 0);
}

/* Each waits for the one before: it is the tickets that run out, not the queue. */
long attack_disk_exhaust_tickets(void)
{
    static long ticket[512];
    unsigned n = 0;
    long result;

    while (n < 512 && (ticket[n] = dma(EXO_DISK_READ, own.both, 0, FRAME, 512)) > 0) {
        sleep_ns(1000000);
        n++;
    }
    result = n < 512 ? ticket[n] : 0;
    while (n)
        if (done((uint64_t)ticket[--n]))
            return 1;
    return result;
}

long attack_disk_exhaust_extents(void)
{
    long result = 0;

    for (uint64_t i = 0; i <= EXTENTS && result >= 0; i++)
        result = bind(FIRST + (4 + i) * SECTORS, 1, READ);
    return result;
}
