/* SPDX-License-Identifier: MIT
 *
 * sim/saved.h: a guest on its way out of one machine and into another (abi/save.h is the monitor's side).
 *
 * Out: config.save_at_ns tells the monitor when. It hands its guest over and machine_run returns END_SAVED; then
 * saved_guest() says where everything is, and saved_domain() what the guest's address spaces are called.
 *
 * Back: images are loaded as ever, then saved_put_memory() for what was not zero, saved_put_domain(), and
 * saved_put_state() as the last module. The disk is the caller's own (machine_config).
 */
#ifndef RINGSIDE_SIM_SAVED_H
#define RINGSIDE_SIM_SAVED_H

#include "sim/machine.h"

/* The machine's, until it is destroyed. */
struct saved_guest {
    const void *state; /* what the monitor wants back, unread */
    size_t state_bytes;
    const void *memory; /* of the guest */
    size_t memory_bytes;
    uint64_t cycles; /* of the machine's clock, at the end */
};

/* A guest's kernel, or a program in it. */
struct saved_domain {
    char name[32];   /* NUL-terminated */
    uint64_t space;  /* the guest's CR3; 0 for its kernel */
    uint32_t guest;  /* from 1 */
    uint32_t kernel; /* 1: its kernel mode; 0: a program */
};

void saved_guest(const struct machine *machine, struct saved_guest *saved);
/* The n-th that is alive; false: there are not so many. */
bool saved_domain(const struct machine *machine, size_t n, struct saved_domain *domain);

/* `offset`: in the guest's memory. false: not all of it is in there. */
bool saved_put_memory(struct machine *machine, uint64_t offset, const void *from, size_t bytes);
/* false: no guest of this machine. */
bool saved_put_domain(struct machine *machine, const struct saved_domain *domain);
int saved_put_state(struct machine *machine, const void *state, size_t bytes, char error[MACHINE_ERROR_MAX]);

#endif
