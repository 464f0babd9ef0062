/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace_event.c: the events of a recording: stretches begin, and transitions tell the call that is in
 * progress.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/trace/trace_record.h"

const char *const trace_kind_names[TRACE_KINDS] = {
    "run", "call", "syscall", "return", "exception", "interrupt", "vm_exit",
    "cr3", "flush", "copy", "message", "switch", "fault", "lost",
};

/* ---- stretches ---- */

static bool room_for_event(struct trace *t)
{
    size_t room = t->event_room ? 2 * t->event_room : 4096;
    struct trace_event *more;

    if (t->event_count < t->event_room)
        return true;
    more = realloc(t->events, room * sizeof *more);
    if (!more) {
        t->failed = true;
        return false;
    }
    t->events = more;
    t->event_room = room;
    return true;
}

/* The rest of this CPU's events is one stretch. */
static struct trace_event *skip_event(struct cpu *cpu, enum trace_kind *kind)
{
    struct trace *t = cpu->machine->trace;
    uint64_t *lost = &t->lost_event[cpu->index];

    if (*lost) {
        t->events[*lost - 1].skipped++;
        return &t->events[*lost - 1];
    }
    *kind = TRACE_LOST;
    return NULL;
}

/* A stretch begins at the mark. NULL: it is not kept. */
struct trace_event *trace_begin(struct cpu *cpu, enum trace_kind kind, uint32_t name)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);

    if (t->event_count >= TRACE_EVENTS_MAX && skip_event(cpu, &kind))
        return NULL;
    if (!room_for_event(t))
        return NULL;
    trace_close_stretch(t, c);
    t->events[t->event_count] = (struct trace_event){.kind = kind,
                                                     .cpu = (uint8_t)cpu->index,
                                                     .lane = c->lane,
                                                     .to_lane = c->lane,
                                                     .call = c->call,
                                                     .name = name,
                                                     .function = c->function,
                                                     .at = c->mark_clock,
                                                     .skipped = kind == TRACE_LOST};
    c->event = ++t->event_count;
    if (kind == TRACE_LOST)
        t->lost_event[cpu->index] = c->event;
    return &t->events[c->event - 1];
}

void trace_enter(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c;

    if (trace_is_off(cpu->machine))
        return;
    trace_set_marks(cpu);
    c = trace_of(cpu);
    c->account = 0;
    c->lane = account_lane(cpu, false);
    if (!c->event)
        trace_begin(cpu, TRACE_RUN, 0);
    if (cpu->domain->ring != 3)
        return;
    c->nesting = 0;
    if (account_domain(cpu)->call) {
        c->call = account_domain(cpu)->call;
        account_domain(cpu)->call = 0;
    } else if (!t->library && account_is_program(cpu)) {
        c->call = t->user;
    }
}

/* The same for what happens now, in the middle of a block or behind it. */
static struct trace_event *happens(struct cpu *cpu, enum trace_kind kind, uint32_t name)
{
    trace_close_block(cpu);
    trace_of(cpu)->busy = BUSY_TRANSITION;
    return trace_begin(cpu, kind, name);
}

uint32_t trace_call_text(struct trace *t, uint64_t number)
{
    char room[CALL_NAME_MAX];

    if (number >= CALL_TABLE_SIZE)
        return texts_number(&t->texts, trace_call_name(number, room));
    if (!t->call_text[number])
        t->call_text[number] = texts_number(&t->texts, trace_call_name(number, room));
    return t->call_text[number];
}

/* Is it a program's own code that runs? */
static bool in_program(struct cpu *cpu)
{
    const struct trace *t = cpu->machine->trace;

    return account_is_program(cpu) && !t->lanes[trace_of(cpu)->lane].library;
}

void trace_syscall(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    uint32_t name;

    if (trace_is_off(cpu->machine))
        return;
    name = trace_call_text(t, engine_get(&cpu->engine, UC_X86_REG_RAX));
    happens(cpu, TRACE_SYSCALL, name);
    if (in_program(cpu))
        trace_of(cpu)->call = name;
}

static uint32_t vector_text(struct trace *t, unsigned vector)
{
    char text[40];

    if (vector < 32)
        return texts_number(&t->texts, exits_exception_name(vector));
    snprintf(text, sizeof text, "vector %u", vector);
    return texts_number(&t->texts, text);
}

void trace_exception(struct cpu *cpu, unsigned vector)
{
    uint32_t name;

    if (trace_is_off(cpu->machine))
        return;
    name = vector_text(cpu->machine->trace, vector);
    happens(cpu, TRACE_EXCEPTION, name);
    if (in_program(cpu))
        trace_of(cpu)->call = name;
}

void trace_interrupt(struct cpu *cpu, unsigned vector)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c;

    if (trace_is_off(cpu->machine))
        return;
    c = trace_of(cpu);
    happens(cpu, TRACE_INTERRUPT, vector_text(t, vector));
    if (cpu->cpl != 3 && c->nesting < TRACE_NESTING)
        c->nested_call[c->nesting++] = c->call;
    else if (cpu->cpl == 3 && !in_program(cpu))
        account_domain(cpu)->call = c->call;
    c->call = t->interrupt;
}

void trace_exit(struct cpu *cpu, const char *reason)
{
    struct trace *t = cpu->machine->trace;
    struct trace_event *e;

    if (trace_is_off(cpu->machine) || !trace_of(cpu)->event)
        return;
    e = &t->events[trace_of(cpu)->event - 1];
    if (e->kind == TRACE_LOST)
        return;
    if (e->kind != TRACE_SYSCALL)
        e->name = texts_number(&t->texts, reason);
    e->kind = TRACE_VM_EXIT;
}

void trace_return(struct cpu *cpu, unsigned cpl)
{
    struct trace_cpu *c;

    if (trace_is_off(cpu->machine))
        return;
    c = trace_of(cpu);
    happens(cpu, TRACE_RETURN, c->call);
    if (cpl != 3 && c->nesting > 0)
        c->call = c->nested_call[--c->nesting];
}

void trace_cr3(struct cpu *cpu)
{
    if (!trace_is_off(cpu->machine))
        happens(cpu, TRACE_CR3, texts_number(&cpu->machine->trace->texts, "mov cr3"));
}

void trace_flush(struct cpu *cpu, const char *what)
{
    if (!trace_is_off(cpu->machine))
        happens(cpu, TRACE_FLUSH, texts_number(&cpu->machine->trace->texts, what));
}

/* User code resumes here, maybe under another space than the last. */
void trace_user(struct cpu *cpu, bool other)
{
    struct trace_event *e;
    struct trace_cpu *c;

    if (trace_is_off(cpu->machine))
        return;
    c = trace_of(cpu);
    if (other) {
        e = happens(cpu, TRACE_SWITCH, texts_number(&cpu->machine->trace->texts, cpu->domain->name));
        if (e && c->user_lane)
            e->lane = c->user_lane - 1;
    }
    c->user_lane = c->lane + 1;
}

void trace_fault(struct cpu *cpu, const char *what)
{
    if (!trace_is_off(cpu->machine))
        happens(cpu, TRACE_FAULT, texts_number(&cpu->machine->trace->texts, what));
}
