/* SPDX-License-Identifier: MIT
 *
 * arch-exo/sched.c: which env sleeps until when, which one runs next, and who is told that memory is wanted back.
 */
#include "arch-exo/kernel.h"

/* ---- sleeping ---- */

void env_wake(struct env *env, uint32_t event)
{
    env->happened |= event;
    if (!env->sleeping || !(env->awaited & event))
        return;
    env->sleeping = false;
    sched_resume(&env->thread);
}

void group_event(struct group *group, uint32_t event)
{
    for (unsigned n = 1; n < ENVS_MAX; n++)
        if (kernel.env[n] && kernel.env[n]->group == group)
            env_wake(kernel.env[n], event);
}

/* Who says that it waits for this, else the first; NULL: the group has none. */
static struct env *told_of_revocation(const struct group *group)
{
    struct env *first = NULL;

    for (unsigned n = 1; n < ENVS_MAX; n++) {
        struct env *env = kernel.env[n];

        if (!env || env->group != group || env->dying)
            continue;
        if (env->awaited & EVENT_REVOKE)
            return env;
        if (!first)
            first = env;
    }
    return first;
}

void group_revoke(struct group *group, size_t frames)
{
    struct env *told = told_of_revocation(group);

    for (unsigned n = 1; !frames && n < ENVS_MAX; n++)
        if (kernel.env[n] && kernel.env[n]->group == group)
            kernel.env[n]->pending |= PENDING_REVOKE;
    if (!told)
        return;
    if (frames)
        told->private->revoke = frames;
    told->pending |= PENDING_REVOKE;
    env_wake(told, EVENT_REVOKE);
    if (frames)
        sched_yield_to(&told->thread);
}

long env_sleep(struct env *self, uint64_t until, uint32_t events)
{
    uint32_t happened;

    self->awaited = events | EVENT_WOKEN | EVENT_UPCALL;
    if (!(self->happened & self->awaited)) {
        self->sleeping = true;
        if (sched_sleep(0, until, false) == WAKE_TIME && self->sleeping)
            self->happened |= EVENT_TIME;
        self->sleeping = false;
    }
    happened = self->happened & (self->awaited | EVENT_TIME);
    self->happened &= ~happened;
    return happened;
}

/* ---- slices ---- */

/* Of those that can run, the next after the one whose turn it was; NULL: none can. */
static struct env *next_of(struct group *group)
{
    for (unsigned i = 1; i <= ENVS_MAX; i++) {
        struct env *env = kernel.env[(group->turn + i) % ENVS_MAX];

        if (!env || env->group != group || env->thread.state != THREAD_READY)
            continue;
        group->turn = env->number;
        return env;
    }
    return NULL;
}

void env_yield(struct env *env)
{
    for (unsigned i = 0; i + 1 < kernel.groups; i++) {
        struct env *next = next_of(&kernel.group[(env->group->number + i) % kernel.groups]);

        if (!next)
            continue;
        sched_yield_to(&next->thread);
        return;
    }
    sched_yield();
}
