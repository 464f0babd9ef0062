/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/kernel_call.h: a kernel call of the microkernel (abi/ipc.h) with any number and any arguments.
 */
#ifndef RINGSIDE_TESTS_ARCH_KERNEL_CALL_H
#define RINGSIDE_TESTS_ARCH_KERNEL_CALL_H

#include "abi/ipc.h"

/* RDI RSI RDX R10 R8 R9, there and back. */
struct words {
    uint64_t w[6];
};

static inline long kernel_call(uint64_t nr, struct words *words)
{
    register uint64_t r10 __asm__("r10") = words->w[3];
    register uint64_t r8 __asm__("r8") = words->w[4];
    register uint64_t r9 __asm__("r9") = words->w[5];
    uint64_t rdi = words->w[0], rsi = words->w[1], rdx = words->w[2];

    __asm__ volatile("syscall"
                     : "+a"(nr), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory");
    *words = (struct words){{rdi, rsi, rdx, r10, r8, r9}};
    return (long)nr;
}

/* With up to three arguments; what comes back in registers is dropped. */
static inline long kernel_call3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    return kernel_call(nr, &(struct words){{a, b, c, 0, 0, 0}});
}

#endif
