/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_exceptions.c: attacks by exceptions that are hard to deliver, and by what the monitor does not
 * emulate (vmm_attacks.def).
 */
#include "tests/arch/images/vmm_hostile.h"

#define MSR_EFER 0xc0000080
#define CR0_BOOT 0x80050033ul
#define CR0_PE 1ul
#define CR0_PG (1ul << 31)

/* ---- INT n and other exceptions ---- */

static void software_interrupt(uint64_t vector)
{
    static uint8_t code[] = {0xcd, 0, 0xc3};

    ((volatile uint8_t *)code)[1] = (uint8_t)vector;
    ((void (*)(void))code)();
}

long attack_int_every_vector(void)
{
    long wrong = 0;

    kit_interrupts_end = 1;
    for (unsigned vector = 0; vector < 256; vector++)
        wrong += kit_try(software_interrupt, vector) != vector;
    return wrong;
}

/* Gates of the kernel's, from CPL 3. */
long attack_int_from_user(void)
{
    uint64_t frame = kit_frame(), root = kit_root();
    long wrong = 0;

    kit_interrupts_end = 1;
    kit_map(root, PLACE, frame | P | U);
    enter(root);
    for (unsigned vector = 0; vector < 256; vector++) {
        ((volatile uint8_t *)frame)[0] = 0xcd;
        ((volatile uint8_t *)frame)[1] = (uint8_t)vector;
        wrong += iret(PLACE, KIT_USER_CS, 2, 0, KIT_USER_SS) != (vector == 3 || vector == 4 ? kit_caught.vector : 13);
    }
    return wrong;
}

INSTRUCTION(sysenter, "sysenter", "r"(0))
INSTRUCTION(rdtsc_in_kernel, "rdtsc", "r"(0))
INSTRUCTION(device_across_its_end, "movq %0, %%rax; movq 4092(%%rax), %%rax", "r"(MMIO_VIRTIO_BLK - PAGE))
INSTRUCTION(int1, ".byte 0xf1", "r"(0))
INSTRUCTION(divide, "xorl %%eax, %%eax; divl %%eax", "r"(0))
INSTRUCTION(ud2, "ud2", "r"(0))
INSTRUCTION(vmcall, "vmcall", "r"(0))
INSTRUCTION(vmxoff, "vmxoff", "r"(0))
INSTRUCTION(vmrun, "vmrun", "a"(0))
INSTRUCTION(rsm, "rsm", "r"(0))
INSTRUCTION(xsetbv, "xsetbv", "a"(0), "c"(0), "d"(0))
INSTRUCTION(rdpmc, "rdpmc", "c"(0))
INSTRUCTION(invd, "invd; wbinvd", "r"(0))
INSTRUCTION(stac_clac, "stac; clac", "r"(0))

/* ---- exceptions that are hard to deliver ---- */

/* The first one fails, the double fault has a stack. */
static long on_stack(uint64_t ist)
{
    uint64_t own = kit.tss.ist[0];
    unsigned how;

    kit.tss.ist[1] = own;
    kit.tss.ist[0] = ist;
    kit.idt[8] = kit_gate((uint64_t)kit_stubs + 8 * 16, KIT_CS, 2, 0x8e);
    how = load(NOWHERE);
    kit.idt[8] = kit_gate((uint64_t)kit_stubs + 8 * 16, KIT_CS, 1, 0x8e);
    kit.tss.ist[0] = own;
    return EXCEPTION(how);
}

long attack_exception_stack_nowhere(void)
{
    return on_stack(NOWHERE);
}

long attack_exception_stack_in_monitor(void)
{
    return on_stack(MONITOR_STACKS + 0x5000);
}

long attack_exception_stack_in_device(void)
{
    return on_stack(MMIO_LAPIC + PAGE);
}

long attack_exception_stack_behind_memory(void)
{
    return on_stack(BEYOND + PAGE);
}

long attack_exception_stack_not_canonical(void)
{
    return on_stack(NOT_CANONICAL);
}

/* Half of the frame is in memory. */
long attack_exception_stack_straddling_memory(void)
{
    return on_stack(BEYOND + 16);
}

static void undefined(uint64_t unused)
{
    __asm__ volatile("ud2");
}

static long through_gate(struct gate gate)
{
    struct gate own = kit.idt[6];
    unsigned how;

    kit.idt[6] = gate;
    how = kit_try(undefined, 0);
    kit.idt[6] = own;
    return EXCEPTION(how);
}

#define GATE(name, ...)                                                                                                \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        return through_gate(kit_gate(__VA_ARGS__));                                                                    \
    }

GATE(gate_into_monitor, MONITOR_IMAGE, KIT_CS, 1, 0x8e)
GATE(gate_not_canonical, NOT_CANONICAL, KIT_CS, 1, 0x8e)
GATE(gate_absent, (uint64_t)kit_stubs, KIT_CS, 1, 0x0e)
GATE(gate_of_call, (uint64_t)kit_stubs, KIT_CS, 1, 0x8c)
GATE(gate_null_selector, (uint64_t)kit_stubs, 0, 1, 0x8e)
GATE(gate_data_selector, (uint64_t)kit_stubs, KIT_SS, 1, 0x8e)
GATE(gate_user_selector, (uint64_t)kit_stubs, KIT_USER_CS, 1, 0x8e)
GATE(gate_monitor_selector, (uint64_t)kit_stubs, MONITOR_CS, 1, 0x8e)
GATE(gate_beyond_limit, (uint64_t)kit_stubs, 0xfff8, 1, 0x8e)

/* INT 8 is an instruction like others: what goes wrong with it is no triple fault. */
long attack_int8_through_bad_gate(void)
{
    struct gate own = kit.idt[8];
    unsigned how;

    kit.idt[8] = (struct gate){0};
    how = kit_try(software_interrupt, 8);
    kit.idt[8] = own;
    return EXCEPTION(how);
}

/* The last instruction below the hole: RIP behind it is none that can be. */
long attack_code_at_end_of_lower_half(void)
{
    uint64_t frame = kit_frame(), root = kit_root();

    ((uint8_t *)frame)[PAGE - 1] = 0xfa; /* CLI */
    kit_map(root, 0x7ffffffff000, frame | P);
    enter(root);
    return EXCEPTION(jump(0x7fffffffffff));
}

/* ---- deadly ---- */

static long exception_with(const struct pointer *gdt, const struct pointer *idt)
{
    if (gdt)
        __asm__ volatile("lgdt %0" : : "m"(*gdt));
    if (idt)
        __asm__ volatile("lidt %0" : : "m"(*idt));
    __asm__ volatile("ud2");
    return 0;
}

#define TABLES(name, gdt, idt)                                                                                         \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        return exception_with(gdt, idt);                                                                               \
    }

TABLES(idt_nowhere, NULL, &table_nowhere)
TABLES(idt_in_monitor, NULL, &table_in_monitor)
TABLES(idt_empty, NULL, &table_empty)
TABLES(idt_at_the_top, NULL, &table_at_top)
TABLES(gdt_nowhere, &table_nowhere, NULL)
TABLES(gdt_in_monitor, &table_in_monitor, NULL)
TABLES(gdt_empty, &table_empty, NULL)

long attack_idt_in_device(void)
{
    const struct pointer device = {0xfff, MMIO_VIRTIO_BLK};

    return exception_with(NULL, &device);
}

long attack_idt_behind_memory(void)
{
    const struct pointer behind = {0xfff, BEYOND};

    return exception_with(NULL, &behind);
}

static long with_tss(uint64_t base)
{
    kit.gdt[KIT_TR >> 3] = 103ul | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
    kit.gdt[(KIT_TR >> 3) + 1] = base >> 32;
    load_tss(KIT_TR);
    __asm__ volatile("ud2");
    return 0;
}

long attack_tss_nowhere(void)
{
    return with_tss(NOWHERE);
}

long attack_tss_in_monitor(void)
{
    return with_tss(MONITOR_IMAGE);
}

long attack_tss_not_canonical(void)
{
    return with_tss(NOT_CANONICAL);
}

long attack_stack_in_monitor_without_another(void)
{
    for (unsigned v = 0; v < 256; v++)
        kit.idt[v] = kit_gate((uint64_t)kit_stubs + v * 16, KIT_CS, 0, 0x8e);
    __asm__ volatile("movq %0, %%rsp; pushq $1" : : "r"(MONITOR_STACKS + 0x5000));
    return 0;
}

INSTRUCTION(paging_off, "movq %0, %%cr0", "r"(CR0_BOOT & ~CR0_PG))
INSTRUCTION(protection_off, "movq %0, %%cr0", "r"(CR0_BOOT & ~(CR0_PE | CR0_PG)))
INSTRUCTION(long_mode_off, "wrmsr", "c"(MSR_EFER), "a"(0), "d"(0))
INSTRUCTION(efer_unknown_bits, "wrmsr", "c"(MSR_EFER), "a"(-1), "d"(-1))
INSTRUCTION(lstar_not_canonical, "wrmsr", "c"(MSR_LSTAR), "a"(0), "d"(0x80000000))
INSTRUCTION(kernel_gs_not_canonical, "wrmsr", "c"(MSR_KERNEL_GS_BASE), "a"(0), "d"(0x80000000))
INSTRUCTION(hlt_for_ever, "cli; hlt", "r"(0))
INSTRUCTION(debug_register_write, "movq %0, %%dr7", "r"(0x401ul))
INSTRUCTION(debug_register_read, "movq %%dr6, %%rax", "r"(0))
INSTRUCTION(iret_32, "iretl", "r"(0))
INSTRUCTION(iret_16, "iretw", "r"(0))
INSTRUCTION(sysret_32, "movl $0, %%ecx; sysretl", "r"(0))
INSTRUCTION(sysexit, "sysexitl", "r"(0))
INSTRUCTION(ins, "cld; rep insb", "d"(0x60), "D"(0x1000000ul), "c"(100))
INSTRUCTION(outs, "cld; rep outsb", "d"(PORT_DEBUG), "S"(0x1000000ul), "c"(100))
INSTRUCTION(lmsw, "lmsw %w0", "r"(0))
INSTRUCTION(lldt_of_something, "lldt %w0", "r"(KIT_SS))
INSTRUCTION(load_monitors_code, "movl %0, %%ds", "r"(MONITOR_CS))
INSTRUCTION(load_monitors_stack, "movl %0, %%ss", "r"(MONITOR_SS))
INSTRUCTION(load_monitors_tss, "movl %0, %%es", "r"(MONITOR_TR))
INSTRUCTION(load_beyond_limit, "movl %0, %%gs", "r"(0xfffb))
INSTRUCTION(jump_to_monitors_code, "subq $16, %%rsp; movq %0, (%%rsp); movw $0x48, 8(%%rsp); rex.w ljmp *(%%rsp)",
            "r"(MONITOR_IMAGE))
INSTRUCTION(call_monitors_code, "subq $16, %%rsp; movq %0, (%%rsp); movw $0x48, 8(%%rsp); rex.w lcall *(%%rsp)",
            "r"(MONITOR_IMAGE))
INSTRUCTION(return_to_monitors_code, "pushq $0x48; pushq %0; lretq", "r"(MONITOR_IMAGE))
INSTRUCTION(load_not_canonical, "movq (%0), %%rax", "r"(NOT_CANONICAL))
INSTRUCTION(panic_of_its_own, "outw %w0, %w1", "a"(POWER_PANIC), "d"(PORT_POWER))
INSTRUCTION(device_by_string, "cld; rep stosb", "D"(MMIO_LAPIC), "a"(0), "c"(64))
INSTRUCTION(device_by_exchange, "xchgl %%eax, (%0)", "r"(MMIO_LAPIC + 0x80))
INSTRUCTION(device_by_push, "leaq 64(%0), %%rsp; pushq $1", "r"(MMIO_VIRTIO_BLK))
INSTRUCTION(code_in_device, "jmp *%0", "r"(MMIO_VIRTIO_BLK))
INSTRUCTION(code_behind_memory, "jmp *%0", "r"(kit.boot->ram_bytes))
