/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/faults.c: exceptions: the program's own, and the library's while it touches the program's memory.
 */
#include "arch-exo/copier/copier.h"
#include "arch-exo/lib/context.h"
#include "arch-exo/lib/exo_call.h"
#include "guest/x86.h"

void lib_exception(void)
{
    const struct user_regs *regs = &lib_private.context.regs;
    uint64_t address = lib_private.address, error = regs->error & ~EXO_FAULT_LIMITED;
    long result = -EACCES;

    if (regs->vector != VECTOR_PAGE_FAULT) {
        proc_exception(copier.proc, FIRST_PID, (unsigned)regs->vector, error, address);
    } else {
        if (!(regs->error & EXO_FAULT_LIMITED))
            result = space_fault(address, access_of(error));
        if (result < 0)
            proc_exception(copier.proc, FIRST_PID, VECTOR_PAGE_FAULT, error | PROC_FAULT(result), address);
    }
    program_resume(0);
}

static _Noreturn void crash(const struct user_regs *nested, uint64_t address)
{
    log_line("exception %lu in the library at %lx, address %lx", nested->vector, nested->rip, address);
    for (;;)
        exo_call(EXO_POWER_OFF, 126, 0, 0);
}

/* The same copy goes on, or is abandoned. The trap and alignment flags are the program's. */
void lib_fault(struct user_regs *nested)
{
    uint64_t address = lib_private.address, fixup = copy_fixup(nested->rip);

    if (nested->vector == VECTOR_DEBUG || nested->vector == VECTOR_ALIGNMENT)
        nested->rflags &= ~(uint64_t)(RFLAGS_TF | RFLAGS_AC);
    else if (nested->vector != VECTOR_PAGE_FAULT || !fixup || !is_programs(address, 1))
        crash(nested, address);
    else if (space_fault(address, access_of(nested->error)) < 0)
        nested->rip = fixup;
}
