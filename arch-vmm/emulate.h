/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/emulate.h: an instruction that is being emulated, between its decoding (emulate.c) and what it does
 * (emulate_system.c).
 */
#ifndef RINGSIDE_ARCH_VMM_EMULATE_H
#define RINGSIDE_ARCH_VMM_EMULATE_H

#include "arch-vmm/kernel.h"

/* How it ends. */
enum outcome {
    DONE,    /* RIP moves on */
    JUMPED,  /* RIP is set, or the instruction is to be executed again */
    REFUSED, /* #GP(0) */
    UNDEFINED, /* #UD */
    FAULTED, /* its operand's page fault, in `trouble` */
    UNKNOWN, /* the monitor cannot do it */
};

struct execution {
    struct vcpu *v;
    struct decoded d;
    struct trouble trouble;
};

/* General registers by the number that instructions give them. */
uint64_t *general(struct vcpu *v, unsigned number);
/* Of the memory operand. */
uint64_t address_of(struct vcpu *v, const struct decoded *d);
/* A privileged instruction; UNKNOWN if it is none of those that are emulated. */
enum outcome execute(struct execution *e);

#endif
