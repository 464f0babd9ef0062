/* SPDX-License-Identifier: MIT
 *
 * sim/native/listing.c: the second way through a routine: an access that is not at the front and all behind it are
 * listed, for access.c to make when the block has run.
 */
#include "sim/native/write.h"

#include <stddef.h>
#include <string.h>

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
void put_listing(struct writer *w, const struct block_plan *plan, const struct plan_step *steps, const uint8_t *back)
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

void put_list(struct writer *w, unsigned accesses)
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
