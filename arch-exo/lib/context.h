/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/context.h: the registers of a program, as a library starts it and lets it go on.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_CONTEXT_H
#define RINGSIDE_ARCH_EXO_LIB_CONTEXT_H

#include <stddef.h>

#include "abi/regs.h"

/* Of a program that has not begun. */
void context_init(struct user_context *context);
/* A program chose some of these (sigreturn, execve, arch_prctl): none faults on the way back after this. */
void context_sanitise(struct user_context *context);
/* The last part of the path, as a program is called in reports. */
void context_name(char *name, size_t size, const char *path);

#endif
