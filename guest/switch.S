/* SPDX-License-Identifier: MIT
 *
 * guest/switch.S: from one kernel stack to another.
 */
    .text

/* void switch_stacks(uint64_t *save, uint64_t load): parks the caller on its stack, whose pointer goes to *save, and
 * resumes whoever parked at `load`. Registers that C may clobber in a call need no saving. */
    .globl switch_stacks
switch_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* The return address of a thread that has never run: r12 = its function, r13 = its argument (guest/thread.c). */
    .globl thread_begin
thread_begin:
    movq %r13, %rdi
    xorl %ebp, %ebp
    call *%r12
    ud2
