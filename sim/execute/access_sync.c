/* SPDX-License-Identifier: MIT
 *
 * sim/execute/access_sync.c: where a plan has a STEP_SYNC the engine calls a code hook before the instruction, and the
 * plan goes on with the registers as they are there.
 *
 * A code hook is part of the translation: a block is translated again once its syncs have theirs. Hooks are never
 * removed; another program's code at the same address calls one in vain. The engine asks each hook whether it is meant:
 * so a CPU that needs too many of them goes over to the memory hook for good.
 */
#include <stdlib.h>

#include "sim/inside.h"

#define slow __attribute__((noinline, cold))

static void on_sync(uc_engine *uc, uint64_t pc, uint32_t size, void *user)
{
    struct cpu *cpu = user;
    struct accesses *list = cpu->access;
    const struct plan_step *steps = block_steps(cpu->machine->blocks);
    uint32_t from = list->sync;

    (void)size;
    if (from == NO_SYNC || !cpu->block || cpu->block_pc + steps[from].at != pc)
        return;
    access_make_all(cpu);
    cpu->now.pending = true;
    access_take_registers(cpu, cpu->block_pc);
    if (cpu->block->reloads) { /* its LGDT has not been settled */
        uc_x86_mmr gdtr;

        uc_reg_read(uc, UC_X86_REG_GDTR, &gdtr);
        list->value[VALUE_GDT] = gdtr.base;
        list->gdt_limit = gdtr.limit;
    }
    if (access_walk(cpu, block_plan(cpu->machine->blocks, cpu->block), from + 1) == WALKED)
        return;
    access_plan_again(cpu, cpu->block, cpu->block_pc, TRUST_NOTHING);
    settle_cancel(cpu, pc); /* this time the rest is a block of its own */
    engine_set(&cpu->engine, UC_X86_REG_RIP, pc);
    uc_emu_stop(uc);
}

static struct guarded *guarded_slot(struct accesses *list, uint64_t pc, uint64_t physical)
{
    size_t i = (pc * 0x9e3779b97f4a7c15u ^ physical * 0xff51afd7ed558ccdu) >> 40;

    while (list->guarded[i %= list->guarded_room].pc &&
           (list->guarded[i].pc != pc || list->guarded[i].physical != physical))
        i++;
    return &list->guarded[i];
}

static bool guarded_grow(struct accesses *list)
{
    struct guarded *old = list->guarded;
    size_t old_room = list->guarded_room, room = old_room ? old_room * 2 : 256;

    if (list->guarded_count * 2 < old_room)
        return true;
    list->guarded = calloc(room, sizeof *list->guarded);
    if (!list->guarded) {
        list->guarded = old;
        return false;
    }
    list->guarded_room = room;
    for (size_t i = 0; i < old_room; i++)
        if (old[i].pc)
            *guarded_slot(list, old[i].pc, old[i].physical) = old[i];
    free(old);
    return true;
}

/* Was it not known? */
static bool guarded_add(struct cpu *cpu, uint64_t pc, uint64_t physical)
{
    struct accesses *list = cpu->access;
    struct guarded *slot;

    if (!guarded_grow(list)) {
        run_crash(cpu, "no memory on the host for the hooks of %zu instructions", list->guarded_count);
        return true;
    }
    slot = guarded_slot(list, pc, physical);
    if (slot->pc)
        return false;
    *slot = (struct guarded){pc, physical};
    list->guarded_count++;
    return true;
}

static void slow give_up_plans(struct cpu *cpu)
{
    access_drop(cpu);
    cpu->access->on = false;
    if (!cpu->access->verify && execute_hook_memory(cpu) != UC_ERR_OK)
        run_crash(cpu, "Unicorn refuses a hook");
    cpu->access->verify = false;
    cpu->stale_all_code = true; /* it was translated without */
    attend(cpu);
}

/* Each sync of the block has its hook, and the translation that is there was made with it. false: it has not; it must
 * be made again. */
bool slow access_arm(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    const struct block_plan *plan = block_plan(cpu->machine->blocks, b);
    const struct plan_step *s = block_steps(cpu->machine->blocks) + plan->first, *last = s + plan->count;
    bool fresh = false;
    uc_hook hook;

    for (; s < last; s++) {
        if (s->kind != STEP_SYNC || !guarded_add(cpu, pc + s->at, b->address + s->at))
            continue;
        fresh = true;
        if (!guarded_add(cpu, pc + s->at, UINT64_MAX))
            continue;
        if (++cpu->access->hooks > SYNC_HOOKS_MAX) {
            give_up_plans(cpu);
            return false;
        }
        if (uc_hook_add(cpu->engine.uc, &hook, UC_HOOK_CODE, (void *)on_sync, cpu, pc + s->at, pc + s->at) != UC_ERR_OK)
            run_crash(cpu, "Unicorn refuses a hook");
    }
    if (fresh)
        run_translate_again(cpu, b->address >> 12);
    return !fresh;
}
