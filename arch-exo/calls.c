/* SPDX-License-Identifier: MIT
 *
 * arch-exo/calls.c: a SYSCALL in the exokernel: a program's goes back up to its library, the library's is done here.
 *
 * Reflecting is all that the kernel does with a call it does not know: the return address goes to the private page, and SYSRET
 * leads to the library instead. What comes of it the kernel never learns: the library returns to its program by a jump.
 */
#include "arch-exo/kernel.h"
#include "guest/print.h"
#include "guest/trap.h"

/* ---- the way back ---- */

/* A slice that is over is told to the library first; who does not yield by the end of the next one is made to. */
static void slice_end(struct env *env)
{
    if (env->group->has_upcalls && !env->slice_told) {
        env->slice_told = true;
        env->pending |= PENDING_SLICE;
        return;
    }
    env->slice_told = false;
    env_yield(env);
}

void env_leave(struct env *env)
{
    while (this_cpu()->reschedule && !env->dying) {
        if (sched_take_yield())
            slice_end(env);
        else
            sched_before_user();
    }
    if (env->dying)
        sched_exit();
    env_private(env);
    if (env->pending)
        upcall_pending(env);
    thread_load_user_state();
}

/* True: the short way. FPU and segment bases are this env's unless another has run. */
static bool leave(struct env *env)
{
    const struct cpu *cpu = this_cpu();

    if (likely(!cpu->reschedule && !env->pending && !env->dying && !env->thread.changed) &&
        likely(cpu->user_state == &env->thread && env->place->private_of == env))
        return true;
    env_leave(env);
    return false;
}

/* ---- calls of programs ---- */

static void reflect(struct env *env, struct user_regs *regs)
{
    struct exo_private *private = env->private;

    if (unlikely(!env->group->has_upcalls || private->in_library)) {
        print("env %u: call %lu where no library is\n", env->number, regs->error);
        env_abort(env);
        return;
    }
    private->rip = regs->rip;
    private->in_library = 1;
    regs->rip = regs->rcx = env->group->upcalls.syscall;
}

/* ---- calls of the library ---- */

/* SYSRET and IRET to an address that is not canonical would fault in ring 0. */
static bool are_programs(const struct exo_upcalls *u)
{
    return u->syscall < USER_TOP && u->exception < USER_TOP && u->fault < USER_TOP && u->interrupt < USER_TOP &&
           u->exit_begin < USER_TOP && u->exit_end < USER_TOP;
}

static __attribute__((noinline)) long call_upcalls(struct env *self, struct user_regs *regs)
{
    struct exo_upcalls upcalls;

    if (regs->rdi >= USER_TOP - sizeof(upcalls) || move_user_words(&upcalls, (const void *)regs->rdi, sizeof(upcalls) / 8))
        return -EFAULT;
    if (!are_programs(&upcalls))
        return -EINVAL;
    self->group->upcalls = upcalls;
    self->group->has_upcalls = true;
    return 0;
}

static __attribute__((noinline)) long call_log(struct env *self, struct user_regs *regs)
{
    char line[128];
    size_t bytes = regs->rsi < sizeof(line) - 1 ? regs->rsi : sizeof(line) - 1;

    if (regs->rdi >= USER_TOP - sizeof(line) || copy_user(line, (const void *)regs->rdi, bytes))
        return -EFAULT;
    line[bytes] = 0;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' '; /* one line: none that another seems to have written */
    print("%s: %s\n", self->group->name, line);
    return 0;
}

static __attribute__((noinline)) long call_power_off(struct env *self, struct user_regs *regs)
{
    if (self->group->number > kernel.systems)
        return -EPERM;
    self->group->status = (int)(regs->rdi & 0xff);
    self->group->done = true;
    envs_end(self->group);
    sched_wake(CHANNEL_DONE);
    return 0;
}

static long call(struct env *self, struct user_regs *regs)
{
    switch (regs->error) {
    case EXO_UPCALLS:
        return call_upcalls(self, regs);
    case EXO_LOG:
        return call_log(self, regs);
    case EXO_POWER_OFF:
        return call_power_off(self, regs);
    case EXO_PAGES_TAKE ... EXO_REPOSSESSED:
    case EXO_DEVICE:
        return memory_call(self, regs);
    case EXO_NAME:
    case EXO_ENV_CREATE ... EXO_ALARM:
        return env_call(self, regs);
    case EXO_EXTENT_BIND ... EXO_DISK_DONE:
        return disk_call(self, regs);
    case EXO_HANDLER ... EXO_LIMIT:
        return fault_call(self, regs);
    default:
        return -ENOSYS;
    }
}

bool kernel_syscall(struct user_regs *regs)
{
    struct env *env = env_current();

    if (likely((uint32_t)regs->error < EXO_CALL_BASE))
        reflect(env, regs);
    else
        regs->rax = (uint64_t)call(env, regs);
    return leave(env);
}

void kernel_user_return(struct user_regs *regs)
{
    leave(env_current());
}
