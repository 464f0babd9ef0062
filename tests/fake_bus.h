/* SPDX-License-Identifier: MIT
 *
 * tests/fake_bus.h: a machine without a CPU: RAM, a clock, events and interrupts, for devices and for drivers.
 *
 * To a device model it is a struct bus; to a service it is a struct host whose memory is that RAM (so that DMA works)
 * and a struct device for each device page. So the real driver talks to the real device, and the test is the clock.
 * Time passes only in fake_step, which runs the next event, and fake_run, which runs them all.
 */
#ifndef RINGSIDE_TESTS_FAKE_BUS_H
#define RINGSIDE_TESTS_FAKE_BUS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/device.h"
#include "services/host.h"
#include "sim/devices/bus.h"

#define FAKE_RAM (4u << 20)
#define FAKE_EVENTS 4096
#define FAKE_HZ 1000000000ull /* so cycles are ns */
#define FAKE_WAKES 64

struct fake_event {
    uint64_t when, order;
    void (*fire)(void *self);
    void *self;
};

struct fake {
    unsigned char *ram;
    size_t ram_used; /* the allocator: never reuses; `live` is what has not been freed */
    size_t live;
    size_t fail_after; /* allocations left before they fail; 0: never */
    uint64_t now, order;
    struct fake_event event[FAKE_EVENTS];
    size_t events;
    unsigned interrupts[256];
    uint64_t wakes[FAKE_WAKES]; /* channels woken, newest at wake_count - 1, modulo */
    size_t wake_count;
    long copies;      /* copy_in and copy_out */
    long copy_result; /* not 0: what the next copy answers instead of copying */
    int signal_pid, signal;
    struct bus bus;
    struct host host;
};

static inline bool fake_is_ram(uint64_t address, size_t bytes)
{
    return bytes <= FAKE_RAM && address <= FAKE_RAM - bytes;
}

static inline bool fake_dma_read(void *ctx, uint64_t address, void *to, size_t bytes)
{
    struct fake *f = ctx;

    if (!fake_is_ram(address, bytes))
        return false;
    memcpy(to, f->ram + address, bytes);
    return true;
}

static inline bool fake_dma_write(void *ctx, uint64_t address, const void *from, size_t bytes)
{
    struct fake *f = ctx;

    if (!fake_is_ram(address, bytes))
        return false;
    memcpy(f->ram + address, from, bytes);
    return true;
}

static inline uint64_t fake_now(void *ctx)
{
    return ((struct fake *)ctx)->now;
}

static inline void fake_at(void *ctx, uint64_t when, void (*fire)(void *self), void *self)
{
    struct fake *f = ctx;

    if (f->events == FAKE_EVENTS)
        abort();
    f->event[f->events++] = (struct fake_event){when, f->order++, fire, self};
}

static inline void fake_interrupt(void *ctx, unsigned vector)
{
    ((struct fake *)ctx)->interrupts[vector & 255]++;
}

static inline void *fake_alloc(void *ctx, size_t bytes)
{
    struct fake *f = ctx;
    size_t align = bytes >= 4096 ? 4096 : 16;
    size_t at = (f->ram_used + align - 1) & ~(align - 1);

    if (f->fail_after && --f->fail_after == 0)
        return NULL;
    if (at + bytes > FAKE_RAM)
        return NULL;
    f->ram_used = at + bytes;
    f->live += bytes;
    return memset(f->ram + at, 0, bytes);
}

static inline void fake_free(void *ctx, void *memory, size_t bytes)
{
    struct fake *f = ctx;

    memset(memory, 0xdd, bytes);
    f->live -= bytes;
}

static inline long fake_copy(struct fake *f, void *to, const void *from, size_t bytes)
{
    long result = f->copy_result;

    f->copies++;
    f->copy_result = 0;
    if (result == 0)
        memcpy(to, from, bytes);
    return result;
}

/* A caller's address is a native pointer. */
static inline long fake_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    return from ? fake_copy(ctx, to, (const void *)(uintptr_t)from, bytes) : -EFAULT;
}

static inline long fake_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    return to ? fake_copy(ctx, (void *)(uintptr_t)to, from, bytes) : -EFAULT;
}

static inline void fake_wake(void *ctx, uint64_t channel)
{
    struct fake *f = ctx;

    f->wakes[f->wake_count++ % FAKE_WAKES] = channel;
}

static inline int fake_woken(const struct fake *f, uint64_t channel)
{
    for (size_t i = 0; i < f->wake_count && i < FAKE_WAKES; i++)
        if (f->wakes[i] == channel)
            return 1;
    return 0;
}

static inline long fake_ask(void *ctx, struct request *rq)
{
    struct fake *f = ctx;

    if (rq->service != SERVICE_PROC)
        return -ENOSYS;
    f->signal_pid = rq->pid;
    f->signal = (int)rq->arg[0];
    return 0;
}

static inline uint64_t fake_dma(void *ctx, void *memory)
{
    return (uint64_t)((unsigned char *)memory - ((struct fake *)ctx)->ram);
}

/* Runs the earliest event. false: there is none. */
static inline bool fake_step(struct fake *f)
{
    size_t first = 0;
    struct fake_event event;

    if (!f->events)
        return false;
    for (size_t i = 1; i < f->events; i++)
        if (f->event[i].when < f->event[first].when ||
            (f->event[i].when == f->event[first].when && f->event[i].order < f->event[first].order))
            first = i;
    event = f->event[first];
    f->event[first] = f->event[--f->events];
    if (f->now < event.when)
        f->now = event.when;
    event.fire(event.self);
    return true;
}

static inline void fake_run(struct fake *f, unsigned limit)
{
    while (limit-- && fake_step(f))
        ;
}

static inline struct fake *fake_create(void)
{
    struct fake *f = calloc(1, sizeof *f);

    f->ram = calloc(1, FAKE_RAM);
    f->ram_used = 4096; /* address 0 is nobody's */
    f->bus = (struct bus){f, fake_dma_read, fake_dma_write, fake_now, fake_at, fake_interrupt, FAKE_HZ};
    f->host = (struct host){.ctx = f,
                            .alloc = fake_alloc,
                            .free = fake_free,
                            .copy_in = fake_copy_in,
                            .copy_out = fake_copy_out,
                            .now = fake_now,
                            .wake = fake_wake,
                            .ask = fake_ask,
                            .dma = fake_dma};
    return f;
}

static inline void fake_destroy(struct fake *f)
{
    free(f->ram);
    free(f);
}

/* The driver's view of a device page. */
static inline uint32_t fake_register_read(void *ctx, unsigned offset)
{
    const struct bus_device *device = ctx;

    return (uint32_t)device->read(device->self, offset, 4);
}

static inline void fake_register_write(void *ctx, unsigned offset, uint32_t value)
{
    const struct bus_device *device = ctx;

    device->write(device->self, offset, 4, value);
}

static inline struct device fake_device(struct bus_device *device)
{
    return (struct device){device, fake_register_read, fake_register_write};
}

#endif
