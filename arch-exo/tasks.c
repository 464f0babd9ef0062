/* SPDX-License-Identifier: MIT
 *
 * arch-exo/tasks.c: environments: made, started, ended; what a library may do with its own.
 */
#include "abi/probe.h"
#include "arch-exo/kernel.h"
#include "guest/heap.h"
#include "guest/print.h"
#include "guest/tables.h"
#include "guest/trap.h"
#include "guest/x86.h"

#define PRIVATE_STACK ((LIB_STACK_TOP - LIB_PRIVATE) / PAGE_BYTES - LIB_STACK_PAGES) /* its first entry in the page table */

/* ---- the private area ---- */

static uint64_t leaf_entry(uint64_t frame)
{
    return frame | PTE_P | PTE_W | PTE_U | PTE_NX;
}

static bool private_build(struct env *env, const uint64_t *frames)
{
    uint64_t table = table_create(), leaf = table ? table_create() : 0;

    if (!leaf) {
        if (table)
            frame_free(table);
        return false;
    }
    table_at(table)[0] = leaf | PTE_P | PTE_W | PTE_U;
    table_at(leaf)[0] = leaf_entry(frames[0]);
    for (unsigned i = 0; i < LIB_STACK_PAGES; i++)
        table_at(leaf)[PRIVATE_STACK + i] = leaf_entry(frames[1 + i]);
    for (unsigned i = 0; i <= LIB_STACK_PAGES; i++)
        lend_fix(frames[i]);
    env->private_table = table;
    env->private_leaf = leaf;
    env->private = direct(frames[0]);
    return true;
}

/* At the end nobody is left who could give it back. */
static void unpin(const struct env *env, uint64_t frame)
{
    lend_unfix(frame);
    if (env->group->done)
        lend_give(env->group->number, frame);
}

static void private_drop(struct env *env)
{
    unpin(env, table_at(env->private_leaf)[0] & PTE_FRAME);
    for (unsigned i = 0; i < LIB_STACK_PAGES; i++)
        unpin(env, table_at(env->private_leaf)[PRIVATE_STACK + i] & PTE_FRAME);
    frame_free(env->private_leaf);
    frame_free(env->private_table);
}

/* The env leaves its space. */
static void leave_space(struct env *env)
{
    struct space *space = env->thread.space;
    struct place *place;

    if (!space)
        return;
    place = place_of(space);
    place->users--;
    if (place->private_of != env)
        return;
    place->private_of = NULL;
    *entry_find(space->root, LIB_PRIVATE, 2) = 0;
}

/* Two envs share a space between vfork and exec: its private GiB is that of the one which runs. */
void env_private(struct env *env)
{
    struct space *space = env->thread.space;

    if (likely(env->place->private_of == env))
        return;
    env->place->private_of = env;
    *entry_find(space->root, LIB_PRIVATE, 2) = env->private_table | PTE_P | PTE_W | PTE_U;
    space_flush(space);
}

/* ---- envs ---- */

static void env_release(struct thread *thread)
{
    struct env *env = (struct env *)thread;

    private_drop(env);
    kernel.env[env->number] = NULL;
    env->group->envs--;
    heap_free(env, sizeof(*env));
}

static void env_first(void *argument)
{
    struct env *env = argument;

    sched_reap(); /* who ended before it: its frames are its library's to give back */
    env_leave(env);
    return_to_user(&env->thread.context->regs);
}

static unsigned number_free(void)
{
    unsigned n = 1;

    while (n < ENVS_MAX && kernel.env[n])
        n++;
    return n < ENVS_MAX ? n : 0;
}

struct env *env_create(struct group *group, const uint64_t frames[1 + LIB_STACK_PAGES], const struct env *parent)
{
    struct env *env;
    unsigned number = group->envs < group_share(ENVS_MAX) ? number_free() : 0;

    for (unsigned i = 0; i <= LIB_STACK_PAGES; i++)
        if (!lend_owned(group->number, frames[i]))
            return NULL;
    env = number ? heap_alloc(sizeof(*env)) : NULL;
    if (!env)
        return NULL;
    env->group = group;
    env->number = number;
    if (!private_build(env, frames)) {
        heap_free(env, sizeof(*env));
        return NULL;
    }
    if (!thread_init(&env->thread, env_first, env, env_release)) {
        private_drop(env);
        heap_free(env, sizeof(*env));
        return NULL;
    }
    if (parent) {
        __builtin_memcpy(env->name, parent->name, sizeof(env->name));
        env->handler = parent->handler;
        env->handled = parent->handled;
    }
    env->private->env = number;
    *env_at(&env->thread.context->regs) = env;
    env->private->group = group->number;
    kernel.env[number] = env;
    group->envs++;
    return env;
}

/* SYSRET's registers: see faults.c. Its FPU state and bases are those that a new thread has. */
void env_begin_at(struct env *env, uint64_t rip)
{
    struct user_regs *regs = &env->thread.context->regs;

    env->private->in_library = 1;
    regs->vector = VECTOR_SYSCALL_ENTRY;
    regs->rip = regs->rcx = rip;
    regs->rsp = LIB_STACK_TOP;
    regs->r11 = regs->rflags;
    sched_ready(&env->thread);
}

/* Its own end takes effect on the way back. */
void env_end(struct env *env)
{
    if (env->dying)
        return;
    env->dying = true;
    frames_forget(env);
    leave_space(env);
    env->thread.space = NULL;
    thread_context_write(&env->thread);
    if (env != env_current())
        sched_kill(&env->thread);
}

void env_enter_space(struct env *env, struct space *space)
{
    if (env->thread.space)
        env->handled = 0; /* its address means nothing in another space */
    leave_space(env);
    place_of(space)->users++;
    if (env->next_name[0])
        __builtin_memcpy(env->name, env->next_name, sizeof(env->name));
    env->next_name[0] = 0;
    if (env->name[0])
        probe(PROBE_DOMAIN, space_user_root(space), (uint64_t)env->name, 3);
    env->thread.space = space;
    env->place = place_of(space);
    if (env == env_current()) {
        space_switch(space);
        env_private(env);
    }
}

void envs_end(struct group *group)
{
    for (unsigned n = 1; n < ENVS_MAX; n++)
        if (kernel.env[n] && kernel.env[n]->group == group)
            env_end(kernel.env[n]);
}

void env_abort(struct env *env)
{
    env_end(env);
    group_event(env->group, EVENT_ABORT);
}

/* ---- kernel calls ---- */

static struct env *env_named(const struct env *self, uint64_t number)
{
    struct env *env = number < ENVS_MAX ? kernel.env[number] : NULL;

    return env && env->group == self->group && !env->dying ? env : NULL;
}

static long create(struct env *self, uint64_t private, uint64_t stack)
{
    uint64_t frames[1 + LIB_STACK_PAGES] = {private};
    struct env *env;

    if (stack >= USER_TOP - sizeof(frames) || move_user_words(&frames[1], (const void *)stack, LIB_STACK_PAGES))
        return -EFAULT;
    while (!(env = env_create(self->group, frames, self)) && frames_wait(self, KERNEL_FRAMES))
        ;
    return env ? (long)env->number : -ENOMEM;
}

static long start(struct env *env, uint64_t rip)
{
    if (env->thread.state != THREAD_NEW || !env->thread.space)
        return -EBUSY;
    env_begin_at(env, rip);
    return 0;
}

static long set_bases(struct env *env, uint64_t fs_base, uint64_t gs_base)
{
    struct user_context *context = thread_context_write(&env->thread);

    context->fs_base = fs_base;
    context->gs_base = gs_base;
    return 0;
}

static void set_name(struct env *env, const struct user_regs *regs)
{
    const uint64_t word[3] = {regs->rsi, regs->rdx, regs->r10};

    __builtin_memcpy(env->next_name, word, sizeof(word));
    env->next_name[sizeof(word)] = 0;
}

static long upcall(struct env *env)
{
    env->pending |= PENDING_LIBRARY;
    env_wake(env, EVENT_UPCALL);
    return 0;
}

static long yield_to_any(struct env *self)
{
    self->slice_told = false;
    env_yield(self);
    return 0;
}

/* The slice goes with it, or two envs would pass the processor to each other for ever. Who is asleep (with a lock that
 * another one waits for, perhaps) cannot run: then anybody. */
static long yield_to(struct env *self, struct env *env)
{
    if (env->thread.state != THREAD_READY)
        return yield_to_any(self);
    env->slice_told |= self->slice_told;
    self->slice_told = false;
    sched_yield_to(&env->thread);
    return 0;
}

static long call_on_env(struct env *self, struct user_regs *regs, struct env *env)
{
    struct space *space;

    switch (regs->error) {
    case EXO_NAME:
        set_name(env, regs);
        return 0;
    case EXO_ENV_START:
        return start(env, regs->rsi);
    case EXO_ENV_EXIT:
        env_end(env);
        if (env != self)
            sched_reap(); /* so that its frames may be given back at once */
        return 0;
    case EXO_ENV_SPACE:
        space = lend_space(self->group->number, regs->rsi);
        if (space)
            env_enter_space(env, space);
        return space ? 0 : -EPERM;
    case EXO_ENV_BASES:
        return set_bases(env, regs->rsi, regs->rdx);
    case EXO_ENV_UPCALL:
        return upcall(env);
    case EXO_ENV_TIME:
        return (long)sched_used_ns(&env->thread);
    case EXO_WAKE:
        env_wake(env, EVENT_WOKEN);
        return 0;
    case EXO_YIELD:
        return yield_to(self, env);
    default:
        return -ENOSYS;
    }
}

static void alarm_expired(struct alarm *alarm)
{
    group_event(LIST_MEMBER(alarm, struct group, alarm), EVENT_ALARM);
}

void group_alarm_init(struct group *group)
{
    alarm_init(&group->alarm, alarm_expired);
}

long env_call(struct env *self, struct user_regs *regs)
{
    struct env *env;

    switch (regs->error) {
    case EXO_ENV_CREATE:
        return create(self, regs->rdi, regs->rsi);
    case EXO_ENV_ALIVE:
        return env_named(self, regs->rdi) != NULL;
    case EXO_SLEEP:
        return env_sleep(self, regs->rdi, (uint32_t)regs->rsi);
    case EXO_ALARM:
        alarm_set(&self->group->alarm, regs->rdi);
        return 0;
    default:
        if (regs->error == EXO_YIELD && !regs->rdi)
            return yield_to_any(self);
        env = regs->rdi ? env_named(self, regs->rdi) : self;
        return env ? call_on_env(self, regs, env) : -EPERM;
    }
}
