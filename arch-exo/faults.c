/* SPDX-License-Identifier: MIT
 *
 * arch-exo/faults.c: exceptions go straight up to whoever of ring 3 wants them; the kernel has no opinion.
 *
 * A program's goes to its library; or to a handler of its own, if it has bound one (EXO_HANDLER), which no library
 * comes before. Either way the registers stay where they are: what ring 3 cannot find there any more goes to the private page, and
 * that is all. The library's own exception (it touches memory of its program that is not there): nested, on the same
 * stack below what it uses. One inside that is the end of the env.
 *
 * Interrupts of devices are events that a library may sleep for; the end of a slice, and what another env of the group
 * wants of a program that runs, are upcalls like an exception, but never inside the library, which looks at `pending`
 * on its way out: an env found on that way (between exit_begin and exit_end) starts it again.
 */
#include "abi/devices.h"
#include "arch-exo/kernel.h"
#include "guest/print.h"
#include "guest/trap.h"
#include "guest/x86.h"

/* ---- upcalls ---- */

/* Ring 3 resumes there instead, by SYSRET: of its registers it loses RCX and R11. */
static void resume_at(struct user_regs *regs, uint64_t rip)
{
    regs->vector = VECTOR_SYSCALL_ENTRY;
    regs->rip = regs->rcx = rip;
    regs->rflags = regs->r11 = RFLAGS_IF | RFLAGS_FIXED;
}

static bool on_way_out(const struct env *env, const struct user_regs *regs)
{
    return regs->rip >= env->group->upcalls.exit_begin && regs->rip < env->group->upcalls.exit_end;
}

static void enter_from_program(struct env *env, struct user_regs *regs, uint64_t upcall)
{
    struct user_regs *saved = &env->private->context.regs;

    saved->vector = regs->vector;
    saved->error = regs->error;
    saved->rip = regs->rip;
    saved->rflags = regs->rflags;
    saved->rcx = regs->rcx;
    saved->r11 = regs->r11;
    env->private->in_library = 1;
    resume_at(regs, upcall);
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

/* Word by word: registers are no payload. */
static void move_regs(struct user_regs *to, const struct user_regs *from)
{
    volatile uint64_t *out = (volatile uint64_t *)to;
    const uint64_t *in = (const uint64_t *)from;

    for (size_t i = 0; i < sizeof(*to) / 8; i++)
        out[i] = in[i];
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
    resume_at(regs, env->group->upcalls.fault);
    regs->rsp = (regs->rsp - 256) & ~15ul;
}

/* ---- a program's own handler ---- */

static unsigned access_of(uint64_t error)
{
    if (error & FAULT_FETCH)
        return PAGE_EXEC;
    return error & FAULT_WRITE ? PAGE_WRITE : PAGE_READ;
}

/* An exception as a bit of EXO_HANDLER's: a page fault that only a limit caused is another kind. With `lift` a limit for once
 * ends by it. */
static uint64_t kind_of(const struct env *env, struct user_regs *regs, uint64_t address, bool lift)
{
    if (regs->vector != VECTOR_PAGE_FAULT || !env->place->limited || address >= USER_TOP)
        return 1ul << regs->vector;
    if (!space_limited(env->thread.space, address, access_of(regs->error), lift))
        return 1ul << VECTOR_PAGE_FAULT;
    regs->error |= EXO_FAULT_LIMITED;
    return EXO_LIMITS;
}

static bool enter_handler(struct env *env, struct user_regs *regs, uint64_t address)
{
    struct exo_private *private = env->private;
    struct exo_trap *trap = &private->trap;

    if (private->in_library || trap->busy || !(env->handled & kind_of(env, regs, address, env->handled & EXO_LIMITS)))
        return false;
    trap->busy = 1;
    trap->vector = regs->vector;
    trap->error = regs->error;
    trap->address = address;
    trap->rip = regs->rip;
    trap->rflags = regs->rflags;
    trap->rcx = regs->rcx;
    trap->r11 = regs->r11;
    resume_at(regs, env->handler);
    return true;
}

static long call_handler(struct env *self, uint64_t handler, uint64_t exceptions)
{
    if (handler >= USER_TOP || exceptions >= EXO_LIMITS << 1)
        return -EINVAL;
    self->handler = handler;
    self->handled = handler ? exceptions : 0;
    return 0;
}

static long call_limit(struct env *self, uint64_t address, uint64_t pages, uint64_t rights)
{
    if (!memory_is_programs(address, pages) || rights > (EXO_RIGHTS_ALL | EXO_ONCE))
        return -EINVAL;
    self->place->limited = true;
    space_limit(self->thread.space, address, pages, rights & EXO_RIGHTS_ALL, rights & EXO_ONCE);
    return 0;
}

long fault_call(struct env *self, struct user_regs *regs)
{
    if (regs->error == EXO_HANDLER)
        return call_handler(self, regs->rdi, regs->rsi);
    return call_limit(self, regs->rdi, regs->rsi, regs->rdx);
}

/* ---- exceptions and interrupts ---- */

static void fault_without_library(struct env *env, struct user_regs *regs)
{
    if (from_user(regs)) {
        print("env %u: exception %lu at %lx, and no library\n", env->number, regs->vector, regs->rip);
        env_abort(env);
    } else if (regs->vector == VECTOR_PAGE_FAULT && trap_in_user_access(regs))
        trap_abandon_user_access(regs);
    else
        trap_panic(regs);
}

void fault_any(struct user_regs *regs)
{
    struct env *env = env_current();
    uint64_t address;

    if (unlikely(!from_user(regs) || !env->group->has_upcalls)) {
        fault_without_library(env, regs);
        return;
    }
    address = regs->vector == VECTOR_PAGE_FAULT ? read_cr2() : regs->rip;
    if (env->handled && enter_handler(env, regs, address))
        return;
    kind_of(env, regs, address, false);
    env->private->address = address;
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
