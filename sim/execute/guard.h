/* SPDX-License-Identifier: MIT
 *
 * sim/execute/guard.h: runs the engine so that its abort() is an answer and not the end of the simulator.
 *
 * Unicorn's translator calls abort() on a few instructions that no processor executes (LOCK BTS with a register, for
 * one): a program at ring 3 could end the simulator. While a machine runs, SIGABRT raised inside guard_start() comes
 * back from there; the machine then raises #UD. An abort() anywhere else ends the process as it should.
 *
 * This is the one place with state outside a machine: a signal handler has no argument. It is one pointer for each host
 * thread, and only valid while that thread runs a machine.
 */
#ifndef RINGSIDE_SIM_GUARD_H
#define RINGSIDE_SIM_GUARD_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <unicorn/unicorn.h>

/* One for each fiber: where it lands. */
struct guard {
    sigjmp_buf landing;
    bool armed; /* it is inside the engine */
};

/* Around a machine's run: takes SIGABRT, gives it back. */
void guard_open(struct sigaction *old);
void guard_close(const struct sigaction *old);
/* Before a fiber runs: aborts from now on are this guard's. */
void guard_select(struct guard *guard);
/* uc_emu_start without end. *aborted: the engine gave up while translating; its registers are those before that block. */
uc_err guard_start(struct guard *guard, uc_engine *uc, uint64_t begin, bool *aborted);

#endif
