/* SPDX-License-Identifier: MIT
 *
 * sim/devices/bus.h: what a device model may do: the seam between devices and the machine.
 *
 * A device is a struct bus_device in one 4 KiB page of physical addresses. The bus
 * gives it RAM by DMA, simulated time with events, and interrupts. A device never
 * touches a CPU and never sees the host's clock.
 */
#ifndef RINGSIDE_SIM_BUS_H
#define RINGSIDE_SIM_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A register page. width: 1, 2, 4 or 8 bytes; offset < 4096. Reads of nothing give 0. */
struct bus_device {
    void *self;
    uint64_t (*read)(void *self, uint64_t offset, unsigned width);
    void (*write)(void *self, uint64_t offset, unsigned width, uint64_t value);
};

struct bus {
    void *ctx;
    /* RAM by DMA. false: outside RAM (nothing is moved). Writes drop cached lines and translated code. */
    bool (*dma_read)(void *ctx, uint64_t address, void *to, size_t bytes);
    bool (*dma_write)(void *ctx, uint64_t address, const void *from, size_t bytes);
    /* Cycles since power on, as CPU 0 sees them. */
    uint64_t (*now)(void *ctx);
    /* Calls fire(self) once the clock reaches `when` (or at once afterwards). Events of equal time fire in
     * the order in which they were made. */
    void (*at)(void *ctx, uint64_t when, void (*fire)(void *self), void *self);
    /* An edge interrupt message to CPU 0. */
    void (*interrupt)(void *ctx, unsigned vector);
    uint64_t hz;
};

#endif
