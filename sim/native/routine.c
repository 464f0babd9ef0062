/* SPDX-License-Identifier: MIT
 *
 * sim/native/routine.c: which blocks have a routine that decides, and all of such a routine.
 */
#include "sim/native/write.h"

#include <stddef.h>
#include <string.h>

#include "sim/native/bulk.h"

static bool value_is_known(unsigned value)
{
    return value != VALUE_GDT && value < VALUES_MAX;
}

static bool step_is_known(const struct plan_step *s)
{
    const bool computes = s->kind >= STEP_SUM && s->kind <= STEP_SIGN_EXTEND;
    const bool loads = s->kind == STEP_LOAD || s->kind == STEP_LOAD_SIGNED;

    if (!value_is_known(s->base) || !value_is_known(s->index) || ((computes || loads) && s->dest < VALUE_TEMPORARY))
        return false;
    if (s->kind == STEP_SKIP_ZERO)
        return s->bytes == 4 || s->bytes == 8;
    if (loads)
        return s->bytes == 1 || s->bytes == 2 || s->bytes == 4 || s->bytes == 8;
    return computes || ((s->kind == STEP_READ || s->kind == STEP_WRITE) && s->bytes >= 1 && s->bytes <= 64);
}

/* Can it have a routine that decides? */
bool can_decide(struct writer *w, const struct block_plan *plan, const struct plan_step *steps)
{
    const struct block *b = w->block;
    const uint64_t lines = ((b->address + b->size - 1u) >> 6) - (b->address >> 6) + 1;
    const bool element = b->special == SPECIAL_REP && b->instructions == 1;
    unsigned stores = 0, pairs = 0; /* of a store and a load behind it */

    if (!(b->plain || element) || b->swapgs || plan->syncs || plan->count > STEPS_MAX || lines > LINES_MAX)
        return false;
    for (unsigned i = 0; i < plan->count; i++) {
        if (!step_is_known(&steps[i]) ||
            (steps[i].kind == STEP_SKIP_ZERO && (i > 0 || steps[i].dest + 1u != plan->count)))
            return false; /* a skip is of all */
        stores += steps[i].kind == STEP_WRITE;
        pairs += steps[i].kind == STEP_LOAD || steps[i].kind == STEP_LOAD_SIGNED ? stores : 0;
    }
    w->keeps_stores = pairs > 0;
    return pairs <= PAIRS_MAX;
}

static void put_code_checks(struct writer *w)
{
    const struct cpu *cpu = w->cpu;
    const struct block *b = w->block;
    const uint64_t page = w->pc >> 12;
    const uint64_t *slot = &cpu->front.page[TLB_CODE][page & cpu->front.page_mask[TLB_CODE]];

    put_constant(w, R9, front_code(page, b->address >> 12));
    put_memory(w, true, CMP, R9, RCX, of_cpu(cpu, slot));
    put_aside_if(w, NE, (const void *)native_code_page, (uint64_t)(uintptr_t)b, true);
    for (uint64_t line = b->address >> 6; line <= (b->address + b->size - 1u) >> 6; line++) {
        put_constant(w, R9, (uint64_t)(uintptr_t)&cpu->filter_code[line & cpu->filter_code_mask]);
        put_memory(w, true, 0x81, 7, R9, 0); /* CMP */
        put32(w, (uint32_t)line);
        put_aside_if(w, NE, (const void *)native_code_line, line, false);
    }
}

/* Cycles of the carry and of R9, in 1/256, to the clock, the domain, and this cause. Leaves the domain in R8. */
static void put_cycles(struct writer *w, enum cause cause)
{
    const struct cpu *cpu = w->cpu;

    put_memory(w, false, LOAD, RAX, RCX, of_cpu(cpu, &cpu->carry_256));
    put_registers(w, false, ADD, R9, RAX);
    put_move32(w, R9, RAX);
    put_shift(w, false, SHR, R9, 8);
    put_registers(w, false, 0x0fb6, RAX, RAX); /* MOVZX: AL */
    put_memory(w, false, STORE, RAX, RCX, of_cpu(cpu, &cpu->carry_256));
    put_memory(w, true, ADD, R9, RCX, of_cpu(cpu, &cpu->now.clock));
    put_memory(w, true, LOAD, R8, RCX, of_cpu(cpu, &cpu->domain));
    put_memory(w, true, ADD, R9, R8, (int32_t)(offsetof(struct domain, cycles) + cause * sizeof(uint64_t)));
}

static void put_charge(struct writer *w, uint32_t place)
{
    const struct cpu *cpu = w->cpu;
    const struct block *b = w->block;

    put_constant(w, R9, b->cost_256);
    put_cycles(w, (enum cause)b->cause);
    put_memory(w, true, 0x81, 0, R8, (int32_t)offsetof(struct domain, instructions)); /* ADD */
    put32(w, b->instructions);
    put_memory(w, false, 0xc7, 0, RCX, of_cpu(cpu, &cpu->now.place)); /* MOV */
    put32(w, place);
}

/* CMP [field], constant; to the hook unless */
static void put_field_is(struct writer *w, const void *field, bool wide, uint64_t value)
{
    put_constant(w, R9, value);
    put_memory(w, wide, CMP, R9, RCX, of_cpu(w->cpu, field));
    put_slow_if(w, NE);
}

static void put_clock_below(struct writer *w, const uint64_t *limit)
{
    put_memory(w, true, LOAD, RAX, RCX, of_cpu(w->cpu, &w->cpu->now.clock));
    put_memory(w, true, CMP, RAX, RCX, of_cpu(w->cpu, limit));
    put_slow_if(w, AE);
}

/* again() of execute.c */
static void put_again(struct writer *w)
{
    struct cpu *cpu = w->cpu;

    put_field_is(w, &cpu->rep_pc, true, w->pc);
    put_field_is(w, &cpu->block, true, (uint64_t)(uintptr_t)w->block);
    put_memory(w, false, 0x0fb6, RAX, RCX, of_cpu(cpu, &cpu->rep_first)); /* MOVZX */
    put_registers(w, false, 0x85, RAX, RAX);                              /* TEST */
    put_slow_if(w, NE);
    put_memory(w, true, LOAD, RAX, RCX, of_cpu(cpu, &cpu->rep_left));
    put_registers(w, true, 0x85, RAX, RAX);
    put_slow_if(w, E);
    if (cpu->bulk && w->block->bulk) {
        put_shift(w, true, SHR, RAX, BULK_SHIFT);
        put_slow_if(w, NE);
    }
    put_clock_below(w, &cpu->attention);
}

/* rep_settle() */
static void put_element(struct writer *w)
{
    struct cpu *cpu = w->cpu;

    put_memory(w, true, 0xff, 1, RCX, of_cpu(cpu, &cpu->rep_left)); /* DEC */
    if (cpu->machine->timing) {
        put_memory(w, false, LOAD, R9, RCX, of_cpu(cpu, &cpu->rep_cost_256));
        put_cycles(w, rep_cause(w->block));
    }
    if (w->block->is_copy) {
        put_constant(w, R9, (uint64_t)(uintptr_t)&cpu->machine->counters.value[COUNTER_bytes_copied]);
        put_memory(w, true, 0x81, 0, R9, 0); /* ADD */
        put32(w, block_element(w->block));
    }
}

static void put_asides(struct writer *w)
{
    const uint8_t *code = w->cpu->native->code;

    for (unsigned i = 0; i < w->aside_count; i++) {
        const struct aside *a = &w->aside[i];

        land(w, a->from);
        put_constant(w, RAX, (uint64_t)(uintptr_t)a->function);
        put_constant(w, R9, a->argument);
        put8(w, 0xe8); /* CALL of the first common part */
        put32(w, (uint32_t)(code - (w->at + 4)));
        if (a->can_refuse) {
            put_registers(w, false, 0x84, RAX, RAX); /* TEST AL */
            put_slow_if(w, E);
        }
        put_jump(w, a->back);
    }
}

void go_behind(struct writer *w)
{
    w->end = w->at;
    w->at = w->cpu->native->code + w->cpu->native->used_behind;
}

/* place 0: an element of a REP */
void put_decision(struct writer *w, const struct block_plan *plan, const struct plan_step *steps, uint32_t place)
{
    uint8_t *skip = NULL;
    const uint8_t *end;
    unsigned accesses = 0;

    w->to = TO_HOOK;
    if (w->cpu->machine->timing) {
        put_memory(w, false, 0x81, 7, RCX, of_cpu(w->cpu, &w->cpu->now.pending)); /* CMP */
        put32(w, 0);
        put_aside_if(w, NE, (const void *)access_finish_list, 0, false);
    }
    if (place)
        put_clock_below(w, &w->cpu->now.limit);
    else
        put_again(w);
    if (plan->count > 0)
        put_constant(w, R8, (uint64_t)(uintptr_t)w->cpu->access->registers.general);
    for (w->step = 0; w->step < plan->count; w->step++) {
        accesses += is_access(&steps[w->step]);
        if (steps[w->step].kind == STEP_SKIP_ZERO)
            skip = put_skip_zero(w, &steps[w->step]);
        else
            put_step(w, &steps[w->step]);
    }
    if (skip)
        land(w, skip);
    end = w->at;
    if (place) {
        put_code_checks(w);
        put_charge(w, place);
    } else {
        put_element(w);
    }
    if (accesses)
        put_list(w, accesses);
    put8(w, 0xc3);
    go_behind(w);
    put_asides(w);
    if (accesses)
        put_listing(w, plan, steps, end);
}
