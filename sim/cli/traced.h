/* SPDX-License-Identifier: MIT
 *
 * sim/cli/traced.h: a run that was recorded, and who writes it down: one function a format.
 *
 * Layer: `trace` and `report-functions` (trace.c) run it, sim/trace/trace.h is what the machine has recorded.
 */
#ifndef RINGSIDE_SIM_CLI_TRACED_H
#define RINGSIDE_SIM_CLI_TRACED_H

#include "sim/cli/session.h"
#include "sim/trace/trace.h"

struct traced {
    struct machine *machine;
    const struct trace_result *trace;
    const struct record *record;
    uint64_t hz;
    const struct options *options;
    FILE *out;
};

#define TRACED_ARCH_MAX 96
/* "micro", "micro:mach". */
const char *traced_arch(const struct traced *t, char room[TRACED_ARCH_MAX]);

/* They write to t->out, whose errors the caller sees; false: no memory, or the format cannot say it. */
bool trace_steps(const struct traced *t, struct error *error);    /* JSON: one operation, step by step */
bool trace_perfetto(const struct traced *t, struct error *error); /* Chrome's trace events */
bool trace_folded(const struct traced *t, struct error *error);   /* a line a stack: arch;domain;call;function cycles */
bool trace_callgrind(const struct traced *t, struct error *error);
bool trace_functions(const struct traced *t, struct error *error); /* the table of report-functions */

#endif
