/* SPDX-License-Identifier: MIT
 *
 * sim/inject.h: faults that the machine puts into a service's code: what is asked for, and what became of it.
 *
 * docs/faults.md defines the moments and the kinds. The machine sees a service being entered by the symbols of the
 * images (operations.h), with no help of the guest, and changes the code there: an ordinary instruction that faults, in
 * whatever ring the service runs.
 */
#ifndef RINGSIDE_SIM_INJECT_H
#define RINGSIDE_SIM_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#define FAULTS_MAX 16

enum fault_kind {
    FAULT_CRASH,      /* UD2 */
    FAULT_WILD_WRITE, /* a store to the first byte of the kernel's text */
    FAULT_HANG,       /* a jump to itself */
    FAULT_KINDS,
};

/* What can be hit: the services, wherever the architecture put them, and the way of messages through the kernel. */
enum fault_service { FAULT_PROC, FAULT_VM, FAULT_FS, FAULT_BLK, FAULT_TTY, FAULT_KERNEL, FAULT_SERVICES };

/* "crash", …; "proc", …, "kernel"; the same as servers: "procd", …, "kernel". */
extern const char *const fault_kind_names[FAULT_KINDS];
extern const char *const fault_service_names[FAULT_SERVICES];
extern const char *const fault_server_names[FAULT_SERVICES];

/* The moment: the service is entered for the op-th time since power on, or `blocks` basic blocks later in that domain.
 */
struct fault_spec {
    enum fault_kind kind;
    enum fault_service service;
    uint64_t op, blocks;
};

/* Times are clocks of the CPU concerned since power on: cycles; instructions in the count model. */
struct fault_result {
    struct fault_spec spec;

    bool hit; /* the moment came: in this domain and ring, at this time */
    char domain[32];
    unsigned ring;
    uint64_t hit_at;

    bool died;      /* PROBE_DOMAIN_DIED: the kernel, or who supervises, noticed */
    unsigned cause; /* exception vector or PROBE_DEATH_HANG */
    uint64_t died_at;

    bool back; /* PROBE_DOMAIN_BACK */
    uint64_t back_at;
    uint64_t calls_failed; /* in flight when it died, failed with EIO */
    char lost[96];         /* "": nothing */
};

#define FAULT_TEXT_MAX 160
/* "crash of fsd at op 200 (domain fsd, ring 3)"; in ring 0 it is the service, fs. */
void fault_text(const struct fault_result *fault, char text[FAULT_TEXT_MAX]);
/* "#UD", "#PF", …, "vector 33", "hang". */
void fault_cause_text(unsigned cause, char text[16]);

#endif
