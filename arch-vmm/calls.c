/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/calls.c: a guest's SYSCALL: of one of its programs, to its kernel.
 */
#include "arch-vmm/kernel.h"

bool kernel_syscall(struct user_regs *regs)
{
    struct vcpu *v = vcpu_current();

    deliver_syscall(v);
    vcpu_leave(v);
    return false;
}
