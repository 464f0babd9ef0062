/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/disk.c: the machine's disk, for the guests' virtual ones. The driver is the block service, unchanged.
 */
#include "arch-vmm/kernel.h"
#include "guest/driver.h"
#include "guest/print.h"
#include "services/blk/blk.h"
#include "services/requests.h"

static struct {
    struct host host;
    struct device device;
    struct blk *blk;
    struct service service;
    bool woken;
} disk;

/* Something has ended, or there is room: all guests look. */
static void host_wake(void *ctx, uint64_t channel)
{
    disk.woken = true;
}

static long ask(uint16_t op, uint64_t a, uint64_t b, uint64_t c)
{
    struct call call = {0};
    struct request rq = {.service = SERVICE_BLK, .op = op, .arg = {a, b, c}, .call = &call};

    return disk.service.request(disk.service.self, &rq);
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
}

void disk_end(void)
{
    blk_destroy(disk.blk);
}

uint64_t disk_sectors(void)
{
    return (uint64_t)ask(BLK_SIZE, 0, 0, 0);
}

/* What has ended may have been seen since the last interrupt, when one guest looked for its own; and again here. */
void disk_interrupt(void)
{
    blk_event(disk.blk);
    while (disk.woken) {
        disk.woken = false;
        for (unsigned i = 0; i < monitor.guests; i++)
            if (!monitor.guest[i]->ended)
                vm_disk_pump(monitor.guest[i]);
    }
}

/* A refusal is told when the result is asked for: the guest's request was checked before. */
uint64_t disk_begin(bool write, uint64_t sector, uint64_t bytes, uint64_t dma)
{
    long ticket = ask(write ? BLK_WRITE : BLK_READ, sector, bytes, dma);

    return ticket == CALL_WAIT ? 0 : (uint64_t)ticket;
}

uint64_t disk_flush(void)
{
    long ticket = ask(BLK_FLUSH, 0, 0, 0);

    return ticket == CALL_WAIT ? 0 : (uint64_t)ticket;
}

int disk_ended(uint64_t ticket)
{
    long result = (long)ticket < 0 ? (long)ticket : ask(BLK_DONE, ticket, 0, 0);

    return result == CALL_WAIT ? 1 : result < 0 ? -EIO : 0;
}
