/* SPDX-License-Identifier: MIT
 *
 * sim/files/operations.h: which functions of an image are operations of a service, by its symbols.
 *
 * Of a service X (fs proc vm blk tty): the functions whose addresses stand in the table X_calls, and X_request. The
 * image is linked at a fixed address, so the file's bytes hold the addresses. Of a kernel: what
 * abi/message_routines.def lists.
 */
#ifndef RINGSIDE_SIM_OPERATIONS_H
#define RINGSIDE_SIM_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/inject.h"

struct operation {
    uint64_t address;
    enum fault_service service;
};

struct operations {
    struct operation *list; /* sorted by address */
    size_t count;
};

/* The caller frees the list. Empty without symbols, services or memory. */
struct operations operations_read(const void *elf, size_t bytes, bool kernel);
/* The operation whose first instruction is at pc; NULL: none. */
const struct operation *operations_find(const struct operations *operations, uint64_t pc);

#endif
