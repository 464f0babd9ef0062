/* SPDX-License-Identifier: MIT
 *
 * guest/sched.h: which thread runs: round robin with a time slice, and sleeping on channels.
 *
 * Kernels do not preempt themselves: a thread gives the CPU up in sched_sleep, sched_yield and sched_exit alone.
 * Whoever returns to ring 3 looks at cpu->reschedule and, if it is not 0, calls sched_before_user until it is.
 */
#ifndef RINGSIDE_GUEST_SCHED_H
#define RINGSIDE_GUEST_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/thread.h"

#define SCHED_FOREVER UINT64_MAX
#define SCHED_SLICE_NS 10000000ul

void sched_init(void);
/* A new thread may run from now on. */
void sched_ready(struct thread *thread);
/* The current thread waits for a wake-up of `channel` (0: none), until `until` (ns since power on), or, if
 * interruptible, for sched_interrupt. Says which came. */
enum wake_reason sched_sleep(uint64_t channel, uint64_t until, bool interruptible);
void sched_wake(uint64_t channel);
/* The current thread blocks until sched_resume or a handoff to it. The second: `to`, which is blocked, runs at once in its
 * place, past those that are ready. */
void sched_block(void);
void sched_handoff(struct thread *to);
/* A blocked or sleeping thread may run again. */
void sched_resume(struct thread *thread);
/* Any thread but the current one blocks, wherever it is. */
void sched_suspend(struct thread *thread);
void sched_interrupt(struct thread *thread);
/* Lets all others that can run go first: now, or before ring 3 resumes. */
void sched_yield(void);
void sched_yield_later(void);
void sched_before_user(void);
/* Whether the current thread's slice is over, or it wanted to yield: the caller decides; asked once. */
bool sched_take_yield(void);
/* `to`, if it can run, runs now, and the current thread after all others. */
void sched_yield_to(struct thread *to);
/* The current thread, or another one that is not running, never runs again and is released soon. */
_Noreturn void sched_exit(void);
void sched_kill(struct thread *thread);
/* Releases dead threads now. Happens by itself whenever a thread starts to run. */
void sched_reap(void);
/* The timer's interrupt. */
void sched_timer(void);
/* CPU time of a thread in ns. Sampled: at time slices, at idling and here. */
uint64_t sched_used_ns(struct thread *thread);

#endif
