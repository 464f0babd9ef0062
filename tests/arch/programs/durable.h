/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/durable.h: what durable.c writes, for the test that looks at the disk afterwards.
 *
 * Standard output has two lines for each step, unbuffered: "> STEP FILE NUMBER" before it begins, "= STEP FILE NUMBER"
 * when fsync() has said that it is durable.
 *
 *     a FILE NUMBER   record NUMBER is appended to log.FILE
 *     t FILE NUMBER   log.FILE is cut to NUMBER records
 *     r 0 NUMBER      the file `current` is replaced, by rename, by generation NUMBER: records NUMBER * 100 and
 * following
 *
 * Between the steps the file `junk` is written and never synced.
 */
#ifndef RINGSIDE_TESTS_ARCH_PROGRAMS_DURABLE_H
#define RINGSIDE_TESTS_ARCH_PROGRAMS_DURABLE_H

#include <stdio.h>
#include <string.h>

#define DURABLE_LOGS 3
#define DURABLE_RECORD 300     /* bytes: some cross the end of a block */
#define DURABLE_GENERATION 20u /* records in `current` */

/* The same bytes for the same file and number, anywhere; no two are alike. `file` DURABLE_LOGS is `current`. */
static inline void durable_record(char text[DURABLE_RECORD], unsigned file, unsigned number)
{
    unsigned seed = file * 7919u + number * 104729u + 1;
    int used = snprintf(text, DURABLE_RECORD, "file %u record %u ", file, number);

    for (int i = used; i < DURABLE_RECORD - 1; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (char)('a' + (seed >> 24) % 26);
    }
    text[DURABLE_RECORD - 1] = '\n';
}

#endif
