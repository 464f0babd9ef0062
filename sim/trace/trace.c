/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace.c: see trace.h and trace_record.h: a recording's life, from opening to reading, and the measured
 * region.
 */
#include "sim/trace/trace.h"

#include <stdlib.h>
#include <string.h>

#include "sim/trace/trace_record.h"

/* ---- opening and reading ---- */

bool trace_open(struct machine *m)
{
    struct trace *t;

    if (m->config.trace == TRACE_OFF)
        return true;
    t = m->trace = calloc(1, sizeof *t);
    if (!t || !accounts_open(t) || !texts_open(&t->texts))
        return false;
    t->mode = m->config.trace;
    t->user = texts_number(&t->texts, "user");
    t->interrupt = texts_number(&t->texts, "interrupt");
    t->system = texts_number(&t->texts, "system");
    for (unsigned i = 0; i < m->cpu_count; i++)
        t->cpu[i].call = t->system;
    return !t->texts.failed;
}

void trace_close(struct machine *m)
{
    struct trace *t = m->trace;

    if (!t)
        return;
    for (size_t i = 0; i < t->image_count; i++)
        free(t->images[i].elf);
    accounts_close(t);
    texts_close(&t->texts);
    free(t->events);
    free(t);
}

void trace_image(struct machine *m, const char *name, const struct symbols *symbols, const void *elf, size_t bytes)
{
    struct trace *t = m->trace;
    struct trace_image *image;

    if (!t || !symbols || t->image_count == sizeof t->images / sizeof t->images[0])
        return;
    image = &t->images[t->image_count++];
    snprintf(image->name, sizeof image->name, "%s", name);
    image->symbols = symbols;
    image->elf = malloc(bytes ? bytes : 1);
    if (image->elf)
        memcpy(image->elf, elf, bytes);
    image->bytes = image->elf ? bytes : 0;
}

const struct trace_result *machine_trace(struct machine *machine)
{
    struct trace *t = machine->trace;

    if (!t)
        return NULL;
    t->result.events = t->events;
    t->result.event_count = t->event_count;
    t->result.lanes = t->lanes;
    t->result.lane_count = t->lane_count;
    t->result.accounts = t->accounts + 1;
    t->result.account_count = t->account_count - 1;
    t->result.failed = t->failed || t->texts.failed;
    return &t->result;
}

const char *trace_text(struct machine *machine, uint32_t text)
{
    return machine->trace->texts.list[text];
}

uint64_t trace_cycles(const struct trace_figures *figures)
{
    uint64_t cycles = 0;

    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        cycles += figures->value[i];
    return cycles;
}

/* ---- regions ---- */

static void begin_cpu(struct cpu *cpu)
{
    struct trace_cpu *c = trace_of(cpu);

    c->event = 0;
    c->waiting = (struct trace_figures){0};
    c->waits = false;
    trace_set_marks(cpu);
    trace_begin(cpu, TRACE_RUN, 0);
    c->busy = BUSY_NOTHING;
}

/* The domains' sums have just become 0. */
void trace_region_begin(struct cpu *cpu)
{
    struct machine *m = cpu->machine;
    struct trace *t = m->trace;

    if (!t)
        return;
    t->frozen = false;
    t->event_count = 0;
    memset(t->lost_event, 0, sizeof t->lost_event);
    accounts_clear(t);
    t->result.region = true;
    t->result.began_at = cpu->now.clock;
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            begin_cpu(&m->cpus[i]);
}

static void finish_cpu(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);

    trace_leave(cpu);
    if (!c->waits)
        return;
    c->account = account_find(t, c->lane, c->call, 0, 0);
    if (!c->account)
        c->account = account_make(t, c->lane, c->call, 0, 0, NULL);
    figures_add(&t->accounts[c->account].figures, &c->waiting, &(struct trace_figures){0});
    c->waits = false;
}

void trace_finish(struct machine *m)
{
    if (trace_is_off(m))
        return;
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            finish_cpu(&m->cpus[i]);
    m->trace->frozen = true;
}

/* ---- lanes ---- */

unsigned trace_lane_ring(struct machine *machine, uint32_t lane)
{
    return machine->domains[machine->trace->lanes[lane].domain]->ring;
}

const char *trace_lane_name(struct machine *machine, uint32_t lane)
{
    const struct trace_lane *l = &machine->trace->lanes[lane];

    return l->image ? l->image->name : machine->domains[l->domain]->name;
}
