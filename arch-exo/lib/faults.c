/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/faults.c: exceptions: a program's page fault is a call to vm, the rest are signals.
 *
 * A program's page fault waits like any call. What only a limit of the program's own denies (EXO_LIMIT) is not vm's
 * affair: it is denied as if mprotect had said so. One of the library itself comes from a service's copy to or from the
 * program (guest/usercopy.S): if vm resolves it at once the same copy goes on, else the copy is abandoned and answers
 * its service what vm answered. Any other exception of the library is a mistake in it, and ends the env: its process is
 * ended by the housekeeper, the others go on.
 */
#include "arch-exo/lib/context.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/x86.h"

/* ---- the program's ---- */

static void fault_in_program(struct task *task, const struct user_regs *regs, uint64_t address)
{
    const struct route *vm = &library.routes[CALL_FAULT];
    struct call call = {.nr = CALL_FAULT, .pid = task->pid, .arg = {address, access_of(regs->error)}};
    long result = -EACCES;

    if (!(regs->error & EXO_FAULT_LIMITED))
        result = call_complete(task, &call, vm->op(vm->self, &call));
    /* -ERESTART: a signal came first; the instruction will fault again. */
    if (result < 0 && result != -ERESTART && !task->dying)
        proc_exception(library.proc, task->pid, VECTOR_PAGE_FAULT,
                       (regs->error & ~EXO_FAULT_LIMITED) | PROC_FAULT(result), address);
}

void lib_exception(void)
{
    const struct user_regs *regs = &lib_private.context.regs;
    uint64_t address = lib_private.address;
    struct task *task = task_current();

    lock_take();
    if (regs->vector == VECTOR_PAGE_FAULT)
        fault_in_program(task, regs, address);
    else
        proc_exception(library.proc, task->pid, (unsigned)regs->vector, regs->error, address);
    task_leave(task, 0);
}

/* ---- the library's own ---- */

static void fault_in_copy(struct user_regs *nested, uint64_t address, uint64_t fixup)
{
    struct task *task = task_current();
    const struct route *vm = &library.routes[CALL_FAULT];
    struct call *call = &task->fault;

    /* Handed in again after a wait: the same call, so that its progress counts. */
    if (task->fault_result != CALL_WAIT || call->arg[0] != address)
        *call = (struct call){.nr = CALL_FAULT, .pid = task->pid, .arg = {address, access_of(nested->error)}};
    task->fault_result = nested->error & EXO_FAULT_LIMITED ? -EACCES : vm->op(vm->self, call);
    if (task->fault_result == 0) {
        pages_flush();
        return;
    }
    if (task->fault_result != CALL_WAIT)
        task->fault_result = -EFAULT;
    nested->rip = fixup;
}

/* The kernel must not be left alone with a lock that nobody will release, nor proc with a process that nobody runs. */
static _Noreturn void crash(const struct user_regs *nested, uint64_t address)
{
    log_line("process %d: exception %lu in the library at %lx, address %lx", task_current()->pid, nested->vector,
             nested->rip, address);
    if (!library.housekeeper)
        exo_call(EXO_POWER_OFF, 126, 0, 0);
    if (!lock_is_mine())
        lock_take();
    task_crashed(lib_private.env);
    lock_release();
    for (;;)
        exo_call(EXO_ENV_EXIT, 0, 0, 0);
}

/* A program may have entered with its trap or alignment flag set: the library goes on without. */
void lib_fault(struct user_regs *nested)
{
    uint64_t address = lib_private.address, fixup = copy_fixup(nested->rip);

    if (nested->vector == VECTOR_DEBUG || nested->vector == VECTOR_ALIGNMENT)
        nested->rflags &= ~(uint64_t)(RFLAGS_TF | RFLAGS_AC);
    else if (nested->vector == VECTOR_PAGE_FAULT && fixup && (address < LIB_BASE || address >= LIB_END))
        fault_in_copy(nested, address, fixup);
    else
        crash(nested, address);
}
