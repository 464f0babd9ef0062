/* SPDX-License-Identifier: MIT
 *
 * abi/regs.h: a program's registers as mechanism saves them and services see them.
 *
 * The order is that of the kernel entry frame (guest/entry.S pushes it), so the
 * offsets are shared by C and assembly and asserted below.
 */
#ifndef RINGSIDE_ABI_REGS_H
#define RINGSIDE_ABI_REGS_H

#define REGS_R15 0
#define REGS_R11 48
#define REGS_RCX 80
#define REGS_RAX 112
#define REGS_VECTOR 120
#define REGS_ERROR 128
#define REGS_RIP 136
#define REGS_CS 144
#define REGS_RFLAGS 152
#define REGS_RSP 160
#define REGS_SIZE 176

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct user_regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rcx, rdx, rsi, rdi, rax;
    uint64_t vector; /* VECTOR_SYSCALL_ENTRY or the exception vector */
    uint64_t error;  /* hardware error code; for a system call its number (Linux orig_rax) */
    uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(offsetof(struct user_regs, r11) == REGS_R11, "entry frame");
_Static_assert(offsetof(struct user_regs, rcx) == REGS_RCX, "entry frame");
_Static_assert(offsetof(struct user_regs, rax) == REGS_RAX, "entry frame");
_Static_assert(offsetof(struct user_regs, vector) == REGS_VECTOR, "entry frame");
_Static_assert(offsetof(struct user_regs, rip) == REGS_RIP, "entry frame");
_Static_assert(offsetof(struct user_regs, cs) == REGS_CS, "entry frame");
_Static_assert(offsetof(struct user_regs, rflags) == REGS_RFLAGS, "entry frame");
_Static_assert(offsetof(struct user_regs, rsp) == REGS_RSP, "entry frame");
_Static_assert(sizeof(struct user_regs) == REGS_SIZE, "entry frame");

/* Everything a switch of programs saves. */
struct user_context {
    struct user_regs regs;
    uint64_t fs_base, gs_base;
    uint8_t fx[512] __attribute__((aligned(16))); /* FXSAVE64 image */
};
#endif

#define VECTOR_SYSCALL_ENTRY 0x100

#endif
