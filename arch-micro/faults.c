/* SPDX-License-Identifier: MIT
 *
 * arch-micro/faults.c: exceptions and interrupts as messages.
 *
 * A program's page fault is a message to its pager, on the program's behalf, as in Mach and L4; what the pager will not resolve,
 * and every other exception, is a message to the exception handler. A server's own fault is its death. An interrupt is a bit
 * in the notification word of the server that drives the device. A fault of ring 0 outside of its accesses to ring 3's
 * memory is the end of the machine: nobody restarts the kernel.
 */
#include "arch-micro/kernel.h"
#include "guest/trap.h"
#include "guest/x86.h"

static void exception_message(struct task *task, const struct user_regs *regs, uint64_t address, long answer)
{
    if (!kernel.handler)
        trap_panic(regs);
    task->kind = MSG_EXCEPTION;
    task->nr = (uint16_t)regs->vector;
    task->word[0] = regs->error;
    task->word[1] = address;
    task->word[2] = (uint64_t)answer;
    ipc_send(task, kernel.handler);
    if (task->delivered)
        task->attention = false;
}

static uint64_t access_of(uint64_t error)
{
    return error & FAULT_FETCH ? 4 : error & FAULT_WRITE ? 2 : 1;
}

/* An interrupted fault is not looked at: it comes again, if the instruction does. */
static void fault_of_program(struct task *task, const struct user_regs *regs, uint64_t address)
{
    if (!kernel.pager)
        trap_panic(regs);
    task->kind = MSG_FAULT;
    task->nr = VECTOR_PAGE_FAULT;
    task->word[0] = address;
    task->word[1] = access_of(regs->error);
    task->word[2] = regs->error;
    ipc_send(task, kernel.pager);
    if (task->result < 0 && !task->attention)
        exception_message(task, regs, address, task->result);
}

void fault_page(struct user_regs *regs)
{
    struct task *task = task_current();
    uint64_t address = read_cr2();

    if (!from_user(regs)) {
        if (!trap_in_user_access(regs) || address >= USER_TOP)
            trap_panic(regs);
        trap_abandon_user_access(regs);
    } else if (task->image) {
        server_die(task->image, regs->vector, regs->rip, address);
    } else if (regs->error & FAULT_RESERVED) {
        trap_panic(regs);
    } else {
        fault_of_program(task, regs, address);
    }
}

void fault_exception(struct user_regs *regs)
{
    struct task *task = task_current();

    if (!from_user(regs))
        trap_panic(regs);
    if (task->image)
        server_die(task->image, regs->vector, regs->rip, 0);
    else
        exception_message(task, regs, regs->rip, 0);
}

/* The driver runs at once, as an interrupt handler in the kernel would. */
void fault_interrupt(struct user_regs *regs)
{
    server_interrupt((unsigned)regs->vector);
    sched_yield_later();
}
