/* SPDX-License-Identifier: MIT
 *
 * tests/arch/vmm_boot.h: boots the monitor with guests of the test's choice, or one of these kernels on the machine
 * itself.
 */
#ifndef RINGSIDE_TESTS_ARCH_VMM_BOOT_H
#define RINGSIDE_TESTS_ARCH_VMM_BOOT_H

#include "sim/machine.h"

#define MONOLITHIC "build/images/monolithic/kernel.elf"

struct vmm_boot {
    /* set by the caller */
    const char *kernel[9];    /* of each guest; NULL ends */
    bool natively;            /* the first one, without a monitor */
    const char *program;      /* of the host, on each guest's disk as /program; NULL: an empty disk */
    const char *arguments[4]; /* NULL ends */
    const char *settings;     /* NULL: none */
    enum machine_model model;
    uint64_t ram_bytes; /* of each guest; 0: the default */
    uint64_t limit_ms;  /* simulated */
    bool watched;       /* stopped when for a long time nothing was said */
    /* the outcome */
    enum machine_end end;
    int exit_status;
    uint64_t free_frames_before, free_frames_after, cycles;
    struct counters counters;
    struct machine *machine; /* while it runs */
    size_t log_watched;      /* bytes of it when it was looked at, */
    unsigned silent;         /* and how often there were not more since */
    size_t log_used, heard;  /* bytes of the log: all, and when a program last said something */
    char log[1 << 22], output[1 << 14], report[1 << 14]; /* of kernels; of programs; of a crash */
};

/* Fails the test if it cannot start. */
void vmm_boot(struct vmm_boot *boot);

/* The line of the log that begins so, or NULL. */
const char *vmm_line(const struct vmm_boot *boot, const char *begin);
/* The monitor itself gave up: the machine crashed, and not because the first guest did, whose crash is the machine's.
 */
bool vmm_monitor_failed(const struct vmm_boot *boot);

#endif
