/* SPDX-License-Identifier: MIT
 *
 * guest/trap.c: from a vector to its handler, for everything but SYSCALL.
 *
 * The mechanism keeps three vectors for itself (own_traps); all others are the architecture's (kernel_traps).
 */
#include "abi/devices.h"
#include "guest/clock.h"
#include "guest/cpu.h"
#include "guest/kernel.h"
#include "guest/print.h"
#include "guest/sched.h"
#include "guest/trap.h"
#include "guest/x86.h"

#define FIRST_INTERRUPT 0x20

void guest_trap(struct user_regs *regs);

struct fixup {
    uint64_t from, to;
};
extern const struct fixup __fixup_begin[], __fixup_end[];

static const struct fixup *fixup_find(uint64_t rip)
{
    for (const struct fixup *f = __fixup_begin; f < __fixup_end; f++)
        if (f->from == rip)
            return f;
    return NULL;
}

bool trap_in_user_access(const struct user_regs *regs)
{
    return fixup_find(regs->rip);
}

void trap_abandon_user_access(struct user_regs *regs)
{
    regs->rip = fixup_find(regs->rip)->to;
}

void trap_panic(const struct user_regs *regs)
{
    panic("exception %lu, error %lx, in ring %lu at %lx; cr2 %lx rsp %lx", regs->vector, regs->error, regs->cs & 3,
          regs->rip, read_cr2(), regs->rsp);
}

static void double_fault(struct user_regs *regs)
{
    panic("double fault at %lx; cr2 %lx rsp %lx (a kernel stack overflowed?)", regs->rip, read_cr2(), regs->rsp);
}

static void timer(struct user_regs *regs)
{
    sched_timer();
}

static void nothing(struct user_regs *regs)
{
}

static trap_handler *const own_traps[256] = {
    [VECTOR_DOUBLE_FAULT] = double_fault,
    [VECTOR_TIMER] = timer,
    [VECTOR_SPURIOUS] = nothing,
};

/* Called by entry.S. The program's AC flag must not open its memory to the handler (SMAP). */
void guest_trap(struct user_regs *regs)
{
    uint64_t vector = regs->vector; /* a handler may make another entry of it */
    trap_handler *handler = own_traps[vector & 255];

    if (this_cpu()->features & FEATURE_SMAP)
        clear_ac();
    if (!handler)
        handler = kernel_traps[vector & 255];
    if (!handler)
        trap_panic(regs);
    handler(regs);
    if (vector >= FIRST_INTERRUPT && vector != VECTOR_SPURIOUS)
        lapic_end_of_interrupt();
    if (from_user(regs))
        kernel_user_return(regs);
}
