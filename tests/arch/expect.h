/* SPDX-License-Identifier: MIT
 *
 * tests/arch/expect.h: what every architecture is held to. `arch`: ARCH[:VARIANT] and options, as on the command line.
 */
#ifndef RINGSIDE_TESTS_ARCH_EXPECT_H
#define RINGSIDE_TESTS_ARCH_EXPECT_H

#include "tests/arch/record.h"

/* Exactly that many events for one operation. */
void expect_per_op(json_t *document, const char *workload, const char *counter, double expected);
/* All workloads run; no frame is lost, no translation is used after it changed. */
void expect_clean(const char *arch);
/* tests/arch/programs/ends.c ends in that way, and the kernel says nothing. */
void expect_end(const char *arch, const char *how, int status);
/* tests/arch/programs/hostile.c says the same as natively: Linux is the oracle. */
void expect_as_native(const char *arch);
/* But for the line about `attempt`: a difference that the architecture's README owns up to. */
void expect_as_native_but(const char *arch, const char *attempt);

#endif
