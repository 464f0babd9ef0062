/* SPDX-License-Identifier: MIT
 *
 * services/proc/exception.c: from an exception to the signal that Linux sends.
 *
 * Linux's arch/x86/kernel/traps.c and arch/x86/mm/fault.c, as a table.
 */
#include <asm/signal.h>
#include <asm/siginfo.h>

#include "services/proc/process.h"

#define VECTOR_PAGE_FAULT 14
#define PAGE_FAULT_PRESENT 1

enum where { NOWHERE, AT_RIP, AT_FAULT };

struct exception {
    int signo, code;
    enum where address;
};

static const struct exception exceptions[32] = {
    [0] = {SIGFPE, FPE_INTDIV, AT_RIP},  [1] = {SIGTRAP, TRAP_TRACE, AT_RIP}, [2] = {SIGSEGV, SI_KERNEL, NOWHERE},
    [3] = {SIGTRAP, SI_KERNEL, NOWHERE}, [4] = {SIGSEGV, SI_KERNEL, NOWHERE}, [5] = {SIGSEGV, SI_KERNEL, NOWHERE},
    [6] = {SIGILL, ILL_ILLOPN, AT_RIP},  [7] = {SIGSEGV, SI_KERNEL, NOWHERE}, [9] = {SIGFPE, FPE_FLTUNK, AT_RIP},
    [10] = {SIGSEGV, SI_KERNEL, NOWHERE}, [11] = {SIGBUS, SI_KERNEL, NOWHERE}, [12] = {SIGBUS, SI_KERNEL, NOWHERE},
    [13] = {SIGSEGV, SI_KERNEL, NOWHERE}, [16] = {SIGFPE, FPE_FLTUNK, AT_RIP}, [17] = {SIGBUS, BUS_ADRALN, NOWHERE},
    [19] = {SIGFPE, FPE_FLTUNK, AT_RIP},
};

/* What vm answered, if the placement says so; else the hardware's word. */
static struct exception page_fault(uint64_t error)
{
    switch (error >> 32) {
    case EIO:
        return (struct exception){SIGBUS, BUS_ADRERR, AT_FAULT};
    case ENOMEM:
        return (struct exception){SIGKILL, SI_KERNEL, NOWHERE};
    case EACCES:
        return (struct exception){SIGSEGV, SEGV_ACCERR, AT_FAULT};
    case EFAULT:
        return (struct exception){SIGSEGV, SEGV_MAPERR, AT_FAULT};
    default:
        return (struct exception){SIGSEGV, error & PAGE_FAULT_PRESENT ? SEGV_ACCERR : SEGV_MAPERR, AT_FAULT};
    }
}

/* The first unmasked exception flag of x87 (status and control word) or SSE (MXCSR), as Linux's fpu__exception_code. */
static int float_code(uint32_t flags)
{
    if (flags & 0x01)
        return FPE_FLTINV;
    if (flags & 0x04)
        return FPE_FLTDIV;
    if (flags & 0x08)
        return FPE_FLTOVF;
    if (flags & 0x12)
        return FPE_FLTUND;
    return flags & 0x20 ? FPE_FLTRES : FPE_FLTUNK;
}

static int float_exception(const struct user_context *context, unsigned vector)
{
    const uint16_t *x87 = (const uint16_t *)context->fx; /* control word, status word */
    uint32_t mxcsr = *(const uint32_t *)(context->fx + 24);

    return float_code(vector == 16 ? x87[1] & ~x87[0] : mxcsr & ~(mxcsr >> 7));
}

static uint64_t address_of(enum where where, const struct user_context *context, uint64_t address)
{
    return where == AT_RIP ? context->regs.rip : where == AT_FAULT ? address : 0;
}

void proc_exception(struct proc *proc, int pid, unsigned vector, uint64_t error, uint64_t address)
{
    struct process *p = proc_find(proc, pid);
    const struct user_context *context = proc->threads->thread_context(proc->threads->ctx, pid);
    struct exception e = vector == VECTOR_PAGE_FAULT ? page_fault(error) : exceptions[vector & 31];
    struct signal_info info;

    if (!p || p->state == PROCESS_ZOMBIE)
        return;
    if (!e.signo)
        e = exceptions[13];
    if (vector == 16 || vector == 19)
        e.code = float_exception(context, vector);
    info = (struct signal_info){.code = e.code, .address = address_of(e.address, context, address)};
    p->trap_number = vector;
    p->trap_error = (uint32_t)error;
    if (vector == VECTOR_PAGE_FAULT)
        p->trap_address = address;
    proc_force(proc, p, e.signo, &info);
}
