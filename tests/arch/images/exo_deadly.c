/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/exo_deadly.c: what an env does once. It returns only if nothing came of it. See exo_attacks.def.
 */
#include "tests/arch/images/hostile_lib.h"

#define RFLAGS_IF 0x200

#define INSTRUCTION(name, text)                                                                                        \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        __asm__ volatile(text : : : "memory", "rax", "rcx", "rdx");                                                    \
        return SURVIVED;                                                                                               \
    }
INSTRUCTION(instruction_cli, "cli")
INSTRUCTION(instruction_sti, "sti")
INSTRUCTION(instruction_hlt, "hlt")
INSTRUCTION(instruction_in, "in $0x60, %%al")
INSTRUCTION(instruction_out, "out %%al, $0xf4")
INSTRUCTION(instruction_cr3, "mov %%cr3, %%rax")
INSTRUCTION(instruction_wrmsr, "wrmsr")
INSTRUCTION(instruction_swapgs, "swapgs")
INSTRUCTION(instruction_clts, "clts")
INSTRUCTION(instruction_lidt, "lidt (%%rsp)")
INSTRUCTION(instruction_invlpg, "invlpg (%%rsp)")
INSTRUCTION(instruction_int, "int $0x30")
INSTRUCTION(instruction_iret, "pushq $0x10; pushq $0; pushq $2; pushq $0x08; pushq $0; iretq")
INSTRUCTION(instruction_ud2, "ud2")
INSTRUCTION(divide, "xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx")
INSTRUCTION(breakpoint, "int3")
INSTRUCTION(trap_flag, "pushfq; orl $0x100, (%%rsp); popfq; nop; nop")
static INSTRUCTION(bases_kernel_read, "movq %%gs:0, %%rax")
/* First a kernel call there, EXO_ENV_TIME. */
static INSTRUCTION(stack_push_in_kernel,
                   "movq $0xffffffff80100000, %%rsp; movl $0x20027, %%eax; xorl %%edi, %%edi; syscall; pushq %%rax")

/* Dropped without an exception; with IOPL, which would let CLI through. */
long attack_popf_interrupts_off(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; andl $~0x200, (%%rsp); orl $0x3000, (%%rsp); popfq; pushfq; popq %0"
                     : "=r"(flags)
                     :
                     : "memory");
    return flags & RFLAGS_IF && !(flags & 0x3000) ? SURVIVED : 0;
}

/* ---- memory ---- */

static long read_at(uint64_t address)
{
    (void)*(volatile uint64_t *)address;
    return SURVIVED;
}

static long write_at(uint64_t address)
{
    *(volatile uint64_t *)address = 0x666;
    return SURVIVED;
}

static long run_at(uint64_t address)
{
    void (*volatile code)(void) = (void (*)(void))address;

    code();
    return SURVIVED;
}

static uint8_t data_code[] = {0xc3}; /* ret */

#define AS(name, expression)                                                                                           \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
AS(write_text, write_at(LIB_IMAGE))
AS(write_boot_info, write_at(LIB_BOOT_INFO))
AS(write_clock, write_at(LIB_DEVICES + (MMIO_CLOCK - MMIO_BASE)))
AS(run_data, run_at((uint64_t)data_code))
AS(run_stack, run_at(LIB_STACK_TOP - 4096))
AS(run_kernel, run_at(KERNEL_TEXT))
AS(read_kernel, read_at(KERNEL_TEXT))
AS(write_kernel, write_at(KERNEL_TEXT))
AS(read_direct_map, read_at(DIRECT_MAP))
AS(read_disk_device, read_at(LIB_DEVICES + (MMIO_VIRTIO_BLK - MMIO_BASE)))
AS(read_not_canonical, read_at(NOT_CANONICAL))
AS(read_window_of_kernel, read_at(LIB_WINDOW + 0x100000))

/* It was there a moment ago, and in the TLB. */
long attack_read_given(void)
{
    uint64_t frame = take();

    write_at(LIB_WINDOW + frame);
    give(frame);
    return read_at(LIB_WINDOW + frame);
}

static long with_bases(uint64_t base)
{
    exo_call(EXO_ENV_BASES, 0, base, base);
    return attack_bases_kernel_read();
}

AS(bases_not_canonical, with_bases(NOT_CANONICAL))
AS(bases_kernel, with_bases(KERNEL_TEXT))

/* ---- upcalls ---- */

static long linux_call(void)
{
    long result = 39; /* getpid */

    __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
    return result;
}

AS(library_calls_linux, linux_call())

long attack_exception_in_handler(void)
{
    PRIVATE->nested_busy = 1;
    return attack_instruction_ud2();
}

static void upcalls_at(uint64_t address)
{
    const struct exo_upcalls upcalls = {address, address, address, address, address, address + 1};

    exo_call(EXO_UPCALLS, (uint64_t)&upcalls, 0, 0);
}

static long as_program(uint64_t upcalls, long (*what)(void))
{
    upcalls_at(upcalls);
    PRIVATE->in_library = 0;
    return what();
}

/* Those of the kernel are refused: what was there before remains. */
AS(upcalls_unmapped_exception, as_program(UNMAPPED, attack_instruction_ud2))
AS(upcalls_unmapped_call, as_program(UNMAPPED, linux_call))
AS(upcalls_kernel_call, as_program(NOT_CANONICAL, linux_call))
AS(stack_in_kernel, attack_stack_push_in_kernel())

/* ---- others that it makes ---- */

static void wait_for_partner(void)
{
    while (exo_call(EXO_ENV_ALIVE, hostile.partner[0], 0, 0) == 1)
        exo_call(EXO_YIELD, 0, 0, 0);
    env_exit();
}

long attack_start_at_kernel(void)
{
    hostile.partner[0] = (uint64_t)env_start(1, (void (*)(void))KERNEL_TEXT);
    wait_for_partner();
    return 0;
}

/* ---- for ever ---- */

static void fault_again(void)
{
    PRIVATE->nested_busy = 0;
    __asm__ volatile("movq %0, %%rsp; ud2" : : "r"(LIB_STACK_TOP));
}

long attack_exceptions_for_ever(void)
{
    upcalls_at((uint64_t)fault_again);
    return attack_instruction_ud2();
}

long attack_spin_in_library(void)
{
    for (;;)
        __asm__ volatile("");
}

long attack_spin_in_program(void)
{
    PRIVATE->in_library = 0;
    return attack_spin_in_library();
}

long attack_spin_with_alarms(void)
{
    for (;;)
        exo_call(EXO_ALARM, now_ns(), 0, 0);
}

static volatile unsigned passed;

/* When its slice is over it does not yield, but passes the processor to one that is fresh. All have the same private page,
 * so they use no stack. */
static void pass_on(void)
{
    for (;;) {
        while (!(PRIVATE->pending & PENDING_SLICE))
            continue;
        PRIVATE->pending = 0;
        if (++passed >= PARTNERS)
            for (;;)
                exo_call(EXO_ENV_EXIT, 0, 0, 0);
        exo_call(EXO_YIELD, hostile.partner[passed], 0, 0);
    }
}

long attack_pass_processor_on_for_ever(void)
{
    for (unsigned i = 0; i < PARTNERS; i++)
        hostile.partner[i] = (uint64_t)env_start(1, pass_on);
    exo_call(EXO_YIELD, hostile.partner[0], 0, 0);
    for (;;)
        exo_call(EXO_SLEEP, UINT64_MAX, 0, 0);
}

/* Thousands of entries, each of which goes through many tables. */
#define TABLES 500
#define ENTRIES (ROW_FRAMES * PAGE / sizeof(struct exo_batch))

long attack_batch_for_ever(void)
{
    static uint64_t frame[ROW_FRAMES];
    struct exo_batch *change;

    if (exo_call(EXO_PAGES_TAKE, (uint64_t)frame, ROW_FRAMES | EXO_IN_A_ROW, 0) != ROW_FRAMES)
        return 0;
    hostile.row = frame[0];
    change = (struct exo_batch *)(LIB_WINDOW + frame[0]);
    for (uint64_t i = 0; i < TABLES; i++)
        map(hostile.space, ADDRESS + i * 512 * PAGE, FRAME, 1);
    for (uint64_t i = 0; i < ENTRIES; i++)
        change[i] = (struct exo_batch){EXO_PROTECT, hostile.space, ADDRESS, TABLES * 512, 1};
    exo_call(EXO_BATCH, (uint64_t)change, ENTRIES, 0);
    return SURVIVED;
}
