/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_functions.c: the table of `report-functions`: where the cycles of a region went, by domain and
 * function, the most first. --json ("ringside.functions/1") and --csv have all of them, the table the first TOP.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "sim/cli/trace_sums.h"

enum { TOP = 30 };

static double share(const struct sums *all, uint64_t cycles)
{
    return all->cycles ? 100.0 * (double)cycles / (double)all->cycles : 0;
}

static double per_op(const struct traced *t, uint64_t figure)
{
    return (double)figure / (double)t->record->ops;
}

static void print_row(const struct traced *t, const struct sums *all, const struct sum *s)
{
    fprintf(t->out, "%6.2f%% %12.1f %12.1f  %-16s %s\n", share(all, s->cycles), per_op(t, s->cycles),
            per_op(t, s->figures.value[FIGURE_INSTRUCTIONS]), s->domain, s->function);
}

static void print_rest(const struct traced *t, const struct sums *all)
{
    struct sum rest = {.domain = "", .function = "all others"};

    for (size_t i = TOP; i < all->count; i++) {
        rest.cycles += all->list[i].cycles;
        rest.figures.value[FIGURE_INSTRUCTIONS] += all->list[i].figures.value[FIGURE_INSTRUCTIONS];
    }
    print_row(t, all, &rest);
}

static void print_table(const struct traced *t, const struct sums *all)
{
    char room[TRACED_ARCH_MAX];

    fprintf(t->out, "%s on %s, %s: %" PRIu64 " cycles, %" PRIu64 " operation%s\n", t->record->workload,
            traced_arch(t, room), t->record->cpu, all->cycles, t->record->ops, t->record->ops == 1 ? "" : "s");
    fprintf(t->out, "%7s %12s %12s  %-16s %s\n", "cycles", "cycles/op", "instrs/op", "domain", "function");
    for (size_t i = 0; i < all->count && i < TOP; i++)
        print_row(t, all, &all->list[i]);
    if (all->count > TOP)
        print_rest(t, all);
}

/* ---- for programs ---- */

static void print_csv(const struct traced *t, const struct sums *all)
{
    fprintf(t->out, "domain,function,cycles,instructions,dtlb_misses,copies,bytes_copied,mode_switches,"
                    "context_switches");
    for (unsigned c = 0; c < CAUSE_COUNT; c++)
        fprintf(t->out, ",cycles_%s", cause_info[c].name);
    fputc('\n', t->out);
    for (size_t i = 0; i < all->count; i++) {
        const struct sum *s = &all->list[i];
        const uint64_t *f = s->figures.value;

        const uint64_t columns[] = {s->cycles,
                                    f[FIGURE_INSTRUCTIONS],
                                    f[FIGURE_DTLB_MISSES],
                                    f[FIGURE_COPIES],
                                    f[FIGURE_BYTES_COPIED],
                                    f[FIGURE_MODE_SWITCHES],
                                    f[FIGURE_CONTEXT_SWITCHES]};

        fprintf(t->out, "\"%s\",\"%s\"", s->domain, s->function);
        for (size_t n = 0; n < sizeof columns / sizeof *columns; n++)
            fprintf(t->out, ",%" PRIu64, columns[n]);
        for (unsigned c = 0; c < CAUSE_COUNT; c++)
            fprintf(t->out, ",%" PRIu64, f[c]);
        fputc('\n', t->out);
    }
}

static json_t *causes_json(const struct trace_figures *f)
{
    json_t *object = json_object();

    for (unsigned c = 0; c < CAUSE_COUNT; c++)
        if (f->value[c])
            json_object_set_new(object, cause_info[c].name, json_integer((json_int_t)f->value[c]));
    return object;
}

static json_t *function_json(const struct sum *s)
{
    const uint64_t *f = s->figures.value;

    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "domain", s->domain, "function", s->function,
                     "cycles", (json_int_t)s->cycles, "instructions", (json_int_t)f[FIGURE_INSTRUCTIONS], "dtlb_misses",
                     (json_int_t)f[FIGURE_DTLB_MISSES], "copies", (json_int_t)f[FIGURE_COPIES], "bytes_copied",
                     (json_int_t)f[FIGURE_BYTES_COPIED], "mode_switches", (json_int_t)f[FIGURE_MODE_SWITCHES],
                     "context_switches", (json_int_t)f[FIGURE_CONTEXT_SWITCHES], "causes", causes_json(&s->figures));
}

static json_t *all_json(const struct traced *t, const struct sums *all)
{
    json_t *array = json_array();
    char room[TRACED_ARCH_MAX];

    for (size_t i = 0; i < all->count; i++)
        json_array_append_new(array, function_json(&all->list[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o}", "schema", "ringside.functions/1", "arch",
                     traced_arch(t, room), "workload", t->record->workload, "cpu", t->record->cpu, "ops",
                     (json_int_t)t->record->ops, "cycles", (json_int_t)all->cycles, "functions", array);
}

bool trace_functions(const struct traced *t, struct error *error)
{
    const struct options *o = t->options;
    struct sums sums;
    json_t *json;
    bool good = true;

    if (!sums_make(&sums, t, false))
        return refuse(error, STATUS_HOST, "out of memory");
    if (o->json) {
        json = all_json(t, &sums);
        fflush(t->out);
        good = write_json(json, o->json_file, fileno(t->out), error);
        json_decref(json);
    }
    if (o->csv)
        print_csv(t, &sums);
    else if (!o->json || o->json_file)
        print_table(t, &sums);
    free(sums.list);
    return good;
}
