/* SPDX-License-Identifier: MIT
 *
 * arch-exo/upcall.S: a page fault of ring 3, on its way to whoever of ring 3 wants it.
 *
 * The kernel has nothing to do with most of them but to point them up again, and whoever runs in ring 3 was let there
 * with nothing pending, its own tables and FPU loaded. So this way in and out looks at no CPU structure, leaves GS
 * alone, and saves what C may change. What upcall_page_fault does not take goes the way of all traps, as if it came
 * from there. (No trap can come in between: interrupts are off, and it touches the kernel's memory only.)
 */
#include "abi/regs.h"
#include "guest/layout.h"
#include "guest/x86.h"

#define VECTOR_PAGE_FAULT 14
#define STUB_BYTES 16

    .section .entry, "ax"

    .globl upcall_entry
    .balign 64
upcall_entry:
    testb $3, (REGS_CS - REGS_ERROR)(%rsp)
    jz 1f
    pushq $VECTOR_PAGE_FAULT
    pushq %rax
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    leaq -REGS_R11(%rsp), %rdi
    cld
    call upcall_page_fault
    testb %al, %al
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rax
    jz 2f
    movq (REGS_RSP - REGS_VECTOR)(%rsp), %rsp
    sysretq
2:  addq $(REGS_ERROR - REGS_VECTOR), %rsp
1:  jmp trap_stubs + VECTOR_PAGE_FAULT * STUB_BYTES

    .section .note.GNU-stack,"",@progbits
