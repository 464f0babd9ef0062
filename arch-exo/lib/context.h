/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/context.h: the registers of a program, as a library starts it and lets it go on.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_CONTEXT_H
#define RINGSIDE_ARCH_EXO_LIB_CONTEXT_H

#include <stddef.h>

#include "abi/regs.h"
#include "services/requests.h"

#define VECTOR_DEBUG 1
#define VECTOR_PAGE_FAULT 14
#define VECTOR_ALIGNMENT 17
#define RFLAGS_AC 0x40000
#define FAULT_WRITE 2
#define FAULT_FETCH 16

/* What a page fault with this error code wanted: VM_READ, VM_WRITE or VM_EXEC_ACCESS. */
static inline uint64_t access_of(uint64_t error)
{
    if (error & FAULT_FETCH)
        return VM_EXEC_ACCESS;
    return error & FAULT_WRITE ? VM_WRITE : VM_READ;
}

/* Of a program that has not begun. */
void context_init(struct user_context *context);
/* A program chose some of these (sigreturn, execve, arch_prctl): none faults on the way back after this. */
void context_sanitise(struct user_context *context);
/* The last part of the path, as a program is called in reports. */
void context_name(char *name, size_t size, const char *path);

#endif
