/* SPDX-License-Identifier: MIT
 *
 * guest/usercopy.S: the only code of a kernel, or of a library, that touches its program's memory.
 *
 * Each copy is one run of REP MOVS. A page fault in it enters the kernel's page-fault handler, which either
 * makes the page present, so that the same REP MOVS goes on, or resumes at the address that .fixup_table pairs with
 * the faulting one. The caller has checked that the range is below USER_TOP.
 *
 * With USERCOPY_RING3 it is for a library in its program's own space and ring: there is no access to allow, the handler
 * is the library's, the range is checked to be the program's, and what the CPU is fast at is in a variable.
 */
#include "guest/layout.h"

    .macro fixup from, to
    .pushsection .fixup_table, "a"
    .quad \from, \to
    .popsection
    .endm

#ifdef USERCOPY_RING3
#define TEST_ERMS testb $1, copy_user_erms(%rip)
    .macro allow_user
    .endm
    .macro forbid_user
    .endm
#else
#define TEST_ERMS testb $FEATURE_ERMS, %gs:CPU_FEATURES
    .macro allow_user
    testb $FEATURE_SMAP, %gs:CPU_FEATURES
    jz .Lno_stac\@
    stac
.Lno_stac\@:
    .endm

    .macro forbid_user
    testb $FEATURE_SMAP, %gs:CPU_FEATURES
    jz .Lno_clac\@
    clac
.Lno_clac\@:
    .endm
#endif

    .text

/* size_t copy_user(void *to, const void *from, size_t bytes): how many bytes were not copied; 0 when all were.
 * Multiples of 8 go by quad words; the rest by bytes where the CPU is fast at that (ERMS), else by both. */
    .globl copy_user
copy_user:
    allow_user
    movq %rdx, %rcx
    testb $7, %dl
    jnz 2f
    shrq $3, %rcx
1:  rep movsq
    fixup 1b, .Lquads_left
    forbid_user
    xorl %eax, %eax
    ret
2:  TEST_ERMS
    jz 4f
3:  rep movsb
    fixup 3b, .Lbytes_left
    forbid_user
    xorl %eax, %eax
    ret
4:  shrq $3, %rcx
    andl $7, %edx
5:  rep movsq
    fixup 5b, .Lquads_left
    movl %edx, %ecx
6:  rep movsb
    fixup 6b, .Lbytes_left
    forbid_user
    xorl %eax, %eax
    ret

.Lquads_left:
    forbid_user
    leaq (,%rcx,8), %rax
    ret
.Lbytes_left:
    forbid_user
    movq %rcx, %rax
    ret

#ifndef USERCOPY_RING3
/* size_t copy_between_spaces(void *to, const void *from, size_t bytes, const struct piece *pieces, size_t count): one copy in
 * pieces, because one side is reached through the direct map, page by page. The first three say to the machine what is
 * copied (abi/copy_routines.def). 0, or not 0 when ring 3's own side of it was not there. */
    .type copy_between_spaces, @function
    .globl copy_between_spaces
copy_between_spaces:
    allow_user
    movq %rcx, %r9
1:  testq %r8, %r8
    jz 7f
    decq %r8
    movq (%r9), %rdi
    movq 8(%r9), %rsi
    movq 16(%r9), %rcx
    addq $24, %r9
    testb $7, %cl
    jnz 3f
    shrq $3, %rcx
2:  rep movsq
    fixup 2b, .Lpiece_left
    jmp 1b
3:  TEST_ERMS
    jz 5f
4:  rep movsb
    fixup 4b, .Lpiece_left
    jmp 1b
5:  movl %ecx, %edx
    shrq $3, %rcx
    andl $7, %edx
6:  rep movsq
    fixup 6b, .Lpiece_left
    movl %edx, %ecx
    jmp 4b
7:  forbid_user
    xorl %eax, %eax
    ret
.Lpiece_left:
    forbid_user
    movl $1, %eax
    ret
    .size copy_between_spaces, . - copy_between_spaces

/* size_t move_user_words(void *to, const void *from, size_t words): the same for registers and arguments, which are no
 * payload: word by word, so that the machine counts no copy. */
    .globl move_user_words
move_user_words:
    allow_user
    movq %rdx, %rax
    testq %rax, %rax
    jz 3f
1:  movq (%rsi), %rcx
    fixup 1b, .Lwords_left
2:  movq %rcx, (%rdi)
    fixup 2b, .Lwords_left
    addq $8, %rsi
    addq $8, %rdi
    decq %rax
    jnz 1b
3:
.Lwords_left:
    forbid_user
    ret
#endif

/* long peek_user_string(char *to, const char *from, size_t size): at most size - 1 bytes and a NUL: the length, or -1
 * when the program's memory cannot be read. For names in reports; not a copy of payload. */
    .globl peek_user_string
peek_user_string:
    allow_user
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
4:  forbid_user
    ret
.Lno_string:
    forbid_user
    movq $-1, %rax
    ret
