/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_tables.c: attacks by page tables (vmm_attacks.def).
 */
#include "tests/arch/images/vmm_hostile.h"

#define RETURN_INSTRUCTION 0xc3
#define SLOT(n) ((uint64_t)(n) << 39)
#define UPPER (~0ul << 48)

/* ---- memory of others ---- */

/* What is behind the guest's memory: of the monitor, of the neighbours, nothing, devices that it has not. All ones. */
static long frames_readable(uint64_t from, uint64_t step, unsigned count)
{
    uint64_t root = root_with(0), *entry = kit_entry(root, PLACE, 0);
    long readable = 0;

    enter(root);
    for (unsigned i = 0; i < count; i++) {
        *entry = (from + i * step) | P | W;
        invlpg(PLACE);
        readable += load(PLACE) != RETURNED || loaded != ~0ul;
        store(PLACE);
    }
    return readable;
}

long attack_frames_behind_memory(void)
{
    return frames_readable(BEYOND, 1ul << 20, 256);
}

long attack_frames_just_behind_memory(void)
{
    return frames_readable(BEYOND, PAGE, 64);
}

long attack_frames_far_away(void)
{
    return frames_readable(1ul << 32, 1ul << 34, 63);
}

static long large_readable(uint64_t frame)
{
    uint64_t root = root_with(0);

    *kit_entry(root, PLACE, 1) = frame | P | W | LARGE;
    enter(root);
    return load(PLACE) != RETURNED || loaded != ~0ul;
}

long attack_large_page_behind_memory(void)
{
    return large_readable(BEYOND);
}

long attack_gigabyte_straddling_memory(void)
{
    uint64_t root = root_with(0);
    long readable = 0;

    *kit_entry(root, PLACE, 2) = P | W | LARGE;
    enter(root);
    for (uint64_t at = BEYOND & ((1ul << 30) - 1); at < 1ul << 30 && at; at += 1ul << 24)
        readable += load(PLACE + at) != RETURNED || loaded != ~0ul;
    return readable;
}

/* ---- tables where none can be ---- */

static long table_at(unsigned level, uint64_t frame)
{
    uint64_t root = root_with(kit_frame() | P | W);

    *kit_entry(root, PLACE, level) = frame | P | W | U;
    enter(root);
    return load(PLACE) == 14 && store(PLACE) == 14 && jump(PLACE) == 14 ? EXCEPTION(14) : 0;
}

long attack_table_behind_memory(void)
{
    return table_at(1, BEYOND);
}

long attack_directory_behind_memory(void)
{
    return table_at(2, BEYOND);
}

long attack_pdpt_far_away(void)
{
    return table_at(3, 1ul << 39);
}

long attack_table_in_disk_device(void)
{
    return table_at(1, MMIO_VIRTIO_BLK);
}

long attack_table_in_apic(void)
{
    return table_at(2, MMIO_LAPIC);
}

static long reserved(unsigned level, uint64_t bits)
{
    uint64_t root = root_with(kit_frame() | P | W);

    *kit_entry(root, PLACE, level) |= bits;
    enter(root);
    return load(PLACE) == 14 ? (long)kit_caught.error : -1;
}

long attack_reserved_bit_of_page(void)
{
    return reserved(0, 1ul << 50);
}

long attack_reserved_bit_of_table(void)
{
    return reserved(1, 1ul << 41);
}

long attack_reserved_bit_of_directory(void)
{
    return reserved(2, 1ul << 51);
}

long attack_reserved_bit_of_root(void)
{
    return reserved(3, 1ul << 45);
}

long attack_large_root_entry(void)
{
    return reserved(3, LARGE);
}

long attack_large_page_misaligned(void)
{
    return reserved(1, LARGE | 1ul << 13);
}

/* ---- tables as their own data ---- */

/* An entry of the root leads to the root: its tables are an array in its own address space. */
long attack_recursive_root(void)
{
    uint64_t root = root_with(kit_frame() | P | W), other = kit_frame();
    volatile uint64_t *tables = (uint64_t *)(UPPER | SLOT(300));

    *(uint64_t *)other = 77;
    ((uint64_t *)root)[300] = root | P | W;
    enter(root);
    tables[PLACE >> 12] = other | P | W;
    invlpg(PLACE);
    return load(PLACE) == RETURNED ? (long)loaded : -1;
}

/* One table at all levels: it maps itself as a page, and is written through that. */
long attack_one_table_at_all_levels(void)
{
    uint64_t root = kit_root(), other = kit_frame();
    uint64_t self = UPPER | SLOT(300) | 300ul << 30 | 300ul << 21 | 300ul << 12;

    *(uint64_t *)other = 78;
    ((uint64_t *)root)[300] = root | P | W;
    enter(root);
    ((volatile uint64_t *)self)[301] = other | P | W;
    return load(self + PAGE) == RETURNED ? (long)loaded : -1;
}

/* A loop of two: each is the other's table. */
long attack_two_tables_in_a_ring(void)
{
    uint64_t root = kit_root(), a = kit_frame(), b = kit_frame();

    ((uint64_t *)root)[1] = a | P | W;
    ((uint64_t *)a)[0] = b | P | W;
    ((uint64_t *)b)[0] = a | P | W;
    enter(root);
    *(volatile uint64_t *)(PLACE + 8) = 79;
    return ((volatile uint64_t *)b)[1] == 79 ? 79 : (long)((volatile uint64_t *)a)[1];
}

/* Tables are written through a large page that covers them: by a store, and in ways that are not emulated. */
static long through_large_page(uint64_t size_bits, void (*write)(volatile uint64_t *to, uint64_t value))
{
    uint64_t root = root_with(kit_frame() | P | W), other = kit_frame(), window = PLACE + (1ul << 36);
    uint64_t *entry = kit_entry(root, PLACE, 0);

    kit_map(root, window, 0);
    *kit_entry(root, window, size_bits) = ((uint64_t)entry & ~((1ul << (12 + 9 * size_bits)) - 1)) | P | W | LARGE;
    *(uint64_t *)other = 80;
    enter(root);
    load(PLACE);
    write((uint64_t *)(window + ((uint64_t)entry & ((1ul << (12 + 9 * size_bits)) - 1))), other | P | W);
    invlpg(PLACE);
    return load(PLACE) == RETURNED ? (long)loaded : -1;
}

static void by_store(volatile uint64_t *to, uint64_t value)
{
    *to = value;
}

static void by_exchange(volatile uint64_t *to, uint64_t value)
{
    __asm__ volatile("xchgq %0, (%1)" : "+r"(value) : "r"(to) : "memory");
}

static void by_bytes(volatile uint64_t *to, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        ((volatile uint8_t *)to)[i] = (uint8_t)(value >> 8 * i);
}

static void by_string(volatile uint64_t *to, uint64_t value)
{
    copy_quads((void *)to, &value, 1);
}

static void by_vector(volatile uint64_t *to, uint64_t value)
{
    __asm__ volatile("movq %0, %%xmm0; movq %%xmm0, (%1)" : : "r"(value), "r"(to) : "memory");
}

static void by_two_halves(volatile uint64_t *to, uint64_t value)
{
    volatile uint32_t *half = (volatile uint32_t *)((uint64_t)to + 2);

    *half = (uint32_t)(value >> 16);
    *(volatile uint16_t *)to = (uint16_t)value;
    *(volatile uint16_t *)((uint64_t)to + 6) = (uint16_t)(value >> 48);
}

long attack_large_page_over_tables(void)
{
    return through_large_page(1, by_store);
}

long attack_gigabyte_over_tables(void)
{
    return through_large_page(2, by_store);
}

long attack_exchange_in_table(void)
{
    return through_large_page(1, by_exchange);
}

long attack_bytes_into_table(void)
{
    return through_large_page(1, by_bytes);
}

long attack_string_into_table(void)
{
    return through_large_page(2, by_string);
}

long attack_vector_into_table(void)
{
    return through_large_page(1, by_vector);
}

long attack_halves_into_table(void)
{
    return through_large_page(1, by_two_halves);
}

/* Straddling two entries, and two pages of which both are tables. */
long attack_straddling_store_into_tables(void)
{
    uint64_t root = root_with(kit_frame() | P | W), table = (uint64_t)kit_entry(root, PLACE, 0),
             window = PLACE + (1ul << 36);

    kit_map(root, window, table | P | W);
    kit_map(root, window + PAGE, ((uint64_t)kit_entry(root, PLACE, 1) & ~(PAGE - 1)) | P | W);
    enter(root);
    load(PLACE);
    *(volatile uint64_t *)(window + 4092) = 0;
    *(volatile uint64_t *)(window + 4) = 0;
    return load(PLACE) == 14 ? EXCEPTION(14) : 0;
}

/* A stack on a page table in use, on which exceptions arrive as well. */
static void use_stack(uint64_t top)
{
    __asm__ volatile("movq %%rsp, %%rbx; movq %0, %%rsp; pushq $1; pushq $2; call 1f; 1: popq %%rax; popq %%rax; int3;"
                     "movq %%rbx, %%rsp"
                     :
                     : "r"(top)
                     : "rax", "rbx", "memory");
}

long attack_stack_on_table(void)
{
    uint64_t root = root_with(kit_frame() | P | W), table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);

    enter(root);
    load(PLACE);
    kit.idt[3] = kit_gate((uint64_t)kit_stubs + 3 * 16, KIT_CS, 0, 0x8e);
    if (kit_try(use_stack, table + PAGE) != 3)
        return -1;
    kit.idt[3] = kit_gate((uint64_t)kit_stubs + 3 * 16, KIT_CS, 1, 0x8e);
    return load(PLACE) == RETURNED ? 0 : -2;
}

/* The exception's own stack and the descriptor tables are page tables in use. */
long attack_exception_stack_on_table(void)
{
    uint64_t root = root_with(kit_frame() | P | W), table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);
    uint64_t own = kit.tss.ist[0];
    unsigned how;

    enter(root);
    load(PLACE);
    kit.tss.ist[0] = table + PAGE;
    how = load(NOWHERE);
    kit.tss.ist[0] = own;
    return EXCEPTION(how);
}

long attack_idt_on_table(void)
{
    uint64_t root = root_with(kit_frame() | P | W), table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);
    struct descriptor_register idt = {PAGE - 1, table};

    enter(root);
    load(PLACE);
    copy_quads((void *)(table + 16), &kit.idt[1], 15 * 2);
    load_idt(&idt);
    return EXCEPTION(load(NOWHERE));
}

/* ---- code ---- */

/* A page table in use that is executed, and changed while it is. */
long attack_code_on_table(void)
{
    uint64_t root = root_with(kit_frame() | P | W), table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);
    volatile uint8_t *code = (uint8_t *)table + 2048;
    long wrong = 0;

    enter(root);
    for (unsigned i = 0; i < 50; i++) {
        uint32_t got;

        load(PLACE);
        code[0] = 0xb8; /* mov eax, i; ret */
        *(volatile uint32_t *)(code + 1) = i;
        code[5] = RETURN_INSTRUCTION;
        __asm__ volatile("call *%1" : "=a"(got) : "r"(code) : "memory");
        wrong += got != i;
    }
    return wrong;
}

/* On a page that is no table: nothing of this traps. */
long attack_code_changes_itself(void)
{
    volatile uint8_t *code = (uint8_t *)kit_frame();
    long wrong = 0;

    for (unsigned i = 0; i < 2000; i++) {
        uint32_t got;

        code[0] = 0xb8;
        *(volatile uint32_t *)(code + 1) = i;
        code[5] = RETURN_INSTRUCTION;
        __asm__ volatile("call *%1" : "=a"(got) : "r"(code) : "memory");
        wrong += got != i;
    }
    return wrong;
}

/* Its first instruction takes away the page that the second one is on. */
long attack_code_unmaps_itself(void)
{
    static const uint8_t code[] = {0x48, 0xc7, 0x07, 0,    0,    0,
                                   0,    0x0f, 0x01, 0x3e, 0x90, 0xc3}; /* mov qword [rdi], 0; invlpg [rsi]; nop; ret */
    uint64_t frame = kit_frame(), root = root_with(frame | P | W);
    unsigned how;

    for (unsigned i = 0; i < sizeof(code); i++)
        ((volatile uint8_t *)frame)[i] = code[i];
    enter(root);
    __asm__ volatile("movq %0, %%rsi" : : "r"(PLACE) : "rsi");
    how = kit_try((void (*)(uint64_t))PLACE, (uint64_t)kit_entry(root, PLACE, 0));
    return EXCEPTION(how);
}
