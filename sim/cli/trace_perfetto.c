/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_perfetto.c: a recording as Chrome's trace events ("Trace Event Format", JSON), which ui.perfetto.dev
 * and chrome://tracing show.
 *
 * One process, the machine. Each CPU has a track: the call in progress, in it the domain that works for it, in that
 * transitions, copies and messages. Each domain has a track for each CPU on which it ran: calls, in them the same. A
 * slice never lasts through a time in which its CPU was halted. Instants: flushes, context switches, injected faults.
 * Counters: misses so far. Times are microseconds of simulated time since power on, to the picosecond, so that slices
 * which begin and end together do; `cycles` are in the arguments. The cycles of all domain slices on the CPUs' tracks
 * are the region's.
 *
 * A transition's cost is shown in the domain that it leads to, of a return in the one that it leaves: as the machine
 * charges it, but for the cache misses of an exception's frame.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/traced.h"

enum { LEVEL_CALL, LEVEL_DOMAIN, CPU_LEVELS };
#define NO_KEY UINT64_MAX
#define FIRST_DOMAIN_TRACK 100

struct slice {
    uint64_t key; /* NO_KEY: none is open */
    uint64_t cycles;
};

struct track {
    unsigned number;
    unsigned levels;
    struct slice slice[CPU_LEVELS];
};

struct cpu_state {
    bool used;
    struct track track;
    struct track *domain; /* the domain's track that has slices open; NULL: none */
    uint64_t end;         /* of the stretch before: its clock */
    uint64_t dtlb, itlb, l1d;
    bool counters_changed;
};

struct perfetto {
    const struct traced *traced;
    FILE *out;
    bool first;
    struct cpu_state cpu[MACHINE_CPUS_MAX];
    struct track *domains; /* lane × CPU */
};

/* ---- JSON ---- */

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc((unsigned char)*text < 0x20 || *text & 0x80 ? '?' : *text, out);
    }
    fputc('"', out);
}

/* Begins {"ph":…,"pid":1,"tid":…,"ts":…; the caller ends it. */
static void put_event(struct perfetto *p, char phase, unsigned track, uint64_t clock)
{
    unsigned __int128 picoseconds = (unsigned __int128)clock * 1000000000000u / p->traced->hz;
    uint64_t microseconds = (uint64_t)(picoseconds / 1000000);

    fprintf(p->out, "%s{\"ph\":\"%c\",\"pid\":1,\"tid\":%u,\"ts\":%" PRIu64 ".%06u", p->first ? "" : ",\n", phase,
            track, microseconds, (unsigned)(picoseconds % 1000000));
    p->first = false;
}

static void put_name(struct perfetto *p, const char *kind, const char *name)
{
    char text[160];

    snprintf(text, sizeof text, "%s%s%s", kind, *kind && *name ? " " : "", name);
    fprintf(p->out, ",\"name\":");
    put_text(p->out, text);
}

static void put_metadata(struct perfetto *p, const char *what, unsigned track, const char *name)
{
    fprintf(p->out, "%s{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"%s\",\"args\":{\"name\":", p->first ? "" : ",\n",
            track, what);
    put_text(p->out, name);
    fprintf(p->out, "}}");
    p->first = false;
}

/* ---- slices that last ---- */

static void close_from(struct perfetto *p, struct track *t, unsigned level, uint64_t at)
{
    for (unsigned i = t->levels; i-- > level;) {
        if (t->slice[i].key == NO_KEY)
            continue;
        put_event(p, 'E', t->number, at);
        fprintf(p->out, ",\"args\":{\"cycles\":%" PRIu64 "}}", t->slice[i].cycles);
        t->slice[i] = (struct slice){NO_KEY, 0};
    }
}

/* `level` of the track shows `key` from `at` on; `ended` is when what was shown ended. */
static void show(struct perfetto *p, struct track *t, unsigned level, uint64_t key, const char *name, uint64_t at,
                 uint64_t ended)
{
    if (t->slice[level].key == key)
        return;
    close_from(p, t, level, ended);
    put_event(p, 'B', t->number, at);
    put_name(p, "", name);
    fputc('}', p->out);
    t->slice[level].key = key;
}

static void add_cycles(struct track *t, uint64_t cycles)
{
    for (unsigned i = 0; i < t->levels; i++)
        t->slice[i].cycles += cycles;
}

/* ---- one event ---- */

static bool is_instant(enum trace_kind kind)
{
    return kind == TRACE_FLUSH || kind == TRACE_SWITCH || kind == TRACE_FAULT;
}

static const char *prefix_of(enum trace_kind kind)
{
    static const char *const prefix[TRACE_KINDS] = {
        [TRACE_RUN] = "",          [TRACE_CALL] = "call",           [TRACE_SYSCALL] = "SYSCALL",
        [TRACE_RETURN] = "return", [TRACE_EXCEPTION] = "exception", [TRACE_INTERRUPT] = "interrupt",
        [TRACE_VM_EXIT] = "exit",  [TRACE_CR3] = "",                [TRACE_FLUSH] = "flush",
        [TRACE_COPY] = "copy",     [TRACE_MESSAGE] = "message",     [TRACE_SWITCH] = "switch to",
        [TRACE_FAULT] = "fault",   [TRACE_LOST] = "not recorded",
    };

    return prefix[kind];
}

static uint32_t shown_in(const struct trace_event *e)
{
    bool enters = e->kind == TRACE_SYSCALL || e->kind == TRACE_CALL || e->kind == TRACE_EXCEPTION ||
                  e->kind == TRACE_INTERRUPT || e->kind == TRACE_VM_EXIT || e->kind == TRACE_SWITCH;

    return enters ? e->to_lane : e->lane;
}

static void put_arguments(struct perfetto *p, const struct trace_event *e)
{
    struct machine *m = p->traced->machine;

    fprintf(p->out, ",\"args\":{\"cycles\":%" PRIu64 ",\"function\":", trace_cycles(&e->figures));
    put_text(p->out, trace_text(m, e->function));
    if (e->kind == TRACE_COPY)
        fprintf(p->out, ",\"bytes\":%" PRIu64 ",\"from\":\"%#" PRIx64 "\",\"to\":\"%#" PRIx64 "\"",
                e->figures.value[FIGURE_BYTES_COPIED], e->from, e->to);
    if (e->kind == TRACE_LOST)
        fprintf(p->out, ",\"events\":%" PRIu64, e->skipped);
    fprintf(p->out, "}");
}

static void put_slice(struct perfetto *p, unsigned track, const struct trace_event *e, uint64_t end)
{
    put_event(p, 'B', track, e->at);
    put_name(p, prefix_of(e->kind), trace_text(p->traced->machine, e->name));
    put_arguments(p, e);
    fputc('}', p->out);
    put_event(p, 'E', track, end);
    fputc('}', p->out);
}

static void put_instant(struct perfetto *p, unsigned track, const struct trace_event *e)
{
    put_event(p, 'i', track, e->at);
    put_name(p, prefix_of(e->kind), trace_text(p->traced->machine, e->name));
    fprintf(p->out, ",\"s\":\"%s\"", e->kind == TRACE_FAULT ? "g" : "t");
    put_arguments(p, e);
    fputc('}', p->out);
}

static void put_misses(struct perfetto *p, struct cpu_state *c, unsigned cpu, uint64_t at)
{
    if (!c->counters_changed)
        return;
    put_event(p, 'C', c->track.number, at);
    fprintf(p->out,
            ",\"name\":\"misses, CPU %u\",\"args\":{\"dTLB\":%" PRIu64 ",\"iTLB\":%" PRIu64 ",\"L1D\":%" PRIu64 "}}",
            cpu, c->dtlb, c->itlb, c->l1d);
    c->counters_changed = false;
}

static void count_misses(struct cpu_state *c, const struct trace_figures *f)
{
    c->dtlb += f->value[FIGURE_DTLB_MISSES];
    c->itlb += f->value[FIGURE_ITLB_MISSES];
    c->l1d += f->value[FIGURE_L1D_MISSES];
    c->counters_changed |= f->value[FIGURE_DTLB_MISSES] || f->value[FIGURE_ITLB_MISSES] || f->value[FIGURE_L1D_MISSES];
}

static struct track *domain_track(struct perfetto *p, uint32_t lane, unsigned cpu)
{
    struct track *t = &p->domains[lane * MACHINE_CPUS_MAX + cpu];
    struct machine *m = p->traced->machine;
    char name[80];

    if (t->number)
        return t;
    *t = (struct track){.number = FIRST_DOMAIN_TRACK + lane * MACHINE_CPUS_MAX + cpu, .levels = 1};
    t->slice[LEVEL_CALL].key = NO_KEY;
    snprintf(name, sizeof name, "%s (ring %u)", trace_lane_name(m, lane), trace_lane_ring(m, lane));
    if (p->traced->record->cpus > 1)
        snprintf(name + strlen(name), sizeof name - strlen(name), ", CPU %u", cpu);
    put_metadata(p, "thread_name", t->number, name);
    return t;
}

static void end_all(struct perfetto *p, struct cpu_state *c, unsigned cpu, uint64_t at)
{
    put_misses(p, c, cpu, at);
    close_from(p, &c->track, LEVEL_CALL, at);
    if (c->domain)
        close_from(p, c->domain, LEVEL_CALL, at);
    c->domain = NULL;
}

static void show_stretch(struct perfetto *p, struct cpu_state *c, const struct trace_event *e, uint64_t end)
{
    struct machine *m = p->traced->machine;
    uint32_t lane = shown_in(e);
    struct track *domain = domain_track(p, lane, e->cpu);
    uint64_t cycles = trace_cycles(&e->figures);

    if (c->end < e->at)
        end_all(p, c, e->cpu, c->end); /* it was halted */
    if (c->track.slice[LEVEL_DOMAIN].key != lane)
        put_misses(p, c, e->cpu, e->at);
    show(p, &c->track, LEVEL_CALL, e->call, trace_text(m, e->call), e->at, e->at);
    show(p, &c->track, LEVEL_DOMAIN, lane, trace_lane_name(m, lane), e->at, e->at);
    if (c->domain && c->domain != domain)
        close_from(p, c->domain, LEVEL_CALL, e->at);
    c->domain = domain;
    show(p, domain, LEVEL_CALL, e->call, trace_text(m, e->call), e->at, e->at);
    add_cycles(&c->track, cycles);
    add_cycles(domain, cycles);
    if (is_instant(e->kind)) {
        put_instant(p, c->track.number, e);
    } else if (e->kind != TRACE_RUN) {
        put_slice(p, c->track.number, e, end);
        put_slice(p, domain->number, e, end);
    }
    count_misses(c, &e->figures);
    c->end = end;
}

/* Stretches without cycles that change nothing would be slices of no length. */
static bool is_empty(const struct trace_event *e)
{
    return e->kind == TRACE_RUN && trace_cycles(&e->figures) == 0;
}

static void put_cpu_name(struct perfetto *p, struct cpu_state *c, unsigned cpu, uint64_t at)
{
    char name[16];

    if (c->used)
        return;
    c->used = true;
    c->end = at;
    c->track = (struct track){.number = cpu + 1, .levels = CPU_LEVELS, .slice = {{NO_KEY, 0}, {NO_KEY, 0}}};
    snprintf(name, sizeof name, "CPU %u", cpu);
    put_metadata(p, "thread_name", c->track.number, name);
}

static void put_all(struct perfetto *p)
{
    const struct traced *t = p->traced;
    char room[TRACED_ARCH_MAX], name[256];

    fprintf(p->out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"cycles\":%" PRIu64 ",\"hz\":%" PRIu64 "},\n"
                    "\"traceEvents\":[\n",
            t->record->counter[COUNTER_cycles], t->hz);
    snprintf(name, sizeof name, "%s on %s, %s", t->record->workload, traced_arch(t, room), t->record->cpu);
    put_metadata(p, "process_name", 0, name);
    for (size_t i = 0; i < t->trace->event_count; i++) {
        const struct trace_event *e = &t->trace->events[i];

        put_cpu_name(p, &p->cpu[e->cpu], e->cpu, e->at);
        if (!is_empty(e))
            show_stretch(p, &p->cpu[e->cpu], e, e->at + trace_cycles(&e->figures));
    }
    for (unsigned i = 0; i < MACHINE_CPUS_MAX; i++)
        if (p->cpu[i].used)
            end_all(p, &p->cpu[i], i, p->cpu[i].end);
    fprintf(p->out, "\n]}\n");
}

bool trace_perfetto(const struct traced *t, struct error *error)
{
    struct perfetto p = {.traced = t, .out = t->out, .first = true};

    p.domains = calloc((t->trace->lane_count + 1) * MACHINE_CPUS_MAX, sizeof *p.domains);
    if (!p.domains)
        return refuse(error, STATUS_HOST, "out of memory");
    put_all(&p);
    free(p.domains);
    return true;
}
