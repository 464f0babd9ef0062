/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/exo_call.h: the exokernel's calls as C functions: one SYSCALL each (abi/exo.h).
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_EXO_CALL_H
#define RINGSIDE_ARCH_EXO_LIB_EXO_CALL_H

#include "abi/exo.h"

static inline long exo_call5(enum exo_call nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    long result = nr;

    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return result;
}

static inline long exo_call(enum exo_call nr, uint64_t a, uint64_t b, uint64_t c)
{
    long result = nr;

    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

#endif
