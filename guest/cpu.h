/* SPDX-License-Identifier: MIT
 *
 * guest/cpu.h: one CPU as a kernel sees it: the structure that GS points to in ring 0.
 *
 * Each CPU has an area of whole pages in .percpu: this structure, its GDT and TSS, and two small stacks. The area
 * is mapped in the program's page tables too under page-table isolation, so nothing secret belongs here.
 */
#ifndef RINGSIDE_GUEST_CPU_H
#define RINGSIDE_GUEST_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/layout.h"

struct thread;
struct space;

struct cpu {
    struct cpu *self;
    /* used by entry.S */
    uint64_t user_rsp;    /* a program's RSP, between SYSCALL and the first push */
    uint64_t kernel_rsp;  /* where an entry from ring 3 starts to push: the end of the thread's context.regs */
    uint64_t kernel_cr3;  /* with page-table isolation, else 0 */
    uint64_t user_cr3;    /* with page-table isolation: what an exit loads */
    uint64_t cr3_noflush; /* or-ed into user_cr3 when an exit has used it: CR3_NOFLUSH, or 0 without PCIDs */
    uint64_t entry_rsp;   /* top of the entry stack: TSS RSP0 under page-table isolation */
    uint64_t scratch;
    uint64_t features;
    /* guest/thread.c */
    struct thread *current;
    struct thread *user_state; /* whose FPU and segment bases the registers hold; NULL: nobody's that matters */
    bool fpu_off;              /* CR0.TS is set: a thread that is integer_only runs */
    bool bases_lost;           /* such a one ran, and may have cleared the bases */
    /* guest/paging.c */
    struct space *space; /* loaded; NULL: the kernel's own root */
    /* guest/sched.c */
    uint8_t reschedule; /* RESCHEDULE_*: sched_before_user has something to do before ring 3 resumes */
    unsigned number;
};

_Static_assert(offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "entry.S");
_Static_assert(offsetof(struct cpu, kernel_rsp) == CPU_KERNEL_RSP, "entry.S");
_Static_assert(offsetof(struct cpu, kernel_cr3) == CPU_KERNEL_CR3, "entry.S");
_Static_assert(offsetof(struct cpu, user_cr3) == CPU_USER_CR3, "entry.S");
_Static_assert(offsetof(struct cpu, cr3_noflush) == CPU_CR3_NOFLUSH, "entry.S");
_Static_assert(offsetof(struct cpu, entry_rsp) == CPU_ENTRY_RSP, "entry.S");
_Static_assert(offsetof(struct cpu, scratch) == CPU_SCRATCH, "entry.S");
_Static_assert(offsetof(struct cpu, features) == CPU_FEATURES, "entry.S");

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;

    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* Loads GDT, IDT, TSS and the SYSCALL registers of CPU `number`, and switches on the protections that it has.
 * `isolated`: enter through the entry stack and the isolated SYSCALL path. */
void cpu_init(unsigned number, bool isolated);
/* Where the next entry from ring 3 pushes. */
void cpu_set_kernel_stack(uint64_t top);
/* Another way in for a vector than guest/entry.S's, trap_stubs + 16 * vector, which it may go on to. */
void cpu_set_entry(unsigned vector, const char *entry);

bool cpu_has_pcid(void);

#endif
