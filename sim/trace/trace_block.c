/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace_block.c: the hot part of a recording: what the block that ran has cost, whose account the next one
 * has, and whether something begins or ends with it: a copy, a message, what a transition led to, the library OS.
 */
#include <string.h>

#include "sim/trace/trace_record.h"

#define slow __attribute__((noinline, cold))

/* ---- figures ---- */

static struct trace_figures now(const struct cpu *cpu)
{
    const uint64_t *counter = cpu->machine->counters.value;
    struct trace_figures f;

    memcpy(f.value, cpu->domain->cycles, sizeof cpu->domain->cycles);
    f.value[FIGURE_INSTRUCTIONS] = cpu->domain->instructions;
    f.value[FIGURE_DTLB_MISSES] = counter[COUNTER_dtlb_misses];
    f.value[FIGURE_ITLB_MISSES] = counter[COUNTER_itlb_misses];
    f.value[FIGURE_L1D_MISSES] = counter[COUNTER_l1d_misses];
    f.value[FIGURE_COPIES] = counter[COUNTER_copies];
    f.value[FIGURE_BYTES_COPIED] = counter[COUNTER_bytes_copied];
    f.value[FIGURE_MODE_SWITCHES] = counter[COUNTER_mode_switches];
    f.value[FIGURE_CONTEXT_SWITCHES] = counter[COUNTER_context_switches];
    return f;
}

/* The block that ran has cost this. */
void trace_close_block(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);
    struct trace_figures f = now(cpu);

    if (c->account) {
        figures_add(&t->accounts[c->account].figures, &f, &c->mark);
    } else {
        figures_add(&c->waiting, &f, &c->mark);
        c->waits = true;
    }
    c->mark = f;
    c->mark_clock = cpu->now.clock;
}

/* The stretch so far, up to the mark. */
void trace_close_stretch(struct trace *t, struct trace_cpu *c)
{
    struct trace_event *e = c->event ? &t->events[c->event - 1] : NULL;

    if (e) {
        figures_add(&e->figures, &c->mark, &c->stretch_mark);
        e->to_lane = c->lane;
        e->call = c->call;
    }
    c->stretch_mark = c->mark;
}

void trace_set_marks(struct cpu *cpu)
{
    struct trace_cpu *c = trace_of(cpu);

    c->mark = c->stretch_mark = now(cpu);
    c->mark_clock = cpu->now.clock;
}

/* Of a CPU whose turn it is not, everything was taken when its turn ended. */
void trace_leave(struct cpu *cpu)
{
    if (trace_is_off(cpu->machine) || !cpu->domain || cpu->machine->current != cpu->index)
        return;
    trace_close_block(cpu);
    trace_close_stretch(cpu->machine->trace, trace_of(cpu));
}

void trace_resume(struct cpu *cpu)
{
    if (!trace_is_off(cpu->machine) && cpu->domain)
        trace_set_marks(cpu);
}

/* ---- blocks ---- */

void trace_block_ends(struct cpu *cpu)
{
    if (!cpu->machine->trace->frozen)
        trace_close_block(cpu);
}

/* A program's code that jumped into the library asks for the call whose number is in RAX (arch-exo/lib/entry.S). */
static bool is_call_of_library(const struct trace_image *image, uint64_t pc)
{
    uint64_t offset;
    const char *name = symbols_name(image->symbols, pc, &offset);

    return name && offset == 0 && strcmp(name, "lib_call") == 0;
}

/* Code that never ran in this domain under this call: is the call another one, since the program left the library or
 * came there? */
static uint32_t slow new_account(struct cpu *cpu, uint64_t pc, uint32_t bytes)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);
    bool library;
    const struct trace_image *image = account_image(cpu, pc, bytes, &library);
    uint32_t account;

    c->lane = account_lane(cpu, library);
    if (library)
        t->lanes[c->lane].image = image;
    if (library && is_call_of_library(image, pc))
        c->call = trace_call_text(t, engine_get(&cpu->engine, UC_X86_REG_RAX));
    else if (!library && account_is_program(cpu))
        c->call = t->user;
    account = account_find(t, c->lane, c->call, pc, bytes);
    return account ? account : account_make(t, c->lane, c->call, pc, bytes, image);
}

static uint32_t slow other_account(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);
    const uint32_t *lane = account_domain(cpu)->lane;
    uint32_t account = account_find(t, lane[0] - 1, c->call, pc, b->size);

    if (!account && lane[1])
        account = account_find(t, lane[1] - 1, c->call, pc, b->size);
    if (!account)
        account = new_account(cpu, pc, b->size);
    c->lane = t->accounts[account].lane;
    t->slots[b - cpu->blocks] =
        (struct trace_slot){pc, (uint32_t)cpu->domain->number, c->call, account, b->size};
    return account;
}

/* The program and the library in its domain, without a transition. */
static void slow cross_library(struct cpu *cpu, uint32_t lane_before, uint32_t call_before, uint32_t function_before)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);
    uint32_t lane = c->lane, call = c->call, function = c->function;
    bool into = t->lanes[lane].library;

    c->lane = lane_before;
    c->call = call_before;
    c->function = function_before;
    trace_begin(cpu, into ? TRACE_CALL : TRACE_RETURN, into ? call : call_before);
    c->lane = lane;
    c->call = call;
    c->function = function;
    c->busy = BUSY_TRANSITION;
}

static void slow begin_copy(struct cpu *cpu, const struct block *b)
{
    struct trace_event *e = trace_begin(cpu, TRACE_COPY, trace_of(cpu)->function);

    trace_of(cpu)->busy = b->in_copy_routine ? BUSY_COPY : BUSY_REP;
    trace_of(cpu)->rep_pc = cpu->rep_pc;
    if (!e)
        return;
    e->from = engine_get(&cpu->engine, UC_X86_REG_RSI);
    e->to = engine_get(&cpu->engine, UC_X86_REG_RDI);
}

static bool goes_on(const struct cpu *cpu, const struct trace_cpu *c, const struct block *b)
{
    switch (c->busy) {
    case BUSY_COPY:
        return b->in_copy_routine;
    case BUSY_REP:
        return cpu->rep_pc == c->rep_pc && !cpu->rep_first;
    case BUSY_MESSAGE:
        return c->function == c->routine;
    default:
        return c->busy == BUSY_NOTHING;
    }
}

static bool copies_now(const struct cpu *cpu, const struct trace_cpu *c, const struct block *b)
{
    if (b->event == BLOCK_EVENT_COPY)
        return cpu->machine->counters.value[COUNTER_copies] != c->mark.value[FIGURE_COPIES];
    return b->is_copy && !(c->busy == BUSY_REP && goes_on(cpu, c, b));
}

/* What was before is given as it was. */
static void slow block_happens(struct cpu *cpu, const struct block *b, uint32_t lane, uint32_t call, uint32_t function)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);

    if (c->lane != lane && c->busy != BUSY_TRANSITION)
        cross_library(cpu, lane, call, function);
    if (copies_now(cpu, c, b)) {
        begin_copy(cpu, b);
    } else if (b->event == BLOCK_EVENT_MESSAGE && cpu->cpl == 0) {
        trace_begin(cpu, TRACE_MESSAGE, c->function);
        c->busy = BUSY_MESSAGE;
        c->routine = c->function;
    } else if (!goes_on(cpu, c, b) ||
               (t->mode == TRACE_FUNCTIONS && c->busy == BUSY_NOTHING && c->function != function)) {
        trace_begin(cpu, TRACE_RUN, 0);
        c->busy = BUSY_NOTHING;
    }
}

void trace_block_begins(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = trace_of(cpu);
    const struct trace_slot *s = &t->slots[b - cpu->blocks];
    uint32_t lane = c->lane, call = c->call, function = c->function;

    if (t->frozen)
        return;
    if (s->pc == pc && s->domain == cpu->domain->number && s->call == c->call && s->bytes == b->size) {
        c->account = s->account;
        c->lane = t->accounts[c->account].lane;
    } else {
        c->account = other_account(cpu, b, pc);
    }
    c->function = t->accounts[c->account].function;
    if (c->waits) {
        figures_add(&t->accounts[c->account].figures, &c->waiting, &(struct trace_figures){0});
        c->waiting = (struct trace_figures){0};
        c->waits = false;
    }
    if (c->busy != BUSY_NOTHING || b->event || b->is_copy || c->lane != lane || t->mode == TRACE_FUNCTIONS)
        block_happens(cpu, b, lane, call, function);
}
