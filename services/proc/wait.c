/* SPDX-License-Identifier: MIT
 *
 * services/proc/wait.c: wait4.
 */
#include <asm/signal.h>
#include <linux/wait.h>

#include "services/proc/process.h"

#define STATUS_CONTINUED 0xffff
#define OPTIONS (WNOHANG | WUNTRACED | WCONTINUED | (int)(__WNOTHREAD | __WALL) | (int)__WCLONE)

enum news { NO_NEWS, ENDED, STOPPED, CONTINUED };

static bool selected(const struct process *parent, const struct process *child, int pid, int options)
{
    bool is_clone = child->exit_signal != SIGCHLD;

    if (!(options & (int)__WALL) && is_clone != !!(options & (int)__WCLONE))
        return false;
    if (pid > 0)
        return child->pid == pid;
    if (pid == -1)
        return true;
    return child->pgid == (pid ? -pid : parent->pgid);
}

static enum news news_of(const struct process *child, int options)
{
    if (child->state == PROCESS_ZOMBIE)
        return ENDED;
    if (child->report_stop && options & WUNTRACED)
        return STOPPED;
    return child->report_continue && options & WCONTINUED ? CONTINUED : NO_NEWS;
}

/* The first selected child with news; *any: whether there is a selected child at all. */
static struct process *find_news(struct process *p, int pid, int options, bool *any)
{
    *any = false;
    for (struct process *child = p->first_child; child; child = child->next_sibling) {
        if (!selected(p, child, pid, options))
            continue;
        *any = true;
        if (news_of(child, options))
            return child;
    }
    return NULL;
}

static long copy_report(struct proc *proc, struct call *call, const struct process *child, enum news news)
{
    int32_t status = news == CONTINUED ? STATUS_CONTINUED : child->status;
    struct rusage usage;
    long r = 0;

    if (call->arg[1])
        r = proc_out(proc, call, call->arg[1], &status, sizeof status);
    if (r || !call->arg[3])
        return r;
    proc_fill_rusage(&usage, child->user_ns + child->child_user_ns, child->system_ns + child->child_system_ns, 0);
    return proc_out(proc, call, call->arg[3], &usage, sizeof usage);
}

static long report(struct proc *proc, struct call *call, struct process *p, struct process *child, enum news news)
{
    int pid = child->pid;
    long r = copy_report(proc, call, child, news);

    if (r)
        return r;
    if (news == STOPPED)
        child->report_stop = false;
    if (news == CONTINUED)
        child->report_continue = false;
    if (news == ENDED) {
        p->child_user_ns += child->user_ns + child->child_user_ns;
        p->child_system_ns += child->system_ns + child->child_system_ns;
        proc_remove(proc, child);
    }
    return pid;
}

long proc_call_wait4(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call), *child;
    int pid = (int)call->arg[0], options = (int)call->arg[2];
    bool any;

    if (options & ~OPTIONS)
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    child = find_news(p, pid, options, &any);
    if (child)
        return report(self, call, p, child, news_of(child, options));
    if (!any)
        return -ECHILD;
    if (options & WNOHANG)
        return 0;
    if (proc_interrupted(p) || call->flags & CALL_INTERRUPTED)
        return -ERESTART;
    return call_wait(call, proc_channel(WAIT_CHILD, p->pid), CALL_FOREVER);
}
