/* SPDX-License-Identifier: MIT
 *
 * arch-monolithic/faults.c: exceptions: a page fault is a call to vm, the rest are signals.
 *
 * A page fault in ring 3 waits like any call. One in ring 0 comes from a service's copy to or from its caller
 * (guest/usercopy.S): if vm resolves it at once the same copy goes on, else the copy is abandoned and answers its
 * service what vm answered.
 */
#include "arch-monolithic/kernel.h"
#include "guest/layout.h"
#include "guest/trap.h"
#include "guest/x86.h"

static uint64_t access_of(uint64_t error)
{
    if (error & FAULT_FETCH)
        return VM_EXEC_ACCESS;
    return error & FAULT_WRITE ? VM_WRITE : VM_READ;
}

static void fault_in_program(struct user_regs *regs, uint64_t address)
{
    struct task *task = task_current();
    const struct route *vm = &kernel.routes[CALL_FAULT];
    struct call call = {.nr = CALL_FAULT, .pid = task->pid, .arg = {address, access_of(regs->error)}};
    long result = call_complete(task, &call, vm->op(vm->self, &call));

    /* -ERESTART: a signal came first; the instruction will fault again. */
    if (result < 0 && result != -ERESTART && !task->dying)
        proc_exception(kernel.proc, task->pid, VECTOR_PAGE_FAULT, regs->error | PROC_FAULT(result), address);
}

static void fault_in_copy(struct user_regs *regs, uint64_t address)
{
    struct task *task = task_current();
    const struct route *vm = &kernel.routes[CALL_FAULT];
    struct call *call = &task->fault;

    if (!trap_in_user_access(regs) || address >= USER_TOP)
        trap_panic(regs);
    /* Handed in again after a wait: the same call, so that its progress counts. */
    if (task->fault_result != CALL_WAIT || call->arg[0] != address)
        *call = (struct call){.nr = CALL_FAULT, .pid = task->pid, .arg = {address, access_of(regs->error)}};
    task->fault_result = vm->op(vm->self, call);
    if (task->fault_result == 0)
        return;
    if (task->fault_result != CALL_WAIT)
        task->fault_result = -EFAULT;
    trap_abandon_user_access(regs);
}

void fault_page(struct user_regs *regs)
{
    uint64_t address = read_cr2();

    if (regs->error & FAULT_RESERVED)
        trap_panic(regs);
    if (from_user(regs))
        fault_in_program(regs, address);
    else
        fault_in_copy(regs, address);
}

void fault_exception(struct user_regs *regs)
{
    if (!from_user(regs))
        trap_panic(regs);
    proc_exception(kernel.proc, task_current()->pid, (unsigned)regs->vector, regs->error, regs->rip);
}
