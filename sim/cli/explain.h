/* SPDX-License-Identifier: MIT
 *
 * sim/cli/explain.h: why one record has more or fewer cycles than another: the difference, by cause, on one line.
 *
 *     +1,840 cycles: 41 % transition, 22 % copy, 37 % work
 *     +1,840 cycles: +2,150 (78 % transition, 22 % copy), -310 (work)
 *
 * All figures are per operation. Causes add up to cycles exactly, so the differences of causes add up to the difference
 * of cycles. When all of them point the same way, each is a share of the difference. When some point the other way,
 * what was added and what was saved are two sums, and shares are of their own sum: a difference of nothing that is made
 * of much is seen to be that.
 */
#ifndef RINGSIDE_SIM_CLI_EXPLAIN_H
#define RINGSIDE_SIM_CLI_EXPLAIN_H

#include "sim/cli/record.h"

#define EXPLANATION_MAX 512

/* Cycles per operation of `record` more than of `base`, by cause; returns the sum. */
double cause_differences(const struct record *base, const struct record *record, double difference[CAUSE_COUNT]);
/* The line. false: one of them has no cycles (count model). */
bool explain(const struct record *base, const struct record *record, char text[EXPLANATION_MAX]);

#endif
