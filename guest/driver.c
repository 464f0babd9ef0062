/* SPDX-License-Identifier: MIT
 *
 * guest/driver.c: see driver.h.
 */
#include "guest/driver.h"

#include "guest/clock.h"
#include "guest/frames.h"
#include "guest/heap.h"
#include "guest/x86.h"

static void *driver_alloc(void *ctx, size_t bytes)
{
    return heap_alloc(bytes);
}

static void driver_free(void *ctx, void *memory, size_t bytes)
{
    heap_free(memory, bytes);
}

static uint64_t driver_now(void *ctx)
{
    return clock_ns();
}

static uint64_t driver_dma(void *ctx, void *memory)
{
    return physical(memory);
}

void driver_host(struct host *host)
{
    host->alloc = driver_alloc;
    host->free = driver_free;
    host->now = driver_now;
    host->dma = driver_dma;
}

static uint32_t device_read(void *ctx, unsigned offset)
{
    return mmio_read32((uint64_t)ctx + offset);
}

static void device_write(void *ctx, unsigned offset, uint32_t value)
{
    mmio_write32((uint64_t)ctx + offset, value);
}

struct device driver_device(uint64_t address)
{
    return (struct device){.ctx = direct(address), .read = device_read, .write = device_write};
}
