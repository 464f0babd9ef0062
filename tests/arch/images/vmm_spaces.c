/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_spaces.c: attacks by address spaces: rights, the monitor's own addresses, many roots, and roots
 * that cannot be (vmm_attacks.def).
 */
#include "tests/arch/images/vmm_hostile.h"

#define RETURN_INSTRUCTION 0xc3
#define SLOT(n) ((uint64_t)(n) << 39)
#define UPPER (~0ul << 48)
#define ROOTS 1200
#define TAGGED_ROOTS 560
#define TAGS 511 /* that the monitor has for each guest */
#define CR4_SMEP_BIT (1ul << 20)
#define CR4_PCIDE_BIT (1ul << 17)
#define CR4_PGE_BIT (1ul << 7)
#define CR0_WITHOUT_WP 0x80040033ul
#define NX (1ul << 63)

/* ---- rights ---- */

long attack_write_protected(void)
{
    uint64_t root = root_with(kit_frame() | P);
    long wrong;

    enter(root);
    wrong = store(PLACE) != 14;
    __asm__ volatile("movq %0, %%cr0" : : "r"(CR0_WITHOUT_WP));
    *(volatile uint64_t *)PLACE = 1;
    kit_restore();
    return wrong + (store(PLACE) != 14);
}

long attack_execute_disabled(void)
{
    uint64_t frame = kit_frame(), root = root_with(frame | P | W | NX);

    *(uint8_t *)frame = RETURN_INSTRUCTION;
    enter(root);
    load(PLACE);
    return EXCEPTION(jump(PLACE));
}

long attack_smep(void)
{
    uint64_t frame = kit_frame(), root = root_with(frame | P | W | U);

    *(uint8_t *)frame = RETURN_INSTRUCTION;
    enter(root);
    if (jump(PLACE) != RETURNED)
        return -1;
    write_cr4(read_cr4() | CR4_SMEP_BIT);
    return EXCEPTION(jump(PLACE));
}

/* Code at CPL 3: loads from RDI, then SYSCALL. */
static const uint8_t user_load[] = {0x48, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x8b, 0x07, 0x0f, 0x05};

static void enter_user(uint64_t stack)
{
    kit_user(PLACE + (1ul << 36), stack);
}

static unsigned load_as_user(uint64_t root, uint64_t address)
{
    uint64_t frame = kit_frame();

    for (unsigned i = 0; i < sizeof(user_load); i++)
        ((uint8_t *)frame)[i] = user_load[i];
    *(uint64_t *)(frame + 2) = address;
    kit_map(root, PLACE + (1ul << 36), frame | P | U);
    enter(root);
    return kit_try(enter_user, PLACE);
}

long attack_user_reads_kernel(void)
{
    uint64_t root = root_with(kit_frame() | P | W);
    long wrong = 0;

    enter(root);
    load(PLACE); /* the kernel's translation is there */
    wrong += load_as_user(root, PLACE) != 14;
    wrong += load_as_user(root, (uint64_t)&kit) != 14;
    wrong += load_as_user(root, MONITOR) != 14;
    wrong += load_as_user(root, MONITOR_STACKS) != 14;
    wrong += load_as_user(root, MONITOR_IMAGE) != 14;
    wrong += load_as_user(root, MMIO_LAPIC) != 14;
    return wrong + (load_as_user(root, PLACE + (1ul << 36)) != CALLED);
}

/* The same table below an entry for all and one for the kernel alone. */
long attack_user_by_the_other_path(void)
{
    uint64_t root = root_with(kit_frame() | P | W | U), *slots = (uint64_t *)root;

    slots[2] = slots[1] & ~U;
    return (load_as_user(root, PLACE) != CALLED) + (load_as_user(root, PLACE + (1ul << 39)) != 14);
}

long attack_accessed_and_dirty(void)
{
    uint64_t root = root_with(kit_frame() | P | W), *entry = kit_entry(root, PLACE, 0);
    long wrong = 0;

    enter(root);
    load(PLACE);
    wrong += (*entry & (ACCESSED | DIRTY)) != ACCESSED;
    store(PLACE);
    wrong += (*entry & (ACCESSED | DIRTY)) != (ACCESSED | DIRTY);
    *entry &= ~(ACCESSED | DIRTY);
    invlpg(PLACE);
    store(PLACE);
    return wrong + ((*entry & (ACCESSED | DIRTY)) != (ACCESSED | DIRTY));
}

/* ---- the monitor's addresses ---- */

long attack_monitor_unmapped(void)
{
    static const uint64_t places[] = {
        MONITOR,       MONITOR + 0x100000,      MONITOR + (1ul << 27),   MONITOR_STACKS,
        MONITOR_IMAGE, MONITOR_IMAGE + 0x20000, MONITOR_STACKS + 0x4ff8, 0xffffe17ffffffff8};
    long wrong = 0;

    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++)
        wrong += (load(places[i]) != 14) + (store(places[i]) != 14) + (jump(places[i]) != 14);
    return wrong;
}

/* Mapped, changed and flushed, but never used. */
long attack_monitor_mapped(void)
{
    uint64_t root = kit_root();

    for (unsigned slot = 448; slot < 451; slot++)
        ((uint64_t *)root)[slot] = ((uint64_t *)root)[0];
    enter(root);
    for (unsigned i = 0; i < 20; i++) {
        ((volatile uint64_t *)root)[448 + i % 3] ^= U;
        invlpg(MONITOR);
        invlpg(MONITOR_IMAGE);
    }
    for (unsigned slot = 448; slot < 451; slot++)
        ((volatile uint64_t *)root)[slot] = 0;
    write_cr3(root);
    return load(MONITOR_IMAGE) == 14 ? EXCEPTION(14) : 0;
}

/* ---- many roots ---- */

static void make_roots(uint64_t *root, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        root[i] = kit_root();
        ((uint64_t *)root[i])[2] = 1000 + i; /* not present: data */
        kit_map(root[i], PLACE, root[i] | P);
    }
}

long attack_thousands_of_roots(void)
{
    static uint64_t root[ROOTS];
    long wrong = 0;

    make_roots(root, ROOTS);
    for (unsigned i = 0; i < 2 * ROOTS; i++) {
        write_cr3(root[i % ROOTS]);
        wrong += ((volatile uint64_t *)PLACE)[2] != 1000 + i % ROOTS;
    }
    return wrong;
}

static uint64_t seen_by_tag(const uint64_t *root, unsigned i)
{
    write_cr3(root[i] | (i + 1) | CR3_NOFLUSH);
    return ((volatile uint64_t *)PLACE)[2];
}

/* With tags, and nothing flushed: what one root translates must not be seen in another. */
long attack_hundreds_of_tags(void)
{
    static uint64_t root[TAGGED_ROOTS];
    long wrong = 0;

    make_roots(root, TAGGED_ROOTS);
    write_cr4(read_cr4() | CR4_PCIDE_BIT);
    for (unsigned i = 0; i < 3 * TAGGED_ROOTS; i++)
        wrong += seen_by_tag(root, i % TAGGED_ROOTS) != 1000 + i % TAGGED_ROOTS;
    for (unsigned i = 0; i < TAGGED_ROOTS; i++)
        wrong += seen_by_tag(root, i) != 1000 + i ||
                 seen_by_tag(root, (i + TAGS) % TAGGED_ROOTS) != 1000 + (i + TAGS) % TAGGED_ROOTS;
    write_cr3(kit.cr3);
    return wrong;
}

/* Every change of these makes the monitor forget what it has derived. */
long attack_rights_change_for_ever(void)
{
    for (unsigned i = 0; i < 50; i++) {
        __asm__ volatile("movq %0, %%cr0" : : "r"(i & 1 ? CR0_WITHOUT_WP : CR0_WITHOUT_WP | CR0_WP));
        write_cr4(read_cr4() ^ CR4_SMEP_BIT);
        write_cr4(read_cr4() ^ CR4_PGE_BIT);
    }
    return 0;
}

/* Each page of a table is mapped by 500 others: guarding it means to look for them all. */
long attack_table_mapped_everywhere(void)
{
    uint64_t root = root_with(kit_frame() | P | W), table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);
    uint64_t window = PLACE + (1ul << 36);

    for (unsigned i = 0; i < 500; i++)
        kit_map(root, window + i * PAGE, table | P | W);
    enter(root);
    for (unsigned i = 0; i < 500; i++) {
        *(volatile uint64_t *)(window + i * PAGE + 2048) = i;
        __asm__ volatile("lock incq (%0)" : : "r"(window + (i + 7) % 500 * PAGE + 2048) : "memory");
        load(PLACE);
    }
    return (long)*(uint64_t *)(table + 2048);
}

/* ---- deadly ---- */

static long use_monitor(uint64_t place)
{
    uint64_t root = kit_root();

    for (unsigned slot = 448; slot < 451; slot++)
        ((uint64_t *)root)[slot] = ((uint64_t *)root)[0];
    enter(root);
    return store(place);
}

long attack_use_monitor_memory(void)
{
    return use_monitor(MONITOR + 0x200000);
}

long attack_use_monitor_stack(void)
{
    return use_monitor(MONITOR_STACKS + 0x1000);
}

long attack_run_monitor_image(void)
{
    uint64_t root = kit_root();

    ((uint64_t *)root)[450] = ((uint64_t *)root)[511];
    enter(root);
    return jump(MONITOR_IMAGE);
}

long attack_cr3_behind_memory(void)
{
    write_cr3(BEYOND);
    return 0;
}

long attack_cr3_in_device(void)
{
    write_cr3(MMIO_LAPIC);
    return 0;
}

long attack_cr3_far_away(void)
{
    write_cr3(1ul << 39);
    return 0;
}

long attack_root_of_nothing(void)
{
    write_cr3(kit_frame());
    return 0;
}

/* The instruction needs the translation that it changes. */
long attack_increment_own_translation(void)
{
    uint64_t root = kit_root(), self = UPPER | SLOT(300) | 300ul << 30 | 300ul << 21 | 300ul << 12;

    ((uint64_t *)root)[300] = root | P | W;
    enter(root);
    __asm__ volatile("lock addq $0, (%0)" : : "r"(self + 300 * 8) : "memory");
    return 0;
}
