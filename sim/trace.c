/* SPDX-License-Identifier: MIT
 *
 * sim/trace.c: see trace.h and trace_record.h: the machine calls in here where something happens, if it records.
 */
#include "sim/trace.h"

#include <stdlib.h>
#include <string.h>

#include "sim/trace_record.h"

#define slow __attribute__((noinline, cold))

const char *const trace_kind_names[TRACE_KINDS] = {
    "run", "call", "syscall", "return", "exception", "interrupt", "vm_exit",
    "cr3", "flush", "copy", "message", "switch", "fault", "lost",
};

static struct trace_cpu *of(struct cpu *cpu)
{
    return &cpu->machine->trace->cpu[cpu->index];
}

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
static void close_block(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = of(cpu);
    struct trace_figures f = now(cpu);

    if (c->account) {
        figures_add(&t->accounts[c->account].figures, &f, &c->mark);
    } else {
        figures_add(&c->waiting, &f, &c->mark);
        c->waits = true;
    }
    c->mark = f;
    c->mark_clock = cpu->clock;
}

/* The stretch so far, up to the mark. */
static void close_stretch(struct trace *t, struct trace_cpu *c)
{
    struct trace_event *e = c->event ? &t->events[c->event - 1] : NULL;

    if (e) {
        figures_add(&e->figures, &c->mark, &c->stretch_mark);
        e->to_lane = c->lane;
        e->call = c->call;
    }
    c->stretch_mark = c->mark;
}

static void set_marks(struct cpu *cpu)
{
    struct trace_cpu *c = of(cpu);

    c->mark = c->stretch_mark = now(cpu);
    c->mark_clock = cpu->clock;
}

static bool is_off(const struct machine *m)
{
    return !m->trace || m->trace->frozen;
}

/* Of a CPU whose turn it is not, everything was taken when its turn ended. */
void trace_leave(struct cpu *cpu)
{
    if (is_off(cpu->machine) || !cpu->domain || cpu->machine->current != cpu->index)
        return;
    close_block(cpu);
    close_stretch(cpu->machine->trace, of(cpu));
}

void trace_resume(struct cpu *cpu)
{
    if (!is_off(cpu->machine) && cpu->domain)
        set_marks(cpu);
}

/* ---- events ---- */

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
static struct trace_event *begin(struct cpu *cpu, enum trace_kind kind, uint32_t name)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = of(cpu);

    if (t->event_count >= TRACE_EVENTS_MAX && skip_event(cpu, &kind))
        return NULL;
    if (!room_for_event(t))
        return NULL;
    close_stretch(t, c);
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

    if (is_off(cpu->machine))
        return;
    set_marks(cpu);
    c = of(cpu);
    c->account = 0;
    c->lane = account_lane(cpu, false);
    if (!c->event)
        begin(cpu, TRACE_RUN, 0);
    if (cpu->domain->ring != 3)
        return;
    c->nesting = 0;
    if (account_is_program(cpu)) {
        if (!t->library)
            c->call = t->user;
    } else if (account_domain(cpu)->call) {
        c->call = account_domain(cpu)->call;
        account_domain(cpu)->call = 0;
    }
}

/* The same for what happens now, in the middle of a block or behind it. */
static struct trace_event *happens(struct cpu *cpu, enum trace_kind kind, uint32_t name)
{
    close_block(cpu);
    of(cpu)->busy = BUSY_TRANSITION;
    return begin(cpu, kind, name);
}

static uint32_t call_text(struct trace *t, uint64_t number)
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

    return account_is_program(cpu) && !t->lanes[of(cpu)->lane].library;
}

void trace_syscall(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    uint32_t name;

    if (is_off(cpu->machine))
        return;
    name = call_text(t, engine_get(&cpu->engine, UC_X86_REG_RAX));
    happens(cpu, TRACE_SYSCALL, name);
    if (in_program(cpu))
        of(cpu)->call = name;
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

    if (is_off(cpu->machine))
        return;
    name = vector_text(cpu->machine->trace, vector);
    happens(cpu, TRACE_EXCEPTION, name);
    if (in_program(cpu))
        of(cpu)->call = name;
}

void trace_interrupt(struct cpu *cpu, unsigned vector)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c;

    if (is_off(cpu->machine))
        return;
    c = of(cpu);
    happens(cpu, TRACE_INTERRUPT, vector_text(t, vector));
    if (cpu->cpl != 3 && c->nesting < TRACE_NESTING)
        c->nested_call[c->nesting++] = c->call;
    else if (cpu->cpl == 3 && !account_is_program(cpu))
        account_domain(cpu)->call = c->call;
    c->call = t->interrupt;
}

void trace_exit(struct cpu *cpu, const char *reason)
{
    struct trace *t = cpu->machine->trace;
    struct trace_event *e;

    if (is_off(cpu->machine) || !of(cpu)->event)
        return;
    e = &t->events[of(cpu)->event - 1];
    if (e->kind == TRACE_LOST)
        return;
    if (e->kind != TRACE_SYSCALL)
        e->name = texts_number(&t->texts, reason);
    e->kind = TRACE_VM_EXIT;
}

void trace_return(struct cpu *cpu, unsigned cpl)
{
    struct trace_cpu *c;

    if (is_off(cpu->machine))
        return;
    c = of(cpu);
    happens(cpu, TRACE_RETURN, c->call);
    if (cpl != 3 && c->nesting > 0)
        c->call = c->nested_call[--c->nesting];
}

void trace_cr3(struct cpu *cpu)
{
    if (!is_off(cpu->machine))
        happens(cpu, TRACE_CR3, texts_number(&cpu->machine->trace->texts, "mov cr3"));
}

void trace_flush(struct cpu *cpu, const char *what)
{
    if (!is_off(cpu->machine))
        happens(cpu, TRACE_FLUSH, texts_number(&cpu->machine->trace->texts, what));
}

/* User code resumes here, maybe under another space than the last. */
void trace_user(struct cpu *cpu, bool other)
{
    struct trace_event *e;
    struct trace_cpu *c;

    if (is_off(cpu->machine))
        return;
    c = of(cpu);
    if (other) {
        e = happens(cpu, TRACE_SWITCH, texts_number(&cpu->machine->trace->texts, cpu->domain->name));
        if (e && c->user_lane)
            e->lane = c->user_lane - 1;
    }
    c->user_lane = c->lane + 1;
}

void trace_fault(struct cpu *cpu, const char *what)
{
    if (!is_off(cpu->machine))
        happens(cpu, TRACE_FAULT, texts_number(&cpu->machine->trace->texts, what));
}

/* ---- blocks ---- */

void trace_block_ends(struct cpu *cpu)
{
    if (!cpu->machine->trace->frozen)
        close_block(cpu);
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
    struct trace_cpu *c = of(cpu);
    bool library;
    const struct trace_image *image = account_image(cpu, pc, bytes, &library);
    uint32_t account;

    c->lane = account_lane(cpu, library);
    if (library)
        t->lanes[c->lane].image = image;
    if (library && is_call_of_library(image, pc))
        c->call = call_text(t, engine_get(&cpu->engine, UC_X86_REG_RAX));
    else if (!library && account_is_program(cpu))
        c->call = t->user;
    account = account_find(t, c->lane, c->call, pc, bytes);
    return account ? account : account_make(t, c->lane, c->call, pc, bytes, image);
}

static uint32_t slow other_account(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = of(cpu);
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
    struct trace_cpu *c = of(cpu);
    uint32_t lane = c->lane, call = c->call, function = c->function;
    bool into = t->lanes[lane].library;

    c->lane = lane_before;
    c->call = call_before;
    c->function = function_before;
    begin(cpu, into ? TRACE_CALL : TRACE_RETURN, into ? call : call_before);
    c->lane = lane;
    c->call = call;
    c->function = function;
    c->busy = BUSY_TRANSITION;
}

static void slow begin_copy(struct cpu *cpu, const struct block *b)
{
    struct trace_event *e = begin(cpu, TRACE_COPY, of(cpu)->function);

    of(cpu)->busy = b->in_copy_routine ? BUSY_COPY : BUSY_REP;
    of(cpu)->rep_pc = cpu->rep_pc;
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
    struct trace_cpu *c = of(cpu);

    if (c->lane != lane && c->busy != BUSY_TRANSITION)
        cross_library(cpu, lane, call, function);
    if (copies_now(cpu, c, b)) {
        begin_copy(cpu, b);
    } else if (b->event == BLOCK_EVENT_MESSAGE && cpu->cpl == 0) {
        begin(cpu, TRACE_MESSAGE, c->function);
        c->busy = BUSY_MESSAGE;
        c->routine = c->function;
    } else if (!goes_on(cpu, c, b) ||
               (t->mode == TRACE_FUNCTIONS && c->busy == BUSY_NOTHING && c->function != function)) {
        begin(cpu, TRACE_RUN, 0);
        c->busy = BUSY_NOTHING;
    }
}

void trace_block_begins(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = of(cpu);
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

/* ---- regions ---- */

static void begin_cpu(struct cpu *cpu)
{
    struct trace_cpu *c = of(cpu);

    c->event = 0;
    c->waiting = (struct trace_figures){0};
    c->waits = false;
    set_marks(cpu);
    begin(cpu, TRACE_RUN, 0);
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
    t->result.began_at = cpu->clock;
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            begin_cpu(&m->cpus[i]);
}

static void finish_cpu(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    struct trace_cpu *c = of(cpu);

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
    if (is_off(m))
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
