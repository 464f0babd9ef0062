/* SPDX-License-Identifier: MIT
 *
 * abi/probe.h: how guest code talks to the instrument.
 *
 * A probe is CPUID with a leaf that no processor defines. It clobbers registers
 * only, costs nothing on the modelled clock, works at every privilege level and
 * is harmless on real hardware (Intel SDM vol. 2A, CPUID: a leaf above the
 * maximum returns the data of the highest basic leaf).
 *
 *   in   EAX = PROBE_LEAF, ECX = probe number, RDX RSI RDI = arguments
 *   out  EAX = PROBE_LEAF if the machine answered, RDX = result, EBX ECX undefined
 *
 * A probe names things and marks regions. It never counts: no counter depends
 * on a guest's honesty.
 */
#ifndef RINGSIDE_ABI_PROBE_H
#define RINGSIDE_ABI_PROBE_H

#define PROBE_LEAF 0x52494e47u /* "RING" */

enum probe {
    PROBE_PRESENT = 0,      /* result: 1 */
    PROBE_DOMAIN = 1,       /* RDX = CR3 (0: the current one), RSI = name (NUL-terminated, mapped), RDI = ring */
    PROBE_REGION_BEGIN = 2, /* the measured region begins: counters restart from 0 */
    PROBE_REGION_END = 3,   /* RDX = operations done in the region */
    PROBE_WARN = 4,         /* RDX = enum probe_warning, RSI = value. Reported once for each pair */
    PROBE_FREE_FRAMES = 5,  /* RDX = free frames, RSI = 0 before the first program, 1 after the last */
    PROBE_SPACE_GONE = 6,   /* RDX = CR3 of an address space that was destroyed; its name is forgotten */
    PROBE_BOOTED = 7,       /* the first program is about to execute its first instruction */
    PROBE_DOMAIN_DIED = 8,  /* RSI = name, RDX = exception vector, or PROBE_DEATH_HANG: a domain that can be restarted failed */
    PROBE_DOMAIN_BACK = 9,  /* RSI = name, RDX = calls in flight that fail with EIO, RDI = text: what was lost, or 0: nothing */
    PROBE_GUEST_ROOT = 10,  /* RDX = physical address of a root page table on which a guest's code runs at CPL 3, RSI = guest
                               number (1 … PROBE_GUESTS_MAX), with GUEST_KERNEL if it is the guest's kernel mode, RDI = the
                               guest's own CR3. RSI = 0: the root is no guest's any more. From CPL 0 only */
    PROBE_REVOKED = 11,     /* RSI = name of a group, RDX = frames that it gave back when asked, RDI = frames taken from it
                               by force. From CPL 0 only */
};

/* What a virtual machine monitor says of its guests: a domain is a mode of a guest (its kernel), or a guest's address
 * space (its programs). A guest's kernel mode may use PROBE_DOMAIN, PROBE_SPACE_GONE and PROBE_FREE_FRAMES as if it ran at
 * CPL 0, with its own CR3s. Of several guests, the first one's regions and PROBE_BOOTED count, and the names of the others'
 * domains begin with "g2:" and so on. */
#define PROBE_GUESTS_MAX 255
#define GUEST_KERNEL (1 << 8)

#define PROBE_DEATH_HANG 0x100

enum probe_warning {
    PROBE_WARN_ENOSYS = 1,         /* value: the call number that no service implements */
    PROBE_WARN_NOT_APPLICABLE = 2, /* a workload that this architecture cannot run; value: 0 */
};

#ifndef __ASSEMBLER__
static inline unsigned long probe(unsigned number, unsigned long a, unsigned long b, unsigned long c)
{
    unsigned eax = PROBE_LEAF, ecx = number;
    unsigned long rdx = a;

    __asm__ volatile("cpuid" : "+a"(eax), "+c"(ecx), "+d"(rdx) : "S"(b), "D"(c) : "rbx", "memory");
    return eax == PROBE_LEAF ? rdx : 0;
}
#endif

#endif
