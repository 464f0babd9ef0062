/* SPDX-License-Identifier: MIT
 *
 * sim/cli/record_json.c: records as JSON, schema "ringside.run/1".
 */
#include <stdlib.h>
#include <string.h>

#include "sim/cli/record.h"

static const char *const model_name[] = {[MODEL_TIMING] = "timing", [MODEL_COUNT] = "count"};

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Names may come from a guest or a file's name: what is not UTF-8 loses its bytes above ASCII. */
static json_t *name_json(const char *name)
{
    json_t *string = json_string(name);
    char ascii[RECORD_NAME_MAX];
    size_t n = 0;

    if (string)
        return string;
    for (; name[n] && n + 1 < sizeof ascii; n++)
        ascii[n] = name[n] & 0x80 ? '?' : name[n];
    ascii[n] = 0;
    return json_string(ascii);
}

/* An object of "key=value key=value". */
static json_t *pairs_json(const char *text, json_t *(*value)(const char *text, size_t bytes))
{
    json_t *object = json_object();

    for (size_t bytes; *text; text += bytes, text += *text == ' ') {
        size_t key_bytes = strcspn(text, "=");
        char key[64];

        bytes = strcspn(text, " ");
        snprintf(key, sizeof key, "%.*s", (int)key_bytes, text);
        json_object_set_new(object, key, value(text + key_bytes + 1, bytes - key_bytes - 1));
    }
    return object;
}

static json_t *integer_json(const char *text, size_t bytes)
{
    return json_integer(strtoll(text, NULL, 10));
}

static json_t *settings_json(const char *text)
{
    return pairs_json(text, json_stringn);
}

static json_t *parameters_json(const char *text)
{
    return pairs_json(text, integer_json);
}

/* Whole numbers stay whole. */
static json_t *per_op_json(const struct record *r, enum counter counter)
{
    if (r->counter[counter] % r->ops == 0)
        return number(r->counter[counter] / r->ops);
    return json_real(record_per_op(r, counter));
}

static json_t *counters_json(const struct record *r, json_t *(*value)(const struct record *r, enum counter counter))
{
    json_t *object = json_object();

    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        if (record_has(r, c))
            json_object_set_new(object, counter_info[c].name, value(r, c));
    return object;
}

static json_t *total_json(const struct record *r, enum counter counter)
{
    return number(r->counter[counter]);
}

/* NULL: there were none. */
static json_t *exits_json(const struct record *r)
{
    json_t *object = r->exit_count && !r->not_applicable ? json_object() : NULL;

    for (size_t i = 0; i < r->exit_count && object; i++)
        json_object_set_new(object, r->exits[i].name, number(r->exits[i].count));
    return object;
}

static json_t *revocations_json(const struct record *r)
{
    const struct revocation_result *all = &r->revocations;

    return json_pack("{s:o, s:o, s:o, s:o}", "visible", number(all->visible), "visible_frames",
                     number(all->visible_frames), "forced", number(all->forced), "forced_frames",
                     number(all->forced_frames));
}

static json_t *causes_json(const struct record *r)
{
    json_t *object = json_object();

    for (enum cause c = 0; c < CAUSE_COUNT && record_has(r, COUNTER_cycles); c++)
        json_object_set_new(object, cause_info[c].name, number(r->cause[c]));
    return object;
}

static json_t *domains_json(const struct record *r)
{
    json_t *array = json_array();

    for (size_t i = 0; i < r->domain_count; i++) {
        const struct domain_result *d = &r->domains[i];
        json_t *object = json_pack("{s:o, s:i, s:I}", "name", name_json(d->name), "ring", (int)d->ring, "space",
                                   (json_int_t)d->space);

        if (record_has(r, COUNTER_cycles))
            json_object_set_new(object, "cycles", number(d->cycles));
        json_object_set_new(object, "instructions", number(d->instructions));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *warnings_json(const struct record *r)
{
    json_t *array = json_array();

    for (size_t i = 0; i < r->warning_count; i++)
        json_array_append_new(array, name_json(r->warnings[i]));
    return array;
}

static json_t *host_json(const struct record *r)
{
    double mips = r->seconds > 0 ? (double)r->instructions / r->seconds / 1e6 : 0;

    return json_pack("{s:f, s:f, s:f, s:b}", "seconds", r->seconds, "mips", mips, "boot_seconds", r->boot_seconds,
                     "cached", (int)r->cached);
}

json_t *record_json(const struct record *r)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:o, s:I, s:s, s:I, s:o, s:o, s:o, s:o*, s:o, s:o, s:o, s:i, s:o}", "arch", r->arch->name, "variant",
        r->arch->variant, "workload", name_json(r->workload), "cpu", name_json(r->cpu), "cpus", (json_int_t)r->cpus,
        "model", model_name[r->model], "ops", (json_int_t)r->ops, "settings", settings_json(r->settings), "per_op",
        counters_json(r, per_op_json), "total", counters_json(r, total_json), "vm_exits_by_reason", exits_json(r), "domains", domains_json(r), "causes",
        causes_json(r), "warnings", warnings_json(r), "exit", r->exit_status, "host", host_json(r));

    json_object_set_new(json, "cpu_version", json_string(r->cpu_version));
    if (r->parameters[0])
        json_object_set_new(json, "parameters", parameters_json(r->parameters));
    if (r->not_applicable)
        json_object_set_new(json, "not_applicable", json_true());
    if (r->revocations.visible || r->revocations.forced)
        json_object_set_new(json, "revocations", revocations_json(r));
    if (r->fault_count)
        json_object_set_new(json, "faults", record_faults_json(r));
    return json;
}

json_t *records_json(const struct record *records, size_t count)
{
    json_t *results = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(results, record_json(&records[i]));
    return json_pack("{s:s, s:o}", "schema", "ringside.run/1", "results", results);
}
