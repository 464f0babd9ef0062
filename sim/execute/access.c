/* SPDX-License-Identifier: MIT
 *
 * sim/execute/access.c: the timing model's data accesses without a memory hook.
 *
 * The block hook walks the block's plan (plan.h) with the registers as they are: all accesses of the block go to a
 * list. They are not made yet. What is next makes them, in order, before it changes anything: the next block's hook; a
 * fault, those of the instructions before it; a fill of the soft TLB, those before the access that wants it; a
 * device's callback, up to the one that called it; a STEP_SYNC or STEP_BARRIER, those before it. So caches and TLBs
 * see what they would see with a memory hook, when they would see it.
 *
 * A word that the block loads for an address is looked up when the block begins. It is not what the load will find if
 * the block stores to it before: then, and when the word lies in a device, the block is planned again with less trust
 * before it runs. A page that is not there will fault, and ends the list.
 *
 * With `verify` the hook is there too and makes the accesses; the list is compared with it, one by one: a test.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/inside.h"

#define slow __attribute__((noinline, cold))

/* ---- the soft TLB's pages ---- */

static struct soft_page *soft_page(struct cpu *cpu, uint64_t address)
{
    uint64_t page = address >> 12;

    return &cpu->access->pages[(page ^ page >> 9) % SOFT_PAGES];
}

void access_page_filled(struct cpu *cpu, uint64_t address, uint64_t physical)
{
    struct soft_page *p = soft_page(cpu, address);

    *p = (struct soft_page){address >> 12, physical >> 12, cpu->soft_epoch};
    if (physical >= cpu->machine->ram_bytes)
        cpu->access->devices[(physical >> 12) % DEVICE_PAGES] = *p;
}

uint64_t access_physical(struct cpu *cpu, uint64_t address)
{
    struct soft_page *p = soft_page(cpu, address);
    const struct translation *held;
    struct translation t;
    uint64_t physical;

    if (p->page == address >> 12 && p->epoch == cpu->soft_epoch)
        return p->frame << 12 | (address & (PAGE_BYTES - 1));
    held =
        tlb_peek(cpu->tlb, TLB_DATA, address >> 12, cpu->pcid); /* it may be stale: that is what the engine will get */
    if (held)
        t = *held;
    else if (!mmu_peek(cpu, address, &t))
        return UINT64_MAX;
    physical = translation_address(&t, address);
    *p = (struct soft_page){address >> 12, physical >> 12, cpu->soft_epoch}; /* a change of it drops the soft TLB */
    return physical;
}

uint64_t access_device_page(const struct cpu *cpu, uint64_t physical)
{
    return cpu->access->devices[(physical >> 12) % DEVICE_PAGES].page;
}

/* ---- making accesses ---- */

static void make_until(struct cpu *cpu, unsigned end)
{
    struct accesses *list = cpu->access;

    if (list->verify || list->next >= end)
        return;
    data_make(cpu, &list->made[list->next], &list->made[end]);
    list->next = end;
}

void access_drop(struct cpu *cpu)
{
    struct accesses *list = cpu->access;

    list->next = list->count = list->seen = 0;
    list->sync = NO_SYNC;
    list->cut = false;
    cpu->now.pending = false;
}

void access_make_all(struct cpu *cpu)
{
    make_until(cpu, cpu->access->count);
    if (cpu->access->verify)
        access_verify_end(cpu);
    access_drop(cpu);
}

void access_finish_list(struct cpu *cpu)
{
    struct accesses *list = cpu->access;

    if (list->cut && cpu->block) /* what was not there was there in the end */
        access_plan_again(cpu, cpu->block, cpu->block_pc, TRUST_NOTHING);
    access_make_all(cpu);
}

void access_make_before(struct cpu *cpu, uint64_t rip, bool its_reads)
{
    struct accesses *list = cpu->access;
    uint64_t at = rip - cpu->block_pc;
    unsigned end = list->next;

    while (end < list->count &&
           (list->made[end].at < at || (its_reads && list->made[end].at == at && !list->made[end].write)))
        end++;
    make_until(cpu, end);
}

void access_before_fill(struct cpu *cpu, uint64_t page, bool write)
{
    struct accesses *list = cpu->access;

    for (unsigned i = list->next; i < list->count; i++) {
        const struct made_access *a = &list->made[i];

        if (a->bytes && a->write == write &&
            (a->address >> 12 == page >> 12 || (a->address + a->bytes - 1) >> 12 == page >> 12)) {
            make_until(cpu, i);
            return;
        }
    }
}

void access_reached_device(struct cpu *cpu, uint64_t physical)
{
    struct accesses *list = cpu->access;

    for (unsigned i = list->next; i < list->count; i++) {
        uint64_t start = list->made[i].bytes ? access_physical(cpu, list->made[i].address) : UINT64_MAX;

        if (start <= physical && physical - start < list->made[i].bytes) {
            make_until(cpu, i + 1);
            return;
        }
    }
}

void access_reached_barrier(struct cpu *cpu)
{
    struct accesses *list = cpu->access;

    for (unsigned i = list->next; i < list->count; i++)
        if (!list->made[i].bytes) {
            make_until(cpu, i + 1);
            return;
        }
}

/* ---- walking a plan ---- */

static inline uint64_t step_address(const uint64_t *value, const struct plan_step *s)
{
    uint64_t address = value[s->base] + (value[s->index] << (s->scale & 7)) + (uint64_t)s->disp;

    return s->scale & PLAN_ADDRESS_32 ? (uint32_t)address : address;
}

static inline void record(struct cpu *cpu, uint64_t address, const struct plan_step *s, bool write)
{
    struct accesses *list = cpu->access;
    struct made_access *a = &list->made[list->count++];

    a->address = address;
    a->at = s->at;
    a->bytes = s->bytes;
    a->write = write;
    a->has_old = false;
    a->maybe = s->kind == STEP_WRITE && s->dest;
}

/* A store to a paging structure: what it replaces tells whether a translation changes. */
static void remember_old(struct cpu *cpu)
{
    struct made_access *a = &cpu->access->made[cpu->access->count - 1];
    uint64_t physical = access_physical(cpu, a->address);

    if (physical >= cpu->machine->ram_bytes || !(cpu->machine->page_flags[physical >> 12] & PAGE_IS_TABLE))
        return;
    a->old = ram_word(cpu->machine, physical & ~7ul);
    a->has_old = true;
}

/* A store of this block before it, to bytes of it? */
static bool overlaps_store(const struct accesses *list, const struct made_access *load)
{
    for (const struct made_access *a = list->made; a < load; a++)
        if (a->write && a->address < load->address + load->bytes && load->address < a->address + a->bytes)
            return true;
    return false;
}

/* false: it is not there, and a fault will say so; or *end says why it must not be asked for. */
static bool load_word(struct cpu *cpu, const struct plan_step *s, enum plan_trust trust, uint64_t *word,
                      enum walk_end *end)
{
    struct accesses *list = cpu->access;
    const struct made_access *load = &list->made[list->count - 1];
    uint64_t physical = access_physical(cpu, load->address), value = 0;

    if (physical == UINT64_MAX)
        return false;
    if (physical + s->bytes > cpu->machine->ram_bytes || (physical & (PAGE_BYTES - 1)) + s->bytes > PAGE_BYTES) {
        *end = DEVICE;
        return false;
    }
    if (trust == TRUST_CHECKED && overlaps_store(list, load)) {
        *end = DISTRUSTED;
        return false;
    }
    memcpy(&value, cpu->machine->ram + physical, s->bytes);
    if (s->kind == STEP_LOAD_SIGNED)
        value = (uint64_t)((int64_t)(value << (64 - 8 * s->bytes)) >> (64 - 8 * s->bytes));
    *word = value;
    return true;
}

static uint64_t computed(const uint64_t *value, const struct plan_step *s)
{
    const uint64_t base = value[s->base], right = value[s->index] + (uint64_t)s->disp;
    const unsigned drop = 64 - 8 * s->bytes, by = (unsigned)s->disp & 63;

    switch ((enum plan_kind)s->kind) {
    case STEP_SUM:
        return base + (value[s->index] << (s->scale & 7)) + (uint64_t)s->disp;
    case STEP_DIFFERENCE:
        return base - value[s->index] + (uint64_t)s->disp;
    case STEP_AND:
        return base & right;
    case STEP_OR:
        return base | right;
    case STEP_XOR:
        return base ^ right;
    case STEP_PRODUCT:
        return base * right;
    case STEP_SHL:
        return base << by;
    case STEP_SHR:
        return base >> by;
    case STEP_SAR:
        return (uint64_t)((int64_t)base >> by);
    case STEP_ZERO_EXTEND:
        return (base + (uint64_t)s->disp) << drop >> drop;
    case STEP_SIGN_EXTEND:
        return (uint64_t)((int64_t)((base + (uint64_t)s->disp) << drop) >> drop);
    default:
        return 0;
    }
}

static bool is_zero(const uint64_t *value, const struct plan_step *s)
{
    uint64_t sum = value[s->base] + (uint64_t)s->disp;

    return s->bytes == 4 ? (uint32_t)sum == 0 : sum == 0;
}

void access_take_registers(struct cpu *cpu, uint64_t pc)
{
    struct accesses *list = cpu->access;

    list->value[VALUE_PC] = pc;
    list->value[VALUE_GDT] = cpu->table_base[TABLE_GDT];
    list->gdt_limit = cpu->table_limit[TABLE_GDT];
    memcpy(list->value, list->registers.general, VALUE_REGISTERS * sizeof list->value[0]);
    list->value[VALUE_FS] = *list->registers.fs_base;
    list->value[VALUE_GS] = *list->registers.gs_base;
}

enum walk_end access_walk(struct cpu *cpu, const struct block_plan *plan, uint32_t from)
{
    struct accesses *list = cpu->access;
    const struct plan_step *steps = block_steps(cpu->machine->blocks);
    const struct plan_step *s = steps + from, *last = steps + plan->first + plan->count;
    uint64_t *value = list->value, selector;
    enum walk_end end = WALKED;

    for (; s < last; s++) {
        if (s->kind <= STEP_WRITE) { /* most are */
            record(cpu, step_address(value, s), s, s->kind == STEP_WRITE);
            if (cpu->cpl == 0 && s->kind == STEP_WRITE)
                remember_old(cpu);
            continue;
        }
        switch ((enum plan_kind)s->kind) {
        case STEP_LOAD:
        case STEP_LOAD_SIGNED:
            record(cpu, step_address(value, s), s, false);
            if (load_word(cpu, s, (enum plan_trust)plan->trust, &value[s->dest], &end))
                break;
            if (end == WALKED)
                list->cut = true;
            if (end == WALKED || plan->trust != TRUST_NOTHING)
                return end;
            value[s->dest] =
                0; /* a far return whose selectors are in a device or in two pages: no descriptor is read */
            end = WALKED;
            break;
        case STEP_DESCRIPTOR:
            selector = (value[s->base] + (uint64_t)s->disp) & 0xffff;
            if (selector > 3 && !(selector & 4) && (selector | 7) <= list->gdt_limit)
                record(cpu, value[VALUE_GDT] + (selector & 0xfff8), s, false);
            break;
        case STEP_SKIP_ZERO:
            if (is_zero(value, s))
                s += s->dest;
            break;
        case STEP_SYNC:
            list->sync = (uint32_t)(s - steps);
            return WALKED;
        case STEP_BARRIER:
            record(cpu, 0, s, false);
            list->made[list->count - 1].bytes = 0;
            break;
        default:
            value[s->dest] = computed(value, s);
        }
    }
    return end;
}

/* ---- blocks ---- */

bool access_set_plan(struct cpu *cpu, const struct block *b, bool *syncs)
{
    struct machine *m = cpu->machine;
    size_t count = plan_end(m->plan, syncs);

    if (block_set_plan(m->blocks, b, m->plan, count, *syncs))
        return true;
    run_crash(cpu, "no memory on the host for the plans of blocks");
    return false;
}

void access_plan_again(struct cpu *cpu, struct block *b, uint64_t pc, enum plan_trust trust)
{
    uint8_t code[8192];
    size_t size = b->size > sizeof code ? sizeof code : b->size;
    bool syncs;

    if ((enum plan_trust)block_plan(cpu->machine->blocks, b)->trust >= trust || !mmu_read(cpu, pc, code, size))
        return;
    decode_plan(cpu->machine->decoder, cpu->machine->plan, trust, code, size, pc);
    access_set_plan(cpu, b, &syncs);
    b->key = 0; /* its next run comes by access_ready */
}

bool access_ready(struct cpu *cpu, const struct block *b, uint64_t pc)
{
    return !cpu->access->on || !block_plan(cpu->machine->blocks, b)->syncs || access_arm(cpu, b, pc);
}

static bool slow begin_again(struct cpu *cpu, struct block *b, uint64_t pc, enum walk_end end)
{
    const struct block_plan *plan = block_plan(cpu->machine->blocks, b);

    while (end != WALKED && plan->trust != TRUST_NOTHING) {
        enum plan_trust before = (enum plan_trust)plan->trust;

        access_drop(cpu);
        access_plan_again(cpu, b, pc,
                          end == DISTRUSTED && before == TRUST_CHECKED ? TRUST_BEFORE_STORES : TRUST_NOTHING);
        if (cpu->machine->ended)
            return false;
        if ((enum plan_trust)plan->trust == before) /* the code is not mapped any more where it runs */
            return true;
        if (!access_ready(cpu, b, pc))
            return false;
        cpu->now.pending = true;
        access_take_registers(cpu, pc);
        end = access_walk(cpu, plan, plan->first);
    }
    return true;
}

bool access_begin_plan(struct cpu *cpu, struct block *b, const struct block_plan *plan, uint64_t pc)
{
    enum walk_end end;

    cpu->now.pending = true;
    access_take_registers(cpu, pc);
    end = access_walk(cpu, plan, plan->first);
    return end == WALKED || begin_again(cpu, b, pc, end);
}

/* ---- life ---- */

bool access_open(struct cpu *cpu, char *error)
{
    char why[ENGINE_ERROR_MAX];
    struct accesses *list = calloc(1, sizeof *list);

    cpu->access = list;
    if (!list) {
        snprintf(error, MACHINE_ERROR_MAX, "no memory on the host for the machine");
        return false;
    }
    access_drop(cpu);
    list->on = cpu->machine->timing && cpu->machine->config.accesses != ACCESSES_HOOKED;
    list->verify = list->on && cpu->machine->config.accesses == ACCESSES_VERIFIED;
    if (!list->on || !engine_find_registers(&cpu->engine, &list->registers, why))
        return true;
    snprintf(error, MACHINE_ERROR_MAX, "%s", why);
    return false;
}

void access_close(struct cpu *cpu)
{
    if (cpu->access)
        free(cpu->access->guarded);
    free(cpu->access);
    cpu->access = NULL;
}
