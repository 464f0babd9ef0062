/* SPDX-License-Identifier: MIT
 *
 * guest/kernel.h: what a kernel image supplies to the mechanism: the upcalls.
 *
 * guest/ brings the CPU into a state where C can run and brings every crossing of the ring boundary here; what
 * it means is the architecture's business. All upcalls run with interrupts off and are never preempted; they may
 * sleep (guest/sched.h).
 */
#ifndef RINGSIDE_GUEST_KERNEL_H
#define RINGSIDE_GUEST_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/boot.h"
#include "abi/regs.h"

/* The first thread: on a stack of its own, all of guest/ initialised. Does not return. */
_Noreturn void kernel_main(const struct boot_info *boot);

/* A SYSCALL. `regs` is the thread's own context. The thread's user state is loaded afterwards; true: nothing of regs
 * but rax was changed, so the short way back is right. */
bool kernel_syscall(struct user_regs *regs);

/* An exception or interrupt came from ring 3 and has been handled: the last thing before ring 3 resumes. */
void kernel_user_return(struct user_regs *regs);

/* Vector to handler, for exceptions and external interrupts. NULL: the kernel panics. The timer and the
 * end-of-interrupt message are guest/'s. regs->cs tells the ring that was interrupted. */
typedef void trap_handler(struct user_regs *regs);
extern trap_handler *const kernel_traps[256];

static inline bool from_user(const struct user_regs *regs)
{
    return regs->cs & 3;
}

#endif
