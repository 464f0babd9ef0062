/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/entry.S: every way from a program into the library in its own space, and every way back.
 *
 * Where arch-monolithic has guest/entry.S this has no ring to cross: a patched site jumps to lib_call, and the way back
 * ends with a jump. The registers go to private->context.regs, as a kernel's entry pushes struct user_regs; then the
 * private stack, because a program may keep things below its RSP.
 *
 * Who was interrupted? While in_library is 0 the kernel takes an interrupt for the program's, and may enter an upcall,
 * which overwrites context.regs; while it is 1, for the library's, and resumes exactly there. So:
 *
 *   In    in_library = 1 is the first instruction of lib_call, before which nothing has changed: an upcall there sees a
 *         program that stands at lib_call with its arguments in registers, and can go on there later. For all upcalls
 *         the kernel has set it.
 *   Out   From exit_begin to exit_end context.regs is all of the program's registers, in_library is 0 from the first
 *         instruction on, and nothing but registers is written. So the kernel, which does not touch context.regs when
 *         it finds an env there, may send it to exit_begin with whatever registers: the whole way is done again. The
 *         short way, which leaves the callee-saved registers alone because C did, lies in the same range; its
 *         repetition is the long one.
 *   No upcall is lost: pending is looked at after in_library is 0. What was noted before is found by that look. What
 *         comes later is an interrupt upcall, or finds the env in the range and makes it look once more.
 *
 * A program's trap flag is dropped, or each instruction here would trap; its alignment flag is dealt with by lib_fault.
 */
#include "abi/exo.h"
#include "abi/regs.h"
#include "guest/layout.h"
#include "guest/registers.h"

#define OWN(offset) lib_private + (offset)(%rip)

#define FLAGS_HIGH_BYTE (REGS_RFLAGS + 1)
#define WITHOUT_TF 0xfe

/* The rest of a call's registers: rip in rcx, flags in r11 and at (%rsp). Both are saved as SYSCALL leaves them. */
    .macro push_call_frame
    pushq $USER_CS
    pushq %rcx
    pushq %rax
    pushq $VECTOR_SYSCALL_ENTRY
    push_registers
    leaq lib_stack_top(%rip), %rsp
    cld
    .endm

    .macro move_word from, to
    movq OWN(PRIVATE_TRAP + \from), %rcx
    movq %rcx, OWN(\to)
    .endm

/* What the kernel has left in registers goes where it has put the others. */
    .macro push_upcall_frame
    movq OWN(REGS_RCX), %rcx
    movq OWN(REGS_R11), %r11
    movq %rsp, OWN(REGS_RSP)
    leaq OWN(REGS_VECTOR), %rsp
    push_registers
    leaq lib_stack_top(%rip), %rsp
    .endm

    .text

/* The first env begins here, on its private stack; the others in lib_start. */
    .globl _start
_start:
    xorl %ebp, %ebp
    call lib_main
    jmp exit_begin

    .globl lib_start
lib_start:
    xorl %ebp, %ebp
    call lib_begin
    jmp exit_begin

/* A call of the program's, from a patched site: rcx = where to return to. */
    .globl lib_call
    .balign 64
lib_call:
    movq $1, OWN(PRIVATE_IN_LIBRARY)
    movq %rsp, OWN(REGS_RSP)
    leaq OWN(REGS_RSP), %rsp
    pushfq
    andb $WITHOUT_TF, 1(%rsp)
    movq (%rsp), %r11
    push_call_frame
    call lib_syscall
    testb %al, %al
    jnz exit_short

    .globl exit_begin
exit_begin:
    movq $0, OWN(PRIVATE_IN_LIBRARY)
    cmpq $0, OWN(PRIVATE_PENDING)
    jne exit_pending
    andb $WITHOUT_TF, OWN(FLAGS_HIGH_BYTE)
    leaq OWN(0), %rsp
    pop_callee_saved
    jmp 1f
exit_short:
    movq $0, OWN(PRIVATE_IN_LIBRARY)
    cmpq $0, OWN(PRIVATE_PENDING)
    jne exit_pending
    leaq OWN(CALLEE_SAVED_BYTES), %rsp
1:  pop_caller_saved
    leaq OWN(REGS_RFLAGS), %rsp
    popfq
    popq %rsp
    jmp *OWN(REGS_RIP)
exit_pending:
    movq $1, OWN(PRIVATE_IN_LIBRARY)
    .globl exit_end
exit_end:
    leaq lib_stack_top(%rip), %rsp
1:  cld
    xorl %ebp, %ebp
    call lib_pending
    jmp exit_begin

/* The same, and the program was interrupted for it. */
    .globl interrupt_upcall
interrupt_upcall:
    push_upcall_frame
    jmp 1b

/* A SYSCALL that the kernel has sent up: the program's RIP is in memory. */
    .globl syscall_upcall
    .balign 64
syscall_upcall:
    movq %rsp, OWN(REGS_RSP)
    leaq OWN(REGS_RSP), %rsp
    pushq %r11
    andb $WITHOUT_TF, 1(%rsp)
    movq (%rsp), %r11
    movq OWN(PRIVATE_RIP), %rcx
    push_call_frame
    call lib_reflected
    testb %al, %al
    jnz exit_short
    jmp exit_begin

/* The program's exception. */
    .globl exception_upcall
    .balign 64
exception_upcall:
    push_upcall_frame
    cld
    xorl %ebp, %ebp
    call lib_exception
    jmp exit_begin

/* The program's exception, by a jump of its handler: as if the upcall had led here. */
    .globl exception_passed
exception_passed:
    movq $1, OWN(PRIVATE_IN_LIBRARY)
    move_word TRAP_VECTOR, REGS_VECTOR
    move_word TRAP_ERROR, REGS_ERROR
    move_word TRAP_ADDRESS, PRIVATE_ADDRESS
    move_word TRAP_RIP, REGS_RIP
    move_word TRAP_RFLAGS, REGS_RFLAGS
    move_word TRAP_RCX, REGS_RCX
    move_word TRAP_R11, REGS_R11
    movq $0, OWN(PRIVATE_TRAP + TRAP_BUSY)
    jmp exception_upcall

/* The library's own exception: back to where it was, or where lib_fault has sent it. */
    .globl fault_upcall
fault_upcall:
    cld
    xorl %ebp, %ebp
    leaq OWN(PRIVATE_NESTED), %rdi
    call lib_fault
    leaq OWN(PRIVATE_NESTED), %rsp
    movq $0, OWN(PRIVATE_NESTED_BUSY)
    pop_callee_saved
    pop_caller_saved
    leaq OWN(PRIVATE_NESTED + REGS_RFLAGS), %rsp
    popfq
    popq %rsp
    jmp *OWN(PRIVATE_NESTED + REGS_RIP)

    .section .note.GNU-stack,"",@progbits
