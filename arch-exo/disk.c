/* SPDX-License-Identifier: MIT
 *
 * arch-exo/disk.c: the disk as extents, bound to groups: checked when a transfer begins, moved by DMA into the group's own
 * pages.
 *
 * The driver is the block service, unchanged. The kernel knows no files: it knows which sectors a group has bound and whose a
 * ticket is. If the disk has slices, a group binds sectors of its own slice only. The frames of a transfer are fixed until
 * its result is collected: none of them can be given back and become somebody else's while the device may write to it.
 */
#include "abi/devices.h"
#include "arch-exo/kernel.h"
#include "guest/driver.h"
#include "guest/heap.h"
#include "guest/print.h"
#include "guest/x86.h"
#include "services/blk/blk.h"
#include "services/requests.h"

#define TICKETS 256 /* services/blk/blk.h: at most so many are out */

struct transfer {
    struct group *group; /* NULL: free */
    uint64_t ticket, address, bytes;
    bool ended; /* the driver knows the ticket no more; nothing is fixed */
    long result;
};

static struct {
    struct host host;
    struct device device;
    struct blk *blk;
    struct service service;
    uint64_t sectors;
    struct extent extent[EXTENTS_MAX]; /* number - 1 */
    struct transfer transfer[TICKETS];
} disk;

/* ---- what the driver calls back for ---- */

static void host_wake(void *ctx, uint64_t channel)
{
    for (unsigned i = 0; i < kernel.groups; i++)
        group_event(&kernel.group[i], EVENT_DISK);
}

static long ask(uint16_t op, uint64_t a, uint64_t b, uint64_t c)
{
    struct call call = {0};
    struct request rq = {.service = SERVICE_BLK, .op = op, .arg = {a, b, c}, .call = &call};
    long result = disk.service.request(disk.service.self, &rq);

    return result == CALL_WAIT ? -EAGAIN : result;
}

void disk_init(void)
{
    driver_host(&disk.host);
    disk.host.wake = host_wake;
    disk.device = driver_device(MMIO_VIRTIO_BLK);
    disk.blk = blk_create(&disk.host, &disk.device);
    if (!disk.blk)
        panic("no disk");
    disk.service = blk_service(disk.blk);
    disk.sectors = (uint64_t)ask(BLK_SIZE, 0, 0, 0);
}

void disk_end(void)
{
    blk_destroy(disk.blk);
}

void disk_interrupt(void)
{
    blk_event(disk.blk);
}

/* ---- extents ---- */

static bool is_free(uint64_t first, uint64_t sectors)
{
    for (unsigned i = 0; i < EXTENTS_MAX; i++) {
        const struct extent *e = &disk.extent[i];

        if (e->group && first < e->first + e->sectors && e->first < first + sectors)
            return false;
    }
    return true;
}

/* What the group may bind: with one slice, all of the disk; whoever comes first has it. */
static void slice_of(const struct group *group, uint64_t *first, uint64_t *end)
{
    uint64_t sectors = disk.sectors / kernel.systems;

    *first = kernel.systems > 1 ? (group->number - 1) * sectors : 0;
    *end = *first + sectors;
}

static long bind_extent(struct group *group, uint64_t first, uint64_t sectors, unsigned rights)
{
    uint64_t slice, end;
    unsigned n = 0;

    if (first >= disk.sectors || sectors > disk.sectors - first || rights > 3)
        return -EINVAL;
    slice_of(group, &slice, &end);
    if (first < slice || first >= end || sectors > end - first)
        return -EPERM;
    if (!sectors)
        sectors = end - first;
    if (!is_free(first, sectors))
        return -EPERM;
    while (n < EXTENTS_MAX && disk.extent[n].group)
        n++;
    if (n == EXTENTS_MAX || group->extents == group_share(EXTENTS_MAX))
        return -ENOMEM;
    group->extents++;
    disk.extent[n] = (struct extent){group, first, sectors, rights};
    return n + 1;
}

static struct extent *extent_of(struct group *group, uint64_t number)
{
    struct extent *e = number && number <= EXTENTS_MAX ? &disk.extent[number - 1] : NULL;

    return e && e->group == group ? e : NULL;
}

/* ---- transfers ---- */

static bool owns(const struct group *group, uint64_t address, uint64_t bytes)
{
    for (uint64_t page = address & ~(PAGE_BYTES - 1); page < address + bytes; page += PAGE_BYTES)
        if (!lend_owned(group->number, page))
            return false;
    return true;
}

static void pin(uint64_t address, uint64_t bytes, void (*change)(uint64_t frame))
{
    for (uint64_t page = address & ~(PAGE_BYTES - 1); page < address + bytes; page += PAGE_BYTES)
        change(page);
}

static struct transfer *transfer_of(const struct group *group, uint64_t ticket)
{
    for (unsigned i = 0; i < TICKETS; i++)
        if (disk.transfer[i].group == group && disk.transfer[i].ticket == ticket)
            return &disk.transfer[i];
    return NULL;
}

static long begin(struct group *group, uint16_t op, uint64_t sector, uint64_t address, uint64_t bytes)
{
    struct transfer *t = transfer_of(NULL, 0);
    long ticket;

    if (!t || group->transfers == group_share(TICKETS))
        return -EAGAIN;
    ticket = ask(op, sector, bytes, address);
    if (ticket <= 0)
        return ticket;
    pin(address, bytes, lend_fix);
    *t = (struct transfer){.group = group, .ticket = (uint64_t)ticket, .address = address, .bytes = bytes};
    group->transfers++;
    return ticket;
}

static long move(struct group *group, uint16_t op, const struct user_regs *regs)
{
    const struct extent *e = extent_of(group, regs->rdi);
    uint64_t sector = regs->rsi, address = regs->rdx, bytes = regs->r10;

    if (!e || !(e->rights & (op == BLK_WRITE ? 2u : 1u)))
        return -EPERM;
    if (!bytes || bytes % 512 || bytes > 1u << 20 || sector >= e->sectors || bytes / 512 > e->sectors - sector)
        return -EINVAL;
    if (address > UINT64_MAX - bytes || !owns(group, address, bytes))
        return -EPERM;
    return begin(group, op, e->first + sector, address, bytes);
}

static bool has_ended(struct transfer *t)
{
    if (t->ended)
        return true;
    t->result = ask(BLK_DONE, t->ticket, 0, 0);
    t->ended = t->result != -EAGAIN;
    if (t->ended)
        pin(t->address, t->bytes, lend_unfix);
    return t->ended;
}

static long done(struct group *group, uint64_t ticket)
{
    struct transfer *t = ticket ? transfer_of(group, ticket) : NULL;
    long result;

    if (!t)
        return -EPERM;
    if (!has_ended(t))
        return -EAGAIN;
    result = t->result;
    *t = (struct transfer){0};
    group->transfers--;
    return result;
}

void disk_collect(struct group *group)
{
    for (unsigned i = 0; i < TICKETS; i++)
        if (disk.transfer[i].group == group)
            has_ended(&disk.transfer[i]);
}

long disk_call(struct env *self, struct user_regs *regs)
{
    struct group *group = self->group;

    switch (regs->error) {
    case EXO_EXTENT_BIND:
        return bind_extent(group, regs->rdi, regs->rsi, (unsigned)regs->rdx);
    case EXO_EXTENT_SIZE:
        return extent_of(group, regs->rdi) ? (long)extent_of(group, regs->rdi)->sectors : -EPERM;
    case EXO_DISK_READ:
        return move(group, BLK_READ, regs);
    case EXO_DISK_WRITE:
        return move(group, BLK_WRITE, regs);
    case EXO_DISK_FLUSH:
        return extent_of(group, regs->rdi) ? begin(group, BLK_FLUSH, 0, 0, 0) : -EPERM;
    case EXO_DISK_DONE:
        return done(group, regs->rdi);
    default:
        return -ENOSYS;
    }
}
