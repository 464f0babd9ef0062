/* SPDX-License-Identifier: MIT
 *
 * guest/driver.h: what drivers of the services (services/host.h, services/device.h) need of a kernel: memory for DMA, time,
 * registers.
 */
#ifndef RINGSIDE_GUEST_DRIVER_H
#define RINGSIDE_GUEST_DRIVER_H

#include "services/device.h"
#include "services/host.h"

/* Fills in alloc, free, now and dma: the kernel's heap, its clock, its direct map. The rest is the architecture's. */
void driver_host(struct host *host);
/* The device whose registers are at that physical address. */
struct device driver_device(uint64_t address);

#endif
