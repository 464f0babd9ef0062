/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/usercopy.S: the only code of the library that touches its program's memory, which is right there.
 *
 * As guest/usercopy.S: each copy is one run of REP MOVS. A page fault in it comes back as the fault upcall; lib_fault
 * either makes the page present, so that the same REP MOVS goes on, or resumes at the address that .fixup_table pairs
 * with the faulting one. The caller has checked that the range is the program's.
 */
    .macro fixup from, to
    .pushsection .fixup_table, "a"
    .quad \from, \to
    .popsection
    .endm

    .text

/* size_t copy_user(void *to, const void *from, size_t bytes): how many bytes were not copied; 0 when all were.
 * Multiples of 8 go by quad words; the rest by bytes where the CPU is fast at that (ERMS), else by both. */
    .globl copy_user
copy_user:
    movq %rdx, %rcx
    testb $7, %dl
    jnz 2f
    shrq $3, %rcx
1:  rep movsq
    fixup 1b, .Lquads_left
    xorl %eax, %eax
    ret
2:  cmpb $0, copy_user_erms(%rip)
    je 4f
3:  rep movsb
    fixup 3b, .Lbytes_left
    xorl %eax, %eax
    ret
4:  shrq $3, %rcx
    andl $7, %edx
5:  rep movsq
    fixup 5b, .Lquads_left
    movl %edx, %ecx
6:  rep movsb
    fixup 6b, .Lbytes_left
    xorl %eax, %eax
    ret

.Lquads_left:
    leaq (,%rcx,8), %rax
    ret
.Lbytes_left:
    movq %rcx, %rax
    ret

/* long peek_user_string(char *to, const char *from, size_t size): at most size - 1 bytes and a NUL: the length, or -1
 * when the program's memory cannot be read. For names in reports; not a copy of payload. */
    .globl peek_user_string
peek_user_string:
    xorl %eax, %eax
1:  leaq 1(%rax), %rcx
    cmpq %rdx, %rcx
    jae 3f
2:  movb (%rsi,%rax), %cl
    fixup 2b, .Lno_string
    movb %cl, (%rdi,%rax)
    testb %cl, %cl
    jz 4f
    incq %rax
    jmp 1b
3:  movb $0, (%rdi,%rax)
4:  ret
.Lno_string:
    movq $-1, %rax
    ret

    .section .note.GNU-stack,"",@progbits
