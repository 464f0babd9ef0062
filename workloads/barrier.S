/* SPDX-License-Identifier: MIT
 *
 * workloads/barrier.S: a program's handler of its own exceptions, called by an exokernel (abi/exo.h, barrier.h).
 *
 * Registers are those of the instruction that trapped but for RCX and R11; these, RIP and the flags are in the private
 * page's trap, at a fixed address. On the stack, below the red zone: the address to return to, then what C may change.
 * The stack is as aligned as the program had it, which is enough for code that uses integer registers only.
 */
#include "abi/exo.h"

#define RED_ZONE 128
#define TRAP(field) (field)(%rax)

    .text

/* void barrier_upcall(void): not a C function. */
    .globl barrier_upcall
    .balign 64
barrier_upcall:
    leaq -(RED_ZONE + 8)(%rsp), %rsp
    pushq %rax
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r8
    pushq %r9
    pushq %r10
    movabsq $LIB_TRAP, %rdi
    call barrier_trap
    popq %r10
    popq %r9
    popq %r8
    popq %rdx
    popq %rsi
    popq %rdi
    movabsq $LIB_TRAP, %rax
    movq TRAP(TRAP_RIP), %rcx
    movq %rcx, 8(%rsp)
    movq TRAP(TRAP_RCX), %rcx
    movq TRAP(TRAP_R11), %r11
    pushq TRAP(TRAP_RFLAGS)
    movq $0, TRAP(TRAP_BUSY)
    popfq
    popq %rax
    ret $RED_ZONE

    .section .note.GNU-stack,"",@progbits
