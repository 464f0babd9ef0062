/* SPDX-License-Identifier: MIT
 *
 * guest/thread.c: kernel stacks, contexts and the switch between threads.
 *
 * Stacks. Each has a slot of STACK_SPAN bytes in a region of its own: a guard page that is never mapped, then
 * STACK_PAGES pages. A freed stack stays mapped and waits for the next thread, as unmapping would cost INVLPGs at every
 * exit.
 *
 * User state. FPU registers and segment bases are loaded when a thread enters ring 3 and saved only when somebody needs
 * the place: another thread on its way to ring 3, or a reader of the context. So a kernel that switches away and comes
 * back has moved neither. Nor does a thread that is integer_only: while it runs CR0.TS keeps the FPU from it (SDM vol. 3A
 * §2.5: #NM), and the bases, which ring 3 can clear, are loaded again behind it.
 */
#include "guest/cpu.h"
#include "guest/frames.h"
#include "guest/layout.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/thread.h"
#include "guest/x86.h"

void switch_stacks(uint64_t *save, uint64_t load);
extern char thread_begin[];

static struct {
    uint16_t mapped[STACKS_MAX], bare[STACKS_MAX]; /* free slots, last in first out */
    unsigned mapped_count, bare_count;
    unsigned next; /* slots from here on were never used */
} stacks;

/* FXSAVE image (SDM vol. 1 §10.5.1): the fields that ring 3 can get wrong. */
#define FX_FCW 0
#define FX_MXCSR 24
#define FX_MXCSR_MASK 28
#define FCW_DEFAULT 0x37f
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASK_DEFAULT 0xffbfu

static uint64_t stack_base(unsigned slot)
{
    return STACKS_BASE + slot * STACK_SPAN;
}

static bool stack_map(unsigned slot)
{
    uint64_t frames[STACK_PAGES];
    unsigned n = 0;

    while (n < STACK_PAGES && (frames[n] = frame_alloc()))
        n++;
    if (n < STACK_PAGES) {
        while (n)
            frame_free(frames[--n]);
        return false;
    }
    for (n = 0; n < STACK_PAGES; n++)
        stack_page_map(stack_base(slot) + (n + 1) * PAGE_BYTES, frames[n]);
    return true;
}

static bool stack_take(unsigned *slot)
{
    if (stacks.mapped_count) {
        *slot = stacks.mapped[--stacks.mapped_count];
        return true;
    }
    if (!stacks.bare_count && stacks.next == STACKS_MAX)
        return false;
    *slot = stacks.bare_count ? stacks.bare[stacks.bare_count - 1] : stacks.next;
    if (!stack_map(*slot))
        return false;
    if (stacks.bare_count)
        stacks.bare_count--;
    else
        stacks.next++;
    return true;
}

void thread_stacks_shrink(void)
{
    while (stacks.mapped_count) {
        unsigned slot = stacks.mapped[--stacks.mapped_count];

        for (unsigned n = 0; n < STACK_PAGES; n++)
            frame_free(stack_page_unmap(stack_base(slot) + (n + 1) * PAGE_BYTES));
        stacks.bare[stacks.bare_count++] = (uint16_t)slot;
    }
    flush_everything();
}

static void context_init(struct user_context *context)
{
    *context = (struct user_context){0};
    context->regs.cs = USER_CS;
    context->regs.ss = USER_SS;
    context->regs.rflags = RFLAGS_IF | RFLAGS_FIXED;
    *(uint16_t *)(context->fx + FX_FCW) = FCW_DEFAULT;
    *(uint32_t *)(context->fx + FX_MXCSR) = MXCSR_DEFAULT;
}

bool thread_init(struct thread *thread, void (*begin)(void *), void *argument, void (*release)(struct thread *))
{
    uint64_t *frame;

    *thread = (struct thread){.release = release, .state = THREAD_NEW, .changed = true};
    if (!stack_take(&thread->stack))
        return false;
    list_init(&thread->link);
    alarm_init(&thread->deadline, NULL);
    thread->context = (struct user_context *)(stack_base(thread->stack) + STACK_SPAN) - 1;
    context_init(thread->context);
    frame = (uint64_t *)thread->context;
    *--frame = (uint64_t)thread_begin;
    *--frame = 0; /* rbp */
    *--frame = 0; /* rbx */
    *--frame = (uint64_t)begin;
    *--frame = (uint64_t)argument;
    *--frame = 0; /* r14 */
    *--frame = 0; /* r15 */
    thread->parked = (uint64_t)frame;
    return true;
}

void thread_fini(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    if (cpu->user_state == thread)
        cpu->user_state = NULL;
    stacks.mapped[stacks.mapped_count++] = (uint16_t)thread->stack;
}

struct thread *thread_current(void)
{
    return this_cpu()->current;
}

void thread_switch(struct thread *next)
{
    struct cpu *cpu = this_cpu();
    struct thread *previous = cpu->current;

    cpu->current = next;
    if (next->space)
        space_switch(next->space);
    cpu_set_kernel_stack((uint64_t)(&next->context->regs + 1));
    switch_stacks(&previous->parked, next->parked);
}

/* The registers are there again for their owner, and for ring 0 to save. */
static void fpu_on(struct cpu *cpu)
{
    if (cpu->fpu_off)
        clear_task_switched();
    cpu->fpu_off = false;
}

static void user_state_save(struct cpu *cpu)
{
    fpu_on(cpu);
    save_fpu(cpu->user_state->context->fx);
}

const struct user_context *thread_context_read(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    if (cpu->user_state == thread)
        user_state_save(cpu);
    return thread->context;
}

struct user_context *thread_context_write(struct thread *thread)
{
    struct cpu *cpu = this_cpu();

    if (cpu->user_state == thread) {
        user_state_save(cpu);
        cpu->user_state = NULL;
    }
    thread->changed = true;
    return thread->context;
}

/* A program chose some of these (sigreturn, execve, arch_prctl), so none may fault in ring 0 or grant anything. */
static void context_sanitise(struct user_context *context)
{
    uint32_t *mxcsr = (uint32_t *)(context->fx + FX_MXCSR), *mask = (uint32_t *)(context->fx + FX_MXCSR_MASK);

    context->regs.cs = USER_CS;
    context->regs.ss = USER_SS;
    context->regs.rflags = (context->regs.rflags & RFLAGS_USER) | RFLAGS_IF | RFLAGS_FIXED;
    if (context->regs.rip >= USER_TOP)
        context->regs.rip = USER_TOP; /* never mapped: faults in ring 3, not at IRET */
    if (context->fs_base > USER_TOP)
        context->fs_base = 0;
    if (context->gs_base > USER_TOP)
        context->gs_base = 0;
    *mxcsr &= MXCSR_MASK_DEFAULT;
    *mask = 0;
}

/* Always: a program that loads a null selector into FS or GS has changed the base unseen (SDM vol. 3A §3.4.4). */
static void load_bases(const struct user_context *context)
{
    write_msr(MSR_FS_BASE, context->fs_base);
    write_msr(MSR_KERNEL_GS_BASE, context->gs_base);
}

static void load_nothing(struct cpu *cpu)
{
    if (!cpu->fpu_off)
        set_task_switched();
    cpu->fpu_off = true;
    cpu->bases_lost = true;
}

void thread_load_user_state(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *self = cpu->current;

    if (self->changed)
        context_sanitise(self->context);
    self->changed = false;
    if (self->integer_only) {
        load_nothing(cpu);
        return;
    }
    if (cpu->user_state != self) {
        if (cpu->user_state)
            user_state_save(cpu);
        fpu_on(cpu);
        load_fpu(self->context->fx);
    } else {
        fpu_on(cpu);
    }
    if (cpu->user_state != self || cpu->bases_lost)
        load_bases(self->context);
    cpu->bases_lost = false;
    cpu->user_state = self;
}
