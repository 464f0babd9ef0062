/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_floods.c: attacks by the virtual APIC, by the instrument's probes, and by doing something for
 * as long as the neighbour works (vmm_attacks.def).
 */
#include "tests/arch/images/vmm_queue.h"

/* ---- the APIC ---- */

long attack_apic_any_registers(void)
{
    kit_interrupts_end = 0;
    for (unsigned i = 0; i < 1500; i++) {
        uint64_t reg = MMIO_LAPIC + (random32() % 0x40) * 16;

        if (random32() % 2)
            kit_write(reg, random32() % 2 ? random32() : random32() % 512);
        else
            loaded = kit_read(reg + random32() % 4 * 4);
    }
    kit_write(MMIO_LAPIC + 0x380, 0);
    kit_write(MMIO_LAPIC + 0x320, 0x10000);
    return 0;
}

/* A fixed interrupt to itself waits in IRR, and only that one (SDM vol. 3A §10.6.1: to all but itself is to nobody here). */
static long waits_after(uint32_t shorthand, uint32_t to, uint8_t vector)
{
    kit_write(MMIO_LAPIC + 0x310, to << 24);
    kit_write(MMIO_LAPIC + 0x300, 0x4000 | shorthand << 18 | vector);
    return kit_read(MMIO_LAPIC + 0x200 + vector / 32 * 16) >> vector % 32 & 1;
}

long attack_ipis_to_itself(void)
{
    kit_write(MMIO_LAPIC + 0x0f0, 0x1ff);
    return waits_after(0, 0, 0x61) | waits_after(1, 7, 0x62) << 1 | waits_after(2, 7, 0x63) << 2 |
           waits_after(3, 0, 0x64) << 3 | waits_after(0, 1, 0x65) << 4;
}

/* To itself, to all, to others that there are not: INIT, SIPI, NMI and fixed. */
long attack_ipis(void)
{
    kit_write(MMIO_LAPIC + 0x0f0, 0x1ff);
    for (uint32_t mode = 0; mode < 8; mode++)
        for (uint32_t shorthand = 0; shorthand < 4; shorthand++)
            for (uint32_t to = 0; to < 4; to++) {
                kit_write(MMIO_LAPIC + 0x310, to << 24);
                kit_write(MMIO_LAPIC + 0x300, 0x4000 | shorthand << 18 | mode << 8 | 0x55);
            }
    return 0;
}

/* ---- probes: the instrument's own door ---- */

static void ask(unsigned number, uint64_t a, uint64_t b, uint64_t c)
{
    uint32_t eax = 0x52494e47, ecx = number;

    __asm__ volatile("cpuid" : "+a"(eax), "+c"(ecx), "+d"(a) : "S"(b), "D"(c) : "rbx", "memory");
}

long attack_probes(void)
{
    static const uint64_t words[] = {0, 1, 3, 0x101, 0x102, MONITOR_IMAGE, NOT_CANONICAL, NOWHERE, ~0ul};

    for (unsigned number = 0; number < 20; number++)
        for (unsigned i = 0; i < 9 * 9; i++)
            ask(number, words[i % 9], words[i / 9], words[(i + number) % 9]);
    return 0;
}

/* ---- storms: as long as the neighbour works ---- */

#define STORM(name, statement)                                                                                         \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        uint64_t end = now() + 60 * MS;                                                                                \
                                                                                                                       \
        while (now() < end)                                                                                            \
            statement;                                                                                                 \
        return 0;                                                                                                      \
    }

static void spin(void)
{
    for (volatile unsigned i = 0; i < 100000; i++)
        ;
}

STORM(storm_of_nothing, spin())
STORM(storm_of_exits, {
    for (unsigned i = 0; i < 100; i++)
        __asm__ volatile("cli");
})
STORM(storm_of_page_faults, load(NOWHERE))
STORM(storm_of_log, print("this is said again and again, to see whether anybody else is heard\n"))

/* Due again as soon as they are served. */
#define PERIOD 20000
long attack_storm_of_timers(void)
{
    uint64_t end = now() + 60 * MS;

    kit_timer(PERIOD);
    kit_write(MMIO_LAPIC + 0x320, 0x20000 | VECTOR_TIMER);
    kit_write(MMIO_LAPIC + 0x380, PERIOD);
    __asm__ volatile("sti");
    while (now() < end)
        ;
    disable_interrupts();
    kit_write(MMIO_LAPIC + 0x380, 0);
    return kit.interrupts[VECTOR_TIMER] ? 0 : 1;
}

/* The shortest period that there is, and nobody takes them. */
long attack_storm_of_ignored_timers(void)
{
    uint64_t end = now() + 60 * MS;

    kit_timer(1);
    kit_write(MMIO_LAPIC + 0x320, 0x20000 | VECTOR_TIMER);
    kit_write(MMIO_LAPIC + 0x380, 1);
    while (now() < end)
        spin();
    kit_write(MMIO_LAPIC + 0x380, 0);
    return 0;
}

long attack_storm_of_requests(void)
{
    uint64_t end = now() + 60 * MS, frame = kit.next_frame;

    while (now() < end) {
        fill_disk(2, 40);
        kit.next_frame = frame;
    }
    return 0;
}

/* One notification, a few requests as long as they can be, all to be printed. */
long attack_storm_of_one_print(void)
{
    uint64_t at = kit_frame();

    start(CONSOLE, TRANSMIT);
    for (unsigned i = 0; i < SIZE; i++)
        describe(i, at, 8 << 10, i + 1 < SIZE ? VRING_DESC_F_NEXT : 0, i + 1);
    for (unsigned i = 0; i < 3; i++)
        post(0);
    notify(TRANSMIT);
    print("\n");
    return queue.used->idx;
}

/* ---- deadly ---- */

long attack_end_with_requests_in_flight(void)
{
    fill_disk(2, 60);
    post(0);
    post(62);
    notify(0);
    __asm__ volatile("cli; hlt");
    return 0;
}
