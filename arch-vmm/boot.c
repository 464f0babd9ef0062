/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/boot.c: a guest's power on: its memory and its processor as abi/boot.h promises them to any kernel, so that the image
 * that boots on the machine boots here. Where the machine leaves the choice open, it is the machine's (sim/machine.c).
 */
#include <elf.h>

#include "arch-vmm/kernel.h"
#include "guest/print.h"
#include "guest/x86.h"
#include "services/string.h"

#define BOOT_INFO 0x1000ul
#define BOOT_GDT 0x8100ul
#define BOOT_STACK_TOP 0xa000ul
#define BOOT_TABLES 0x10000ul /* PML4, two PDPTs, four PDs */
#define LOW_END 0x20000ul
#define MEGABYTE (1ul << 20)
#define GIGABYTES 4
#define CR0_BOOT 0x80050033ul  /* PE MP ET NE WP AM PG */
#define CR4_BOOT 0x624ul       /* TSD PAE OSFXSR OSXMMEXCPT */
#define EFER_BOOT 0xd01ul      /* SCE LME LMA NXE */
#define BOOT_CS 0x08
#define BOOT_SS 0x10

static void *low_memory(struct guest *guest, uint64_t address)
{
    return guest_memory(guest, address, PAGE_BYTES);
}

/* ---- the image ---- */

static const Elf64_Ehdr *header_of(const struct boot_module *module)
{
    const Elf64_Ehdr *header = direct(module->address);

    if (module->size < sizeof(*header) || header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_phentsize != sizeof(Elf64_Phdr) ||
        header->e_phoff > module->size || header->e_phnum > (module->size - header->e_phoff) / sizeof(Elf64_Phdr))
        panic("module '%s' is not a kernel's image", module->name);
    return header;
}

/* Memory is zero where the file has nothing: nobody has used it before. */
static uint64_t place(struct guest *guest, const struct boot_module *module, const Elf64_Phdr *segment)
{
    void *to = guest_memory(guest, segment->p_paddr, segment->p_memsz);

    if (segment->p_paddr < LOW_END || !to || segment->p_filesz > segment->p_memsz || segment->p_offset > module->size ||
        segment->p_filesz > module->size - segment->p_offset)
        panic("module '%s' has a segment that does not fit into a guest's memory", module->name);
    copy_quads(to, direct(module->address + segment->p_offset), (segment->p_filesz + 7) / 8);
    for (uint64_t i = segment->p_filesz; i < segment->p_memsz && i % 8; i++)
        ((char *)to)[i] = 0;
    return (segment->p_paddr + segment->p_memsz + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* The first free address behind it. */
static uint64_t load(struct guest *guest, const struct boot_module *module, uint64_t *entry)
{
    const Elf64_Ehdr *header = header_of(module);
    const Elf64_Phdr *segment = direct(module->address + header->e_phoff), *end = segment + header->e_phnum;
    uint64_t free = MEGABYTE;

    for (; segment < end; segment++)
        if (segment->p_type == PT_LOAD && segment->p_memsz) {
            uint64_t behind = place(guest, module, segment);

            free = behind > free ? behind : free;
        }
    *entry = header->e_entry;
    return free;
}

/* ---- what the machine puts beside it ---- */

/* 4 GiB by 2 MiB pages at 0 and at BOOT_DIRECT_MAP, the first GiB at BOOT_KERNEL_BASE. */
static void make_tables(struct guest *guest)
{
    const uint64_t low = BOOT_TABLES + PAGE_BYTES, high = low + PAGE_BYTES, directories = high + PAGE_BYTES;
    uint64_t *root = low_memory(guest, BOOT_TABLES), *directory;

    root[0] = root[index_of(BOOT_DIRECT_MAP, 3)] = low | PTE_P | PTE_W;
    root[index_of(BOOT_KERNEL_BASE, 3)] = high | PTE_P | PTE_W;
    ((uint64_t *)low_memory(guest, high))[index_of(BOOT_KERNEL_BASE, 2)] = directories | PTE_P | PTE_W;
    for (uint64_t i = 0; i < GIGABYTES; i++)
        ((uint64_t *)low_memory(guest, low))[i] = (directories + i * PAGE_BYTES) | PTE_P | PTE_W;
    directory = guest_memory(guest, directories, GIGABYTES * PAGE_BYTES);
    for (uint64_t i = 0; i < GIGABYTES * ENTRIES; i++)
        directory[i] = i << LEVEL_SHIFT(1) | PTE_P | PTE_W | PTE_LARGE;
}

static void make_gdt(struct guest *guest)
{
    uint64_t *gdt = guest_memory(guest, BOOT_GDT, 3 * sizeof(*gdt));

    gdt[BOOT_CS / 8] = 0x00af9b000000ffff;
    gdt[BOOT_SS / 8] = 0x00cf93000000ffff;
    guest->cpu.gdt = (struct table_register){BOOT_GDT, 3 * sizeof(*gdt) - 1};
}

static void make_boot_info(struct guest *guest, uint64_t free)
{
    struct boot_info *info = guest_memory(guest, BOOT_INFO, sizeof(*info));

    *info = *monitor.boot;
    info->ram_bytes = info->free_end = guest->bytes;
    info->free_start = free;
    info->disk_bytes = guest->disk.sectors * SECTOR_BYTES;
    info->disk_slices = 1;
    info->cpus = 1;
    info->module_count = info->guests = 0;
    info->guest_ram_bytes = 0;
    if (guest->number != 1)
        info->tty_mask = 0;
    __builtin_memset(info->modules, 0, sizeof(info->modules));
}

void guest_boot(struct guest *guest, const struct boot_module *kernel)
{
    struct vcpu *v = &guest->cpu;
    struct user_regs *r = vcpu_regs(v);

    make_boot_info(guest, load(guest, kernel, &r->rip));
    make_tables(guest);
    make_gdt(guest);
    v->kernel = true;
    v->cs = BOOT_CS;
    v->ss = BOOT_SS;
    v->cr0 = CR0_BOOT;
    v->cr3 = BOOT_TABLES;
    v->cr4 = CR4_BOOT;
    v->efer = EFER_BOOT;
    r->rdi = BOOT_INFO;
    r->rsp = BOOT_STACK_TOP;
    vcpu_set_flags(v, RFLAGS_FIXED);
}
