/* SPDX-License-Identifier: MIT
 *
 * sim/cli/list.c: `ringside list`: the tables of catalogue.h and sim/account/counters.h, for people and as JSON.
 *
 * JSON: {"schema":"ringside.list/1","archs"|"workloads"|"cpus"|"counters":[…]}; with counters also "causes".
 */
#include <ini.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/session.h"
#include "sim/cli/suggest.h"
#include "sim/cli/table.h"
#include "sim/cli/tcb.h"

/* ---- architectures ---- */

static json_t *arch_settings_json(const struct arch *arch)
{
    json_t *array = json_array();

    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *s = &settings[i];
        char values[128], *rest = values, *value;
        json_t *allowed = json_array();

        snprintf(values, sizeof values, "%s", s->values);
        while ((value = strsep(&rest, "|")))
            json_array_append_new(allowed, json_string(value));
        if (strcmp(s->arch, arch->name) == 0)
            json_array_append_new(array, json_pack("{s:s, s:O, s:s, s:s}", "key", s->key, "values", allowed, "default",
                                                   s->initial, "description", s->description));
        json_decref(allowed);
    }
    return array;
}

static json_t *archs_json(const struct home *home, struct error *error)
{
    json_t *array = json_array();

    for (size_t i = 0; i < arch_count; i++) {
        json_t *object =
            json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", archs[i].name, "variant", archs[i].variant, "image",
                      archs[i].image, "description", archs[i].description, "settings", arch_settings_json(&archs[i]));

        arch_add_tcb(home, &archs[i], object);
        json_array_append_new(array, object);
    }
    return array;
}

static void print_tcb(const struct home *home, const struct arch *arch)
{
    struct tcb tcb;

    if (!arch_measure(home, arch, &tcb))
        return;
    printf("    in ring 0: %llu bytes of code", (unsigned long long)tcb.bytes);
    if (tcb.has_lines)
        printf(", %llu source lines with code", (unsigned long long)tcb.lines);
    putchar('\n');
}

static void print_archs(const struct home *home, unsigned width)
{
    for (size_t i = 0; i < arch_count; i++) {
        bool first = i == 0 || strcmp(archs[i - 1].name, archs[i].name) != 0;

        printf("%s%s%s\n", archs[i].name, first ? "" : ":", first ? "" : archs[i].variant);
        print_wrapped(archs[i].description, 4, width, stdout);
        print_tcb(home, &archs[i]);
        for (size_t s = 0; first && s < setting_count; s++) {
            if (strcmp(settings[s].arch, archs[i].name) != 0)
                continue;
            printf("    --set %s=%s (default %s)\n", settings[s].key, settings[s].values, settings[s].initial);
            print_wrapped(settings[s].description, 8, width, stdout);
        }
    }
}

/* ---- workloads ---- */

static json_t *parameters_json(const struct workload *w)
{
    json_t *array = json_array();

    for (size_t i = 0; i < parameter_count; i++) {
        const struct parameter *p = &parameters[i];

        if (strcmp(p->workload, w->name) == 0)
            json_array_append_new(array, json_pack("{s:s, s:I, s:I, s:I, s:s}", "key", p->key, "default",
                                                   (json_int_t)p->initial, "lowest", (json_int_t)p->low, "highest",
                                                   (json_int_t)p->high, "description", p->description));
    }
    return array;
}

static json_t *workloads_json(const struct home *home, struct error *error)
{
    json_t *array = json_array();

    for (size_t i = 0; i < workload_count; i++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "name", workloads[i].name, "program",
                                               workloads[i].program, "ops", (json_int_t)workloads[i].ops, "arguments",
                                               workloads[i].arguments, "operation", workloads[i].operation,
                                               "parameters", parameters_json(&workloads[i])));
    return array;
}

static void print_parameter(const struct parameter *p)
{
    printf("%17s %s:%s=%llu  %s, %llu to %llu\n", "", p->workload, p->key, (unsigned long long)p->initial,
           p->description, (unsigned long long)p->low, (unsigned long long)p->high);
}

static void print_workloads(const struct home *home, unsigned width)
{
    for (size_t i = 0; i < workload_count; i++) {
        printf("%-9s %6llu  %s\n", workloads[i].name, (unsigned long long)workloads[i].ops, workloads[i].operation);
        for (size_t p = 0; p < parameter_count; p++)
            if (strcmp(parameters[p].workload, workloads[i].name) == 0)
                print_parameter(&parameters[p]);
    }
}

/* ---- CPU models: the keys of the file, checked by its reader ---- */

static int add_key(void *ctx, const char *section, const char *key, const char *value)
{
    json_t *model = ctx, *fields = json_object_get(model, section);
    char *end;
    long long number = strtoll(value, &end, 10);

    if (!fields) {
        fields = json_object();
        json_object_set_new(model, section, fields);
    }
    json_object_set_new(fields, key, *end || end == value ? json_string(value) : json_integer(number));
    return 1;
}

static json_t *cpu_json(const struct home *home, const char *name, struct error *error)
{
    struct cpu_model model;
    char path[PATH_MAX];
    json_t *object;

    if (!load_cpu(home, name, &model, error))
        return NULL;
    object = json_pack("{s:s, s:s, s:I}", "name", model.name, "title", model.title, "hz", (json_int_t)model.hz);
    home_path(home, path, "sim/cpus/%s.ini", name);
    ini_parse(path, add_key, object);
    return object;
}

static json_t *cpus_json(const struct home *home, struct error *error)
{
    char *names[CPUS_MAX];
    size_t count = list_cpus(home, names);
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *object = cpu_json(home, names[i], error);

        if (object)
            json_array_append_new(array, object);
        free(names[i]);
    }
    return array;
}

static void print_cpus(const struct home *home, unsigned width)
{
    char *names[CPUS_MAX];
    size_t count = list_cpus(home, names);

    for (size_t i = 0; i < count; i++) {
        struct cpu_model m;
        struct error error;

        if (load_cpu(home, names[i], &m, &error))
            printf("%-10s %s, %.2f GHz\n%-10s L1D %u KiB, L2 %u KiB, L3 %u KiB; DTLB %u, STLB %u entries\n", names[i],
                   m.title, (double)m.hz / 1e9, "", m.l1d.bytes >> 10, m.l2.bytes >> 10, m.l3.bytes >> 10,
                   m.dtlb[PAGE_4K].entries, m.stlb[PAGE_4K].entries);
        else
            printf("%-10s unusable: %s\n", names[i], error.text);
        free(names[i]);
    }
}

/* ---- counters ---- */

static json_t *counters_list_json(const struct home *home, struct error *error)
{
    json_t *array = json_array();

    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:o}", "name", counter_info[c].name, "definition",
                                               counter_info[c].definition, "models",
                                               counter_info[c].in_count_model ? json_pack("[s, s]", "timing", "count")
                                                                              : json_pack("[s]", "timing")));
    return array;
}

static json_t *causes_list_json(void)
{
    json_t *array = json_array();

    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        json_array_append_new(
            array, json_pack("{s:s, s:s}", "name", cause_info[c].name, "definition", cause_info[c].definition));
    return array;
}

static void print_counters(const struct home *home, unsigned width)
{
    for (enum counter c = 0; c < COUNTER_COUNT; c++) {
        printf("%s%s\n", counter_info[c].name, counter_info[c].in_count_model ? "" : " (timing model only)");
        print_wrapped(counter_info[c].definition, 4, width, stdout);
    }
    printf("\nCauses of cycles, which add up to cycles:\n");
    for (enum cause c = 0; c < CAUSE_COUNT; c++) {
        printf("%s\n", cause_info[c].name);
        print_wrapped(cause_info[c].definition, 4, width, stdout);
    }
}

/* ---- the command ---- */

static const struct topic {
    const char *name;
    json_t *(*json)(const struct home *home, struct error *error);
    void (*print)(const struct home *home, unsigned width);
} topics[] = {
    {"archs", archs_json, print_archs},
    {"workloads", workloads_json, print_workloads},
    {"cpus", cpus_json, print_cpus},
    {"counters", counters_list_json, print_counters},
};
#define TOPICS (sizeof topics / sizeof *topics)

static const struct topic *find_topic(const struct options *options, struct error *error)
{
    const char *names[TOPICS];
    char hint[HINT_MAX];

    if (options->words != 1 || options->program) {
        refuse(error, STATUS_USAGE, "list wants one of: archs, workloads, cpus, counters");
        return NULL;
    }
    for (size_t i = 0; i < TOPICS; i++) {
        if (strcmp(topics[i].name, options->word[0]) == 0)
            return &topics[i];
        names[i] = topics[i].name;
    }
    refuse(error, STATUS_USAGE, "there is no list of '%s'%s; there is archs, workloads, cpus, counters",
           options->word[0], suggest_hint(hint, options->word[0], names, TOPICS));
    return NULL;
}

static bool list_json(const struct options *options, const struct topic *topic, const struct home *home,
                      struct error *error)
{
    json_t *json = json_pack("{s:s, s:o}", "schema", "ringside.list/1", topic->name, topic->json(home, error));
    bool good;

    if (topic->json == counters_list_json)
        json_object_set_new(json, "causes", causes_list_json());
    good = !error->text[0] && write_json(json, options->json_file, STDOUT_FILENO, error);
    json_decref(json);
    return good;
}

int command_list(const struct options *options, struct error *error)
{
    const struct topic *topic = find_topic(options, error);
    struct home home;

    if (!topic || !find_home(&home, error))
        return error->status;
    if (options->json)
        return list_json(options, topic, &home, error) ? STATUS_OK : error->status;
    topic->print(&home, output_width(STDOUT_FILENO));
    return STATUS_OK;
}
