/* SPDX-License-Identifier: MIT
 *
 * sim/native/native.c: the timing model's block hook as host code.
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
 * nothing that the hook would not change. So it has to be right only about blocks that do nothing: tests compare it
 * with runs without it (RINGSIDE_ACCESSES=listed). The hook gets one argument changed: the block's descriptor for the
 * engine's handle, which it has no use for. That is all that a block gets which is not plain, has syncs, or steps that
 * are not written here.
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
#include "sim/native/native.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/native/write.h"

enum {
    CODE_BYTES = 64 << 20,
    BEHIND = 16 << 20,   /* where its second part begins: what runs rarely */
    ROUTINE_MAX = 16384, /* bytes, in each part */
    HOT = 16,            /* calls; less than 256 */
    CALL_INDIRECT = 6,   /* bytes of call [rip + x] */
    HOOK_JUMP = 32,      /* offsets of the second common part, */
    ROUTINES = 64,       /* and of the first routine */
};

/* The two parts that all routines have. At the start, a call: of RAX, with the CPU, R9 and the address of the block.
 * Then a jump to the hook. */
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
    code =
        mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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

    if (cpu->machine->timing && cpu->front.line_mask == 0)
        return; /* one set: two lines would be in one slot */
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

bool native_holds_blocks(const struct cpu *cpu)
{
    return cpu->native && cpu->native->used_behind > BEHIND;
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
