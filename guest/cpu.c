/* SPDX-License-Identifier: MIT
 *
 * guest/cpu.c: brings one CPU up: GDT, IDT, TSS, SYSCALL registers, protections (Intel SDM vol. 3A ch. 2, 3, 6, 8).
 *
 * Called once by each CPU, first thing, on the boot page tables. Afterwards GS leads to struct cpu, and every
 * vector to guest/entry.S.
 */
#include "guest/cpu.h"
#include "guest/x86.h"

/* SDM vol. 3A §8.7 figure 8-11. */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map; /* beyond the limit: ring 3 has no port */
} __attribute__((packed));

#define GDT_ENTRIES ((TSS_SELECTOR >> 3) + 2)

/* The whole pages of one CPU. */
struct cpu_area {
    struct cpu cpu __attribute__((aligned(4096)));
    uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(4096)));
    struct tss tss __attribute__((aligned(128)));
    uint8_t entry_stack[1024] __attribute__((aligned(64)));
    uint8_t fault_stack[4096] __attribute__((aligned(4096)));
};

/* SDM vol. 3A §6.14.1. */
struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3 0x60
#define VECTOR_BREAKPOINT 3
#define VECTOR_OVERFLOW 4

static struct cpu_area areas[CPUS_MAX] __attribute__((section(".percpu,\"aw\",@nobits#")));
static struct gate idt[256] __attribute__((section(".percpu,\"aw\",@nobits#"), aligned(4096)));

extern char trap_stubs[], syscall_entry[], syscall_entry_isolated[];
#define STUB_BYTES 16

static struct gate gate_to(uint64_t entry)
{
    return (struct gate){
        .offset_low = (uint16_t)entry,
        .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32),
        .selector = KERNEL_CS,
        .type = GATE_INTERRUPT,
    };
}

static void idt_fill(void)
{
    for (unsigned v = 0; v < 256; v++)
        idt[v] = gate_to((uint64_t)trap_stubs + v * STUB_BYTES);
    idt[VECTOR_BREAKPOINT].type |= GATE_DPL3;
    idt[VECTOR_OVERFLOW].type |= GATE_DPL3;
    idt[VECTOR_DOUBLE_FAULT].ist = IST_DOUBLE_FAULT;
}

void cpu_set_entry(unsigned vector, const char *entry)
{
    idt[vector] = gate_to((uint64_t)entry);
}

static void gdt_fill(uint64_t *gdt, const struct tss *tss)
{
    uint64_t base = (uint64_t)tss, limit = sizeof(*tss) - 1;

    gdt[KERNEL_CS >> 3] = 0x00af9b000000ffff;
    gdt[KERNEL_SS >> 3] = 0x00cf93000000ffff;
    gdt[USER_SS >> 3] = 0x00cff3000000ffff;
    gdt[USER_CS >> 3] = 0x00affb000000ffff;
#ifdef LAYOUT_MONITOR
    gdt[GUEST_DATA >> 3] = 0x00cff3000000ffff;
#endif
    gdt[TSS_SELECTOR >> 3] = limit | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
    gdt[(TSS_SELECTOR >> 3) + 1] = base >> 32;
}

static void load_tables(struct cpu_area *area)
{
    struct descriptor_register gdt = {sizeof(area->gdt) - 1, (uint64_t)area->gdt};
    struct descriptor_register idt_register = {sizeof(idt) - 1, (uint64_t)idt};

    gdt_fill(area->gdt, &area->tss);
    area->tss.ist[IST_DOUBLE_FAULT - 1] = (uint64_t)area->fault_stack + sizeof(area->fault_stack);
    area->tss.io_map = sizeof(area->tss);
    load_gdt(&gdt);
    load_idt(&idt_register);
    load_tss(TSS_SELECTOR);
}

/* CPUID leaf 7, EBX: SMEP bit 7, ERMS bit 9, SMAP bit 20. Leaf 1, EDX: PGE bit 13; ECX: PCID bit 17. */
static void enable_protections(struct cpu *cpu)
{
    uint32_t max = cpuid(0, 0).eax;
    uint32_t extended = max >= 7 ? cpuid(7, 0).ebx : 0;
    uint64_t cr4 = read_cr4() | CR4_TSD;

    if (cpuid(1, 0).edx >> 13 & 1)
        cr4 |= CR4_PGE;
    if (extended >> 7 & 1)
        cr4 |= CR4_SMEP;
    if (extended >> 20 & 1) {
        cr4 |= CR4_SMAP;
        cpu->features |= FEATURE_SMAP;
    }
    if (extended >> 9 & 1)
        cpu->features |= FEATURE_ERMS;
    write_cr4(cr4);
}

bool cpu_has_pcid(void)
{
    return cpuid(1, 0).ecx >> 17 & 1;
}

void cpu_init(unsigned number, bool isolated)
{
    struct cpu_area *area = &areas[number];
    struct cpu *cpu = &area->cpu;

    cpu->self = cpu;
    cpu->number = number;
    cpu->entry_rsp = (uint64_t)area->entry_stack + sizeof(area->entry_stack);
    if (number == 0)
        idt_fill();
    load_tables(area);
    write_msr(MSR_GS_BASE, (uint64_t)cpu);
    write_msr(MSR_KERNEL_GS_BASE, 0);
    write_msr(MSR_FS_BASE, 0);
    write_msr(MSR_STAR, (uint64_t)STAR_USER << 48 | (uint64_t)KERNEL_CS << 32);
    write_msr(MSR_LSTAR, (uint64_t)(isolated ? syscall_entry_isolated : syscall_entry));
    write_msr(MSR_FMASK, RFLAGS_SYSCALL_MASK);
    enable_protections(cpu);
    area->tss.rsp[0] = cpu->entry_rsp;
}

void cpu_set_kernel_stack(uint64_t top)
{
    struct cpu *cpu = this_cpu();

    cpu->kernel_rsp = top;
    if (!cpu->kernel_cr3)
        areas[cpu->number].tss.rsp[0] = top;
}
