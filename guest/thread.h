/* SPDX-License-Identifier: MIT
 *
 * guest/thread.h: a thread: a kernel stack, and at its top the context of the program that it runs in ring 3.
 *
 * An architecture embeds struct thread in what it knows of a program. Lifecycle: thread_init → sched_ready → … →
 * sched_exit by itself or sched_kill by another → release(), from some other thread.
 */
#ifndef RINGSIDE_GUEST_THREAD_H
#define RINGSIDE_GUEST_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/regs.h"
#include "guest/alarm.h"
#include "guest/list.h"

struct space;

enum thread_state { THREAD_NEW, THREAD_READY, THREAD_RUNNING, THREAD_SLEEPING, THREAD_DEAD };
enum wake_reason { WAKE_CHANNEL, WAKE_TIME, WAKE_INTERRUPT };

struct thread {
    /* guest/thread.c */
    struct user_context *context; /* on its stack, where entry.S pushes */
    uint64_t parked;              /* stack pointer while it does not run */
    struct space *space;          /* loaded when it runs; NULL: whichever is */
    unsigned stack;               /* slot in the stacks' region */
    bool changed;                 /* the context was written to since it was last loaded */
    bool integer_only;            /* its program uses neither FPU nor segment bases: another's stay loaded, out of its reach */
    /* guest/sched.c */
    enum thread_state state;
    enum wake_reason reason;
    bool interruptible;
    bool late; /* it woke up after the last tick */
    struct list link; /* run queue, sleepers of a channel, or the dead */
    struct alarm deadline;
    uint64_t channel;
    uint64_t used_ns;                       /* CPU time, sampled */
    void (*release)(struct thread *thread); /* frees what it is embedded in, after thread_fini */
};

/* A new thread that will call begin(argument). Its context is that of a program that has just started: registers zero,
 * ring 3, interrupts on. False without memory. */
bool thread_init(struct thread *thread, void (*begin)(void *), void *argument, void (*release)(struct thread *));
void thread_fini(struct thread *thread);
/* Runs `next` instead of the current thread, which is parked. */
void thread_switch(struct thread *next);
struct thread *thread_current(void);

/* The context, up to date, for reading. */
const struct user_context *thread_context_read(struct thread *thread);
/* The same for changing: what it says is loaded before the thread enters ring 3 again. */
struct user_context *thread_context_write(struct thread *thread);
/* Loads FPU and segment bases of the current thread unless they are loaded, and makes the registers that ring 3 is
 * about to get ones that it may have. Before every entry into ring 3. */
void thread_load_user_state(void);
_Noreturn void return_to_user(struct user_regs *regs);

/* Frees stacks kept for later. Only when no thread but the caller will run any more: drops all translations. */
void thread_stacks_shrink(void);

#endif
