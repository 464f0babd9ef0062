/* SPDX-License-Identifier: MIT
 *
 * tests/trace_sums.h: what is recorded adds up to what is counted: for tests of the machine's recordings, whether of
 * snippets or of workloads.
 */
#ifndef RINGSIDE_TESTS_TRACE_SUMS_H
#define RINGSIDE_TESTS_TRACE_SUMS_H

#include "sim/trace/trace.h"

static inline void figures_add(struct trace_figures *sum, const struct trace_figures *more)
{
    for (unsigned i = 0; i < FIGURE_COUNT; i++)
        sum->value[i] += more->value[i];
}

/* Cycles of each cause, and the counters that are figures of a recording as well. */
static inline void figures_are(const struct trace_figures *sum, const uint64_t cause[CAUSE_COUNT],
                               const uint64_t counter[COUNTER_COUNT])
{
    static const struct {
        enum trace_figure figure;
        enum counter counter;
    } counted[] = {
        {FIGURE_INSTRUCTIONS, COUNTER_instructions},   {FIGURE_DTLB_MISSES, COUNTER_dtlb_misses},
        {FIGURE_ITLB_MISSES, COUNTER_itlb_misses},     {FIGURE_L1D_MISSES, COUNTER_l1d_misses},
        {FIGURE_COPIES, COUNTER_copies},               {FIGURE_BYTES_COPIED, COUNTER_bytes_copied},
        {FIGURE_MODE_SWITCHES, COUNTER_mode_switches}, {FIGURE_CONTEXT_SWITCHES, COUNTER_context_switches},
    };

    for (unsigned c = 0; c < CAUSE_COUNT; c++)
        assert_int_equal(sum->value[c], cause[c]);
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        assert_int_equal(sum->value[counted[i].figure], counter[counted[i].counter]);
    assert_int_equal(trace_cycles(sum), counter[COUNTER_cycles]);
}

/* Of all events, and of all accounts. */
static inline void recording_adds_up(const struct trace_result *t, const uint64_t cause[CAUSE_COUNT],
                                     const uint64_t counter[COUNTER_COUNT])
{
    struct trace_figures events = {{0}}, accounts = {{0}};

    for (size_t i = 0; i < t->event_count; i++)
        figures_add(&events, &t->events[i].figures);
    for (size_t i = 0; i < t->account_count; i++)
        figures_add(&accounts, &t->accounts[i].figures);
    figures_are(&events, cause, counter);
    figures_are(&accounts, cause, counter);
}

#endif
