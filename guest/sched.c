/* SPDX-License-Identifier: MIT
 *
 * guest/sched.c: the scheduler.
 *
 * One queue of threads that can run, first in first out. Sleepers hang in a hash table by channel, and may have an alarm
 * besides. A CPU without work idles in the thread that went to sleep last (there is no idle thread to switch to and
 * back), interrupts on only there.
 *
 * A slice ends by the timer (guest/alarm.c), which ticks for that only while another thread waits for the CPU: a program
 * that runs alone is never interrupted. That a thread has become ready asks for ticks only if the current one goes back to
 * ring 3, so they begin there (sched_before_user): mostly, the current one goes to sleep. A tick ends the slice of the thread
 * that it finds, unless that woke up since the last one: it came late and goes on for half of a slice, so that it has a
 * whole one in the mean. (Time is not read at a switch, which would cost an access to a device.)
 *
 * A dead thread cannot free the stack it runs on: the next one to run does.
 */
#include "guest/alarm.h"
#include "guest/clock.h"
#include "guest/cpu.h"
#include "guest/print.h"
#include "guest/sched.h"
#include "guest/x86.h"

#define NO_TICK UINT64_MAX
#define BUCKETS 64
#define RESCHEDULE_TICK 1  /* others can run: see that the slice ends */
#define RESCHEDULE_YIELD 2 /* let them */

static struct {
    struct list ready;
    struct list sleepers[BUCKETS]; /* by hash of the channel */
    struct list dead;
    uint64_t charged; /* up to when CPU time is accounted */
    uint64_t tick;    /* the next one, ns since power on, or NO_TICK */
} sched;

void sched_init(void)
{
    list_init(&sched.ready);
    list_init(&sched.dead);
    for (unsigned i = 0; i < BUCKETS; i++)
        list_init(&sched.sleepers[i]);
    alarms_init();
    sched.charged = clock_ns();
    sched.tick = NO_TICK;
}

static struct list *bucket_of(uint64_t channel)
{
    return &sched.sleepers[channel * 0x9e3779b97f4a7c15ul >> 58];
}

static void tick_after(uint64_t ns, uint64_t now)
{
    sched.tick = now + ns;
    timer_arm(sched.tick, now);
}

static void charge(uint64_t now)
{
    thread_current()->used_ns += now - sched.charged;
    sched.charged = now;
}

void sched_ready(struct thread *thread)
{
    thread->state = THREAD_READY;
    list_add(&sched.ready, &thread->link);
    if (sched.tick == NO_TICK)
        this_cpu()->reschedule |= RESCHEDULE_TICK;
}

void sched_reap(void)
{
    while (!list_empty(&sched.dead)) {
        struct thread *thread = LIST_MEMBER(sched.dead.next, struct thread, link);

        if (thread == thread_current())
            return;
        list_remove(&thread->link);
        thread_fini(thread);
        thread->release(thread);
    }
}

static void idle(void)
{
    charge(clock_ns());
    while (list_empty(&sched.ready))
        wait_for_interrupt();
    sched.charged = clock_ns();
}

/* The current thread is queued somewhere, or asleep, or dead. Returns when it runs again. */
static void schedule(void)
{
    struct thread *next;

    if (list_empty(&sched.ready))
        idle();
    next = LIST_MEMBER(sched.ready.next, struct thread, link);
    list_remove(&next->link);
    next->state = THREAD_RUNNING;
    this_cpu()->reschedule = list_empty(&sched.ready) || sched.tick != NO_TICK ? 0 : RESCHEDULE_TICK;
    if (next != thread_current())
        thread_switch(next);
    sched_reap();
}

static void resume(struct thread *thread, enum wake_reason reason)
{
    list_remove(&thread->link);
    alarm_cancel(&thread->deadline);
    thread->reason = reason;
    thread->late = true;
    sched_ready(thread);
}

static void deadline_expired(struct alarm *alarm)
{
    resume(LIST_MEMBER(alarm, struct thread, deadline), WAKE_TIME);
}

enum wake_reason sched_sleep(uint64_t channel, uint64_t until, bool interruptible)
{
    struct thread *self = thread_current();

    self->state = THREAD_SLEEPING;
    self->channel = channel;
    self->interruptible = interruptible;
    if (channel)
        list_add(bucket_of(channel), &self->link);
    if (until != SCHED_FOREVER) {
        self->deadline.expired = deadline_expired;
        alarm_set(&self->deadline, until);
    }
    schedule();
    return self->reason;
}

void sched_block(void)
{
    sched_sleep(0, SCHED_FOREVER, false);
}

void sched_handoff(struct thread *to)
{
    struct thread *self = thread_current();

    self->state = THREAD_SLEEPING;
    self->channel = 0;
    self->interruptible = false;
    to->state = THREAD_RUNNING;
    thread_switch(to);
    sched_reap();
}

void sched_resume(struct thread *thread)
{
    resume(thread, WAKE_CHANNEL);
}

void sched_suspend(struct thread *thread)
{
    list_remove(&thread->link);
    alarm_cancel(&thread->deadline);
    thread->state = THREAD_SLEEPING;
    thread->channel = 0;
    thread->interruptible = false;
}

void sched_wake(uint64_t channel)
{
    struct list *bucket = bucket_of(channel), *link = bucket->next;

    while (link != bucket) {
        struct thread *thread = LIST_MEMBER(link, struct thread, link);

        link = link->next;
        if (thread->channel == channel)
            resume(thread, WAKE_CHANNEL);
    }
}

void sched_interrupt(struct thread *thread)
{
    if (thread->state == THREAD_SLEEPING && thread->interruptible)
        resume(thread, WAKE_INTERRUPT);
}

void sched_yield(void)
{
    struct thread *self = thread_current();

    this_cpu()->reschedule = 0;
    if (list_empty(&sched.ready))
        return;
    self->state = THREAD_READY;
    list_add(&sched.ready, &self->link);
    schedule();
}

void sched_yield_later(void)
{
    this_cpu()->reschedule |= RESCHEDULE_YIELD;
}

bool sched_take_yield(void)
{
    struct cpu *cpu = this_cpu();
    bool yield = cpu->reschedule & RESCHEDULE_YIELD;

    cpu->reschedule &= (uint8_t)~RESCHEDULE_YIELD;
    return yield;
}

void sched_yield_to(struct thread *to)
{
    struct thread *self = thread_current();

    if (to->state != THREAD_READY)
        return;
    list_remove(&to->link);
    self->state = THREAD_READY;
    list_add(&sched.ready, &self->link);
    to->state = THREAD_RUNNING;
    thread_switch(to);
    sched_reap();
}

void sched_before_user(void)
{
    struct cpu *cpu = this_cpu();

    if (cpu->reschedule & RESCHEDULE_YIELD) {
        sched_yield();
        return;
    }
    cpu->reschedule = 0;
    if (!list_empty(&sched.ready) && sched.tick == NO_TICK)
        tick_after(SCHED_SLICE_NS, clock_ns());
}

void sched_kill(struct thread *thread)
{
    list_remove(&thread->link);
    alarm_cancel(&thread->deadline);
    thread->state = THREAD_DEAD;
    list_add(&sched.dead, &thread->link);
}

void sched_exit(void)
{
    sched_kill(thread_current());
    schedule();
    panic("sched: a dead thread ran");
}

static void tick(uint64_t now)
{
    struct thread *found = thread_current();

    sched.tick = NO_TICK;
    if (found->state != THREAD_RUNNING || list_empty(&sched.ready))
        return;
    if (!found->late)
        sched_yield_later();
    tick_after(found->late ? SCHED_SLICE_NS / 2 : SCHED_SLICE_NS, now);
    found->late = false;
}

/* For a tick, or an alarm, or both. */
void sched_timer(void)
{
    uint64_t now = clock_ns();

    if (thread_current()->state == THREAD_RUNNING)
        charge(now);
    timer_fired(now);
    if (now >= sched.tick)
        tick(now);
    else
        timer_arm(sched.tick, now);
}

uint64_t sched_used_ns(struct thread *thread)
{
    charge(clock_ns());
    return thread->used_ns;
}
