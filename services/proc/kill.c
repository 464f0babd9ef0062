/* SPDX-License-Identifier: MIT
 *
 * services/proc/kill.c: kill, tkill, tgkill.
 */
#include <asm/signal.h>
#include <asm/siginfo.h>

#include "services/proc/process.h"

struct shot {
    struct process *sender;
    int pid; /* as kill(2) has it: 0 and below name groups */
    int signo;
    struct signal_info info;
    long hits;
};

static void shoot(struct proc *proc, struct process *p, struct shot *shot)
{
    shot->hits++;
    if (shot->signo && p->state != PROCESS_ZOMBIE)
        proc_send(proc, p, shot->signo, &shot->info);
}

static long shoot_if_meant(struct proc *proc, struct process *p, void *ctx)
{
    struct shot *shot = ctx;
    bool meant = shot->pid == -1 ? p->pid > 1 && p != shot->sender
                                 : p->pgid == (shot->pid ? -shot->pid : shot->sender->pgid);

    if (meant)
        shoot(proc, p, shot);
    return 0;
}

static long aim(struct proc *proc, struct process *sender, int pid, int signo, int code)
{
    struct shot shot = {.sender = sender, .pid = pid, .signo = signo,
                        .info = {.code = code, .pid = sender->pid, .uid = sender->uid[0]}};
    struct process *p = pid > 0 ? proc_find(proc, pid) : NULL;

    if (signo < 0 || signo > SIGNALS)
        return pid > 0 && !p ? -ESRCH : -EINVAL; /* Linux looks for the process first */
    if (p)
        shoot(proc, p, &shot);
    else if (pid <= 0)
        proc_each(proc, shoot_if_meant, &shot);
    return shot.hits ? 0 : -ESRCH;
}

long proc_call_kill(void *self, struct call *call)
{
    return aim(self, proc_caller(self, call), (int)call->arg[0], (int)call->arg[1], SI_USER);
}

long proc_call_tkill(void *self, struct call *call)
{
    if ((int)call->arg[0] <= 0)
        return -EINVAL;
    return aim(self, proc_caller(self, call), (int)call->arg[0], (int)call->arg[1], SI_TKILL);
}

long proc_call_tgkill(void *self, struct call *call)
{
    if ((int)call->arg[0] <= 0 || (int)call->arg[1] <= 0)
        return -EINVAL;
    if ((int)call->arg[0] != (int)call->arg[1])
        return -ESRCH;
    return aim(self, proc_caller(self, call), (int)call->arg[1], (int)call->arg[2], SI_TKILL);
}
