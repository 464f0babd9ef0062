/* SPDX-License-Identifier: MIT
 *
 * arch-exo/faults.c: exceptions go straight up to the library of whoever caused them; the kernel has no opinion.
 *
 * A program's: its registers go to the private page, the library's handler runs on the private stack. The library's own (it touches
 * memory of its program that is not there): nested, on the same stack below what it uses. One inside that is the end of
 * the env. Interrupts of devices are events that a library may sleep for; the end of a slice, and what another env of
 * the group wants of a program that runs, are upcalls like an exception, but never inside the library, which looks at
 * `pending` on its way out: an env found on that way (between exit_begin and exit_end) starts it again.
 */
#include "abi/devices.h"
#include "arch-exo/kernel.h"
#include "guest/print.h"
#include "guest/trap.h"
#include "guest/x86.h"

/* Word by word: registers are no payload. */
static void move_regs(struct user_regs *to, const struct user_regs *from)
{
    volatile uint64_t *out = (volatile uint64_t *)to;
    const uint64_t *in = (const uint64_t *)from;

    for (size_t i = 0; i < sizeof(*to) / 8; i++)
        out[i] = in[i];
}

/* Ring 3 resumes there instead, by SYSRET: no register matters but RSP. */
static void resume_at(struct user_regs *regs, uint64_t rip, uint64_t rsp)
{
    regs->vector = VECTOR_SYSCALL_ENTRY;
    regs->rip = regs->rcx = rip;
    regs->rflags = regs->r11 = RFLAGS_IF | RFLAGS_FIXED;
    regs->rsp = rsp;
}

static bool on_way_out(const struct env *env, const struct user_regs *regs)
{
    return regs->rip >= env->group->upcalls.exit_begin && regs->rip < env->group->upcalls.exit_end;
}

static void enter_from_program(struct env *env, struct user_regs *regs, uint64_t upcall)
{
    move_regs(&env->private->context.regs, regs);
    env->private->in_library = 1;
    resume_at(regs, upcall, LIB_STACK_TOP);
}

void upcall_pending(struct env *env)
{
    struct user_regs *regs = &env->thread.context->regs;
    struct exo_private *private = env->private;

    private->pending |= env->pending;
    env->pending = 0;
    if (private->in_library || !env->group->has_upcalls || regs->vector == VECTOR_SYSCALL_ENTRY)
        return;
    if (on_way_out(env, regs))
        regs->rip = env->group->upcalls.exit_begin;
    else
        enter_from_program(env, regs, env->group->upcalls.interrupt);
}

static void enter_from_library(struct env *env, struct user_regs *regs)
{
    struct exo_private *private = env->private;

    if (private->nested_busy) {
        print("env %u: exception %lu in its library's fault handler, at %lx\n", env->number, regs->vector, regs->rip);
        env_abort(env);
        return;
    }
    private->nested_busy = 1;
    move_regs(&private->nested, regs);
    resume_at(regs, env->group->upcalls.fault, (regs->rsp - 256) & ~15ul);
}

void fault_any(struct user_regs *regs)
{
    struct env *env = env_current();

    if (!from_user(regs)) {
        if (regs->vector == VECTOR_PAGE_FAULT && trap_in_user_access(regs))
            trap_abandon_user_access(regs);
        else
            trap_panic(regs);
        return;
    }
    if (!env->group->has_upcalls) {
        print("env %u: exception %lu at %lx, and no library\n", env->number, regs->vector, regs->rip);
        env_abort(env);
        return;
    }
    env->private->address = regs->vector == VECTOR_PAGE_FAULT ? read_cr2() : regs->rip;
    if (env->private->in_library)
        enter_from_library(env, regs);
    else
        enter_from_program(env, regs, env->group->upcalls.exception);
}

void fault_interrupt(struct user_regs *regs)
{
    group_event(&kernel.group[0], EVENT_CONSOLE);
}

void fault_disk(struct user_regs *regs)
{
    disk_interrupt();
}
