/* SPDX-License-Identifier: MIT
 *
 * sim/cli/plot_sweeps.c: the tables of figures about sweeps (plot.h): one workload with several values of a parameter,
 * or workloads under variants of a CPU model that differ in one cost. Rows are the values swept, ascending; series are
 * the architectures.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/plot.h"

/* Distinct numbers, ascending. */
struct values {
    json_int_t *value;
    size_t count;
};

static void add_value(struct values *v, json_int_t value)
{
    size_t at = 0;

    while (at < v->count && v->value[at] < value)
        at++;
    if (at < v->count && v->value[at] == value)
        return;
    memmove(&v->value[at + 1], &v->value[at], (v->count - at) * sizeof *v->value);
    v->value[at] = value;
    v->count++;
}

static struct values values_for(size_t count)
{
    return (struct values){calloc(count + 1, sizeof(json_int_t)), 0};
}

static void name_series(struct plot_table *t, const struct plot_results *r)
{
    for (size_t i = 0; i < r->archs; i++)
        plot_name(t->serie[i], "%s", r->arch[i].label);
}

/* ---- parameters of a workload ---- */

static bool parameter_of(const struct plot_result *result, const char *key, json_int_t *value)
{
    json_t *json = json_object_get(json_object_get(result->json, "parameters"), key);

    *value = json_integer_value(json);
    return json_is_integer(json);
}

/* What is before the colon is the workload; measured on the first CPU. */
static bool is_of(const struct plot_result *result, const char *workload)
{
    size_t bytes = strcspn(result->workload, ":");

    return result->cpu == 0 && strlen(workload) == bytes && memcmp(result->workload, workload, bytes) == 0 &&
           !json_is_true(json_object_get(result->json, "not_applicable"));
}

static struct values values_of(const struct plot_results *r, const char *workload, const char *key)
{
    struct values values = values_for(r->results);
    json_int_t value;

    for (size_t i = 0; values.value && i < r->results; i++)
        if (is_of(&r->result[i], workload) && parameter_of(&r->result[i], key, &value) && value > 0)
            add_value(&values, value);
    return values;
}

/* The first one with this value, and this one of a second key unless that is NULL. */
static const struct plot_result *find_swept(const struct plot_results *r, size_t arch, const char *workload,
                                            const char *key, json_int_t value, const char *second, json_int_t its)
{
    for (size_t i = 0; i < r->results; i++) {
        const struct plot_result *result = &r->result[i];
        json_int_t one, other;

        if (result->arch == arch && is_of(result, workload) && parameter_of(result, key, &one) && one == value &&
            (!second || (parameter_of(result, second, &other) && other == its)))
            return result;
    }
    return NULL;
}

/* ---- ctx: panels are counters, each for all numbers of processes ---- */

static const struct {
    const char *counter, *name;
} misses[] = {{"dtlb_misses", "first-level data TLB misses"}, {"stlb_misses", "page walks"}};
#define MISSES (sizeof misses / sizeof *misses)

static bool fill_ctx(struct plot_table *t, const struct plot_results *r, const struct values *processes,
                     const struct values *bytes)
{
    if (bytes->count < 2)
        return plot_lacks(t, "no results of ctx with several working sets (ctx:processes=…,bytes=…)");
    if (!plot_make(t, MISSES * processes->count, bytes->count, r->archs))
        return false;
    name_series(t, r);
    for (size_t b = 0; b < bytes->count; b++)
        plot_name(t->row[b], "%lld", (long long)bytes->value[b]);
    for (size_t panel = 0; panel < t->panels; panel++) {
        size_t miss = panel / processes->count, p = panel % processes->count;

        plot_name(t->panel[panel], "%s, %lld processes", misses[miss].name, (long long)processes->value[p]);
        for (size_t b = 0; b < bytes->count; b++)
            for (size_t a = 0; a < r->archs; a++)
                *plot_at(t, panel, b, a) =
                    result_counter(find_swept(r, a, "ctx", "bytes", bytes->value[b], "processes", processes->value[p]),
                                   misses[miss].counter);
    }
    return plot_trim(t, true) || plot_lacks(t, "its results of ctx have no TLB misses (--model timing has)");
}

bool figure_ctx(struct plot_table *t, const struct plot_results *r)
{
    struct values processes = values_of(r, "ctx", "processes"), bytes = values_of(r, "ctx", "bytes");
    bool good = fill_ctx(t, r, &processes, &bytes);

    free(processes.value);
    free(bytes.value);
    return good;
}

/* ---- transfers: cycles, and copying as a share of copying and switching ---- */

/* What a change of domain costs, and what an architecture does for it apart from moving the payload. */
static const char *const switching[] = {"transition", "schedule", "emulation", "shadow"};

static double copying_share(const struct plot_result *result)
{
    double copying = result_cause(result, "copy"), all = copying;

    for (size_t i = 0; i < sizeof switching / sizeof *switching; i++) {
        double part = result_cause(result, switching[i]);

        all += isnan(part) ? 0 : part; /* a cause that the file does not know took no cycles */
    }
    return all > 0 ? 100 * copying / all : NAN;
}

static void fill_transfer(struct plot_table *t, const struct plot_result *result, json_int_t bytes, size_t row,
                          size_t arch)
{
    double cycles = result_counter(result, "cycles");

    *plot_at(t, 0, row, arch) = cycles;
    *plot_at(t, 1, row, arch) = bytes > 0 ? cycles / (double)bytes : NAN;
    *plot_at(t, 2, row, arch) = copying_share(result);
}

static bool fill_transfers(struct plot_table *t, const struct plot_results *r, const char *workload,
                           const struct values *bytes)
{
    static const char *const panels[] = {"cycles per transfer", "cycles per byte",
                                         "copying, % of cycles for copying and switching"};

    if (bytes->count < 2)
        return plot_lacks(t, "no results of %s with several sizes (%s:bytes=…)", workload, workload);
    if (!plot_make(t, 3, bytes->count, r->archs))
        return false;
    name_series(t, r);
    for (size_t p = 0; p < 3; p++)
        plot_name(t->panel[p], "%s", panels[p]);
    for (size_t b = 0; b < bytes->count; b++) {
        plot_name(t->row[b], "%lld", (long long)bytes->value[b]);
        for (size_t a = 0; a < r->archs; a++)
            fill_transfer(t, find_swept(r, a, workload, "bytes", bytes->value[b], NULL, 0), bytes->value[b], b, a);
    }
    return plot_trim(t, true) || plot_lacks(t, "its results of %s have no cycles (--model timing has)", workload);
}

static bool figure_transfers(struct plot_table *t, const struct plot_results *r, const char *workload)
{
    struct values bytes = values_of(r, workload, "bytes");
    bool good = fill_transfers(t, r, workload, &bytes);

    free(bytes.value);
    return good;
}

bool figure_pipe(struct plot_table *t, const struct plot_results *r)
{
    return figure_transfers(t, r, "pipe-bw");
}

bool figure_write(struct plot_table *t, const struct plot_results *r)
{
    return figure_transfers(t, r, "write");
}

/* ---- costs of the CPU model: panels are workloads ---- */

#define SECTION "transitions"

/* Of the figure of `key`; keys that are swept with it have the same value. */
struct cost {
    const char *key, *with; /* with: NULL if it is alone */
};

/* Does this CPU differ from the first in nothing but that? `value`: what it has there. */
static bool is_variant(const struct plot_results *r, size_t cpu, const struct cost *cost, json_int_t *value)
{
    json_t *one = json_deep_copy(r->cpu[0].numbers), *other = json_deep_copy(r->cpu[cpu].numbers);
    json_int_t with;
    bool good = cpu_number(&r->cpu[cpu], SECTION, cost->key, value) && r->cpu[cpu].cpus == r->cpu[0].cpus &&
                (!cost->with || (cpu_number(&r->cpu[cpu], SECTION, cost->with, &with) && with == *value));

    json_object_del(json_object_get(one, SECTION), cost->key);
    json_object_del(json_object_get(other, SECTION), cost->key);
    if (cost->with) {
        json_object_del(json_object_get(one, SECTION), cost->with);
        json_object_del(json_object_get(other, SECTION), cost->with);
    }
    good = good && json_equal(one, other);
    json_decref(one);
    json_decref(other);
    return good;
}

/* Workloads that have been run on `cpu`, as panels; `t` has room for all results. */
static void name_panels(struct plot_table *t, const struct plot_results *r, size_t cpu)
{
    for (size_t i = 0; i < r->results; i++) {
        size_t p = 0;

        if (r->result[i].cpu != cpu)
            continue;
        while (p < t->panels && strncmp(t->panel[p], r->result[i].workload, PLOT_NAME_MAX - 1) != 0)
            p++;
        if (p == t->panels)
            plot_name(t->panel[t->panels++], "%s", r->result[i].workload);
    }
}

static void fill_variant(struct plot_table *t, const struct plot_results *r, size_t cpu, size_t row)
{
    for (size_t p = 0; p < t->panels; p++)
        for (size_t a = 0; a < r->archs; a++)
            *plot_at(t, p, row, a) = result_counter(results_find(r, cpu, a, t->panel[p]), "cycles");
}

static bool fill_costs(struct plot_table *t, const struct plot_results *r, const struct cost *cost,
                       const struct values *values)
{
    json_int_t value;

    if (values->count < 2)
        return plot_lacks(t, "no results on variants of the CPU model with another %s (--cpu-set %s=…)", cost->key,
                          cost->key);
    if (!plot_make(t, r->results, values->count, r->archs))
        return false;
    name_series(t, r);
    for (size_t i = 0; i < values->count; i++)
        plot_name(t->row[i], "%lld", (long long)values->value[i]);
    t->panels = 0;
    for (size_t cpu = 1; cpu < r->cpus; cpu++)
        if (is_variant(r, cpu, cost, &value))
            name_panels(t, r, cpu);
    for (size_t cpu = r->cpus; cpu-- > 0;)
        for (size_t row = 0; row < values->count && is_variant(r, cpu, cost, &value); row++)
            if (values->value[row] == value)
                fill_variant(t, r, cpu, row);
    return plot_trim(t, false) || plot_lacks(t, "the variants' results have no cycles (--model timing has)");
}

static bool figure_costs(struct plot_table *t, const struct plot_results *r, const struct cost *cost)
{
    struct values values = values_for(r->cpus);
    json_int_t value;
    bool good;

    for (size_t cpu = 0; values.value && cpu < r->cpus; cpu++)
        if (is_variant(r, cpu, cost, &value) && value >= 0)
            add_value(&values, value);
    good = fill_costs(t, r, cost, &values);
    free(values.value);
    return good;
}

bool figure_cr3(struct plot_table *t, const struct plot_results *r)
{
    return figure_costs(t, r, &(struct cost){"cr3_write_cost", "cr3_write_noflush_cost"});
}

bool figure_syscall(struct plot_table *t, const struct plot_results *r)
{
    return figure_costs(t, r, &(struct cost){"syscall_cost", NULL});
}
