/* SPDX-License-Identifier: MIT
 *
 * sim/account/counters.h: the counters and causes as C: enums, names, values.
 */
#ifndef RINGSIDE_SIM_COUNTERS_H
#define RINGSIDE_SIM_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

enum counter {
#define COUNTER(name, models, definition) COUNTER_##name,
#include "sim/account/counters.def"
#undef COUNTER
    COUNTER_COUNT
};

enum cause {
#define CAUSE(name, definition) CAUSE_##name,
#include "sim/account/causes.def"
#undef CAUSE
    CAUSE_COUNT
};

struct counter_info {
    const char *name;
    const char *definition;
    bool in_count_model; /* also counted in --model count */
};

struct cause_info {
    const char *name;
    const char *definition;
};

extern const struct counter_info counter_info[COUNTER_COUNT];
extern const struct cause_info cause_info[CAUSE_COUNT];

struct counters {
    uint64_t value[COUNTER_COUNT];
};

#endif
