/* SPDX-License-Identifier: MIT
 *
 * sim/native/engine_state.h: where Unicorn 2.1.1 keeps what lookup.c and bulk.c read: offsets from the processor's
 * state (CPUX86State), a pointer to which is what its helpers get. Who uses them tries out on a scratch engine that
 * they are right.
 */
#ifndef RINGSIDE_SIM_ENGINE_STATE_H
#define RINGSIDE_SIM_ENGINE_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    ENV_GENERAL = 0, /* RAX RCX RDX RBX RSP RBP RSI RDI … */
    ENV_EIP = 0x80,
    ENV_EFLAGS = 0x88,    /* system flags alone */
    ENV_DIRECTION = 0xac, /* 1, or -1 with DF */
    ENV_HFLAGS = 0xb0,
    ENV_CS_BASE = 0xd8,
    ENV_SOFT_TLB = -0x40, /* {mask, table} for each MMU mode, */
    SOFT_TLB_BYTES = 16,
    ENV_JMP_CACHE = -0x8918, /* both of CPUState, which is before it */
};

static inline uint64_t word64(const uint8_t *at, ptrdiff_t offset)
{
    uint64_t word;

    memcpy(&word, at + offset, sizeof word);
    return word;
}

static inline uint32_t word32(const uint8_t *at, ptrdiff_t offset)
{
    uint32_t word;

    memcpy(&word, at + offset, sizeof word);
    return word;
}

#endif
