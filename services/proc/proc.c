/* SPDX-License-Identifier: MIT
 *
 * services/proc/proc.c: making and ending the proc service; its tables of calls and requests.
 *
 * Layers inside, one file each: table (the process table), signal (sending, queues,
 * actions), frame (the signal frame on the user stack), deliver (on the way back to
 * user mode), then the calls by subject; exec has three files (arguments, ELF, the
 * call). process.h has the whole picture.
 */
#include <asm/siginfo.h>

#include "services/proc/process.h"

struct proc *proc_create(const struct host *host, const struct proc_host *threads, const struct proc_config *config)
{
    struct proc *proc = host->alloc(host->ctx, sizeof *proc);

    if (!proc)
        return NULL;
    proc->host = host;
    proc->threads = threads;
    proc->config = *config;
    return proc;
}

static long remove_any(struct proc *proc, struct process *p, void *ctx)
{
    proc_remove(proc, p);
    return 0;
}

void proc_destroy(struct proc *proc)
{
    proc_each(proc, remove_any, NULL);
    proc_free(proc, proc, sizeof *proc);
}

struct broadcast {
    int pgid, signo;
    struct signal_info info;
    long sent;
};

static long send_if_member(struct proc *proc, struct process *p, void *ctx)
{
    struct broadcast *b = ctx;

    if (p->pgid != b->pgid || p->state == PROCESS_ZOMBIE)
        return 0;
    proc_send(proc, p, b->signo, &b->info);
    b->sent++;
    return 0;
}

static long request_signal(struct proc *proc, struct request *rq)
{
    struct process *p = proc_find(proc, rq->pid);
    struct broadcast b = {.pgid = -rq->pid, .signo = (int)rq->arg[0],
                          .info = {.code = (int)rq->arg[1], .address = rq->arg[2]}};

    if (rq->arg[0] < 1 || rq->arg[0] > SIGNALS)
        return -EINVAL;
    if (b.info.code == SI_USER)
        b.info.pid = rq->pid > 0 ? rq->pid : 0;
    if (rq->pid < 0)
        proc_each(proc, send_if_member, &b);
    else if (p && p->state != PROCESS_ZOMBIE)
        proc_send(proc, p, b.signo, &b.info);
    return (p && rq->pid > 0) || b.sent ? 0 : -ESRCH;
}

static long request_mask_end(struct proc *proc, struct process *p, const struct request *rq)
{
    proc_mask_end(proc, p, rq->arg[0]);
    return 0;
}

static long proc_request(void *self, struct request *rq)
{
    struct process *p = proc_find(self, rq->pid);

    switch (rq->op) {
    case PROC_SIGNAL:
        return request_signal(self, rq);
    case PROC_PENDING:
        return p && proc_interrupted(p);
    case PROC_MASK:
        return p ? proc_mask_begin(p, rq->arg[0]) : -ESRCH;
    case PROC_MASK_END:
        return p ? request_mask_end(self, p, rq) : -ESRCH;
    default:
        return -ENOSYS;
    }
}

static call_op *const proc_calls[CALL_TABLE_END] = {
    [CALL_fork] = proc_call_fork,
    [CALL_vfork] = proc_call_vfork,
    [CALL_clone] = proc_call_clone,
    [CALL_execve] = proc_call_execve,
    [CALL_exit] = proc_call_exit,
    [CALL_exit_group] = proc_call_exit_group,
    [CALL_wait4] = proc_call_wait4,
    [CALL_getpid] = proc_call_getpid,
    [CALL_gettid] = proc_call_getpid,
    [CALL_getppid] = proc_call_getppid,
    [CALL_setpgid] = proc_call_setpgid,
    [CALL_getpgid] = proc_call_getpgid,
    [CALL_getpgrp] = proc_call_getpgrp,
    [CALL_setsid] = proc_call_setsid,
    [CALL_getsid] = proc_call_getsid,
    [CALL_set_tid_address] = proc_call_set_tid_address,
    [CALL_set_robust_list] = proc_call_set_robust_list,
    [CALL_rseq] = proc_call_rseq,
    [CALL_getuid] = proc_call_getuid,
    [CALL_geteuid] = proc_call_geteuid,
    [CALL_getgid] = proc_call_getgid,
    [CALL_getegid] = proc_call_getegid,
    [CALL_setuid] = proc_call_setuid,
    [CALL_setgid] = proc_call_setgid,
    [CALL_getgroups] = proc_call_getgroups,
    [CALL_rt_sigaction] = proc_call_rt_sigaction,
    [CALL_rt_sigprocmask] = proc_call_rt_sigprocmask,
    [CALL_rt_sigpending] = proc_call_rt_sigpending,
    [CALL_rt_sigsuspend] = proc_call_rt_sigsuspend,
    [CALL_rt_sigreturn] = proc_call_rt_sigreturn,
    [CALL_sigaltstack] = proc_call_sigaltstack,
    [CALL_pause] = proc_call_pause,
    [CALL_kill] = proc_call_kill,
    [CALL_tkill] = proc_call_tkill,
    [CALL_tgkill] = proc_call_tgkill,
    [CALL_alarm] = proc_call_alarm,
    [CALL_setitimer] = proc_call_setitimer,
    [CALL_clock_gettime] = proc_call_clock_gettime,
    [CALL_clock_getres] = proc_call_clock_getres,
    [CALL_gettimeofday] = proc_call_gettimeofday,
    [CALL_time] = proc_call_time,
    [CALL_times] = proc_call_times,
    [CALL_getrusage] = proc_call_getrusage,
    [CALL_nanosleep] = proc_call_nanosleep,
    [CALL_clock_nanosleep] = proc_call_clock_nanosleep,
    [CALL_futex] = proc_call_futex,
    [CALL_getrandom] = proc_call_getrandom,
    [CALL_uname] = proc_call_uname,
    [CALL_sysinfo] = proc_call_sysinfo,
    [CALL_prctl] = proc_call_prctl,
    [CALL_arch_prctl] = proc_call_arch_prctl,
    [CALL_sched_yield] = proc_call_sched_yield,
    [CALL_sched_getaffinity] = proc_call_sched_getaffinity,
    [CALL_getrlimit] = proc_call_getrlimit,
    [CALL_setrlimit] = proc_call_setrlimit,
    [CALL_prlimit64] = proc_call_prlimit64,
};

struct service proc_service(struct proc *proc)
{
    return (struct service){.name = "proc", .self = proc, .calls = proc_calls, .request = proc_request};
}
