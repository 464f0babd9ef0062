/* SPDX-License-Identifier: MIT
 *
 * guest/paging.c: page tables, and the kernel half of every address space (Intel SDM vol. 3A ch. 4).
 *
 * Built once; every root copies its entries of the upper half, whose tables never change place, so that a change
 * below them is seen in all spaces. RAM and devices are mapped by 2 MiB pages, the image and the stacks by 4 KiB pages
 * with the rights of each section. Kernel pages are global: one TLB entry serves all spaces. Not so with page-table
 * isolation, where a global entry would outlive the switch that is to hide it: then only what the program's
 * tables map too (.entry and .percpu) is global.
 */
#include "abi/devices.h"
#include "guest/cpu.h"
#include "guest/print.h"
#include "guest/tables.h"
#include "guest/x86.h"

#define LARGE_BYTES (2ul << 20)

extern char __image_begin[], __entry_begin[], __entry_end[], __text_end[], __rodata_end[], __percpu_begin[],
    __percpu_end[], __image_end[];

struct paging paging;

uint64_t table_create(void)
{
    uint64_t frame = frame_alloc();

    if (frame)
        zero_quads(direct(frame), ENTRIES);
    return frame;
}

uint64_t *entry_find(uint64_t root, uint64_t address, unsigned level)
{
    uint64_t *table = direct(root);

    for (unsigned l = 3; l > level; l--) {
        uint64_t entry = table[index_of(address, l)];

        if (!(entry & PTE_P))
            return NULL;
        table = table_at(entry);
    }
    return &table[index_of(address, level)];
}

uint64_t *entry_make(uint64_t root, uint64_t address, unsigned level, struct space *space)
{
    uint64_t *table = direct(root);

    for (unsigned l = 3; l > level; l--) {
        uint64_t *entry = &table[index_of(address, l)];

        if (!(*entry & PTE_P)) {
            uint64_t frame = table_create();

            if (!frame)
                return NULL;
            *entry = frame | PTE_P | PTE_W | (space ? PTE_U : 0);
            if (space) {
                paging.next_table[frame / PAGE_BYTES] = space->tables;
                space->tables = (uint32_t)(frame / PAGE_BYTES);
            }
        }
        table = table_at(*entry);
    }
    return &table[index_of(address, level)];
}

static void kernel_map(uint64_t root, uint64_t address, uint64_t frame, unsigned level, uint64_t flags)
{
    uint64_t *entry = entry_make(root, address, level, NULL);

    if (!entry)
        panic("paging: no memory for the kernel's tables");
    *entry = frame | PTE_P | flags;
}

static void map_direct(uint64_t ram)
{
    uint64_t flags = PTE_W | PTE_NX | PTE_LARGE | paging.global;

    for (uint64_t at = 0; at < ram; at += LARGE_BYTES)
        kernel_map(paging.root, DIRECT_MAP + at, at, 1, flags);
    for (uint64_t at = MMIO_BASE; at < MMIO_END; at += LARGE_BYTES)
        kernel_map(paging.root, DIRECT_MAP + at, at, 1, flags | PTE_PCD);
}

static void map_image_part(uint64_t root, const char *from, const char *to, uint64_t flags)
{
    for (uint64_t at = (uint64_t)from; at < (uint64_t)to; at += PAGE_BYTES)
        kernel_map(root, at, at - KERNEL_BASE, 0, flags);
}

static void map_image(void)
{
    map_image_part(paging.root, __entry_begin, __entry_end, PTE_G);
    map_image_part(paging.root, __entry_end, __text_end, paging.global);
    map_image_part(paging.root, __text_end, __rodata_end, PTE_NX | paging.global);
    map_image_part(paging.root, __rodata_end, __percpu_begin, PTE_W | PTE_NX | paging.global);
    map_image_part(paging.root, __percpu_begin, __percpu_end, PTE_W | PTE_NX | PTE_G);
    map_image_part(paging.root, __percpu_end, __image_end, PTE_W | PTE_NX | paging.global);
}

/* All tables of the region, so that threads come and go without making any. */
static void prepare_stacks(void)
{
    for (uint64_t at = 0; at < STACKS_MAX * STACK_SPAN; at += LEVEL_SPAN(1))
        if (!entry_make(paging.root, STACKS_BASE + at, 0, NULL))
            panic("paging: no memory for the stacks' tables");
}

static void prepare_isolation(void)
{
    uint64_t root = table_create();

    if (!root)
        panic("paging: no memory for isolation");
    map_image_part(root, __entry_begin, __entry_end, PTE_G);
    map_image_part(root, __percpu_begin, __percpu_end, PTE_W | PTE_NX | PTE_G);
    paging.entry_table = table_at(root)[ENTRIES - 1];
    frame_free(root);
}

static void prepare_spaces(void)
{
    uint64_t bytes = frames_total() * sizeof(*paging.next_table);
    uint64_t frame = frames_alloc((bytes + PAGE_BYTES - 1) / PAGE_BYTES);

    if (!frame)
        panic("paging: no memory for spaces");
    paging.next_table = direct(frame);
    for (unsigned i = ENTRIES / 2; i < ENTRIES; i++)
        if (table_at(paging.root)[i] && paging.kernel_slots < KERNEL_SLOTS)
            paging.kernel_slot[paging.kernel_slots++] = (uint16_t)i;
}

void paging_init(const struct paging_options *options)
{
    paging.isolated = options->isolated;
    paging.global = options->isolated ? 0 : PTE_G;
    paging.root = table_create();
    map_direct(options->ram_bytes);
    map_image();
    prepare_stacks();
    prepare_spaces();
    if (paging.isolated)
        prepare_isolation();
    write_cr3(paging.root);
    paging.pcid = options->pcid && cpu_has_pcid();
    if (paging.pcid)
        write_cr4(read_cr4() | CR4_PCIDE);
    if (paging.isolated)
        this_cpu()->kernel_cr3 = paging.root;
    this_cpu()->cr3_noflush = paging.pcid ? CR3_NOFLUSH : 0;
}

void stack_page_map(uint64_t address, uint64_t frame)
{
    kernel_map(paging.root, address, frame, 0, PTE_W | PTE_NX | paging.global);
}

uint64_t stack_page_unmap(uint64_t address)
{
    uint64_t *entry = entry_find(paging.root, address, 0);
    uint64_t frame = *entry & PTE_FRAME;

    *entry = 0;
    return frame;
}

/* A change of CR4.PGE drops all there is (SDM vol. 3A §4.10.4.1). */
void flush_everything(void)
{
    uint64_t cr4 = read_cr4();

    write_cr4(cr4 & ~CR4_PGE);
    write_cr4(cr4);
}
