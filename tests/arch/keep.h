/* SPDX-License-Identifier: MIT
 *
 * tests/arch/keep.h: what goes into a machine that a test boots, and what comes out: files and texts of any length.
 */
#ifndef RINGSIDE_TESTS_ARCH_KEEP_H
#define RINGSIDE_TESTS_ARCH_KEEP_H

#include <stddef.h>

/* A file of the host's, malloc'd. Fails the test if it cannot be read. */
void *read_whole(const char *path, size_t *bytes);
/* Appends to the string in `text` (a buffer of `size` bytes), cut to fit. */
void keep_text(char *text, size_t size, const void *from, size_t bytes);

#endif
