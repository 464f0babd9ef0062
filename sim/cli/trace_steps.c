/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_steps.c: a recording as JSON for the report's step-through, schema "ringside.steps/1": meant for a
 * region of one operation (--ops 1) on one CPU.
 *
 *     {"schema", "arch", "workload", "cpu_model", "hz", "settings", "ops", "total_cycles",
 *      "lanes": [{"name", "ring", "library": true if it shares the domain of lane "in"}],
 *      "steps": [{"at", "cycles", "kind", "lane", …}]}
 *
 * `at` counts the cycles of the steps before, so the cycles of all steps are total_cycles, which is the record's. A
 * step is a stretch of sim/trace/trace.h; code that runs from one function to the next is one step, whose "functions"
 * say in order of first appearance what each has cost. Besides:
 *
 *     "to"         lane that a transition led to; of a message, where the user code is that runs next
 *     "from"       of a message: lane whose user code ran last
 *     "name"       the call, exception, exit reason, routine
 *     "call"       what was in progress; "function": where it happened
 *     "bytes", "source", "target"   of a copy: how much, and the addresses
 *     "causes"     cycles by cause; "instructions", "dtlb_misses", "l1d_misses" if there were any
 *     "halted"     of kind "idle": cycles that passed before this with the CPU halted; they are no cycles of the run
 *     "merged"     how many steps this one stands for: what lies between the first and the last STEPS_MAX / 2
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/traced.h"

enum { STEPS_MAX = 2000, FUNCTIONS_MAX = 16 };

struct step {
    const struct trace_event *event; /* the first of those that it is made of */
    enum trace_kind kind;
    uint32_t lane, to;
    uint32_t from; /* + 1; messages; 0: not known */
    struct trace_figures figures;
    struct {
        uint32_t name;
        uint64_t cycles;
    } function[FUNCTIONS_MAX];
    size_t functions;
    uint64_t more_functions; /* cycles of those beyond */
    uint64_t halted;         /* before it */
    size_t merged;
};

struct steps {
    const struct traced *traced;
    struct step *list;
    size_t count;
    uint32_t *lane; /* of the recording's lanes: + 1 */
    uint32_t *lanes;
    size_t lane_count;
};

static void add_figures(struct trace_figures *to, const struct trace_figures *more)
{
    for (unsigned i = 0; i < FIGURE_COUNT; i++)
        to->value[i] += more->value[i];
}

/* ---- from events to steps ---- */

static void add_function(struct step *s, uint32_t name, uint64_t cycles)
{
    size_t i = 0;

    while (i < s->functions && s->function[i].name != name)
        i++;
    if (i == FUNCTIONS_MAX) {
        s->more_functions += cycles;
        return;
    }
    if (i == s->functions)
        s->function[s->functions++].name = name;
    s->function[i].cycles += cycles;
}

/* A REP MOVS of nothing is none. */
static enum trace_kind kind_of(const struct trace_event *e)
{
    return e->kind == TRACE_COPY && !e->figures.value[FIGURE_BYTES_COPIED] ? TRACE_RUN : e->kind;
}

static bool is_run(enum trace_kind kind)
{
    return kind == TRACE_RUN || kind == TRACE_LOST;
}

static bool joins(const struct step *last, const struct trace_event *e, uint64_t halted)
{
    return last && !halted && last->kind == TRACE_RUN && kind_of(e) == TRACE_RUN && last->lane == e->lane;
}

/* How long the CPU was halted between the end of one and the beginning of the next. */
static uint64_t gap(const struct trace_event *before, const struct trace_event *e)
{
    uint64_t end = before ? before->at + trace_cycles(&before->figures) : e->at;

    return e->at > end ? e->at - end : 0;
}

static void add_event(struct steps *s, const struct trace_event *before, const struct trace_event *e)
{
    struct step *last = s->count ? &s->list[s->count - 1] : NULL;
    uint64_t halted = gap(before, e);

    if (!joins(last, e, halted)) {
        last = &s->list[s->count++];
        *last = (struct step){
            .event = e, .kind = kind_of(e), .lane = e->lane, .to = e->to_lane, .halted = halted, .merged = 1};
    }
    if (is_run(last->kind))
        add_function(last, e->function, trace_cycles(&e->figures));
    last->to = e->to_lane;
    last->merged += e->skipped;
    add_figures(&last->figures, &e->figures);
}

static bool is_user(const struct steps *s, const struct step *step)
{
    return step->kind != TRACE_SWITCH && trace_lane_ring(s->traced->machine, step->lane) == 3;
}

/* A message goes from the user code that ran last to that which runs next. */
static void find_ends_of_messages(struct steps *s)
{
    uint32_t user = 0;

    for (size_t i = 0; i < s->count; i++) {
        struct step *step = &s->list[i];
        size_t next = i + 1;

        if (is_user(s, step))
            user = step->lane + 1;
        if (step->kind != TRACE_MESSAGE)
            continue;
        while (next < s->count && !is_user(s, &s->list[next]))
            next++;
        step->from = user;
        if (next < s->count)
            step->to = s->list[next].lane;
    }
}

/* What lies between the first half and the last is one step. */
static void limit(struct steps *s)
{
    size_t keep = STEPS_MAX / 2, extra = s->count > STEPS_MAX ? s->count - STEPS_MAX + 1 : 0;
    struct step *one = &s->list[keep];

    if (!extra)
        return;
    one->kind = TRACE_RUN;
    one->to = one->lane;
    for (size_t i = 1; i < extra; i++) {
        const struct step *other = &s->list[keep + i];

        add_figures(&one->figures, &other->figures);
        one->merged += other->merged;
        for (size_t f = 0; f < other->functions; f++)
            add_function(one, other->function[f].name, other->function[f].cycles);
        one->more_functions += other->more_functions;
    }
    memmove(one + 1, one + extra, (s->count - keep - extra) * sizeof *one);
    s->count -= extra - 1;
}

/* ---- lanes: those that appear, in that order ---- */

static uint32_t lane_number(struct steps *s, uint32_t lane)
{
    if (!s->lane[lane]) {
        s->lanes[s->lane_count++] = lane;
        s->lane[lane] = (uint32_t)s->lane_count;
    }
    return s->lane[lane] - 1;
}

static uint32_t lane_of_domain(const struct steps *s, uint32_t domain)
{
    for (uint32_t i = 0; i < s->lane_count; i++)
        if (s->traced->trace->lanes[s->lanes[i]].domain == domain && !s->traced->trace->lanes[s->lanes[i]].library)
            return i;
    return UINT32_MAX;
}

static json_t *lanes_json(const struct steps *s)
{
    json_t *array = json_array();
    struct machine *m = s->traced->machine;

    for (size_t i = 0; i < s->lane_count; i++) {
        const struct trace_lane *lane = &s->traced->trace->lanes[s->lanes[i]];
        json_t *object = json_pack("{s:s, s:i}", "name", trace_lane_name(m, s->lanes[i]), "ring",
                                   (int)trace_lane_ring(m, s->lanes[i]));
        uint32_t in = lane_of_domain(s, lane->domain);

        if (lane->library)
            json_object_set_new(object, "library", json_true());
        if (lane->library && in != UINT32_MAX)
            json_object_set_new(object, "in", json_integer(in));
        json_array_append_new(array, object);
    }
    return array;
}

/* ---- JSON ---- */

static void set(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_if(json_t *object, const char *key, uint64_t value)
{
    if (value)
        set(object, key, value);
}

static void set_text(const struct steps *s, json_t *object, const char *key, uint32_t text)
{
    if (text)
        json_object_set_new(object, key, json_string(trace_text(s->traced->machine, text)));
}

static void set_address(json_t *object, const char *key, uint64_t address)
{
    char text[24];

    snprintf(text, sizeof text, "%#" PRIx64, address);
    json_object_set_new(object, key, json_string(text));
}

static json_t *causes_json(const struct trace_figures *f)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        set_if(object, cause_info[i].name, f->value[i]);
    return object;
}

static json_t *function_json(const char *name, uint64_t cycles)
{
    return json_pack("{s:s, s:I}", "name", name, "cycles", (json_int_t)cycles);
}

static json_t *functions_json(const struct steps *s, const struct step *step)
{
    json_t *array = json_array();

    for (size_t i = 0; i < step->functions; i++)
        json_array_append_new(array, function_json(trace_text(s->traced->machine, step->function[i].name),
                                                   step->function[i].cycles));
    if (step->more_functions)
        json_array_append_new(array, function_json("others", step->more_functions));
    return array;
}

static bool leads_somewhere(const struct step *s)
{
    if (s->kind == TRACE_MESSAGE)
        return s->from && s->to != s->from - 1;
    return !is_run(s->kind) && s->kind != TRACE_COPY && s->to != s->lane;
}

static json_t *step_json(struct steps *s, const struct step *step, uint64_t at)
{
    json_t *o = json_object();

    set(o, "at", at);
    set(o, "cycles", trace_cycles(&step->figures));
    json_object_set_new(o, "kind", json_string(trace_kind_names[is_run(step->kind) ? TRACE_RUN : step->kind]));
    set(o, "lane", lane_number(s, step->lane));
    if (step->kind == TRACE_MESSAGE && step->from)
        set(o, "from", lane_number(s, step->from - 1));
    if (leads_somewhere(step))
        set(o, "to", lane_number(s, step->to));
    set_text(s, o, "name", step->event->name);
    set_text(s, o, "call", step->event->call);
    set_text(s, o, "function", step->event->function);
    if (step->kind == TRACE_COPY) {
        set(o, "bytes", step->figures.value[FIGURE_BYTES_COPIED]);
        set_address(o, "source", step->event->from);
        set_address(o, "target", step->event->to);
    }
    json_object_set_new(o, "causes", causes_json(&step->figures));
    set_if(o, "instructions", step->figures.value[FIGURE_INSTRUCTIONS]);
    set_if(o, "dtlb_misses", step->figures.value[FIGURE_DTLB_MISSES]);
    set_if(o, "l1d_misses", step->figures.value[FIGURE_L1D_MISSES]);
    if (step->functions)
        json_object_set_new(o, "functions", functions_json(s, step));
    if (step->merged > 1)
        set(o, "merged", step->merged);
    return o;
}

static json_t *idle_json(struct steps *s, const struct step *step, uint64_t at)
{
    return json_pack("{s:I, s:i, s:s, s:i, s:I, s:{}}", "at", (json_int_t)at, "cycles", 0, "kind", "idle", "lane",
                     (int)lane_number(s, step->lane), "halted", (json_int_t)step->halted, "causes");
}

static json_t *steps_json(struct steps *s)
{
    json_t *array = json_array();
    uint64_t at = 0;

    for (size_t i = 0; i < s->count; i++) {
        const struct step *step = &s->list[i];

        if (step->halted)
            json_array_append_new(array, idle_json(s, step, at));
        json_array_append_new(array, step_json(s, step, at));
        at += trace_cycles(&step->figures);
    }
    return array;
}

static json_t *all_json(struct steps *s)
{
    const struct traced *t = s->traced;
    char room[TRACED_ARCH_MAX];
    json_t *steps = steps_json(s); /* before the lanes: it numbers them */

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "schema", "ringside.steps/1", "arch",
                     traced_arch(t, room), "workload", t->record->workload, "cpu_model", t->record->cpu, "settings",
                     t->record->settings, "hz", (json_int_t)t->hz, "ops", (json_int_t)t->record->ops, "total_cycles",
                     (json_int_t)t->record->counter[COUNTER_cycles], "lanes", lanes_json(s), "steps", steps);
}

static void make_steps(struct steps *s)
{
    const struct trace_event *before = NULL;

    for (size_t i = 0; i < s->traced->trace->event_count; i++) {
        const struct trace_event *e = &s->traced->trace->events[i];

        add_event(s, before, e);
        before = e;
    }
    find_ends_of_messages(s);
    limit(s);
}

bool trace_steps(const struct traced *t, struct error *error)
{
    struct steps s = {.traced = t};
    json_t *json = NULL;
    bool good;

    s.list = calloc(t->trace->event_count + 1, sizeof *s.list);
    s.lane = calloc(t->trace->lane_count + 1, sizeof *s.lane);
    s.lanes = calloc(t->trace->lane_count + 1, sizeof *s.lanes);
    if (s.list && s.lane && s.lanes) {
        make_steps(&s);
        json = all_json(&s);
    }
    good = (json && json_dumpf(json, t->out, JSON_INDENT(1)) == 0) || refuse(error, STATUS_HOST, "out of memory");
    json_decref(json);
    free(s.list);
    free(s.lane);
    free(s.lanes);
    return good;
}
