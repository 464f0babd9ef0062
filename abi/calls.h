/* SPDX-License-Identifier: MIT
 *
 * abi/calls.h: names for what abi/calls.def lists: CALL_read, CALL_write, …
 * and the services that own them.
 */
#ifndef RINGSIDE_ABI_CALLS_H
#define RINGSIDE_ABI_CALLS_H

enum call_number {
#define CALL(number, name, service) CALL_##name = (number),
#include "abi/calls.def"
#undef CALL
};

/* One more than the largest number: the size of a table indexed by number. */
#define CALL_TABLE_SIZE 512

/* Services, as DESIGN.md lists them. SERVICE_NONE is what an unlisted number routes to. */
enum service_id {
    SERVICE_NONE,
    SERVICE_FS,
    SERVICE_PROC,
    SERVICE_VM,
    SERVICE_PIPE,
    SERVICE_TTY,
    SERVICE_BLK,
    SERVICE_NET,
    SERVICE_COUNT,
};

#endif
