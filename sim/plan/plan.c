/* SPDX-License-Identifier: MIT
 *
 * sim/plan/plan.c: see plan.h: the plan of a block from its first instruction to its last, and what can be left out.
 */
#include <string.h>

#include "sim/plan/build.h"

void plan_instruction(struct plan_builder *b, const struct cs_insn *insn, uint16_t at)
{
    if (b->partial)
        return;
    if (b->count > PLAN_STEPS_MAX - 256) { /* a block of hundreds of FXSAVEs */
        b->partial = true;
        return;
    }
    b->at = at;
    b->fresh = at == 0;
    if (b->accesses > PLAN_ACCESSES_MAX - 64)
        plan_sync(b);
    if (!plan_string(b, insn) && !plan_stack(b, insn) && !plan_implicit(b, insn) && !plan_system(b, insn))
        plan_plain(b, insn);
}

void plan_unknown(struct plan_builder *b)
{
    b->partial = true;
}

static void need(bool needed[], const struct plan_step *s)
{
    needed[s->base] = true;
    needed[s->index] = true;
}

size_t plan_end(struct plan_builder *b, bool *syncs)
{
    bool needed[256] = {false};
    bool keep[PLAN_STEPS_MAX];
    size_t to = 0;

    *syncs = false;
    for (size_t i = b->count; i-- > 0;) {
        struct plan_step *s = &b->steps[i];

        keep[i] = true;
        switch ((enum plan_kind)s->kind) {
        case STEP_LOAD:
        case STEP_LOAD_SIGNED:
            if (!needed[s->dest])
                s->kind = STEP_READ;
            needed[s->dest] = false;
            if (s->kind == STEP_READ)
                s->dest = 0;
            need(needed, s);
            break;
        case STEP_READ:
        case STEP_WRITE:
        case STEP_DESCRIPTOR:
        case STEP_SKIP_ZERO:
            need(needed, s);
            break;
        case STEP_SYNC:
            *syncs = true;
            memset(needed, 0, sizeof needed);
            break;
        case STEP_BARRIER:
            break;
        default:
            keep[i] = needed[s->dest];
            needed[s->dest] = false;
            if (keep[i])
                need(needed, s);
        }
    }
    for (size_t i = 0; i < b->count; i++)
        if (keep[i])
            b->steps[to++] = b->steps[i];
    b->count = to;
    return to;
}
