/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/patch_decode.h: how long an x86-64 instruction is, and where control goes from it.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_PATCH_DECODE_H
#define RINGSIDE_ARCH_EXO_LIB_PATCH_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flow {
    FLOW_NEXT,     /* to the next instruction */
    FLOW_BRANCH,   /* there or to the next one */
    FLOW_CALL,     /* CALL rel32: back to the next one, if the callee returns */
    FLOW_CALL_FAR, /* CALL through a register or memory */
    FLOW_JUMP,     /* JMP rel8, rel32 */
    FLOW_JUMP_FAR, /* JMP through a register or memory */
    FLOW_RETURN,
    FLOW_STOP,     /* UD2, HLT: an exception */
    FLOW_SYSCALL,
};

struct instruction {
    uint8_t length; /* bytes */
    enum flow flow;
    int32_t displacement; /* BRANCH, CALL, JUMP: from the end of the instruction */
};

/* The instruction at `code`, of which `count` bytes can be seen. False: unknown, or cut off. */
bool decode(const uint8_t *code, size_t count, struct instruction *out);
/* The bytes of the NOP at `code` as assemblers pad with (90, 0F 1F /0; prefixes 66 and 2E); 0: something else. */
size_t decode_nop(const uint8_t *code, size_t count);

#endif
