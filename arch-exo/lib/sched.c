/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/sched.c: who may be in the library, and who waits for what.
 *
 * The processor is the kernel's; here is only what several envs in one library need. The lock knows its holder. Who
 * finds it held lets the holder run; if the holder is no more, the lock is broken: what it was about to do to the
 * shared state stays half done, but the others go on, and the housekeeper ends its process. (A holder's number means
 * the same env until then: a new env is made with the lock.)
 *
 * A sleeper hangs in a hash table by channel and sleeps in the kernel, without the lock. The kernel remembers a wake-up
 * of an env that is not asleep yet, so none is lost in between; one that comes too late ends the next sleep, and a
 * wake-up may be spurious anyway. For the disk a sleeper asks the kernel itself: nobody here wakes its channels.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"

#define CHANNEL_SERVICE(channel) ((unsigned)((channel) >> 56))

void sched_init(void)
{
    for (unsigned i = 0; i < SLEEP_BUCKETS; i++)
        list_init(&library.sleepers[i]);
}

/* ---- the lock ---- */

static bool lock_change(uint64_t from)
{
    return __atomic_compare_exchange_n(&library.lock, &from, lib_private.env, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static bool lock_break(uint64_t holder)
{
    if (exo_call(EXO_ENV_ALIVE, holder, 0, 0) || !lock_change(holder))
        return false;
    task_current()->attention |= ATTENTION_MAPPINGS; /* the dead one's */
    task_crashed(holder);
    return true;
}

void lock_wait(void)
{
    while (!lock_change(0)) {
        uint64_t holder = __atomic_load_n(&library.lock, __ATOMIC_RELAXED);

        if (holder && exo_call(EXO_YIELD, holder, 0, 0) < 0 && lock_break(holder))
            return;
    }
}

/* ---- sleep ---- */

static struct list *bucket_of(uint64_t channel)
{
    return &library.sleepers[channel * 0x9e3779b97f4a7c15ul >> 58];
}

static void end_sleep(struct task *task)
{
    list_remove(&task->link);
    task->asleep = false;
}

uint32_t task_sleep(uint64_t channel, uint64_t until, bool interruptible)
{
    struct task *self = task_current();
    uint32_t event = CHANNEL_SERVICE(channel) == SERVICE_BLK ? EVENT_DISK : 0;
    long happened;

    self->channel = channel;
    self->interruptible = interruptible;
    self->woken = self->interrupted = false;
    self->asleep = true;
    list_add(bucket_of(channel), &self->link);
    pages_flush();
    lock_release();
    happened = exo_call(EXO_SLEEP, until, event, 0);
    lock_take();
    end_sleep(self);
    if (self->interrupted)
        return CALL_INTERRUPTED;
    return !self->woken && happened & EVENT_TIME ? CALL_TIMED_OUT : 0;
}

static void resume(struct task *task)
{
    end_sleep(task);
    exo_call(EXO_WAKE, task->env, 0, 0);
}

void task_wake(uint64_t channel)
{
    struct list *bucket = bucket_of(channel), *link = bucket->next;

    while (link != bucket) {
        struct task *task = LIST_MEMBER(link, struct task, link);

        link = link->next;
        if (task->channel != channel)
            continue;
        task->woken = true;
        resume(task);
    }
}

void task_interrupt(struct task *task)
{
    if (!task->asleep || !task->interruptible)
        return;
    task->interrupted = true;
    resume(task);
}
