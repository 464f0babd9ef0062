/* SPDX-License-Identifier: MIT
 *
 * sim/account/counters.c: names and definitions, generated from counters.def and causes.def.
 */
#include "sim/account/counters.h"

enum { BOTH = true, TIMING = false };

const struct counter_info counter_info[COUNTER_COUNT] = {
#define COUNTER(name, models, definition) [COUNTER_##name] = {#name, definition, models},
#include "sim/account/counters.def"
#undef COUNTER
};

const struct cause_info cause_info[CAUSE_COUNT] = {
#define CAUSE(name, definition) [CAUSE_##name] = {#name, definition},
#include "sim/account/causes.def"
#undef CAUSE
};
