/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/kcall.h: kernel calls as C functions: one SYSCALL each (abi/ipc.h).
 *
 * Everything above this file is plain C. Compiled with SERVER_ON_HOST, the two primitives are functions that a test
 * provides, and the rest of the runtime runs on the host.
 */
#ifndef RINGSIDE_ARCH_MICRO_SERVER_KCALL_H
#define RINGSIDE_ARCH_MICRO_SERVER_KCALL_H

#include "abi/ipc.h"

#ifdef SERVER_ON_HOST
uint64_t kcall6(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t *rdx);
uint64_t ipc_reply_wait(uint64_t handle, long result, uint64_t word[6]);
#else
/* `rdx`: what the call leaves in RDX. */
static inline uint64_t kcall6(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t *rdx)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9");

    __asm__ volatile("syscall"
                     : "+a"(nr), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "=r"(r9)
                     :
                     : "rcx", "r11", "memory");
    *rdx = c;
    return nr;
}

/* Answers `handle` (0: nobody) with `result`, then waits for the next message: its label. */
static inline uint64_t ipc_reply_wait(uint64_t handle, long result, uint64_t word[6])
{
    uint64_t rax = IPC_REPLY_WAIT, rdi = handle, rsi = (uint64_t)result, rdx = 0;
    register uint64_t r10 __asm__("r10");
    register uint64_t r8 __asm__("r8");
    register uint64_t r9 __asm__("r9");

    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "=r"(r10), "=r"(r8), "=r"(r9)
                     :
                     : "rcx", "r11", "memory");
    word[0] = rdi;
    word[1] = rsi;
    word[2] = rdx;
    word[3] = r10;
    word[4] = r8;
    word[5] = r9;
    return rax;
}
#endif

static inline long kcall(enum ipc_call nr, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t rdx;

    return (long)kcall6(nr, a, b, c, 0, 0, &rdx);
}

static inline long kcall4(enum ipc_call nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t rdx;

    return (long)kcall6(nr, a, b, c, d, 0, &rdx);
}

/* -EAGAIN: *absent is the address whose page is not there. */
static inline long ipc_copy(uint64_t handle, uint64_t own, uint64_t other, uint64_t bytes, uint64_t flags,
                            uint64_t *absent)
{
    return (long)kcall6(IPC_COPY, handle, own, other, bytes, flags, absent);
}

#endif
