/* SPDX-License-Identifier: MIT
 *
 * guest/x86.h: one wrapper for each instruction that C cannot express.
 *
 * With the .S files this is the only place with privileged instructions. Nothing here reads state that ring 3
 * could see differently without a trap (no POPF, PUSHF, SGDT, SMSW, STR, no reading of CS): interrupts are either
 * known to be off, or turned on by STI for one HLT. So the same kernel can later run deprivileged under a
 * trap-and-emulate VMM.
 *
 * Section numbers: Intel SDM.
 */
#ifndef RINGSIDE_GUEST_X86_H
#define RINGSIDE_GUEST_X86_H

#define CR0_TS (1ul << 3)
#define CR0_WP (1ul << 16)

#define CR4_TSD (1ul << 2)
#define CR4_PGE (1ul << 7)
#define CR4_PCIDE (1ul << 17)
#define CR4_SMEP (1ul << 20)
#define CR4_SMAP (1ul << 21)

#define CR3_NOFLUSH (1ul << 63)

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define RFLAGS_FIXED 0x2
#define RFLAGS_TF 0x100
#define RFLAGS_IF 0x200
#define RFLAGS_RF 0x10000
/* What a program may set: CF PF AF ZF SF TF DF OF RF AC ID. */
#define RFLAGS_USER 0x250dd5
/* What SYSCALL clears: TF IF DF IOPL NT AC. */
#define RFLAGS_SYSCALL_MASK 0x47700

#ifndef __ASSEMBLER__
#include <stdint.h>

static inline uint64_t read_cr2(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}

static inline void set_task_switched(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr0, %0; orq %1, %0; movq %0, %%cr0" : "=&r"(value) : "i"(CR0_TS));
}

static inline void clear_task_switched(void)
{
    __asm__ volatile("clts");
}

static inline void write_cr3(uint64_t value)
{
    __asm__ volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}

static inline uint64_t read_cr3(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

static inline uint64_t read_cr4(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}

static inline void write_cr4(uint64_t value)
{
    __asm__ volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}

static inline void invlpg(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* SDM vol. 2A, INVPCID: `descriptor` is a PCID and an address. */
#define INVPCID_ADDRESS 0
#define INVPCID_ALL_BUT_GLOBAL 3
static inline void invpcid(uint64_t type, const void *descriptor)
{
    __asm__ volatile("invpcid (%0), %1" : : "r"(descriptor), "r"(type) : "memory");
}

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* SDM vol. 2A, LGDT: 16 bits of limit, 64 of base. */
struct descriptor_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static inline void load_gdt(const struct descriptor_register *gdt)
{
    __asm__ volatile("lgdt %0" : : "m"(*gdt));
}

static inline void load_idt(const struct descriptor_register *idt)
{
    __asm__ volatile("lidt %0" : : "m"(*idt));
}

static inline void load_tss(uint16_t selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector));
}

/* Waits for one interrupt. Interrupts are off before and after; STI's shadow closes the gap before HLT. */
static inline void wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Those that wait, now. STI holds them back for an instruction (SDM vol. 2B, STI). */
static inline void take_interrupts(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

static inline void disable_interrupts(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void clear_ac(void)
{
    __asm__ volatile("clac" : : : "memory");
}

static inline void save_fpu(void *fx)
{
    __asm__ volatile("fxsave64 (%0)" : : "r"(fx) : "memory");
}

static inline void load_fpu(const void *fx)
{
    __asm__ volatile("fxrstor64 (%0)" : : "r"(fx) : "memory");
}

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t mmio_read32(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline uint64_t mmio_read64(uint64_t address)
{
    uint64_t value;

    __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void mmio_write32(uint64_t address, uint32_t value)
{
    __asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* STOSQ and MOVSQ over whole pages. */
static inline void zero_quads(void *to, uint64_t quads)
{
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(quads) : "a"(0ul) : "memory");
}

static inline void copy_quads(void *to, const void *from, uint64_t quads)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(quads) : : "memory");
}
#endif

#endif
