/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/dev_bus.c: a guest's devices: which register is at which guest-physical address, and what the devices may
 * do.
 *
 * The local APIC and the transport of the virtio devices are the machine's own models (sim/devices/lapic.c,
 * sim/devices/virtio.c): what a device is does not depend on who emulates it. What is behind the registers is the
 * monitor's.
 */
#include "arch-vmm/kernel.h"
#include "guest/clock.h"
#include "guest/x86.h"
#include "services/string.h"

static bool bus_dma_read(void *ctx, uint64_t address, void *to, size_t bytes)
{
    const char *from = guest_memory(ctx, address, bytes);

    for (size_t i = 0; from && i < bytes; i++)
        ((char *)to)[i] = from[i];
    return from;
}

static bool bus_dma_write(void *ctx, uint64_t address, const void *from, size_t bytes)
{
    char *to = guest_memory_for_device(ctx, address, bytes);

    for (size_t i = 0; to && i < bytes; i++)
        to[i] = ((const char *)from)[i];
    return to;
}

static uint64_t bus_now(void *ctx)
{
    return guest_clock(ctx);
}

static void bus_interrupt(void *ctx, unsigned vector)
{
    struct guest *guest = ctx;

    vcpu_interrupt(&guest->cpu, vector);
}

void bus_init(struct guest *guest)
{
    guest->bus = (struct bus){
        .ctx = guest,
        .dma_read = bus_dma_read,
        .dma_write = bus_dma_write,
        .now = bus_now,
        .interrupt = bus_interrupt,
        .hz = monitor.boot->clock_hz,
    };
}

static struct virtio *virtio_at(struct guest *guest, uint64_t page)
{
    switch (page) {
    case MMIO_VIRTIO_BLK:
        return &guest->disk.virtio;
    case MMIO_VIRTIO_CONSOLE:
        return &guest->console[0].virtio;
    case MMIO_VIRTIO_STDERR:
        return &guest->console[1].virtio;
    default:
        return NULL;
    }
}

static uint64_t read_clock(struct guest *guest, uint64_t offset)
{
    uint64_t at = offset & ~7ul, value = at == CLOCK_CYCLES ? guest_clock(guest) : at == CLOCK_HZ ? monitor.boot->clock_hz : 0;

    return value >> (offset & 7) * 8;
}

uint64_t bus_read(struct guest *guest, uint64_t address, unsigned width)
{
    uint64_t page = address & ~(PAGE_BYTES - 1), offset = address & (PAGE_BYTES - 1);
    struct virtio *virtio = virtio_at(guest, page);
    struct bus_device device;

    if (page == MMIO_LAPIC)
        return lapic_read(&guest->cpu.lapic, offset, guest_clock(guest));
    if (page == MMIO_CLOCK)
        return read_clock(guest, offset);
    if (!virtio)
        return page >= MMIO_BASE && page < MMIO_END ? 0 : UINT64_MAX;
    device = virtio_device(virtio);
    return device.read(device.self, offset, width);
}

void bus_write(struct guest *guest, uint64_t address, unsigned width, uint64_t value)
{
    uint64_t page = address & ~(PAGE_BYTES - 1), offset = address & (PAGE_BYTES - 1);
    struct virtio *virtio = virtio_at(guest, page);
    struct bus_device device;

    if (page == MMIO_LAPIC) {
        lapic_write(&guest->cpu.lapic, offset, (uint32_t)value, guest_clock(guest));
        vcpu_timer_update(&guest->cpu);
    } else if (virtio) {
        device = virtio_device(virtio);
        device.write(device.self, offset, width, value);
    }
}

void port_write(struct guest *guest, uint16_t port, unsigned width, uint32_t value)
{
    if (port == PORT_DEBUG)
        guest_log(guest, (char)value);
    else if (port == PORT_POWER && value & POWER_PANIC)
        guest_crash(guest, "its kernel panicked");
    else if (port == PORT_POWER)
        guest_power_off(guest, (int)(value & 0xff));
}
