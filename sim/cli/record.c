/* SPDX-License-Identifier: MIT
 *
 * sim/cli/record.c: see record.h; this file copies results, record_json.c and record_text.c print them.
 */
#include "sim/cli/record.h"

#include <stdlib.h>
#include <string.h>

static void *copy_of(const void *from, size_t bytes)
{
    void *to = malloc(bytes ? bytes : 1);

    return to && bytes ? memcpy(to, from, bytes) : to;
}

/* A kernel that says how many frames are free must say the same before and after. */
static bool warn_of_leak(struct record *r, const struct machine_result *result)
{
    char(*more)[160];

    if (result->free_frames_before == result->free_frames_after)
        return true;
    more = realloc(r->warnings, (r->warning_count + 1) * sizeof *more);
    if (!more)
        return false;
    r->warnings = more;
    snprintf(more[r->warning_count++], sizeof *more, "free frames: %llu before the first program, %llu after the last",
             (unsigned long long)result->free_frames_before, (unsigned long long)result->free_frames_after);
    return true;
}

bool record_take(struct record *r, const struct machine_result *result)
{
    if (result->region && result->ops)
        r->ops = result->ops;
    else if (!r->ops)
        r->ops = 1;
    r->exit_status = result->exit_status;
    r->not_applicable = result->not_applicable;
    memcpy(r->counter, result->counters.value, sizeof r->counter);
    memcpy(r->cause, result->causes, sizeof r->cause);
    r->instructions = result->total_instructions;
    r->boot_seconds = (double)result->boot_host_ns / 1e9;
    r->domain_count = result->domain_count;
    r->domains = copy_of(result->domains, result->domain_count * sizeof *result->domains);
    r->exit_count = result->exit_count;
    r->exits = copy_of(result->exits, result->exit_count * sizeof *result->exits);
    r->warning_count = result->warning_count;
    r->warnings = copy_of(result->warnings, result->warning_count * sizeof *result->warnings);
    r->revocations = result->revocations;
    r->fault_count = result->fault_count;
    if (r->fault_count)
        memcpy(r->faults, result->faults, r->fault_count * sizeof *r->faults);
    return r->domains && r->exits && r->warnings && (r->end != END_POWER_OFF || warn_of_leak(r, result));
}

void record_free(struct record *r)
{
    free(r->domains);
    free(r->exits);
    free(r->warnings);
    r->domains = NULL;
    r->exits = NULL;
    r->warnings = NULL;
}

bool record_has(const struct record *r, enum counter counter)
{
    return !r->not_applicable && (r->model == MODEL_TIMING || counter_info[counter].in_count_model);
}

double record_per_op(const struct record *r, enum counter counter)
{
    return (double)r->counter[counter] / (double)r->ops;
}
