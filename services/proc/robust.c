/* SPDX-License-Identifier: MIT
 *
 * services/proc/robust.c: set_robust_list, and what the end of a process does to the locks it held.
 *
 * libc keeps a list of the robust mutexes that a thread holds, in the program's memory.
 * When the process leaves that memory, by exit or by execve, each futex that bears its id is
 * marked FUTEX_OWNER_DIED and one waiter is woken (Linux, kernel/futex/core.c). The list is
 * a stranger's: it is followed for a limited length, and a bad pointer ends it.
 *
 * The walk may WAIT and starts again from the front: a marked futex bears the id no more.
 */
#include <linux/futex.h>

#include "services/proc/process.h"

#define LIST_MAX 2048 /* Linux's ROBUST_LIST_LIMIT */

long proc_call_set_robust_list(void *self, struct call *call)
{
    if (call->arg[1] != sizeof(struct robust_list_head))
        return -EINVAL;
    proc_caller(self, call)->robust_list = call->arg[0];
    return 0;
}

/* One futex of the list. CALL_WAIT, 0, or -errno: it cannot be reached. */
static long abandon(struct proc *proc, struct call *call, struct process *p, uint64_t futex)
{
    uint32_t word;
    long r = futex & 3 ? -EINVAL : proc_in(proc, call, &word, futex, sizeof word);

    if (r || (word & FUTEX_TID_MASK) != (uint32_t)p->pid)
        return r;
    word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    r = proc_out(proc, call, futex, &word, sizeof word);
    if (r == 0 && word & FUTEX_WAITERS)
        proc_futex_wake(proc, futex, 1);
    return r;
}

/* Bit 0 of a pointer in the list tells a priority-inheritance futex: of those, too, the owner is gone. */
static uint64_t entry_of(uint64_t pointer)
{
    return pointer & ~1ul;
}

static long walk(struct proc *proc, struct call *call, struct process *p, const struct robust_list_head *head)
{
    uint64_t entry = entry_of((uint64_t)head->list.next), pending = entry_of((uint64_t)head->list_op_pending);
    uint64_t offset = (uint64_t)head->futex_offset, next;
    long r = 0;

    for (int i = 0; r == 0 && i < LIST_MAX && entry != p->robust_list; i++) {
        r = proc_in(proc, call, &next, entry, sizeof next); /* before the futex is let go */
        if (r == 0 && entry != pending)
            r = abandon(proc, call, p, entry + offset);
        entry = entry_of(next);
    }
    if (r != CALL_WAIT && pending)
        r = abandon(proc, call, p, pending + offset);
    return r;
}

long proc_leave_locks(struct proc *proc, struct call *call, struct process *p)
{
    struct robust_list_head head;
    long r;

    if (!p->robust_list)
        return 0;
    r = proc_in(proc, call, &head, p->robust_list, sizeof head);
    if (r == 0)
        r = walk(proc, call, p, &head);
    if (r == CALL_WAIT)
        return r;
    p->robust_list = 0;
    return 0;
}
