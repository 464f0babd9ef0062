/* SPDX-License-Identifier: MIT
 *
 * guest/entry.S: every way into ring 0 and every way back.
 *
 * An entry from ring 3 pushes struct user_regs (abi/regs.h) at the top of the thread's kernel stack, which is where
 * struct user_context begins with regs: so the frame *is* the thread's context and nothing is copied. GS is the program's
 * in ring 3 and the CPU's (guest/cpu.h) in ring 0; SWAPGS is the first instruction in and the last before the way out.
 *
 * With page-table isolation only this section and .percpu are mapped while the program's tables are loaded. SYSCALL
 * then takes another entry point; exceptions arrive on the entry stack in .percpu and move to the thread's.
 *
 * Interrupts stay off in ring 0, but for the HLT of an idle CPU and for take_interrupts().
 */
#include "abi/regs.h"
#include "guest/layout.h"
#include "guest/registers.h"
#include "guest/x86.h"

    .section .entry, "ax"

/* After SYSCALL: rcx = rip, r11 = rflags, rsp saved, on the thread's stack. */
    .macro push_syscall_frame
    pushq $USER_SS
    pushq %gs:CPU_USER_RSP
    pushq %r11
    pushq $USER_CS
    pushq %rcx
    pushq %rax
    pushq $VECTOR_SYSCALL_ENTRY
    push_registers
    .endm

/* The program's tables, when a frame's registers are restored. Clobbers rax and flags. */
    .macro load_user_tables
    movq %gs:CPU_USER_CR3, %rax
    movq %rax, %cr3
    movq %gs:CPU_CR3_NOFLUSH, %rax
    orq %rax, %gs:CPU_USER_CR3
    .endm

    .globl syscall_entry
    .balign 64
syscall_entry:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    movq %gs:CPU_KERNEL_RSP, %rsp
    push_syscall_frame
    movq %rsp, %rdi
    call kernel_syscall
    testb %al, %al
    jz return_checked
    movq REGS_RIP(%rsp), %rcx
    shrq $47, %rcx
    jnz return_checked
    addq $CALLEE_SAVED_BYTES, %rsp
return_sysret:
    pop_caller_saved
    movq (REGS_RSP - REGS_VECTOR)(%rsp), %rsp
    swapgs
    sysretq

    .globl syscall_entry_isolated
    .balign 64
syscall_entry_isolated:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    movq %gs:CPU_KERNEL_CR3, %rsp
    movq %rsp, %cr3
    movq %gs:CPU_KERNEL_RSP, %rsp
    push_syscall_frame
    movq %rsp, %rdi
    call kernel_syscall
    testb %al, %al
    jz return_checked
    movq REGS_RIP(%rsp), %rcx
    shrq $47, %rcx
    jnz return_checked
    addq $CALLEE_SAVED_BYTES, %rsp
return_sysret_isolated:
    pop_caller_saved
    pushq (REGS_RSP - REGS_VECTOR)(%rsp)
    popq %gs:CPU_USER_RSP
    movq %rax, %gs:CPU_SCRATCH
    load_user_tables
    movq %gs:CPU_SCRATCH, %rax
    movq %gs:CPU_USER_RSP, %rsp
    swapgs
    sysretq

/* _Noreturn void return_to_user(struct user_regs *regs): the first entry of a thread into ring 3. */
    .globl return_to_user
    .balign 16
return_to_user:
    movq %rdi, %rsp
/* SYSRET can be used when the frame has what SYSRET would load: rip in rcx, rflags in r11, and a RIP that is
 * canonical (else SYSRET faults in ring 0; SDM vol. 2B, SYSRET). Otherwise IRET. */
return_checked:
    cmpq $VECTOR_SYSCALL_ENTRY, REGS_VECTOR(%rsp)
    jne return_iret
    movq REGS_RIP(%rsp), %rcx
    cmpq %rcx, REGS_RCX(%rsp)
    jne return_iret
    movq REGS_RFLAGS(%rsp), %r11
    cmpq %r11, REGS_R11(%rsp)
    jne return_iret
    testl $(RFLAGS_TF | RFLAGS_RF), %r11d
    jnz return_iret
    shrq $47, %rcx
    jnz return_iret
    pop_callee_saved
    cmpq $0, %gs:CPU_KERNEL_CR3
    je return_sysret
    jmp return_sysret_isolated

return_iret:
    pop_callee_saved
    pop_caller_saved
    addq $(REGS_RIP - REGS_VECTOR), %rsp
    cmpq $0, %gs:CPU_KERNEL_CR3
    jne 1f
    swapgs
    iretq
1:  movq %rax, %gs:CPU_SCRATCH
    movq %rsp, %rax
    movq %gs:CPU_ENTRY_RSP, %rsp
    pushq 32(%rax)
    pushq 24(%rax)
    pushq 16(%rax)
    pushq 8(%rax)
    pushq (%rax)
    load_user_tables
    movq %gs:CPU_SCRATCH, %rax
    swapgs
    iretq

/* One stub a vector, 16 bytes each: makes all frames alike. Vectors with an error code: SDM vol. 3A table 6-1. */
    .globl trap_stubs
    .balign 16
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    .if vector == VECTOR_DOUBLE_FAULT
    jmp trap_double_fault
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr

/* vector, error, rip, cs, rflags, rsp, ss are on the stack. */
#define TRAP_CS (REGS_CS - REGS_VECTOR)
    .balign 16
trap_common:
    testb $3, TRAP_CS(%rsp)
    jz 1f
    swapgs
    cmpq $0, %gs:CPU_KERNEL_CR3
    jne trap_isolated
1:  push_registers
    cld
    movq %rsp, %rdi
    call guest_trap
    testb $3, REGS_CS(%rsp)
    jnz return_checked
    pop_callee_saved
    pop_caller_saved
    addq $(REGS_RIP - REGS_VECTOR), %rsp
    iretq

/* On the entry stack, in the program's tables: load the kernel's, move the seven words to the thread's stack. */
trap_isolated:
    pushq %rax
    movq %gs:CPU_KERNEL_CR3, %rax
    movq %rax, %cr3
    movq %rsp, %rax
    movq %gs:CPU_KERNEL_RSP, %rsp
    pushq 56(%rax)
    pushq 48(%rax)
    pushq 40(%rax)
    pushq 32(%rax)
    pushq 24(%rax)
    pushq 16(%rax)
    pushq 8(%rax)
    movq (%rax), %rax
    jmp 1b

/* A double fault comes from anywhere, even half-way through an entry: whose GS it is, the MSR tells. Own stack (IST). */
trap_double_fault:
    push_registers
    movl $MSR_GS_BASE, %ecx
    rdmsr
    testl %edx, %edx
    js 1f
    swapgs
1:  movq %gs:CPU_KERNEL_CR3, %rax
    testq %rax, %rax
    jz 2f
    movq %rax, %cr3
2:  cld
    movq %rsp, %rdi
    call guest_trap
    ud2
