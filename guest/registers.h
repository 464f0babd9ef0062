/* SPDX-License-Identifier: MIT
 *
 * guest/registers.h: for assembly: a program's registers on the stack, in the order of struct user_regs (abi/regs.h).
 *
 * The registers that C preserves lie lowest, from r15 up to rbx: so they are pushed last, and a short way back, which
 * can leave them because C did, begins CALLEE_SAVED_BYTES above them. No macro changes flags.
 */
#ifndef RINGSIDE_GUEST_REGISTERS_H
#define RINGSIDE_GUEST_REGISTERS_H

#define CALLEE_SAVED_BYTES 48

    .macro push_registers
    pushq %rax
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .macro pop_callee_saved
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    .endm

    .macro pop_caller_saved
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rax
    .endm

#endif
