/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_holes.c: instructions by which a kernel can see that it does not run in ring 0 (Robin and
 * Irvine, "Analysis of the Intel Pentium's ability to support a secure virtual machine monitor", USENIX Security 2000).
 *
 * "hole=N" executes the N-th alone, as some end a guest, and prints what a kernel learns of it: "NAME: what it saw".
 * Others follow that trap, for comparison. Addresses are not printed: only whether they are those that were loaded.
 */
#include "abi/devices.h"
#include "guest/x86.h"
#include "tests/arch/images/vmm_kit.h"

#define CR0_MP 2ul
#define RFLAGS_IOPL 0x3000ul
#define SPIN 100000 /* much longer than the timer takes */
#define TIMER_CYCLES 20000

static uint64_t flags_read(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags;
}

static void flags_write(uint64_t flags)
{
    __asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

static void sti(void)
{
    __asm__ volatile("sti" : : : "memory");
}

/* ---- interrupts ---- */

static const char *interrupted(void)
{
    kit_timer(TIMER_CYCLES);
    for (volatile unsigned i = 0; i < SPIN; i++)
        ;
    disable_interrupts();
    return kit.interrupts[VECTOR_TIMER] ? "an interrupt comes" : "no interrupt comes";
}

static void popf_off(void)
{
    sti();
    flags_write(RFLAGS_FIXED);
    print("%s\n", interrupted());
}

static void popf_on(void)
{
    flags_write(RFLAGS_FIXED | RFLAGS_IF);
    print("%s\n", interrupted());
}

static void pushf_if(void)
{
    print("IF is %u\n", flags_read() & RFLAGS_IF ? 1 : 0);
}

static void popf_iopl(void)
{
    flags_write(RFLAGS_FIXED | RFLAGS_IOPL);
    print("IOPL is %lu\n", flags_read() >> 12 & 3);
}

/* ---- table registers ---- */

static void say_table(const struct pointer *p, const void *base, size_t bytes)
{
    print("base %s, limit %s\n", p->base == (uint64_t)base ? "as loaded" : "of another",
          p->limit == bytes - 1 ? "as loaded" : "of another");
}

static void sgdt(void)
{
    struct pointer p;

    __asm__ volatile("sgdt %0" : "=m"(p));
    say_table(&p, kit.gdt, sizeof(kit.gdt));
}

static void sidt(void)
{
    struct pointer p;

    __asm__ volatile("sidt %0" : "=m"(p));
    say_table(&p, kit.idt, sizeof(kit.idt));
}

static void sldt(void)
{
    uint16_t selector;

    __asm__ volatile("lldt %w1; sldt %0" : "=r"(selector) : "r"(0));
    print("selector %x\n", selector);
}

static void str(void)
{
    uint16_t selector;

    __asm__ volatile("str %0" : "=r"(selector));
    print("selector %x\n", selector);
}

/* MP of CR0 is ours to choose. */
static void smsw(void)
{
    uint64_t cr0, low;

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movq %0, %%cr0" : : "r"(cr0 & ~CR0_MP));
    __asm__ volatile("smsw %0" : "=r"(low));
    print("MP is %u\n", low & CR0_MP ? 1 : 0);
}

/* ---- selectors ---- */

static void read_cs(void)
{
    uint32_t selector;

    __asm__ volatile("movl %%cs, %0" : "=r"(selector));
    print("selector %x\n", selector);
}

static void read_ss(void)
{
    uint32_t selector;

    __asm__ volatile("movl %%ss, %0" : "=r"(selector));
    print("selector %x\n", selector);
}

static void load_ds(void)
{
    __asm__ volatile("movl %0, %%ds" : : "r"(KIT_SS));
    print("loaded\n");
}

static void lar(void)
{
    uint32_t rights = 0;
    uint8_t valid;

    __asm__ volatile("larl %2, %0; setz %1" : "+r"(rights), "=q"(valid) : "r"(KIT_CS) : "cc");
    print(valid ? "rights %x\n" : "no such segment\n", rights & 0xf000);
}

static void lsl(void)
{
    uint32_t limit = 0;
    uint8_t valid;

    __asm__ volatile("lsll %2, %0; setz %1" : "+r"(limit), "=q"(valid) : "r"(KIT_CS) : "cc");
    print(valid ? "limit %x\n" : "no such segment\n", limit);
}

static void verr(void)
{
    uint8_t valid;

    __asm__ volatile("verr %w1; setz %0" : "=q"(valid) : "r"(KIT_SS) : "cc");
    print("%s\n", valid ? "readable" : "not readable");
}

static void verw(void)
{
    uint8_t valid;

    __asm__ volatile("verw %w1; setz %0" : "=q"(valid) : "r"(KIT_SS) : "cc");
    print("%s\n", valid ? "writable" : "not writable");
}

/* ---- far transfers within the kernel ---- */

static void far_jump(void)
{
    struct {
        uint64_t rip;
        uint16_t cs;
    } __attribute__((packed)) to = {.cs = KIT_CS};

    __asm__ volatile("leaq 1f(%%rip), %%rax; movq %%rax, %0; rex.w ljmp *%0; 1:" : "+m"(to) : : "rax", "memory");
    print("arrived\n");
}

static void far_call(void)
{
    struct {
        uint64_t rip;
        uint16_t cs;
    } __attribute__((packed)) to = {.cs = KIT_CS};

    __asm__ volatile("leaq 1f(%%rip), %%rax; movq %%rax, %0; rex.w lcall *%0; jmp 2f; 1: lretq; 2:"
                     : "+m"(to)
                     :
                     : "rax", "memory");
    print("arrived and returned\n");
}

static void far_return(void)
{
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : "i"(KIT_CS) : "rax", "memory");
    print("arrived\n");
}

/* ---- what is no hole ---- */

static void cpuid_leaf_1(void)
{
    struct cpuid leaf = cpuid(1, 0);

    print("model %x, processors %u\n", leaf.eax, leaf.ebx >> 16 & 0xff);
}

static void iret(void)
{
    __asm__ volatile("movq %%rsp, %%rcx; pushq %0; pushq %%rcx; pushq $2; pushq %1; leaq 1f(%%rip), %%rax;"
                     "pushq %%rax; iretq; 1:"
                     :
                     : "i"(KIT_SS), "i"(KIT_CS)
                     : "rax", "rcx", "memory", "cc");
    print("arrived\n");
}

static void cli(void)
{
    sti();
    disable_interrupts();
    print("%s\n", interrupted());
}

static void sti_on(void)
{
    sti();
    print("%s\n", interrupted());
}

static void cr0(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr0, %0; andq $-3, %0; movq %0, %%cr0; movq %%cr0, %0" : "=&r"(value));
    print("MP is %u\n", value & CR0_MP ? 1 : 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} holes[] = {
    {"POPF, IF off", popf_off},
    {"POPF, IF on", popf_on},
    {"PUSHF of IF", pushf_if},
    {"POPF, PUSHF of IOPL", popf_iopl},
    {"SGDT", sgdt},
    {"SIDT", sidt},
    {"SLDT", sldt},
    {"STR", str},
    {"SMSW", smsw},
    {"MOV from CS", read_cs},
    {"MOV from SS", read_ss},
    {"MOV to DS", load_ds},
    {"LAR", lar},
    {"LSL", lsl},
    {"VERR", verr},
    {"VERW", verw},
    {"JMP far", far_jump},
    {"CALL far", far_call},
    {"RETF", far_return},
    {"CPUID", cpuid_leaf_1},
    {"CLI", cli},
    {"STI", sti_on},
    {"IRETQ", iret},
    {"MOV CR0", cr0},
};

void test_main(void)
{
    uint64_t n = kit_setting("hole", 0);

    if (n >= sizeof(holes) / sizeof(*holes))
        power_off(1); /* that is all */
    print("%s: ", holes[n].name);
    holes[n].run();
}
