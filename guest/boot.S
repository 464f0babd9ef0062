/* SPDX-License-Identifier: MIT
 *
 * guest/boot.S: the first instructions (abi/boot.h says in which state). Everything is mapped already, so all
 * that is missing for C is a larger stack.
 */
#include "abi/boot.h"

    .text
    .globl _start
_start:
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
