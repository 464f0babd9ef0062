/* SPDX-License-Identifier: MIT
 *
 * services/proc/proc.h: processes, signals, time and identity.
 *
 * proc owns the process table (pids, parents, exit states, signal dispositions and
 * pending signals). The placement owns threads: their registers, and when they run.
 */
#ifndef RINGSIDE_SERVICES_PROC_H
#define RINGSIDE_SERVICES_PROC_H

#include "abi/regs.h"
#include "services/host.h"

struct proc_host {
    void *ctx;
    /* A thread for `child` with a copy of parent's context; not started. 0 or -ENOMEM. Its space is assigned (vm_host)
     * after this and before thread_start; if the fork fails in between, thread_exit ends it. */
    long (*thread_create)(void *ctx, int child, int parent);
    void (*thread_start)(void *ctx, int pid);
    /* The thread never runs in user mode again; its call, if one waits, is dropped. May be the caller's own:
     * then the current call's result is ignored. */
    void (*thread_exit)(void *ctx, int pid);
    /* The thread's context, to read and change; valid until the service returns. NULL: no such thread. */
    struct user_context *(*thread_context)(void *ctx, int pid);
    /* A signal became pending: if its call waits, hand it in again with CALL_INTERRUPTED; before it next
     * runs in user mode call proc_deliver. */
    void (*thread_interrupt)(void *ctx, int pid);
    void (*thread_yield)(void *ctx);
    /* User and system time of a thread in ns, for times() and getrusage(). */
    void (*thread_times)(void *ctx, int pid, uint64_t *user, uint64_t *system);
    /* Process 1 is gone: the machine may stop. status as of wait4. */
    void (*all_done)(void *ctx, int status);
};

struct proc_config {
    uint64_t seed;    /* getrandom */
    uint64_t wall_ns; /* CLOCK_REALTIME at boot */
    uint64_t ram_bytes;
    uint32_t cpus;
    const char *machine_version; /* uname's version field */
};

struct proc;

/* Every call and request comes for a process that lives: from proc_start or a fork on, until thread_exit. */
struct proc *proc_create(const struct host *host, const struct proc_host *threads, const struct proc_config *config);
void proc_destroy(struct proc *proc);
struct service proc_service(struct proc *proc);

/* Makes process 1. The thread exists (the placement made it) and its space is assigned when this has
 * returned 0; may return CALL_WAIT like any call (hand it in again). `path`, `argv` and `envp` are the
 * service's own memory. `call` is a scratch call with pid 1 and nr CALL_execve. */
long proc_start(struct proc *proc, struct call *call, const char *path, const char *const argv[], const char *const envp[]);

/* Before a thread returns to user mode, for the first time too (a new child may have something to do). `result` is
 * the call's result (or -ERESTART…), valid if the context's vector is VECTOR_SYSCALL_ENTRY: proc writes it to rax,
 * restarts the call, or builds a signal frame on the user stack. `call`: the thread's, pid is what matters; its
 * channel and until are set with CALL_WAIT. Returns 0 (go), CALL_WAIT (the stack page must come in, or the process is
 * stopped: wait and call again with the same result), or 1 (the process was killed: do not return to it). */
long proc_deliver(struct proc *proc, struct call *call, long result);
/* 1 when proc_deliver has anything to do beyond writing rax. Cheap: once for each return to user mode. Also worth a
 * look when a call has just answered CALL_WAIT: if 1, hand the call in again with CALL_INTERRUPTED before sleeping. */
int proc_pending(const struct proc *proc, int pid);
/* 1 when SIGKILL is pending: the next proc_deliver ends the process. A placement whose thread does not come back from
 * where its call waits may call it in the thread's stead. */
int proc_killed(const struct proc *proc, int pid);

/* The vector proc leaves in a context that it has replaced as a whole (a signal frame was built, rt_sigreturn, execve).
 * Return to it by IRETQ: RCX and R11 are the program's, and RAX must not be overwritten with a result. */
#define VECTOR_RESTORED 0x101

/* An exception that vm did not resolve: send the signal that Linux would. vector 0…31; `error` is the hardware's error
 * code, for a page fault together with what CALL_FAULT answered: error | PROC_FAULT(result). */
void proc_exception(struct proc *proc, int pid, unsigned vector, uint64_t error, uint64_t address);
#define PROC_FAULT(result) ((uint64_t)-(long)(result) << 32)

/* alarm and setitimer: when the next one is due, in ns since boot (CALL_FOREVER: none), and the moment itself. The
 * placement looks after every call of proc, programs its timer, and calls proc_timer at or after that time. */
uint64_t proc_next_timer(const struct proc *proc);
void proc_timer(struct proc *proc);

#endif
