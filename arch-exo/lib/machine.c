/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/machine.c: what any library of this kernel lends its services: the clock, the heap, the consoles, and
 * each other's payload. The clock and the consoles are device pages that the kernel has mapped.
 */
#include "arch-exo/lib/machine.h"

#include "abi/devices.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/heap.h"
#include "guest/x86.h"

#define NS_PER_SECOND 1000000000ul
#define LEAF_FEATURES 7
#define FEATURE_EBX_ERMS (1u << 9)

uint8_t copy_user_erms;

static uint64_t ns_per_cycle_32; /* cycles × a 32.32 fixed-point factor, as guest/clock.c has it */

static uint64_t read_clock(unsigned reg)
{
    return mmio_read64(LIB_DEVICES + (MMIO_CLOCK - MMIO_BASE) + reg);
}

uint64_t clock_ns(void)
{
    return (uint64_t)((unsigned __int128)read_clock(CLOCK_CYCLES) * ns_per_cycle_32 >> 32);
}

bool is_programs(uint64_t address, size_t bytes)
{
    if (address >= USER_TOP || bytes > USER_TOP - address)
        return false;
    return address >= LIB_END || address + bytes <= LIB_BASE;
}

/* ---- guest/usercopy.S ---- */

struct fixup {
    uint64_t from, to;
};
extern const struct fixup fixup_table[], fixup_table_end[];

uint64_t copy_fixup(uint64_t rip)
{
    for (const struct fixup *f = fixup_table; f < fixup_table_end; f++)
        if (f->from == rip)
            return f->to;
    return 0;
}

/* ---- struct host ---- */

static void *host_alloc(void *ctx, size_t bytes)
{
    return heap_alloc(bytes);
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    heap_free(memory, bytes);
}

static uint64_t host_now(void *ctx)
{
    return clock_ns();
}

/* The heap is frames seen through the window (memory.c). */
static uint64_t host_dma(void *ctx, void *memory)
{
    return (uint64_t)memory - LIB_WINDOW;
}

/* ---- struct device ---- */

static uint32_t device_read(void *ctx, unsigned offset)
{
    return mmio_read32((uint64_t)ctx + offset);
}

static void device_write(void *ctx, unsigned offset, uint32_t value)
{
    mmio_write32((uint64_t)ctx + offset, value);
}

struct device console_at(uint64_t address)
{
    void *registers = (void *)(LIB_DEVICES + (address - MMIO_BASE));

    if (exo_call(EXO_DEVICE, address, 0, 0) < 0)
        panic("no console");
    return (struct device){.ctx = registers, .read = device_read, .write = device_write};
}

void machine_init(struct host *host)
{
    ns_per_cycle_32 = (NS_PER_SECOND << 32) / read_clock(CLOCK_HZ);
    copy_user_erms = (cpuid(LEAF_FEATURES, 0).ebx & FEATURE_EBX_ERMS) != 0;
    *host = (struct host){
        .alloc = host_alloc,
        .free = host_free,
        .now = host_now,
        .take = local_take,
        .give = local_give,
        .dma = host_dma,
    };
}
