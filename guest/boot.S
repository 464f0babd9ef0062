/* SPDX-License-Identifier: MIT
 *
 * guest/boot.S: the first instructions (abi/boot.h says in which state). Everything is mapped already, so all
 * that is missing for C is a larger stack.
 */
#include "guest/layout.h"

#define SLOT(address) ((((address) >> 39) & 511) * 8)

    .text
    .globl _start
_start:
#ifdef LAYOUT_MONITOR
    /* The boot tables know two places. The slots of ours get the same tables, and we go there. */
    movq %cr3, %rax
    movabsq $BOOT_DIRECT_MAP, %rcx
    addq %rcx, %rax
    movq SLOT(BOOT_DIRECT_MAP)(%rax), %rcx
    movq %rcx, SLOT(DIRECT_MAP)(%rax)
    movq SLOT(BOOT_KERNEL_BASE)(%rax), %rcx
    movq %rcx, SLOT(KERNEL_BASE)(%rax)
    movabsq $1f, %rax
    jmp *%rax
1:
#endif
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    cld
    call guest_main
    ud2

    .bss
    .balign 16
boot_stack:
    .skip 8192
boot_stack_top:
