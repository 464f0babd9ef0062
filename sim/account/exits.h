/* SPDX-License-Identifier: MIT
 *
 * sim/account/exits.h: VM exits by reason: what took the processor from a guest to the ring 0 below it. The machine
 * looks itself, at the vector and at the instruction; the monitor is not asked.
 */
#ifndef RINGSIDE_SIM_EXITS_H
#define RINGSIDE_SIM_EXITS_H

#include <stddef.h>
#include <stdint.h>

/* As many different ones are told apart; what comes later is "other". */
#define EXIT_REASONS_MAX 64

struct exit_reason {
    char name[24]; /* "syscall", "interrupt", "page fault", an instruction: "iretq", "mov cr3", … */
    uint64_t count;
};

struct exits {
    struct exit_reason reason[EXIT_REASONS_MAX];
    size_t count;
};

/* The most frequent first, then by name. */
void exits_sort(struct exits *exits);

#endif
