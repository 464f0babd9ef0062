/* SPDX-License-Identifier: MIT
 *
 * sim/execute/native.c: the timing model's block hook as host code.
 *
 * Most blocks find all that they touch at the front of its sets: the code's page and lines, each access's page and line
 * (front.h). Such a block changes nothing in the model: it costs its instructions, and there is nothing to be made
 * later. Whether a block is one follows from its plan (plan.h) and the registers. So a hot block gets a routine of its
 * own, and the engine's call of the block hook goes to it instead:
 *
 *      is a list pending?        then the accesses of the block before are made
 *      clock < limit?            nothing is due, and nothing has to be settled
 *      each step of the plan     computed as access_walk() does; at the front
 *      the code's page           at the front, or comes there by native_code_page()
 *      the code's lines          at the front, or come there by native_code_line()
 *      charge; the number of the place; return
 *
 * The data comes before the code, because a line of code that comes to the front does not put data out of it. A
 * further element of a REP is the same with other conditions and costs, and without code.
 *
 * Whatever is not as it should be, the routine jumps to the hook with the arguments it was called with, and has changed
 * nothing that the hook would not change. So it has to be right only about blocks that do nothing: tests compare it with runs without it
 * (RINGSIDE_ACCESSES=listed). The hook gets one argument changed: the block's descriptor for the engine's handle, which
 * it has no use for. That is all that a block gets which is not plain, has syncs, or steps that are not written here.
 *
 * A word that the block loads for an address is read when the routine runs. If a store of the block before it goes to
 * the same line, the hook does it.
 *
 * An access of a program that is not at the front does not end it: that and all behind it are listed, as
 * access_walk() would, and the routine returns with the list pending.
 *
 * The count model has routines for elements of a REP, without accesses; its other blocks count themselves (in_place.c).
 *
 * Registers: RCX is the CPU, RSI the address of the block, EDX its size or, with bit 31, what is listed; R8 points to
 * the engine's registers until the code is checked.
 */
#include "sim/execute/native.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/inside.h"

enum {
    CODE_BYTES = 64 << 20,
    BEHIND = 16 << 20,    /* where the second half begins */
    ROUTINE_MAX = 16384,  /* bytes */
    STEPS_MAX = NATIVE_STEPS_MAX,
    LINES_MAX = 3,        /* of code */
    HOT = 16,             /* calls; less than 256 */
    PAIRS_MAX = 48,
    JUMPS_MAX = 8 + 4 * STEPS_MAX + 2 * PAIRS_MAX,
    TO_HOOK = STEPS_MAX,
    CALL_INDIRECT = 6,    /* bytes of call [rip + x] */
    ASIDES_MAX = 2 + LINES_MAX,
    HOOK_JUMP = 32,       /* offsets of the second common part, */
    ROUTINES = 64,        /* and of the first routine */
};

#define LISTED 0x80000000u /* in EDX, with the number of the first access that is not at the front */

enum reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11 };

/* The routine being written. */
struct writer {
    struct cpu *cpu;
    const struct block *block;
    uint64_t pc;
    uint8_t *at, *end; /* end: of the part that usually runs */
    struct jump {
        uint8_t *at; /* a 32-bit displacement */
        unsigned to; /* TO_HOOK, or the number of the step with which the list begins */
    } jump[JUMPS_MAX];
    unsigned jump_count, to;
    struct aside {             /* a part behind the routine that calls one of ours */
        uint8_t *from, *back;  /* a 32-bit displacement that jumps there; where it goes on */
        const void *function;
        uint64_t argument;
        bool can_refuse;
    } aside[ASIDES_MAX];
    unsigned aside_count;
    const struct plan_step *store[STEPS_MAX]; /* those so far */
    unsigned store_count;
    bool keeps_stores; /* a load comes after a store */
    bool kernel;       /* its stores may go to page tables */
    unsigned step;     /* number of the one being written */
};

/* ---- instructions ---- */

static void put8(struct writer *w, unsigned byte)
{
    *w->at++ = (uint8_t)byte;
}

static void put32(struct writer *w, uint32_t word)
{
    memcpy(w->at, &word, sizeof word);
    w->at += sizeof word;
}

static void put64(struct writer *w, uint64_t word)
{
    memcpy(w->at, &word, sizeof word);
    w->at += sizeof word;
}

static void put_rex(struct writer *w, bool wide, unsigned reg, unsigned index, unsigned base)
{
    put8(w, 0x40u | (unsigned)wide << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3);
}

/* Opcodes are of one byte, or 0x0f and another: 0x0fxx. */
static void put_opcode(struct writer *w, unsigned opcode)
{
    if (opcode > 0xff)
        put8(w, opcode >> 8);
    put8(w, opcode & 0xff);
}

/* op reg, [base + disp]; base is not RSP */
static void put_memory(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg base, int32_t disp)
{
    put_rex(w, wide, reg, 0, base);
    put_opcode(w, opcode);
    put8(w, 0x80u | (reg & 7) << 3 | (base & 7));
    put32(w, (uint32_t)disp);
}

/* op reg, [base + (index << scale) + disp]; index is not RSP */
static void put_indexed(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg base, enum reg index,
                        unsigned scale, int32_t disp)
{
    put_rex(w, wide, reg, index, base);
    put_opcode(w, opcode);
    put8(w, 0x84u | (reg & 7) << 3);
    put8(w, scale << 6 | (index & 7u) << 3 | (base & 7u));
    put32(w, (uint32_t)disp);
}

/* op rm, reg */
static void put_registers(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg rm)
{
    put_rex(w, wide, reg, 0, rm);
    put_opcode(w, opcode);
    put8(w, 0xc0u | (reg & 7) << 3 | (rm & 7));
}

enum opcode { ADD = 0x01, OR = 0x09, AND = 0x21, SUB = 0x29, XOR = 0x31, CMP = 0x3b, STORE = 0x89, LOAD = 0x8b, LEA = 0x8d };
enum shift { SHL = 4, SHR = 5, SAR = 7 };

static void put_move(struct writer *w, enum reg to, enum reg from)
{
    put_registers(w, true, STORE, from, to);
}

static void put_move32(struct writer *w, enum reg to, enum reg from)
{
    put_registers(w, false, STORE, from, to);
}

static void put_constant(struct writer *w, enum reg to, uint64_t value)
{
    put_rex(w, true, 0, 0, to);
    put8(w, 0xb8u | (to & 7));
    put64(w, value);
}

static void put_shift(struct writer *w, bool wide, enum shift op, enum reg reg, unsigned by)
{
    put_registers(w, wide, 0xc1, op, reg);
    put8(w, by);
}

static void put_and32(struct writer *w, enum reg reg, uint32_t mask)
{
    put_registers(w, false, 0x81, 4, reg);
    put32(w, mask);
}

static void put_jump(struct writer *w, const uint8_t *target)
{
    put8(w, 0xe9);
    put32(w, (uint32_t)(target - (w->at + 4)));
}

enum condition { AE = 0x83, E = 0x84, NE = 0x85, NS = 0x89 };

/* A jump, if the flags say so. Returns its displacement, for land(). */
static uint8_t *put_jump_if(struct writer *w, enum condition condition)
{
    put8(w, 0x0f);
    put8(w, condition);
    put32(w, 0);
    return w->at - 4;
}

static void land(const struct writer *w, uint8_t *displacement)
{
    uint32_t distance = (uint32_t)(w->at - (displacement + 4));

    memcpy(displacement, &distance, sizeof distance);
}

/* To the hook, or wherever w->to says. */
static void put_slow_if(struct writer *w, enum condition condition)
{
    w->jump[w->jump_count++] = (struct jump){put_jump_if(w, condition), w->to};
}

/* If the flags say so: calls function(cpu, argument, pc), and goes on here, or if it returns false and can, to the hook. */
static void put_aside_if(struct writer *w, enum condition condition, const void *function, uint64_t argument, bool can_refuse)
{
    uint8_t *from = put_jump_if(w, condition);

    w->aside[w->aside_count++] = (struct aside){from, w->at, function, argument, can_refuse};
}

/* ---- values and addresses ---- */

static int32_t of_cpu(const struct cpu *cpu, const void *field)
{
    return (int32_t)((const char *)field - (const char *)cpu);
}

static int32_t temporary(const struct cpu *cpu, unsigned value)
{
    return of_cpu(cpu, &cpu->native_value[value - VALUE_TEMPORARY]);
}

/* A register's offset from the general ones, which R8 points to. */
static int32_t register_offset(const struct cpu *cpu, unsigned value)
{
    const struct engine_registers *r = &cpu->access->registers;
    const uint64_t *where = value == VALUE_FS ? r->fs_base : value == VALUE_GS ? r->gs_base : r->general + value;

    return (int32_t)((const char *)where - (const char *)r->general);
}

static void put_value(struct writer *w, enum reg to, unsigned value)
{
    if (value == VALUE_ZERO)
        put_registers(w, false, XOR, to, to);
    else if (value == VALUE_PC)
        put_constant(w, to, w->pc);
    else if (value >= VALUE_TEMPORARY)
        put_memory(w, true, LOAD, to, RCX, temporary(w->cpu, value));
    else
        put_memory(w, true, LOAD, to, R8, register_offset(w->cpu, value));
}

static void put_add_constant(struct writer *w, enum reg to, int64_t disp)
{
    if (disp == 0)
        return;
    if (disp == (int32_t)disp) {
        put_memory(w, true, LEA, to, to, (int32_t)disp);
        return;
    }
    put_constant(w, RDI, (uint64_t)disp);
    put_registers(w, true, ADD, RDI, to);
}

/* RAX = base + (index << scale) + disp */
static void put_sum(struct writer *w, const struct plan_step *s)
{
    put_value(w, RAX, s->base);
    if (s->index != VALUE_ZERO) {
        put_value(w, R9, s->index);
        if (s->scale & 7)
            put_shift(w, true, SHL, R9, s->scale & 7);
        put_registers(w, true, ADD, R9, RAX);
    }
    put_add_constant(w, RAX, s->disp);
    if (s->scale & PLAN_ADDRESS_32)
        put_move32(w, RAX, RAX);
}

/* ---- accesses ---- */

/* The page of the line in R10 is at the front. */
static void put_page_check(struct writer *w)
{
    const struct front *f = &w->cpu->front;

    put_move(w, R11, R10);
    put_shift(w, true, SHR, R11, 6);
    put_move32(w, RDI, R11);
    put_and32(w, RDI, f->page_mask[TLB_DATA]);
    put_indexed(w, true, CMP, R11, RCX, RDI, 3, of_cpu(w->cpu, f->page[TLB_DATA]));
    put_slow_if(w, NE);
}

/* The access to the address in RAX, of these bytes, is to one line at the front. Leaves the line in R10, and in R9 the
 * offset of its slot. The slot is that of its first byte, the line that of its last: two lines are never in one. */
static void put_line_check(struct writer *w, unsigned bytes, bool write)
{
    const struct front *f = &w->cpu->front;
    const unsigned shift = write ? 3 : 4; /* sizes of slots */

    put_memory(w, true, LEA, R10, RAX, (int32_t)bytes - 1);
    put_shift(w, true, SHR, R10, 6);
    put_move32(w, R9, RAX);
    put_shift(w, false, SHR, R9, 6 - shift);
    put_and32(w, R9, f->line_mask << shift);
    put_indexed(w, true, CMP, R10, RCX, R9, 0, write ? of_cpu(w->cpu, f->write) : of_cpu(w->cpu, f->read));
    put_slow_if(w, NE);
}

_Static_assert(sizeof(((struct front *)0)->read[0]) == 16 && sizeof(((struct front *)0)->write[0]) == 8, "shifts of slots");

/* Its line is in R10. */
static void put_keep_store(struct writer *w, const struct plan_step *s)
{
    if (w->keeps_stores)
        put_memory(w, true, STORE, R10, RCX, of_cpu(w->cpu, &w->cpu->native_store[w->store_count]));
    w->store[w->store_count++] = s;
}

/* Both from the same values, and not to the same bytes. */
static bool surely_apart(const struct plan_step *a, const struct plan_step *b)
{
    return a->base == b->base && a->index == b->index && a->scale == b->scale &&
           (a->disp + a->bytes <= b->disp || b->disp + b->bytes <= a->disp);
}

static void put_extended_load(struct writer *w, enum reg reg, unsigned bytes, bool sign)
{
    static const unsigned extends[2][2] = {{0x0fb6, 0x0fb7}, {0x0fbe, 0x0fbf}}; /* MOVZX, MOVSX: of bytes, of words */

    if (bytes == 8)
        put_memory(w, true, LOAD, reg, reg, 0);
    else if (bytes == 4)
        put_memory(w, sign, sign ? 0x63 : LOAD, reg, reg, 0); /* MOVSXD */
    else
        put_memory(w, true, extends[sign][bytes == 2], reg, reg, 0);
}

/* The address is in RAX. */
static void put_load(struct writer *w, const struct plan_step *s)
{
    put_line_check(w, s->bytes, false);
    for (unsigned i = 0; i < w->store_count; i++) {
        if (surely_apart(s, w->store[i]))
            continue;
        put_memory(w, true, CMP, R10, RCX, of_cpu(w->cpu, &w->cpu->native_store[i]));
        put_slow_if(w, E);
    }
    put_page_check(w);
    put_indexed(w, true, 0x03, RAX, RCX, R9, 0, of_cpu(w->cpu, &w->cpu->front.read[0].host)); /* ADD */
    put_extended_load(w, RAX, s->bytes, s->kind == STEP_LOAD_SIGNED);
    put_memory(w, true, STORE, RAX, RCX, temporary(w->cpu, s->dest));
}

/* ---- what is computed ---- */

static void put_extend(struct writer *w, unsigned bytes, bool sign)
{
    static const unsigned extends[2][2] = {{0x0fb6, 0x0fb7}, {0x0fbe, 0x0fbf}};

    if (bytes == 4 && !sign)
        put_move32(w, RAX, RAX);
    else if (bytes == 4)
        put_registers(w, true, 0x63, RAX, RAX);
    else if (bytes < 4)
        put_registers(w, true, extends[sign][bytes == 2], RAX, RAX);
}

static void put_computed(struct writer *w, const struct plan_step *s)
{
    put_value(w, RAX, s->base);
    switch ((enum plan_kind)s->kind) {
    case STEP_DIFFERENCE:
        put_value(w, R9, s->index);
        put_registers(w, true, SUB, R9, RAX);
        put_add_constant(w, RAX, s->disp);
        break;
    case STEP_AND:
    case STEP_OR:
    case STEP_XOR:
    case STEP_PRODUCT:
        put_value(w, R9, s->index);
        put_add_constant(w, R9, s->disp);
        if (s->kind == STEP_PRODUCT)
            put_registers(w, true, 0x0faf, RAX, R9); /* IMUL */
        else
            put_registers(w, true, s->kind == STEP_AND ? AND : s->kind == STEP_OR ? OR : XOR, R9, RAX);
        break;
    case STEP_SHL:
    case STEP_SHR:
    case STEP_SAR:
        put_shift(w, true, s->kind == STEP_SHL ? SHL : s->kind == STEP_SHR ? SHR : SAR, RAX, (unsigned)s->disp & 63);
        break;
    default: /* STEP_ZERO_EXTEND, STEP_SIGN_EXTEND */
        put_add_constant(w, RAX, s->disp);
        put_extend(w, s->bytes, s->kind == STEP_SIGN_EXTEND);
    }
    put_memory(w, true, STORE, RAX, RCX, temporary(w->cpu, s->dest));
}

static void put_step(struct writer *w, const struct plan_step *s)
{
    switch ((enum plan_kind)s->kind) {
    case STEP_READ:
    case STEP_WRITE:
        put_sum(w, s);
        w->to = s->kind == STEP_READ || !w->kernel ? w->step : TO_HOOK;
        put_line_check(w, s->bytes, s->kind == STEP_WRITE);
        put_page_check(w);
        w->to = TO_HOOK;
        if (s->kind == STEP_WRITE)
            put_keep_store(w, s);
        break;
    case STEP_LOAD:
    case STEP_LOAD_SIGNED:
        put_sum(w, s);
        put_load(w, s);
        break;
    case STEP_SUM:
        put_sum(w, s);
        put_memory(w, true, STORE, RAX, RCX, temporary(w->cpu, s->dest));
        break;
    default:
        put_computed(w, s);
    }
}

/* Returns the displacement of the jump over the steps. */
static uint8_t *put_skip_zero(struct writer *w, const struct plan_step *s)
{
    put_value(w, RAX, s->base);
    put_add_constant(w, RAX, s->disp);
    put_registers(w, s->bytes == 8, 0x85, RAX, RAX); /* TEST */
    return put_jump_if(w, E);
}

/* ---- the list ---- */

static bool is_access(const struct plan_step *s)
{
    return s->kind <= STEP_LOAD_SIGNED;
}

/* Access `number` of the list is that of the step, at RAX: as record() in access.c. */
static void put_record(struct writer *w, const struct plan_step *s, unsigned number)
{
    struct made_access *a = &w->cpu->access->made[number];
    const struct made_access made = {
        .at = s->at, .bytes = s->bytes, .write = s->kind == STEP_WRITE, .maybe = s->kind == STEP_WRITE && s->dest};
    uint64_t rest;

    memcpy(&rest, &made.at, sizeof rest);
    put_constant(w, RDI, (uint64_t)(uintptr_t)a);
    put_memory(w, true, STORE, RAX, RDI, offsetof(struct made_access, address));
    put_constant(w, R9, rest);
    put_memory(w, true, STORE, R9, RDI, offsetof(struct made_access, at));
}

_Static_assert(offsetof(struct made_access, at) + 8 == sizeof(struct made_access), "one word says the rest");

/* A store that the list has, and which a load may meet: to one line. Of the kernel: at the front, so to no table. */
static void put_check_recorded(struct writer *w, const struct plan_step *s)
{
    if (w->kernel) {
        put_line_check(w, s->bytes, true);
    } else if (w->keeps_stores) {
        put_memory(w, true, LEA, R10, RAX, (int32_t)s->bytes - 1);
        put_shift(w, true, SHR, R10, 6);
        put_move(w, R9, RAX);
        put_shift(w, true, SHR, R9, 6);
        put_registers(w, true, 0x39, R9, R10); /* CMP */
        put_slow_if(w, NE);
    }
}

/* The plan once more, for a block that has an access that is not at the front: from the first such on, all are listed.
 * The jump to step i comes with its address in RAX. EDX gets the number of that access, and a sign; see put_list. */
static void put_listing(struct writer *w, const struct block_plan *plan, const struct plan_step *steps, const uint8_t *back)
{
    uint8_t *body[STEPS_MAX];
    unsigned number = 0, first = w->jump_count;
    bool begun = false;

    w->store_count = 0;
    for (unsigned i = 0; i < plan->count; i++) {
        const struct plan_step *s = &steps[i];
        const bool may_begin = s->kind == STEP_READ || s->kind == STEP_WRITE;

        if (begun && is_access(s))
            put_sum(w, s);
        begun |= may_begin;
        body[i] = w->at;
        if (begun && is_access(s))
            put_record(w, s, number);
        number += is_access(s);
        if (!begun)
            continue;
        if (!is_access(s)) {
            put_step(w, s);
        } else if (!may_begin) {
            put_load(w, s);
        } else if (s->kind == STEP_WRITE) {
            put_check_recorded(w, s);
            put_keep_store(w, s);
        }
    }
    put_jump(w, back);
    number = 0;
    for (unsigned i = 0; i < plan->count; i++) {
        bool used = false;

        for (unsigned j = 0; j < first; j++)
            if (w->jump[j].to == i) {
                land(w, w->jump[j].at);
                used = true;
            }
        if (used) {
            put8(w, 0xba); /* MOV EDX */
            put32(w, LISTED | number);
            put_jump(w, body[i]);
        }
        number += is_access(&steps[i]);
    }
}

/* Before the routine returns: the list, if there is one, waits to be made. */
static void put_list(struct writer *w, unsigned accesses)
{
    struct accesses *list = w->cpu->access;
    uint8_t *none;

    put_registers(w, false, 0x85, RDX, RDX); /* TEST */
    none = put_jump_if(w, NS);
    put_and32(w, RDX, ~LISTED);
    put_constant(w, RDI, (uint64_t)(uintptr_t)list);
    put_memory(w, false, STORE, RDX, RDI, offsetof(struct accesses, next));
    put_memory(w, false, 0xc7, 0, RDI, offsetof(struct accesses, count)); /* MOV */
    put32(w, accesses);
    put_memory(w, false, 0xc7, 0, RCX, of_cpu(w->cpu, &w->cpu->now.pending));
    put32(w, 1);
    land(w, none);
}

/* ---- a routine ---- */

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
static bool can_decide(struct writer *w, const struct block_plan *plan, const struct plan_step *steps)
{
    const struct block *b = w->block;
    const uint64_t lines = ((b->address + b->size - 1u) >> 6) - (b->address >> 6) + 1;
    const bool element = b->special == SPECIAL_REP && b->instructions == 1;
    unsigned stores = 0, pairs = 0; /* of a store and a load behind it */

    if (!(b->plain || element) || b->swapgs || plan->syncs || plan->count > STEPS_MAX || lines > LINES_MAX)
        return false;
    for (unsigned i = 0; i < plan->count; i++) {
        if (!step_is_known(&steps[i]) || (steps[i].kind == STEP_SKIP_ZERO && (i > 0 || steps[i].dest + 1u != plan->count)))
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

    put_constant(w, R9, page);
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

static void go_behind(struct writer *w)
{
    w->end = w->at;
    w->at = w->cpu->native->code + w->cpu->native->used_behind;
}

/* place 0: an element of a REP */
static void put_decision(struct writer *w, const struct block_plan *plan, const struct plan_step *steps, uint32_t place)
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

/* The two parts that all routines have. At the start, a call: of RAX, with the CPU, R9 and the address of the block. Then
 * a jump to the hook. */
static void put_common(struct cpu *cpu, void *hook)
{
    static const uint8_t call[] = {
        0x51, 0x56, 0x52,       /* push rcx; push rsi; push rdx */
        0x48, 0x83, 0xec, 0x08, /* sub rsp, 8: a multiple of 16 */
        0x48, 0x89, 0xcf,       /* mov rdi, rcx */
        0x48, 0x89, 0xf2,       /* mov rdx, rsi */
        0x4c, 0x89, 0xce,       /* mov rsi, r9 */
        0xff, 0xd0,             /* call rax */
        0x48, 0x83, 0xc4, 0x08, /* add rsp, 8 */
        0x5a, 0x5e, 0x59, 0xc3, /* pop rdx; pop rsi; pop rcx; ret */
    };
    struct writer w = {.cpu = cpu, .at = cpu->native->code + HOOK_JUMP};

    _Static_assert(sizeof call <= HOOK_JUMP, "the first part fits");
    memcpy(cpu->native->code, call, sizeof call);
    put_constant(&w, RAX, (uint64_t)(uintptr_t)hook);
    put8(&w, 0xff), put8(&w, 0xe0); /* jmp rax */
}

static bool native_open(struct cpu *cpu, void *hook)
{
    void *code;

    if (cpu->native)
        return cpu->native->code != NULL;
    cpu->native = calloc(1, sizeof *cpu->native);
    if (!cpu->native)
        return false;
    code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (code == MAP_FAILED)
        return false;
    cpu->native->code = code;
    put_common(cpu, hook);
    native_forget(cpu);
    return true;
}

/* Does the engine's CALL before `behind` go to the hook, and can it go to the routines? */
static bool call_is(const struct cpu *cpu, const uint8_t *behind, void *hook)
{
    const int64_t distance = behind - cpu->native->code;
    const uint8_t *call = behind - CALL_INDIRECT;
    int32_t where;

    memcpy(&where, call + 2, sizeof where);
    return call[0] == 0xff && call[1] == 0x15 && memcmp(behind + where, &hook, sizeof hook) == 0 &&
           distance > INT32_MIN + CODE_BYTES && distance < INT32_MAX - CODE_BYTES;
}

static void write_call(uint8_t *behind, const uint8_t *routine)
{
    uint8_t call[CALL_INDIRECT] = {0x48, 0xe8}; /* a prefix without effect fills it up */
    int32_t distance = (int32_t)(routine - behind);

    memcpy(call + 2, &distance, sizeof distance);
    memcpy(behind - sizeof call, call, sizeof call);
}

static void write_routine(struct cpu *cpu, uint8_t *behind)
{
    const struct block_plan *plan = block_plan(cpu->machine->blocks, cpu->block);
    const struct plan_step *steps = block_steps(cpu->machine->blocks) + plan->first;
    uint8_t *start = cpu->native->code + cpu->native->used;
    struct writer w = {.cpu = cpu, .block = cpu->block, .pc = cpu->block_pc, .at = start, .kernel = cpu->cpl == 0};
    const bool element = cpu->block->special == SPECIAL_REP;
    uint32_t place = 0;

    if (can_decide(&w, plan, steps) && (element || (place = in_place_add(cpu))))
        put_decision(&w, plan, steps, place);
    else
        go_behind(&w);
    for (unsigned i = 0; i < w.jump_count; i++)
        if (w.jump[i].to == TO_HOOK)
            land(&w, w.jump[i].at);
    put8(&w, 0xba); /* MOV EDX */
    put32(&w, cpu->block->size);
    put_constant(&w, RDI, (uint64_t)(uintptr_t)cpu->block);
    put_jump(&w, cpu->native->code + HOOK_JUMP);
    if (w.end == start)
        start = cpu->native->code + cpu->native->used_behind; /* there is no more to it */
    cpu->native->used = ((size_t)(w.end - cpu->native->code) + 15) & ~(size_t)15;
    cpu->native->used_behind = (size_t)(w.at - cpu->native->code);
    write_call(behind, start);
}

bool native_code_page(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    const uint64_t page = pc >> 12;
    const struct translation *t = tlb_recent(cpu->tlb, TLB_CODE, page, cpu->pcid);

    if (!t)
        return false;
    cpu->code_page = page;
    cpu->code_frame = t->frame + (page - t->page);
    cpu->code_epoch = *cpu->tlb_epoch;
    return cpu->code_frame == b->address >> 12;
}

void native_code_line(struct cpu *cpu, uint64_t line)
{
    data_cache_line(cpu, CACHE_CODE, line << 6, false, CAUSE_cache);
}

void native_warm(struct cpu *cpu, void *hook, uint8_t *behind)
{
    uint8_t *heat;

    if (!native_open(cpu, hook))
        return;
    heat = &cpu->native->heat[cpu->block - cpu->blocks];
    if (++*heat < HOT)
        return;
    *heat = 0;
    if (cpu->native->used + ROUTINE_MAX > BEHIND || cpu->native->used_behind + ROUTINE_MAX > CODE_BYTES) {
        cpu->stale_all_code = true; /* and native_forget() */
        attend(cpu);
        return;
    }
    if (call_is(cpu, behind, hook))
        write_routine(cpu, behind);
}

void native_forget(struct cpu *cpu)
{
    if (!cpu->native)
        return;
    cpu->native->used = ROUTINES;
    cpu->native->used_behind = BEHIND;
}

void native_close(struct cpu *cpu)
{
    if (cpu->native && cpu->native->code)
        munmap(cpu->native->code, CODE_BYTES);
    free(cpu->native);
    cpu->native = NULL;
}
