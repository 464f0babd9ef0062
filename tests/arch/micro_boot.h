/* SPDX-License-Identifier: MIT
 *
 * tests/arch/micro_boot.h: boots the microkernel with servers of the test's choice, or the exokernel with
 * libraries, and one program, and keeps what was said.
 */
#ifndef RINGSIDE_TESTS_ARCH_MICRO_BOOT_H
#define RINGSIDE_TESTS_ARCH_MICRO_BOOT_H

#include "sim/machine.h"

/* A library of the exokernel: a boot module. */
struct boot_library {
    const char *name, *image;
};

struct micro_boot {
    /* set by the caller */
    const char *replaced, *image; /* this server is that image instead of its own; NULL: none */
    const struct boot_library *libraries; /* the exokernel with these (a NULL name ends); NULL: the microkernel */
    const char *program;          /* of the host; its path in the guest is /program */
    const char *arguments[4];     /* NULL ends */
    const char *settings;         /* NULL: the defaults */
    unsigned slices;              /* of the disk: as many systems; 0: 1 */
    uint64_t disk_free;           /* bytes that programs can write, a slice; 0: 4 MiB */
    uint64_t limit_ms;            /* simulated; it is an error to meet it, which the caller sees in `end` */
    /* the outcome */
    enum machine_end end;
    int exit_status;
    uint64_t free_frames_before, free_frames_after;
    struct revocation_result revocations;
    char log[1 << 17], output[1 << 14], report[1 << 14]; /* of kernel and servers; of programs; of a crash */
};

/* Fails the test if it cannot start. */
void micro_boot(struct micro_boot *boot);

#endif
