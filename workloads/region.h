/* SPDX-License-Identifier: MIT
 *
 * workloads/region.h: what every workload needs: its operations, its measured region, a way to fail.
 *
 * A workload's main is: ops = operations(…); prepare; warm up; region_begin(); the
 * operations; region_end(ops); verify; print what was verified. Nothing that depends on
 * time, process ids or addresses may be printed: the output natively is the oracle for
 * the output on every architecture. The probes are harmless on real hardware.
 */
#ifndef RINGSIDE_WORKLOADS_REGION_H
#define RINGSIDE_WORKLOADS_REGION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/probe.h"

static inline void region_begin(void)
{
    probe(PROBE_REGION_BEGIN, 0, 0, 0);
}

static inline void region_end(unsigned long ops)
{
    probe(PROBE_REGION_END, ops, 0, 0);
}

/* Ends the workload with status 1 and the reason unless `ok`. */
static inline void require(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* The default that workloads.def gives the workload `name`; 0: not listed. */
static inline unsigned long default_operations(const char *name)
{
#define WORKLOAD(workload, program, ops, further, operation)                                                           \
    if (strcmp(name, workload) == 0)                                                                                   \
        return (ops);
#include "workloads/workloads.def"
    return 0;
}

static inline void region_usage(const char *name)
{
    fprintf(stderr, "usage: %s [OPERATIONS [PARAMETER...]]\n", name);
    exit(2);
}

/* PROGRAM [OPS…]: a positive number; exits with status 2 for anything else. */
static inline unsigned long operations(int argc, char **argv, const char *name)
{
    char *end = NULL;
    unsigned long ops = argc > 1 ? strtoul(argv[1], &end, 10) : default_operations(name);

    if (ops == 0 || (end != NULL && *end != '\0'))
        region_usage(name);
    return ops;
}

/* PROGRAM OPS PARAMETER…, in the order of workloads.def: the one with this key, or its default. Exits with status 2 if
 * it is not a number in its range. */
static inline unsigned long parameter(int argc, char **argv, const char *name, const char *key)
{
    int at = 1;

#define PARAMETER(workload, parameter_key, initial, lowest, highest, description)                                      \
    if (strcmp(name, workload) == 0 && ++at && strcmp(key, parameter_key) == 0) {                                      \
        char *end = NULL;                                                                                              \
        unsigned long value = argc > at ? strtoul(argv[at], &end, 10) : (initial);                                     \
                                                                                                                       \
        if ((end != NULL && *end != '\0') || value < (lowest) || value > (highest))                                    \
            region_usage(name);                                                                                        \
        return value;                                                                                                  \
    }
#include "workloads/workloads.def"
    region_usage(name);
    return 0;
}

/* FNV-1a, 64 bits: a fingerprint to print instead of data. Start with FNV_START. */
#define FNV_START 0xcbf29ce484222325ul
static inline unsigned long fnv(unsigned long hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ul;
    return hash;
}

#endif
