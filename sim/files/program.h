/* SPDX-License-Identifier: MIT
 *
 * sim/files/program.h: may this file be run as a program? Asked on the host, before anything boots.
 */
#ifndef RINGSIDE_SIM_PROGRAM_H
#define RINGSIDE_SIM_PROGRAM_H

#include <stddef.h>

#define PROGRAM_ERROR_MAX 160

/* A static x86-64 Linux executable (position independent or not), whole? 0, or -1 with one line in `why` that says what
 * it is instead and what to do. Reads nothing outside `elf`…`elf + bytes`, whatever its headers say. */
int program_check(const void *elf, size_t bytes, char why[PROGRAM_ERROR_MAX]);

#endif
