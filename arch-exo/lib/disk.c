/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/disk.c: the place of blk: the driver is the kernel's, the disk is an extent of this library's.
 *
 * A disk may have slices: this library's is the one of its group's number.
 *
 * The answers are those of services/blk: a ticket at once, and later whether it is done. Who has to wait sleeps for
 * the kernel's EVENT_DISK, by the service of the channel (sched.c), and asks again.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"

#define CHANNEL_DISK(object) CHANNEL(SERVICE_BLK, object)
#define READ_WRITE 3
#define SECTOR_BYTES 512

static uint64_t extent;

static long or_wait(struct request *rq, long result, uint64_t object)
{
    return result == -EAGAIN ? call_wait(rq->call, CHANNEL_DISK(object), CALL_FOREVER) : result;
}

static long transfer(struct request *rq, enum exo_call nr)
{
    return or_wait(rq, exo_call5(nr, extent, rq->arg[0], rq->arg[2], rq->arg[1], 0), 0);
}

static long request(void *self, struct request *rq)
{
    switch (rq->op) {
    case BLK_READ:
        return transfer(rq, EXO_DISK_READ);
    case BLK_WRITE:
        return transfer(rq, EXO_DISK_WRITE);
    case BLK_FLUSH:
        return or_wait(rq, exo_call(EXO_DISK_FLUSH, extent, 0, 0), 0);
    case BLK_DONE:
        return or_wait(rq, exo_call(EXO_DISK_DONE, rq->arg[0], 0, 0), rq->arg[0]);
    case BLK_SIZE:
        return exo_call(EXO_EXTENT_SIZE, extent, 0, 0);
    default:
        return -ENOSYS;
    }
}

static uint64_t first_sector(const struct boot_info *boot)
{
    return (lib_private.group - 1) * (boot->disk_bytes / SECTOR_BYTES / boot->disk_slices);
}

struct service disk_service(const struct boot_info *boot)
{
    long bound = exo_call(EXO_EXTENT_BIND, first_sector(boot), 0, READ_WRITE);

    if (bound < 0)
        panic("cannot bind the disk: error %ld", -bound);
    extent = (uint64_t)bound;
    return (struct service){.name = "disk", .request = request};
}
