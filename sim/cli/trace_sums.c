/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_sums.c: see trace_sums.h.
 */
#include "sim/cli/trace_sums.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *left, const void *right)
{
    const struct sum *a = left, *b = right;
    int order = strcmp(a->domain, b->domain);

    if (!order && a->call)
        order = strcmp(a->call, b->call);
    return order ? order : strcmp(a->function, b->function);
}

static int by_cycles(const void *left, const void *right)
{
    const struct sum *a = left, *b = right;

    if (a->cycles != b->cycles)
        return a->cycles > b->cycles ? -1 : 1;
    return by_name(left, right);
}

static void add(struct sum *to, const struct sum *more)
{
    for (unsigned i = 0; i < FIGURE_COUNT; i++)
        to->figures.value[i] += more->figures.value[i];
    to->cycles += more->cycles;
}

static bool is_nothing(const struct trace_figures *f)
{
    static const struct trace_figures nothing;

    return memcmp(f, &nothing, sizeof nothing) == 0;
}

/* Neighbours of the same name become one. */
static void merge(struct sums *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (kept && by_name(&s->list[kept - 1], &s->list[i]) == 0)
            add(&s->list[kept - 1], &s->list[i]);
        else
            s->list[kept++] = s->list[i];
    }
    s->count = kept;
}

bool sums_make(struct sums *s, const struct traced *t, bool by_call)
{
    *s = (struct sums){.list = calloc(t->trace->account_count + 1, sizeof *s->list)};
    if (!s->list)
        return false;
    for (size_t i = 0; i < t->trace->account_count; i++) {
        const struct trace_account *a = &t->trace->accounts[i];

        if (is_nothing(&a->figures))
            continue;
        s->list[s->count++] = (struct sum){.domain = trace_lane_name(t->machine, a->lane),
                                           .call = by_call ? trace_text(t->machine, a->call) : NULL,
                                           .function = trace_text(t->machine, a->function),
                                           .figures = a->figures,
                                           .cycles = trace_cycles(&a->figures)};
        s->cycles += trace_cycles(&a->figures);
    }
    qsort(s->list, s->count, sizeof *s->list, by_name);
    merge(s);
    qsort(s->list, s->count, sizeof *s->list, by_cycles);
    return true;
}
