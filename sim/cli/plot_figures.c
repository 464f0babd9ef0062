/* SPDX-License-Identifier: MIT
 *
 * sim/cli/plot_figures.c: the tables of figures about workloads as they are by default (plot.h): cycles relative to
 * monolithic, causes, events, and the size of what runs in ring 0. Those about sweeps are in plot_sweeps.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/account/counters.h"
#include "sim/cli/plot.h"

#define BASE "monolithic"

/* ---- workloads ---- */

struct names {
    const char **name;
    size_t count;
};

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->name[i], name) == 0)
            return true;
    return false;
}

/* Those of the first CPU that were run without parameters, in the files' order. The caller frees the list. */
static struct names workload_names(const struct plot_results *r)
{
    struct names names = {calloc(r->results + 1, sizeof *names.name), 0};

    for (size_t i = 0; names.name && i < r->results; i++)
        if (r->result[i].cpu == 0 && !strchr(r->result[i].workload, ':') && !has_name(&names, r->result[i].workload))
            names.name[names.count++] = r->result[i].workload;
    return names;
}

static double cycles_of(const struct plot_results *r, size_t arch, const char *workload)
{
    return result_counter(results_find(r, 0, arch, workload), "cycles");
}

/* Which architecture the others are compared with: the one of this label, else the first of this name; archs: none. */
static size_t base_arch(const struct plot_results *r)
{
    size_t base = r->archs;

    for (size_t i = r->archs; i-- > 0;)
        if (strcmp(r->arch[i].name, BASE) == 0 && (base == r->archs || strcmp(r->arch[base].label, BASE) != 0))
            base = i;
    return base;
}

static double ratio_of(const struct plot_results *r, size_t base, size_t arch, const char *workload)
{
    double from = cycles_of(r, base, workload);

    return from > 0 ? cycles_of(r, arch, workload) / from : NAN;
}

static void name_archs(const struct plot_results *r, char (*to)[PLOT_NAME_MAX])
{
    for (size_t i = 0; i < r->archs; i++)
        plot_name(to[i], "%s", r->arch[i].label);
}

/* ---- cycles relative to monolithic: rows are workloads, series architectures ---- */

static bool fill_relative(struct plot_table *t, const struct plot_results *r, const struct names *names, size_t base)
{
    if (!plot_make(t, 1, names->count, r->archs))
        return false;
    plot_name(t->panel[0], "cycles per operation, %s = 1", r->arch[base].label);
    name_archs(r, t->serie);
    for (size_t w = 0; w < names->count; w++) {
        bool others = false;

        plot_name(t->row[w], "%s", names->name[w]);
        for (size_t a = 0; a < r->archs; a++)
            others = others || (a != base && !isnan(ratio_of(r, base, a, names->name[w])));
        for (size_t a = 0; others && a < r->archs; a++)
            *plot_at(t, 0, w, a) = ratio_of(r, base, a, names->name[w]);
    }
    return plot_trim(t, true) || plot_lacks(t, "no workload has cycles for " BASE " and another architecture");
}

bool figure_relative(struct plot_table *t, const struct plot_results *r)
{
    size_t base = base_arch(r);
    struct names names;
    bool good;

    if (base == r->archs)
        return plot_lacks(t, "no results of the architecture " BASE);
    if (r->archs < 2)
        return plot_lacks(t, "no results of an architecture but " BASE);
    names = workload_names(r);
    good = fill_relative(t, r, &names, base);
    free(names.name);
    return good;
}

/* ---- causes: panels are workloads, rows architectures, series causes ---- */

static bool cause_occurs(const struct plot_results *r, enum cause cause)
{
    for (size_t i = 0; i < r->results; i++)
        if (result_cause(&r->result[i], cause_info[cause].name) > 0)
            return true;
    return false;
}

static void fill_cause(struct plot_table *t, const struct plot_results *r, const struct names *names, enum cause cause)
{
    size_t serie = t->series++;

    plot_name(t->serie[serie], "%s", cause_info[cause].name);
    for (size_t w = 0; w < names->count; w++)
        for (size_t a = 0; a < r->archs; a++)
            t->value[(w * r->archs + a) * CAUSE_COUNT + serie] =
                result_cause(results_find(r, 0, a, names->name[w]), cause_info[cause].name);
}

/* Causes that never occur are no series: the values move together. */
static void pack_series(struct plot_table *t, size_t stride)
{
    for (size_t i = 0; i < t->panels * t->rows; i++)
        memmove(&t->value[i * t->series], &t->value[i * stride], t->series * sizeof *t->value);
}

static bool fill_causes(struct plot_table *t, const struct plot_results *r, const struct names *names)
{
    if (!plot_make(t, names->count, r->archs, CAUSE_COUNT))
        return false;
    for (size_t w = 0; w < names->count; w++)
        plot_name(t->panel[w], "%s", names->name[w]);
    name_archs(r, t->row);
    t->series = 0;
    for (enum cause cause = 0; cause < CAUSE_COUNT; cause++)
        if (cause_occurs(r, cause))
            fill_cause(t, r, names, cause);
    pack_series(t, CAUSE_COUNT);
    return (t->series && plot_trim(t, true)) ||
           plot_lacks(t, "no workload has causes of its cycles (--model timing has)");
}

bool figure_causes(struct plot_table *t, const struct plot_results *r)
{
    struct names names = workload_names(r);
    bool good = fill_causes(t, r, &names);

    free(names.name);
    return good;
}

/* ---- events: panels are counters, rows workloads, series architectures ---- */

static const struct {
    const char *counter, *name;
} events[] = {
    {"mode_switches", "privilege transitions"},
    {"context_switches", "context switches"},
    {"copies", "copies of payload"},
    {"bytes_copied", "bytes copied"},
    {"tlb_flushes", "TLB flushes"},
};
#define EVENTS (sizeof events / sizeof *events)

static bool fill_events(struct plot_table *t, const struct plot_results *r, const struct names *names)
{
    if (!plot_make(t, EVENTS, names->count, r->archs))
        return false;
    name_archs(r, t->serie);
    for (size_t w = 0; w < names->count; w++)
        plot_name(t->row[w], "%s", names->name[w]);
    for (size_t e = 0; e < EVENTS; e++) {
        plot_name(t->panel[e], "%s", events[e].name);
        for (size_t w = 0; w < names->count; w++)
            for (size_t a = 0; a < r->archs; a++)
                *plot_at(t, e, w, a) = result_counter(results_find(r, 0, a, names->name[w]), events[e].counter);
    }
    return plot_trim(t, true) || plot_lacks(t, "no workload without parameters has counted any of these events");
}

bool figure_events(struct plot_table *t, const struct plot_results *r)
{
    struct names names = workload_names(r);
    bool good = fill_events(t, r, &names);

    free(names.name);
    return good;
}

/* ---- ring 0: panels are measures of size, rows architectures; series: size, and cost as mean, least, most ---- */

/* Only workloads that every architecture has can be averaged. */
static bool is_common(const struct plot_results *r, size_t base, const char *workload)
{
    for (size_t a = 0; a < r->archs; a++)
        if (!(ratio_of(r, base, a, workload) > 0))
            return false;
    return true;
}

static void fill_cost(const struct plot_results *r, const struct names *names, size_t base, size_t arch, double cost[3])
{
    double logs = 0, least = INFINITY, most = 0;
    size_t count = 0;

    for (size_t w = 0; w < names->count; w++) {
        double ratio = is_common(r, base, names->name[w]) ? ratio_of(r, base, arch, names->name[w]) : NAN;

        if (isnan(ratio))
            continue;
        logs += log(ratio);
        least = fmin(least, ratio);
        most = fmax(most, ratio);
        count++;
    }
    cost[0] = count ? exp(logs / (double)count) : NAN;
    cost[1] = count ? least : NAN;
    cost[2] = count ? most : NAN;
}

static bool fill_tcb(struct plot_table *t, const struct plot_results *r, const struct names *names, size_t base)
{
    static const char *const series[] = {"size", "geometric mean", "least", "most"};
    static const char *const panels[] = {"source lines with code in ring 0", "bytes of code in ring 0"};

    if (!plot_make(t, 2, r->archs, 4))
        return false;
    name_archs(r, t->row);
    for (size_t s = 0; s < 4; s++)
        plot_name(t->serie[s], "%s", series[s]);
    for (size_t p = 0; p < 2; p++) {
        plot_name(t->panel[p], "%s", panels[p]);
        for (size_t a = 0; a < r->archs; a++) {
            double size = p ? r->arch[a].tcb_bytes : r->arch[a].tcb_lines, cost[3];

            fill_cost(r, names, base, a, cost);
            if (isnan(size) || isnan(cost[0]))
                continue;
            *plot_at(t, p, a, 0) = size;
            memcpy(plot_at(t, p, a, 1), cost, sizeof cost);
        }
    }
    return plot_trim(t, false) ||
           plot_lacks(t, "no size of ring 0, or no workload that has cycles for every architecture");
}

bool figure_tcb(struct plot_table *t, const struct plot_results *r)
{
    size_t base = base_arch(r);
    struct names names;
    bool good;

    if (base == r->archs)
        return plot_lacks(t, "no results of the architecture " BASE);
    names = workload_names(r);
    good = fill_tcb(t, r, &names, base);
    free(names.name);
    return good;
}
