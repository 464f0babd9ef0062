/* SPDX-License-Identifier: MIT
 *
 * sim/native/steps.c: the steps of a plan as host code: what access.c computes, and whether each access finds its page
 * and its line at the front. The address of an access is in RAX.
 */
#include "sim/native/write.h"

int32_t of_cpu(const struct cpu *cpu, const void *field)
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

void put_sum(struct writer *w, const struct plan_step *s)
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
void put_line_check(struct writer *w, unsigned bytes, bool write)
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

_Static_assert(sizeof(((struct front *)0)->read[0]) == 16 && sizeof(((struct front *)0)->write[0]) == 8,
               "shifts of slots");

/* Its line is in R10. */
void put_keep_store(struct writer *w, const struct plan_step *s)
{
    if (w->keeps_stores)
        put_memory(w, true, STORE, R10, RCX, of_cpu(w->cpu, &w->cpu->native_store[w->store_count]));
    w->store[w->store_count++] = s;
}

/* Both from the same values, and not to the same bytes. */
static bool surely_apart(const struct plan_step *a, const struct plan_step *b)
{
    return a->base == b->base && a->index == b->index && a->scale == b->scale && !(a->scale & PLAN_ADDRESS_32) &&
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
void put_load(struct writer *w, const struct plan_step *s)
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

void put_step(struct writer *w, const struct plan_step *s)
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
uint8_t *put_skip_zero(struct writer *w, const struct plan_step *s)
{
    put_value(w, RAX, s->base);
    put_add_constant(w, RAX, s->disp);
    put_registers(w, s->bytes == 8, 0x85, RAX, RAX); /* TEST */
    return put_jump_if(w, E);
}
