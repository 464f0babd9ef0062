/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/start.S: a server's first instructions. The kernel starts it with an empty stack, its number in
 * RDI, why in RSI (enum server_why) and, after a death, where it died in RDX.
 */
    .text
    .globl _start
_start:
    xorl %ebp, %ebp
    call server_main
    ud2

    .section .note.GNU-stack,"",@progbits
