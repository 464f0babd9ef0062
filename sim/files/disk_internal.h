/* SPDX-License-Identifier: MIT
 *
 * sim/files/disk_internal.h: what disk.c and disk_export.c share.
 */
#ifndef RINGSIDE_SIM_DISK_INTERNAL_H
#define RINGSIDE_SIM_DISK_INTERNAL_H

#include "services/fs/mkfs.h"
#include "sim/files/disk.h"

#define NS 1000000000ull

/* Sets the error's text; false, to be returned. */
bool disk_fail(struct disk_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern const struct mkfs_memory disk_memory;

#endif
