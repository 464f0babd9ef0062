/* SPDX-License-Identifier: MIT
 *
 * tests/arch/record.h: runs build/ringside and reads its records.
 */
#ifndef RINGSIDE_TESTS_ARCH_RECORD_H
#define RINGSIDE_TESTS_ARCH_RECORD_H

#include <jansson.h>
#include <stddef.h>

/* `ringside run ARGUMENTS --json`: the whole document; the caller decrefs it. Fails the test unless it exits with 0. */
json_t *record_run(const char *arguments);
/* The result of a workload in it. Fails the test if there is none. */
json_t *record_of(json_t *document, const char *workload);
/* A counter for one operation, or of the whole region. Fails the test if it is absent. */
double record_per_op(json_t *result, const char *counter);
double record_total(json_t *result, const char *counter);
/* Cycles of a cause. */
double record_cause(json_t *result, const char *cause);
/* Exit status of a shell command, its standard output in `text` (cut to fit). */
int record_command(const char *command, char *text, size_t bytes);

#endif
