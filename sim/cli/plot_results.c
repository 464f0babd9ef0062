/* SPDX-License-Identifier: MIT
 *
 * sim/cli/plot_results.c: reading results for figures (plot.h). Files come from anywhere: everything is checked before
 * it is used.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/plot.h"

#define SCHEMA "ringside.compare/1"

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static double number_of(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- architectures ---- */

static size_t find_label(const struct plot_results *r, const char *label)
{
    size_t i = 0;

    while (i < r->archs && strcmp(r->arch[i].label, label) != 0)
        i++;
    return i;
}

static bool take_arch(struct plot_results *r, const char *path, json_t *json, struct error *error)
{
    struct plot_arch arch = {text_of(json, "label"), text_of(json, "name"), number_of(json, "tcb_bytes"),
                             number_of(json, "tcb_lines")};

    if (!arch.label || !arch.name)
        return refuse(error, STATUS_USAGE, "%s: an architecture without \"label\" or \"name\"", path);
    if (find_label(r, arch.label) < r->archs)
        return true;
    if (r->archs == PLOT_ARCHS_MAX)
        return refuse(error, STATUS_USAGE, "%s: more than %d architectures; plot fewer at once", path, PLOT_ARCHS_MAX);
    r->arch[r->archs++] = arch;
    return true;
}

/* ---- CPU models ---- */

bool cpu_number(const struct plot_cpu *cpu, const char *section, const char *key, json_int_t *number)
{
    json_t *value = json_object_get(json_object_get(cpu->numbers, section), key);

    *number = json_integer_value(value);
    return json_is_integer(value);
}

static bool take_cpu(struct plot_results *r, const char *path, json_t *file, size_t *index, struct error *error)
{
    json_t *json = json_object_get(file, "cpu"), *first = json_array_get(json_object_get(file, "results"), 0);
    struct plot_cpu cpu = {text_of(json, "name"),
                           text_of(json, "title"),
                           text_of(json, "version"),
                           json_integer_value(json_object_get(first, "cpus")),
                           json_object_get(json, "numbers"),
                           path};

    if (!cpu.name || !cpu.title || !cpu.version || !json_is_object(cpu.numbers))
        return refuse(error, STATUS_USAGE, "%s: it does not say which CPU model; have 'ringside compare' make it again",
                      path);
    for (*index = 0; *index < r->cpus; (*index)++)
        if (strcmp(r->cpu[*index].version, cpu.version) == 0 && r->cpu[*index].cpus == cpu.cpus)
            return true;
    r->cpu[r->cpus++] = cpu;
    return true;
}

/* ---- results ---- */

static bool take_result(struct plot_results *r, const char *path, size_t cpu, json_t *json, size_t n,
                        struct error *error)
{
    struct plot_result result = {.cpu = cpu, .workload = text_of(json, "workload"), .json = json};
    const char *label = text_of(json, "label");

    if (!label || !result.workload)
        return refuse(error, STATUS_USAGE, "%s: results[%zu] has no \"label\" or no \"workload\"", path, n);
    result.arch = find_label(r, label);
    if (result.arch == r->archs)
        return refuse(error, STATUS_USAGE, "%s: results[%zu] is of '%.40s', which is not in \"archs\"", path, n, label);
    r->result[r->results++] = result;
    return true;
}

static bool take_results(struct plot_results *r, const char *path, json_t *file, struct error *error)
{
    json_t *all_archs = json_object_get(file, "archs"), *results = json_object_get(file, "results"), *json;
    struct plot_result *more;
    size_t i, cpu = 0;

    if (!json_is_array(all_archs) || !json_is_array(results))
        return refuse(error, STATUS_USAGE, "%s: \"archs\" or \"results\" is not there", path);
    json_array_foreach(all_archs, i, json) if (!take_arch(r, path, json, error)) return false;
    if (!take_cpu(r, path, file, &cpu, error))
        return false;
    more = realloc(r->result, (r->results + json_array_size(results) + 1) * sizeof *more);
    if (!more)
        return refuse(error, STATUS_HOST, "out of memory");
    r->result = more;
    json_array_foreach(results, i, json) if (!take_result(r, path, cpu, json, i, error)) return false;
    return true;
}

bool results_read(struct plot_results *r, const char *path, struct error *error)
{
    json_error_t why;
    json_t *file;
    const char *schema;

    if (r->files == PLOT_FILES_MAX)
        return refuse(error, STATUS_USAGE, "more than %d files of results", PLOT_FILES_MAX);
    file = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!file && json_error_code(&why) == json_error_cannot_open_file)
        return refuse(error, STATUS_USAGE, "%.400s", why.text);
    if (!file)
        return refuse(error, STATUS_USAGE, "%.200s:%d: not JSON: %s", path, why.line, why.text);
    r->file[r->files++] = file;
    schema = text_of(file, "schema");
    if (!schema || strcmp(schema, SCHEMA) != 0)
        return refuse(error, STATUS_USAGE,
                      "%.200s: its schema is not " SCHEMA "; 'ringside compare --json=FILE' writes that", path);
    return take_results(r, path, file, error);
}

void results_free(struct plot_results *r)
{
    for (size_t i = 0; i < r->files; i++)
        json_decref(r->file[i]);
    free(r->result);
}

/* ---- looking up ---- */

const struct plot_result *results_find(const struct plot_results *r, size_t cpu, size_t arch, const char *workload)
{
    for (size_t i = 0; i < r->results; i++) {
        const struct plot_result *result = &r->result[i];

        if (result->cpu == cpu && result->arch == arch && strcmp(result->workload, workload) == 0 &&
            !json_is_true(json_object_get(result->json, "not_applicable")))
            return result;
    }
    return NULL;
}

double result_counter(const struct plot_result *result, const char *counter)
{
    return result ? number_of(json_object_get(result->json, "per_op"), counter) : NAN;
}

double result_cause(const struct plot_result *result, const char *cause)
{
    double ops = result ? number_of(result->json, "ops") : NAN;

    return ops > 0 ? number_of(json_object_get(result->json, "causes"), cause) / ops : NAN;
}
