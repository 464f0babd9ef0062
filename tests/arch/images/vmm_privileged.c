/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_privileged.c: attacks by instructions with hostile operands (vmm_attacks.def): those that trap,
 * and those by which ring 3 could reach what the monitor keeps there.
 */
#include "tests/arch/images/vmm_hostile.h"

#define MSR_EFER 0xc0000080
#define CR0_BOOT 0x80050033ul
#define CR4_PAE (1ul << 5)

/* ---- descriptor tables ---- */

const struct pointer table_nowhere = {0xffff, NOWHERE}, table_not_canonical = {0xffff, NOT_CANONICAL},
                     table_in_monitor = {0xffff, MONITOR_IMAGE}, table_empty = {0, 0},
                     table_at_top = {0xffff, ~0ul - 16};

INSTRUCTION(lgdt_not_canonical, "lgdt %0", "m"(table_not_canonical))
INSTRUCTION(lidt_not_canonical, "lidt %0", "m"(table_not_canonical))
INSTRUCTION(lgdt_operand_nowhere, "lgdt (%0)", "r"(NOWHERE))
INSTRUCTION(lidt_operand_in_monitor, "lidt (%0)", "r"(MONITOR_IMAGE))
INSTRUCTION(lgdt_operand_in_device, "lgdt (%0)", "r"(MMIO_LAPIC))

static long all_tables(bool interrupts)
{
    const struct pointer *const tables[] = {&table_nowhere, &table_in_monitor, &table_empty, &table_at_top};

    for (unsigned i = 0; i < 4; i++)
        if (interrupts)
            __asm__ volatile("lidt %0" : : "m"(*tables[i]));
        else
            __asm__ volatile("lgdt %0" : : "m"(*tables[i]));
    kit_load_tables();
    return 0;
}

long attack_lgdt_anywhere_and_back(void)
{
    return all_tables(false);
}

long attack_lidt_anywhere_and_back(void)
{
    return all_tables(true);
}

INSTRUCTION(ltr_null, "ltr %w0", "r"(0))
INSTRUCTION(ltr_beyond_limit, "ltr %w0", "r"(0xfff8))
INSTRUCTION(ltr_data, "ltr %w0", "r"(KIT_SS))
INSTRUCTION(ltr_local, "ltr %w0", "r"(KIT_TR | 4))
INSTRUCTION(ltr_busy, "ltr %w0", "r"(KIT_TR))
INSTRUCTION(ltr_of_monitor, "ltr %w0", "r"(MONITOR_TR))
INSTRUCTION(lldt_null, "lldt %w0", "r"(0))

long attack_ltr_gdt_nowhere(void)
{
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(table_nowhere), "r"(8));
    return RETURNED;
}

/* ---- IRET ---- */

struct frame {
    uint64_t rip, cs, rflags, rsp, ss;
};

static void iret_to(uint64_t frame)
{
    __asm__ volatile("movq %0, %%rsp; iretq" : : "r"(frame) : "memory");
}

__asm__(".text; iret_landing: ud2");

unsigned iret(uint64_t rip, uint64_t cs, uint64_t rflags, uint64_t rsp, uint64_t ss)
{
    struct frame frame = {rip, cs, rflags, rsp, ss};

    return kit_try(iret_to, (uint64_t)&frame);
}

#define IRET(name, ...)                                                                                                \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        return EXCEPTION(iret(__VA_ARGS__));                                                                           \
    }

IRET(iret_not_canonical, NOT_CANONICAL, KIT_CS, 2, kit.tss.ist[0], KIT_SS)
IRET(iret_user_not_canonical, 0x800000000000, KIT_USER_CS, 2, 0, KIT_USER_SS)
IRET(iret_null_selector, LANDING, 0, 2, kit.tss.ist[0], KIT_SS)
IRET(iret_to_ring_1, LANDING, KIT_CS | 1, 2, kit.tss.ist[0], KIT_SS | 1)
IRET(iret_to_ring_2, LANDING, KIT_CS | 2, 2, kit.tss.ist[0], KIT_SS | 2)
IRET(iret_stack_of_other_ring, LANDING, KIT_USER_CS, 2, kit.tss.ist[0], KIT_SS)
IRET(iret_into_monitor, MONITOR_IMAGE, KIT_CS, 2, kit.tss.ist[0], KIT_SS)
IRET(iret_user_into_monitor, MONITOR_IMAGE, KIT_USER_CS, 2, 0, KIT_USER_SS)
IRET(iret_user_into_kernel, LANDING, KIT_USER_CS, 2, 0, KIT_USER_SS)

long attack_iret_frame_nowhere(void)
{
    return EXCEPTION(kit_try(iret_to, NOWHERE));
}

long attack_iret_frame_in_monitor(void)
{
    return EXCEPTION(kit_try(iret_to, MONITOR_STACKS + 0x4f00));
}

long attack_iret_every_selector(void)
{
    for (uint64_t cs = 0; cs < 0x90; cs++)
        for (uint64_t ss = cs & 3; ss < 0x80; ss += 0x10)
            iret(LANDING, cs, 2, kit.tss.ist[0], ss);
    iret(LANDING, 0xffff, 2, kit.tss.ist[0], 0xffff);
    return 0;
}

/* Not by the monitor's own emulation: the processor itself accepts these, in ring 3. */
long attack_iret_to_monitors_user_segments(void)
{
    return EXCEPTION(iret(LANDING, MONITOR_USER_CS, 2, kit.tss.ist[0], MONITOR_USER_SS));
}

long attack_iret_all_flags(void)
{
    long wrong = 0;

    for (unsigned bit = 0; bit < 64; bit++)
        wrong += bit != 8 && bit != 14 && iret(LANDING, KIT_CS, 1ul << bit | 2, kit.tss.ist[0], KIT_SS) != 6;
    return wrong;
}

/* ---- SYSCALL, SYSRET ---- */

INSTRUCTION(sysret_not_canonical, "movq %0, %%rcx; movl $2, %%r11d; sysretq", "r"(NOT_CANONICAL))
INSTRUCTION(sysret_into_monitor, "movq %0, %%rcx; movl $2, %%r11d; sysretq", "r"(MONITOR_IMAGE))
INSTRUCTION(sysret_all_flags, "movq %0, %%rcx; movq $-1, %%r11; btrq $8, %%r11; sysretq", "r"(LANDING))

long attack_sysret_switched_off(void)
{
    write_msr(MSR_EFER, 0xd00);
    __asm__ volatile("sysretq");
    return RETURNED;
}

long attack_syscall_switched_off(void)
{
    write_msr(MSR_EFER, 0xd00);
    __asm__ volatile("syscall");
    return RETURNED;
}

long attack_syscall_into_monitor(void)
{
    write_msr(MSR_LSTAR, MONITOR_IMAGE);
    __asm__ volatile("syscall" : : : "rcx", "r11", "memory");
    return RETURNED;
}

long attack_syscall_selectors_of_monitor(void)
{
    write_msr(MSR_STAR, (uint64_t)(MONITOR_USER_SS - 8) << 48 | (uint64_t)MONITOR_CS << 32);
    __asm__ volatile("syscall" : : : "rcx", "r11", "memory");
    return RETURNED;
}

/* ---- MSRs ---- */

static void read_number(uint64_t msr)
{
    read_msr((uint32_t)msr);
}

static void write_ones(uint64_t msr)
{
    write_msr((uint32_t)msr, ~0ul);
}

static void write_zero(uint64_t msr)
{
    write_msr((uint32_t)msr, 0);
}

static bool is_known(uint32_t msr)
{
    return msr >= MSR_EFER && msr <= MSR_KERNEL_GS_BASE;
}

static long msrs_accepted(uint32_t from, uint32_t step, unsigned count)
{
    long accepted = 0;

    for (unsigned i = 0; i < count; i++) {
        uint32_t msr = from + i * step;

        if (is_known(msr))
            continue;
        accepted += kit_try(read_number, msr) != 13;
        accepted += kit_try(write_ones, msr) != 13;
        accepted += kit_try(write_zero, msr) != 13;
    }
    return accepted;
}

long attack_msrs_low(void)
{
    return msrs_accepted(0, 1, 512) + msrs_accepted(0x400, 7, 256);
}

long attack_msrs_high(void)
{
    return msrs_accepted(0xc0000000, 1, 512) + msrs_accepted(0xc0010000, 1, 64);
}

long attack_msrs_anywhere(void)
{
    return msrs_accepted(0x10000, 0x01234567, 200);
}

INSTRUCTION(fs_base_not_canonical, "wrmsr", "c"(MSR_FS_BASE), "a"(0), "d"(0x80000000))
INSTRUCTION(gs_base_not_canonical, "wrmsr", "c"(MSR_GS_BASE), "a"(0), "d"(0x80000000))

long attack_gs_base_in_monitor(void)
{
    long wrong = 0;
    uint64_t got;

    write_msr(MSR_GS_BASE, MONITOR_IMAGE);
    write_msr(MSR_KERNEL_GS_BASE, MONITOR_STACKS);
    for (unsigned i = 0; i < 100; i++)
        __asm__ volatile("swapgs");
    wrong += read_msr(MSR_GS_BASE) != MONITOR_IMAGE || read_msr(MSR_KERNEL_GS_BASE) != MONITOR_STACKS;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(got)); /* #PF */
    return wrong;
}

/* ---- control registers ---- */

INSTRUCTION(cr0_high_bits, "movq %0, %%cr0", "r"(CR0_BOOT | 1ul << 32))
INSTRUCTION(cr3_high_bits, "movq %0, %%cr3", "r"(1ul << 60))
INSTRUCTION(cr4_unknown_bits, "movq %0, %%cr4", "r"(~0ul))
INSTRUCTION(cr4_vmx, "movq %0, %%cr4", "r"(CR4_PAE | 1ul << 13))
INSTRUCTION(cr4_without_pae, "movq %0, %%cr4", "r"(0x600ul))
INSTRUCTION(cr1, ".byte 0x0f, 0x20, 0xc8", "r"(0))
INSTRUCTION(cr15, ".byte 0x44, 0x0f, 0x22, 0xf8", "r"(0))

long attack_cr4_tags_with_low_bits(void)
{
    write_cr3(kit.cr3 | 0xfff);
    write_cr4(read_cr4() | CR4_PCIDE);
    return RETURNED;
}

long attack_cr8_all_values(void)
{
    for (uint64_t i = 0; i < 64; i++)
        __asm__ volatile("movq %0, %%cr8" : : "r"(i << (i & 31)));
    __asm__ volatile("movq %0, %%cr8" : : "r"(0ul));
    return 0;
}

INSTRUCTION(fpu_switched_off, "movq %0, %%cr0; fninit", "r"(CR0_BOOT | CR0_TS))

/* ---- translations ---- */

static void invpcid_at(uint64_t type)
{
    static const uint64_t descriptor[2] = {0, 0};

    invpcid(type, descriptor);
}

long attack_invpcid_types(void)
{
    long wrong = 0;

    for (uint64_t type = 0; type < 4; type++)
        wrong += kit_try(invpcid_at, type) != RETURNED;
    for (uint64_t type = 4; type < 64; type++)
        wrong += kit_try(invpcid_at, type) != 13;
    return wrong + (kit_try(invpcid_at, 1ul << 63) != 13) + (kit_try(invpcid_at, 1ul << 32) != 13);
}

static long invpcid_of(uint64_t type, uint64_t tag, uint64_t address)
{
    const uint64_t descriptor[2] = {tag, address};

    invpcid(type, descriptor);
    return RETURNED;
}

long attack_invpcid_reserved_tag(void)
{
    return invpcid_of(1, 1ul << 12, 0);
}

long attack_invpcid_not_canonical(void)
{
    return invpcid_of(0, 0, NOT_CANONICAL);
}

long attack_invpcid_monitor(void)
{
    return invpcid_of(0, 0, MONITOR_IMAGE);
}

INSTRUCTION(invpcid_operand_in_monitor, "invpcid (%0), %1", "r"(MONITOR_IMAGE), "r"(2ul))

long attack_invlpg_anywhere(void)
{
    static const uint64_t places[] = {MONITOR,        MONITOR_STACKS, MONITOR_IMAGE, NOT_CANONICAL,
                                      0x800000000000, ~0ul,           NOWHERE,       0};

    for (unsigned i = 0; i < 8 * 20; i++)
        invlpg(places[i % 8]);
    return 0;
}

/* ---- ports ---- */

static void in_all(uint64_t port)
{
    uint32_t value;

    __asm__ volatile("inb %w1, %b0; inw %w1, %w0; inl %w1, %0" : "=a"(value) : "d"(port));
    if (value != ~0u)
        __asm__ volatile("ud2");
}

static void out_all(uint64_t port)
{
    __asm__ volatile("outb %b0, %w1; outw %w0, %w1; outl %0, %w1" : : "a"(~0u), "d"(port));
}

long attack_ports(void)
{
    long wrong = 0;

    for (uint64_t port = 0; port < 0x10000; port += port < 0x200 ? 1 : 0x3f1) {
        wrong += kit_try(in_all, port) != RETURNED;
        if (port != PORT_POWER && port != PORT_DEBUG)
            wrong += kit_try(out_all, port) != RETURNED;
    }
    return wrong;
}

/* IOPL is nobody's: a kernel's flags do not reach the processor. */
long attack_iopl(void)
{
    __asm__ volatile("pushq $0x3002; popfq; cli; sti; cli; inb $0x60, %%al" : : : "rax", "memory", "cc");
    return iret(LANDING, KIT_USER_CS, 0x3002, 0, KIT_USER_SS) == 14 ? 0 : 1;
}

/* ---- flags ---- */

#define WITH_TRAP_FLAG "pushq $0x102; popfq;"
INSTRUCTION(trap_flag, WITH_TRAP_FLAG "nop", "r"(0))
INSTRUCTION(trap_flag_cli, WITH_TRAP_FLAG "cli; nop", "r"(0))
INSTRUCTION(trap_flag_syscall, WITH_TRAP_FLAG "syscall", "r"(0))
INSTRUCTION(trap_flag_int3, WITH_TRAP_FLAG "int3", "r"(0))
INSTRUCTION(trap_flag_device, WITH_TRAP_FLAG "movl (%0), %%eax; nop", "r"(MMIO_LAPIC))
INSTRUCTION(stack_segment_trap_flag_syscall, WITH_TRAP_FLAG "movl %0, %%ss; syscall", "r"(MONITOR_USER_SS))
INSTRUCTION(stack_segment_int3, "movl %0, %%ss; int3", "r"(MONITOR_USER_SS))
INSTRUCTION(direction_flag_syscall, "std; syscall", "r"(0))
INSTRUCTION(all_flags_syscall, "pushq %0; popfq; syscall", "r"(0x257ed5ul & ~0x100ul))
INSTRUCTION(nested_task_syscall, "pushq $0x4002; popfq; syscall", "r"(0))
INSTRUCTION(nested_task_page_fault, "pushq $0x4002; popfq; movl (%0), %%eax", "r"(NOWHERE))

/* ---- segments ---- */

INSTRUCTION(load_monitors_user_data, "movl %0, %%ds; movl %0, %%es; movl %0, %%ss", "r"(MONITOR_USER_SS))
INSTRUCTION(load_monitors_user_code, "movl %0, %%ds", "r"(MONITOR_USER_CS))
INSTRUCTION(load_null_segments, "movl %0, %%ds; movl %0, %%es; movl %0, %%fs; movl %0, %%gs", "r"(0))
INSTRUCTION(jump_to_monitors_user_code,
            "subq $16, %%rsp; leaq 1f(%%rip), %%rax; movq %%rax, (%%rsp); movw $0x63, 8(%%rsp); rex.w ljmp *(%%rsp); "
            "1: addq $16, %%rsp",
            "r"(0))
