/* SPDX-License-Identifier: MIT
 *
 * sim/execute/engine.h: one Unicorn engine as a processor that can change its privilege level.
 *
 * Unicorn executes SYSRET and IRETQ, but has no way in: SYSCALL and exceptions only
 * call hooks. The way in is made here: the CPU state is saved, the few words that
 * hold the privilege level are patched, and it is restored. Where those words are
 * is found out by probing a scratch engine when the machine is made, and refused
 * when the probe does not find exactly what it expects.
 */
#ifndef RINGSIDE_SIM_ENGINE_H
#define RINGSIDE_SIM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <unicorn/unicorn.h>

#define ENGINE_ERROR_MAX 256
#define ENGINE_CODE_BUFFER (64u << 20) /* bytes, of translations */

/* Byte offsets of 32-bit words in a saved context. */
struct engine_layout {
    unsigned hflags;                                       /* bits 0-1: CPL */
    unsigned cs_selector, cs_flags, ss_selector, ss_flags; /* flags: DPL in bits 13-14 */
    unsigned old_exception;                                /* -1: no exception is being delivered */
    unsigned error_code;
    unsigned eflags;           /* but for the arithmetic flags and DF, which are elsewhere */
    unsigned cr2;              /* 64 bits */
    unsigned exception_is_int; /* 1: INT n, INT3, INTO; RIP is behind it */
};

struct engine {
    uc_engine *uc;
    uc_context *context; /* scratch */
    struct engine_layout layout;
};

/* 0, or -1 and one line in `error`: wrong version, probe failed. */
int engine_open(struct engine *engine, char error[ENGINE_ERROR_MAX]);
void engine_close(struct engine *engine);

/* Where the engine keeps the registers while it executes: current whenever a block or code hook is called. */
struct engine_registers {
    const uint64_t *general; /* sixteen, in the processor's order: RAX RCX RDX RBX RSP RBP RSI RDI R8 … R15 */
    const uint64_t *fs_base, *gs_base;
};

/* Looks for them in the engine's memory by values that it writes. Leaves them all 0. -1 and `error`: not found as
 * expected. */
int engine_find_registers(struct engine *engine, struct engine_registers *out, char error[ENGINE_ERROR_MAX]);

/* "2.1.1", for `ringside doctor`; -1 and `error` if this Unicorn cannot be used. */
int engine_check(char version[32], char error[ENGINE_ERROR_MAX]);

struct engine_exception {
    uint32_t error_code;
    bool is_int;
};

/* About the exception that UC_HOOK_INTR reports; valid inside that hook. Forgets it, so that the next one is not
 * taken for a double fault. */
struct engine_exception engine_take_exception(struct engine *engine);

/* RFLAGS but for the arithmetic flags and DF. UC_X86_REG_RFLAGS cannot be asked in mid-block: see below. */
uint64_t engine_system_flags(const struct engine *engine);

/* Of an exception in mid-block, before RFLAGS is read: now and then the engine has not computed the arithmetic flags
 * and shows an operand instead, in all bits. The system flags (IOPL, VM, …) are put right; the arithmetic ones cannot
 * be. */
void engine_repair_flags(struct engine *engine);

/* Continue at CPL 0 with these values. Everything else stays. */
void engine_enter_ring0(struct engine *engine, uint16_t cs, uint16_t ss, uint64_t rip, uint64_t rsp, uint64_t rflags);

/* CR2. Not by uc_reg_write: 2.1.1 writes CR3 as well (its register switch falls through) and drops the soft TLB. */
void engine_set_cr2(struct engine *engine, uint64_t address);

static inline uint64_t engine_get(const struct engine *engine, int reg)
{
    uint64_t value = 0;

    uc_reg_read(engine->uc, reg, &value);
    return value;
}

static inline void engine_set(const struct engine *engine, int reg, uint64_t value)
{
    uc_reg_write(engine->uc, reg, &value);
}

uint64_t engine_msr(const struct engine *engine, uint32_t number);
void engine_set_msr(const struct engine *engine, uint32_t number, uint64_t value);

#endif
