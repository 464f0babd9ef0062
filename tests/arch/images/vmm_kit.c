/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_kit.c: see vmm_kit.h.
 */
#include "abi/devices.h"
#include "guest/x86.h"
#include "tests/arch/images/vmm_kit.h"

#define CR0_BOOT 0x80050033ul
#define CR4_BOOT 0x624ul
#define MSR_EFER 0xc0000080
#define EFER_BOOT 0xd01ul
#define GATE_INTERRUPT 0x8e
#define STACK_BYTES 8192
#define ENTRIES 512
#define FRAME 0x000ffffffffff000ul

struct kit kit;
struct caught kit_caught;
_Static_assert(offsetof(struct kit, interrupts) == KIT_INTERRUPTS, "vmm_entry.S");

static char stack[STACK_BYTES] __attribute__((aligned(16)));
extern char kit_syscall[];

_Noreturn void guest_main(uint64_t boot_physical);

struct gate kit_gate(uint64_t target, uint16_t selector, unsigned ist, unsigned type_and_dpl)
{
    return (struct gate){.low = (target & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
                                (uint64_t)type_and_dpl << 40 | (target >> 16 & 0xffff) << 48,
                         .high = target >> 32};
}

void kit_load_tables(void)
{
    const struct descriptor_register gdt = {sizeof(kit.gdt) - 1, (uint64_t)kit.gdt};
    const struct descriptor_register idt = {sizeof(kit.idt) - 1, (uint64_t)kit.idt};

    load_gdt(&gdt);
    load_idt(&idt);
}

static void write_cr0(uint64_t value)
{
    __asm__ volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}

static void make_tables(void)
{
    uint64_t base = (uint64_t)&kit.tss;

    for (unsigned v = 0; v < 256; v++)
        kit.idt[v] = kit_gate((uint64_t)kit_stubs + v * 16, KIT_CS, 1, GATE_INTERRUPT);
    kit.gdt[KIT_CS >> 3] = 0x00af9b000000ffff;
    kit.gdt[KIT_SS >> 3] = 0x00cf93000000ffff;
    kit.gdt[KIT_USER_SS >> 3] = 0x00cff3000000ffff;
    kit.gdt[KIT_USER_CS >> 3] = 0x00affb000000ffff;
    kit.gdt[KIT_TR >> 3] = (sizeof(kit.tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
    kit.gdt[(KIT_TR >> 3) + 1] = base >> 32;
    kit.tss.ist[0] = kit.tss.rsp[0] = (uint64_t)stack + STACK_BYTES;
    kit.tss.io_map = sizeof(kit.tss);
}

/* The TSS stays loaded: LTR refuses a busy one. */
void kit_restore(void)
{
    write_cr3(kit.cr3);
    kit_load_tables();
    write_cr0(CR0_BOOT);
    write_cr4(CR4_BOOT);
    write_msr(MSR_EFER, EFER_BOOT);
    write_msr(MSR_STAR, (uint64_t)KIT_STAR_USER << 48 | (uint64_t)KIT_CS << 32);
    write_msr(MSR_LSTAR, (uint64_t)kit_syscall);
    write_msr(MSR_FMASK, RFLAGS_SYSCALL_MASK);
    __asm__ volatile("pushq $2; popfq" : : : "memory", "cc");
}

void guest_main(uint64_t boot_physical)
{
    kit.boot = (const struct boot_info *)boot_physical;
    kit.cr3 = read_cr3();
    kit.next_frame = kit.boot->free_start;
    make_tables();
    kit_restore();
    load_tss(KIT_TR);
    test_main();
    power_off(0);
}

/* ---- memory ---- */

uint64_t kit_frame(void)
{
    uint64_t frame = kit.next_frame;

    if (frame + PAGE > kit.boot->free_end)
        panic("no memory is left");
    kit.next_frame += PAGE;
    zero_quads((void *)frame, PAGE / 8);
    return frame;
}

uint64_t kit_root(void)
{
    uint64_t root = kit_frame();

    copy_quads((void *)root, (const void *)kit.cr3, ENTRIES);
    return root;
}

uint64_t *kit_entry(uint64_t root, uint64_t address, unsigned level)
{
    uint64_t *table = (uint64_t *)root;

    for (unsigned at = 3; at > level; at--)
        table = (uint64_t *)(table[address >> (12 + 9 * at) & (ENTRIES - 1)] & FRAME);
    return &table[address >> (12 + 9 * level) & (ENTRIES - 1)];
}

void kit_map(uint64_t root, uint64_t address, uint64_t entry)
{
    for (unsigned level = 3; level > 0; level--) {
        uint64_t *slot = kit_entry(root, address, level);

        if (!(*slot & P))
            *slot = kit_frame() | P | W | U;
    }
    *kit_entry(root, address, 0) = entry;
}

/* ---- settings ---- */

static const char *after_key(const char *text, const char *key)
{
    while (*key && *text == *key)
        text++, key++;
    return !*key && *text == '=' ? text + 1 : NULL;
}

uint64_t kit_setting(const char *key, uint64_t otherwise)
{
    uint64_t number = 0;

    for (const char *s = kit.boot->settings; *s; s++) {
        const char *value = s == kit.boot->settings || s[-1] == ' ' ? after_key(s, key) : NULL;

        if (!value)
            continue;
        while (*value >= '0' && *value <= '9')
            number = number * 10 + (uint64_t)(*value++ - '0');
        return number;
    }
    return otherwise;
}

/* ---- the timer ---- */

void kit_timer(uint32_t cycles)
{
    kit_write(MMIO_LAPIC + 0x0f0, 0x1ff); /* enabled */
    kit_write(MMIO_LAPIC + 0x3e0, 0xb);   /* divided by 1 */
    kit_write(MMIO_LAPIC + 0x320, VECTOR_TIMER);
    kit_write(MMIO_LAPIC + 0x380, cycles);
}
