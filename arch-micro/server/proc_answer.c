/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/proc_answer.c: what proc's programs get for an answer: a result, or a context with a signal's frame.
 *
 * A signal frame is built while the program waits for our answer: to its call, if that is proc's, to its exception, or
 * to MSG_DELIVER, by which the kernel asks when a program that was interrupted elsewhere is on its way to ring 3. That
 * may wait (a page of the stack, a stopped process), so it is a job with the call's handle.
 */
#include "arch-micro/server/proc_part.h"

struct proc_placement proc_placement;

static struct reply answer_with(struct entry *entry, long result, unsigned flags)
{
    if (server.attention & ATTENTION_YIELD)
        flags |= REPLY_YIELD;
    server.attention &= ~(uint32_t)ATTENTION_YIELD;
    if (!flags)
        return entry_answer(entry, result);
    kcall(IPC_REPLY, entry->handle, (uint64_t)result, flags);
    entry_release(entry);
    return NO_REPLY;
}

struct reply proc_leave_to(struct entry *entry, long result)
{
    unsigned flags = task_restored(entry->call.pid) ? REPLY_DELIVERED : 0;

    tasks_write_back();
    return answer_with(entry, result, flags);
}

/* ---- signals ---- */

static long deliver(void *self, struct call *call)
{
    return proc_deliver(proc_placement.proc, call, ((struct entry *)call)->result);
}

static struct reply delivered(struct entry *entry, long killed)
{
    if (killed) {
        entry_release(entry);
        return NO_REPLY;
    }
    tasks_write_back();
    return answer_with(entry, 0, REPLY_DELIVERED);
}

struct reply proc_deliver_to(struct entry *entry)
{
    entry->kind = ENTRY_JOB;
    entry->op = deliver;
    entry->done = delivered;
    entry->interrupted = false;
    entry->call.nr = CALL_rt_sigreturn;
    entry->call.flags = 0;
    entry->call.done = 0;
    entry->call.note = 0;
    return entry_run(entry);
}
