/* SPDX-License-Identifier: MIT
 *
 * tests/arch/boot.h: boots an image on a machine of the test's own and keeps what it said.
 *
 * Paths are relative to the repository's root, where `make check` runs.
 */
#ifndef RINGSIDE_TESTS_ARCH_BOOT_H
#define RINGSIDE_TESTS_ARCH_BOOT_H

#include "sim/machine.h"

struct boot {
    struct cpu_model cpu;
    struct machine *machine;
    enum machine_end end;
    const struct machine_result *result; /* until boot_close */
    char log[65536];                     /* the kernel's, lines joined by \n */
};

/* Runs `image` to its end. Fails the test if it cannot start. */
void boot_image(struct boot *boot, const char *image, const char *cpu, const char *settings);
/* The same on a machine with 16 MiB for each of so many guests. */
void boot_with_guests(struct boot *boot, const char *image, const char *cpu, unsigned guests);
void boot_close(struct boot *boot);

#endif
