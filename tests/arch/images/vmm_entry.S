/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_entry.S: the kit's ways in, and the way back out of an attempt (vmm_kit.h).
 */
#include "abi/devices.h"
#include "tests/arch/images/vmm_kit.h"

#define RETURNED 256
#define CALLED 257
#define LAPIC_EOI (MMIO_LAPIC + 0xb0)

    .text

/* unsigned kit_try(void (*attempt)(uint64_t), uint64_t argument) */
    .globl kit_try
kit_try:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq resume_rsp(%rip)
    movq %rsp, resume_rsp(%rip)
    movq %rdi, %rax
    movq %rsi, %rdi
    call *%rax
    movl $RETURNED, %eax
    jmp resume

/* With the outcome in rax, from any state: stack, tables and control registers as they were. */
abandon:
    movq resume_rsp(%rip), %rsp
    cld
    pushq %rax
    call kit_restore
    popq %rax
resume:
    cli
    popq resume_rsp(%rip)
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* _Noreturn void kit_user(uint64_t rip, uint64_t rsp) */
    .globl kit_user
kit_user:
    pushq $KIT_USER_SS
    pushq %rsi
    pushq $0x202
    pushq $KIT_USER_CS
    pushq %rdi
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    iretq

    .globl kit_syscall
kit_syscall:
    movl $CALLED, %eax
    movq %rax, kit_caught(%rip)
    jmp abandon

    .globl kit_stubs
    .balign 16
kit_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    pushq $0
    .endif
    pushq $vector
    jmp arrive
    .set vector, vector + 1
    .endr

/* vector, error, rip, cs, rflags, rsp, ss are on the stack. */
arrive:
    pushq %rax
    pushq %rcx
    movq 16(%rsp), %rax
    cmpq $0x20, %rax
    jb 1f
    leaq kit(%rip), %rcx
    incq KIT_INTERRUPTS(%rcx, %rax, 8)
    movl $LAPIC_EOI, %ecx
    movl $0, (%rcx)
    cmpb $0, kit_interrupts_end(%rip)
    jne 1f
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq
1:  leaq kit_caught(%rip), %rcx
    .set i, 0
    .rept 7
    movq 16 + 8 * i(%rsp), %rax
    movq %rax, 8 * i(%rcx)
    .set i, i + 1
    .endr
    movq %cr2, %rax
    movq %rax, 56(%rcx)
    movq 16(%rsp), %rax
    jmp abandon

    .data
resume_rsp:
    .quad 0
    .globl kit_interrupts_end
kit_interrupts_end:
    .byte 0
