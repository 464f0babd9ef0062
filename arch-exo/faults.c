/* SPDX-License-Identifier: MIT
 *
 * arch-exo/faults.c: exceptions go straight up to whoever of ring 3 wants them; the kernel has no opinion.
 *
 * A program's goes to its library; or to a handler of its own, if it has bound one (EXO_HANDLER), which no library
 * comes before. Either way the registers stay where they are: what ring 3 cannot find there any more goes to the
 * private page, and that is all. The library's own exception (it touches memory of its program that is not there):
 * nested, on the same stack below what it uses. One inside that is the end of the env.
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

/* ---- whose exception it is ---- */

static unsigned access_of(uint64_t error)
{
    if (error & FAULT_FETCH)
        return PAGE_EXEC;
    return error & FAULT_WRITE ? PAGE_WRITE : PAGE_READ;
}

/* A page fault that only a limit caused? With `lift` a limit for once ends by it. */
static bool is_limited(const struct env *env, const struct user_regs *regs, uint64_t address, bool lift)
{
    return env->place->limited && regs->vector == VECTOR_PAGE_FAULT && address < USER_TOP &&
           space_limited(env->thread.space, address, access_of(regs->error), lift);
}

/* False: there is none, or the exception is its own. */
static __attribute__((noinline)) bool to_library(struct env *env, struct user_regs *regs, uint64_t address)
{
    if (is_limited(env, regs, address, false))
        regs->error |= EXO_FAULT_LIMITED;
    if (!env->group->has_upcalls || env->private->in_library)
        return false;
    env->private->address = address;
    enter_from_program(env, regs, env->group->upcalls.exception);
    return true;
}

/* To its own handler, if that wants it and is not at work already. */
static bool to_handler(struct env *env, struct user_regs *regs, uint64_t address)
{
    struct exo_trap *trap = &env->private->trap;

    if (trap->busy || env->private->in_library)
        return to_library(env, regs, address);
    trap->address = address;
    if (is_limited(env, regs, address, env->handled & EXO_LIMITS)) {
        if (!(env->handled & EXO_LIMITS))
            return to_library(env, regs, address);
        regs->error |= EXO_FAULT_LIMITED;
    } else if (!(env->handled >> regs->vector & 1))
        return to_library(env, regs, address);
    trap->busy = 1;
    trap->vector = regs->vector;
    trap->error = regs->error;
    trap->rip = regs->rip;
    trap->rflags = regs->rflags;
    trap->rcx = regs->rcx;
    trap->r11 = regs->r11;
    resume_at(regs, env->handler);
    return true;
}

static bool point_up(struct env *env, struct user_regs *regs, uint64_t address)
{
    return env->handled ? to_handler(env, regs, address) : to_library(env, regs, address);
}

/* Word by word: registers are no payload. */
static void move_regs(struct user_regs *to, const struct user_regs *from)
{
    volatile uint64_t *out = (volatile uint64_t *)to;
    const uint64_t *in = (const uint64_t *)from;

    for (size_t i = 0; i < sizeof(*to) / 8; i++)
        out[i] = in[i];
}

/* Nested, on the stack that it was on. */
static void fault_in_library(struct env *env, struct user_regs *regs, uint64_t address)
{
    struct exo_private *private = env->private;

    if (!env->group->has_upcalls || private->nested_busy) {
        print("env %u: exception %lu at %lx, %s\n", env->number, regs->vector, regs->rip,
              private->nested_busy ? "in its library's fault handler" : "and no library");
        env_abort(env);
        return;
    }
    private->address = address;
    private->nested_busy = 1;
    move_regs(&private->nested, regs);
    resume_at(regs, env->group->upcalls.fault);
    regs->rsp = (regs->rsp - 256) & ~15ul;
}

/* ---- a program's own handler ---- */

static long call_handler(struct env *self, uint64_t handler, uint64_t exceptions)
{
    if (handler >= USER_TOP || exceptions >= EXO_LIMITS << 1)
        return -EINVAL;
    self->handler = handler;
    self->handled = handler ? exceptions : 0;
    self->private->trap.busy = 0;
    return 0;
}

static long call_limit(struct env *self, uint64_t address, uint64_t pages, uint64_t rights)
{
    if (!is_programs(address, pages) || rights > (EXO_RIGHTS_ALL | EXO_ONCE))
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

/* upcall.S. Callee-saved registers are not in `regs`. */
bool upcall_page_fault(struct user_regs *regs)
{
    return point_up(*env_at(regs), regs, read_cr2());
}

static void fault_in_kernel(struct user_regs *regs)
{
    if (regs->vector == VECTOR_PAGE_FAULT && trap_in_user_access(regs))
        trap_abandon_user_access(regs);
    else
        trap_panic(regs);
}

void fault_any(struct user_regs *regs)
{
    struct env *env = env_current();
    uint64_t address = regs->vector == VECTOR_PAGE_FAULT ? read_cr2() : regs->rip;

    if (!from_user(regs))
        fault_in_kernel(regs);
    else if (!point_up(env, regs, address))
        fault_in_library(env, regs, address);
}

void faults_init(void)
{
    cpu_set_entry(VECTOR_PAGE_FAULT, upcall_entry);
}

void fault_interrupt(struct user_regs *regs)
{
    group_event(&kernel.group[0], EVENT_CONSOLE);
}

void fault_disk(struct user_regs *regs)
{
    disk_interrupt();
}
