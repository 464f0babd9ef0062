/* SPDX-License-Identifier: MIT
 *
 * sim/cli/record_faults.c: the faults of a record (--inject), as JSON and as one line each.
 *
 * The count model has no cycles, so it says only what happened, not when.
 */
#include <inttypes.h>
#include <string.h>

#include "sim/cli/record.h"

/* CPUs' clocks are up to a turn apart. */
static uint64_t between(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0;
}

/* ---- JSON ---- */

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_cycle(const struct record *r, json_t *object, const char *key, uint64_t value)
{
    if (record_has(r, COUNTER_cycles))
        set_number(object, key, value);
}

static void add_hit(const struct record *r, const struct fault_result *f, json_t *object)
{
    json_object_set_new(object, "domain", json_string(f->domain));
    set_number(object, "ring", f->ring);
    set_cycle(r, object, "hit_cycle", f->hit_at);
}

static void add_death(const struct record *r, const struct fault_result *f, json_t *object)
{
    char cause[16];

    fault_cause_text(f->cause, cause);
    json_object_set_new(object, "died_by", json_string(cause));
    set_cycle(r, object, "died_cycle", f->died_at);
}

static void add_return(const struct record *r, const struct fault_result *f, json_t *object)
{
    set_cycle(r, object, "back_cycle", f->back_at);
    set_cycle(r, object, "recovery_cycles", between(f->hit_at, f->back_at));
    set_number(object, "calls_failed", f->calls_failed);
    json_object_set_new(object, "lost", f->lost[0] ? json_string(f->lost) : json_null());
}

static json_t *fault_json(const struct record *r, const struct fault_result *f)
{
    json_t *object = json_object();

    json_object_set_new(object, "fault", json_string(fault_kind_names[f->spec.kind]));
    json_object_set_new(object, "server", json_string(fault_server_names[f->spec.service]));
    set_number(object, "op", f->spec.op);
    set_number(object, "blocks", f->spec.blocks);
    json_object_set_new(object, "hit", json_boolean(f->hit));
    json_object_set_new(object, "died", json_boolean(f->died));
    json_object_set_new(object, "back", json_boolean(f->back));
    if (f->hit)
        add_hit(r, f, object);
    if (f->died)
        add_death(r, f, object);
    if (f->back)
        add_return(r, f, object);
    return object;
}

json_t *record_faults_json(const struct record *r)
{
    json_t *array = json_array();

    for (size_t i = 0; i < r->fault_count; i++)
        json_array_append_new(array, fault_json(r, &r->faults[i]));
    return array;
}

/* ---- text ---- */

/* 1234567 as 1,234,567. */
static void grouped(uint64_t value, char text[32])
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *to = text;

    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
}

static void print_return(const struct record *r, const struct fault_result *f, FILE *out)
{
    char cycles[32], calls[32];

    grouped(between(f->hit_at, f->back_at), cycles);
    grouped(f->calls_failed, calls);
    if (record_has(r, COUNTER_cycles))
        fprintf(out, ", back after %s cycles", cycles);
    else
        fprintf(out, ", back");
    fprintf(out, ", %s call%s failed, %s%s", calls, f->calls_failed == 1 ? "" : "s",
            f->lost[0] ? "lost: " : "nothing lost", f->lost);
}

void record_fault(const struct record *r, size_t index, FILE *out)
{
    const struct fault_result *f = &r->faults[index];
    char text[FAULT_TEXT_MAX], cause[16];

    fault_text(f, text);
    fault_cause_text(f->cause, cause);
    fprintf(out, "%s: ", text);
    if (!f->hit)
        fprintf(out, "its moment never came");
    else if (!f->died)
        fprintf(out, "nobody noticed");
    else
        fprintf(out, "died by %s", cause);
    if (f->back)
        print_return(r, f, out);
    else if (f->died)
        fprintf(out, ", never back");
    fputc('\n', out);
}

void records_faults(const struct record *records, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < records[i].fault_count; n++) {
            fprintf(out, count > 1 ? "fault in %s: " : "fault: ", records[i].workload);
            record_fault(&records[i], n, out);
        }
}
