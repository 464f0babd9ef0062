/* SPDX-License-Identifier: MIT
 *
 * services/proc/process.h: proc's inside: the process table.
 *
 * A process is in a hash table by pid and in its parent's list of children, oldest
 * first, until its parent (or process 1) has waited for it. There is one thread to a
 * process; the placement runs it.
 *
 * `attention` is the whole of what a return to user mode must look at. It is kept up
 * to date wherever its causes change, so that proc_pending is one load and one test.
 */
#ifndef RINGSIDE_SERVICES_PROC_PROCESS_H
#define RINGSIDE_SERVICES_PROC_PROCESS_H

#include <stdbool.h>
#include <linux/resource.h>
#include <linux/types.h>

#include "services/host.h"
#include "services/proc/proc.h"
#include "services/requests.h"

#define PROC_BUCKETS 256
#define PID_MAX 32768 /* Linux's default */
#define SIGNALS 64
#define NAME_BYTES 16 /* of prctl(PR_SET_NAME) */
#define USER_END 0x7ffffffff000ul
#define NS_PER_SECOND 1000000000ul

/* Beside ERESTART: which interrupted calls start again, as in Linux's include/linux/errno.h. */
#define ERESTART_NOINTR 513    /* always */
#define ERESTART_NOHAND 514    /* unless a handler ran */
#define ERESTART_SLEEP 516     /* the same, with the deadline it had */

/* A loop that moves a few words must not become a REP MOVS, which the machine counts as payload copied. */
#define NOT_A_COPY() __asm__ volatile("" ::: "memory")

enum attention {
    ATTENTION_SIGNAL = 1,      /* an unblocked signal is pending */
    ATTENTION_INTERRUPTED = 2, /* a call may have been interrupted: its result may ask for a restart */
    ATTENTION_NEW_TID = 4,     /* a new child: its pid goes to set_tid */
    ATTENTION_STOPPED = 8,
    ATTENTION_MASK = 16,       /* saved_mask is to be restored */
};

enum process_state { PROCESS_ALIVE, PROCESS_ZOMBIE };

struct signal_info {
    int32_t code;   /* SI_USER, SEGV_MAPERR, … */
    int32_t pid;    /* who sent it; the child of SIGCHLD */
    uint32_t uid;
    int32_t status; /* SIGCHLD */
    uint64_t address; /* faults */
    uint64_t user_ns, system_ns; /* SIGCHLD */
};

struct queued_signal {
    struct queued_signal *next;
    int signo;
    struct signal_info info;
};

/* What a program says about a signal, as struct sigaction of the kernel has it. */
struct action {
    uint64_t handler, flags, restorer, mask;
};

/* Shared after fork until one of the sharers changes it. None at all: everything is at its default. */
struct actions {
    uint32_t users;
    struct action action[SIGNALS];
};

struct exec;

struct process {
    /* read in the hot paths */
    struct process *bucket_next;
    int32_t pid, ppid;
    uint32_t attention;

    /* family */
    enum process_state state;
    struct process *parent, *first_child, *last_child, *next_sibling, *previous_sibling;
    int32_t pgid, sid;
    uint32_t uid[3], gid[3]; /* real, effective, saved */
    bool did_exec;
    char name[NAME_BYTES];

    /* the end, and what wait4 reports */
    int exit_signal; /* what the parent gets */
    int status;
    bool report_stop, report_continue;
    uint64_t user_ns, system_ns;             /* at the end */
    uint64_t child_user_ns, child_system_ns; /* of children waited for */

    /* signals; signal n is bit n - 1 */
    uint64_t pending, blocked, saved_mask;
    struct queued_signal *queue;
    struct signal_info fault; /* of the last forced signal; not queued, so it cannot be lost */
    uint64_t forced;          /* pending signals whose info is `fault` */
    struct actions *actions;
    uint64_t stack_address, stack_bytes; /* sigaltstack; 0 bytes: none */
    uint32_t stack_flags;
    uint64_t trap_number, trap_error, trap_address; /* for sigcontext */

    /* waiting */
    uint64_t restart_deadline;      /* of an interrupted sleep that starts again */
    uint64_t futex_key, futex_space; /* 0: waits for none */
    bool futex_woken;
    int32_t vfork_child;  /* the child that has my space; 0: none */
    int32_t vfork_parent; /* whose space I have; 0: my own */
    struct exec *exec;    /* execve past its point of no return */

    /* timers: ITIMER_REAL, ns since boot; in the list of armed ones while due != 0 */
    uint64_t timer_due, timer_interval;
    struct process *timer_next;

    uint64_t space_key; /* equal for processes with one space */
    uint64_t set_tid, clear_tid;
    uint64_t robust_list; /* the program's struct robust_list_head; 0: none */
    struct rlimit64 limit[RLIM_NLIMITS];
    uint64_t serial, random_block; /* getrandom: this process's stream and place in it */
};

struct proc {
    struct process *bucket[PROC_BUCKETS]; /* first: the hot paths index it */
    const struct host *host;
    const struct proc_host *threads;
    struct proc_config config;
    int32_t last_pid;
    uint64_t last_serial, last_space;
    uint32_t count;
    struct process *timers; /* soonest first */
};

/* Channels of SERVICE_PROC: a kind and the pid of who waits. */
enum channel_kind { WAIT_CHILD = 1, WAIT_VFORK, WAIT_FUTEX, WAIT_CONTINUE, WAIT_SIGNAL };

static inline uint64_t proc_channel(enum channel_kind kind, int pid)
{
    return CHANNEL(SERVICE_PROC, (uint64_t)kind << 32 | (uint32_t)pid);
}

/* NULL: no such process. A zombie is one. */
static inline struct process *proc_find(const struct proc *proc, int pid)
{
    struct process *p = proc->bucket[(unsigned)pid % PROC_BUCKETS];

    while (p && p->pid != pid)
        p = p->bucket_next;
    return p;
}

static inline struct process *proc_caller(const struct proc *proc, const struct call *call)
{
    return proc_find(proc, call->pid);
}

static inline uint64_t proc_now(const struct proc *proc)
{
    return proc->host->now(proc->host->ctx);
}

static inline long proc_in(struct proc *proc, struct call *call, void *to, uint64_t from, size_t bytes)
{
    return proc->host->copy_in(proc->host->ctx, call, to, from, bytes);
}

static inline long proc_out(struct proc *proc, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    return proc->host->copy_out(proc->host->ctx, call, to, from, bytes);
}

static inline void *proc_alloc(struct proc *proc, size_t bytes)
{
    return proc->host->alloc(proc->host->ctx, bytes);
}

static inline void proc_free(struct proc *proc, void *memory, size_t bytes)
{
    proc->host->free(proc->host->ctx, memory, bytes);
}

static inline void proc_wake(struct proc *proc, enum channel_kind kind, int pid)
{
    proc->host->wake(proc->host->ctx, proc_channel(kind, pid));
}

/* A signal is due: an interruptible wait must not begin. */
static inline bool proc_interrupted(const struct process *p)
{
    return p->attention & ATTENTION_SIGNAL;
}

/* table.c */
struct process *proc_add(struct proc *proc, int pid); /* NULL without memory */
void proc_remove(struct proc *proc, struct process *p); /* from everything; frees it */
int proc_free_pid(const struct proc *proc);             /* -EAGAIN: none */
void proc_adopt(struct process *parent, struct process *child);
void proc_disown(struct process *child);
/* Calls `visit` for every living process; stops at the first non-zero result and returns it. */
long proc_each(struct proc *proc, long (*visit)(struct proc *, struct process *, void *), void *ctx);
/* Asks vm or fs on behalf of `pid`. */
long proc_ask(struct proc *proc, struct call *call, int service, int op, int pid, const uint64_t arg[6]);

/* signal.c */
static inline uint64_t signal_bit(int signo)
{
    return 1ul << (signo - 1);
}
void proc_refresh(struct process *p); /* after pending or blocked changed */
void proc_set_blocked(struct process *p, uint64_t mask);
/* A mask for the time of a wait: whether a signal is due under it; then, whether one has ended the wait. */
bool proc_mask_begin(struct process *p, uint64_t mask);
void proc_mask_end(struct proc *proc, struct process *p, bool interrupted);
void proc_send(struct proc *proc, struct process *p, int signo, const struct signal_info *info);
/* A signal that cannot be blocked, ignored or lost: the program's own fault. */
void proc_force(struct proc *proc, struct process *p, int signo, const struct signal_info *info);
/* The next signal to deliver and its info; 0: none. Does not take it. */
int proc_next_signal(struct process *p, struct signal_info *info);
void proc_take_signal(struct proc *proc, struct process *p, int signo);
void proc_flush_signals(struct proc *proc, struct process *p);
struct action proc_action(const struct process *p, int signo);
long proc_set_action(struct proc *proc, struct process *p, int signo, const struct action *action);
void proc_drop_actions(struct proc *proc, struct process *p);
void proc_continue(struct proc *proc, struct process *p);

enum signal_default { DEFAULT_TERMINATE, DEFAULT_IGNORE, DEFAULT_STOP, DEFAULT_CONTINUE };
enum signal_default proc_default(int signo);

/* frame.c: 0, -EFAULT, or CALL_WAIT. The context changes only with 0. */
struct user_context;
struct frame_request {
    int signo;
    const struct signal_info *info;
    struct action action;
    uint64_t mask;             /* to be restored by rt_sigreturn */
    uint64_t rip, rax;         /* as the interrupted program is to see them */
};
long proc_push_frame(struct proc *proc, struct call *call, struct process *p, struct user_context *context,
                     const struct frame_request *f);
bool proc_on_stack(const struct process *p, uint64_t sp);

/* exit.c */
/* Ends a process; may CALL_WAIT first. `status` as of wait4. */
long proc_leave(struct proc *proc, struct call *call, struct process *p, int status);
void proc_end(struct proc *proc, struct call *call, struct process *p, int status);
void proc_release_vfork(struct proc *proc, struct process *child);
void proc_notify_parent(struct proc *proc, struct process *p, int code, int status);

/* robust.c: 0 or CALL_WAIT. Before the process leaves its memory. */
long proc_leave_locks(struct proc *proc, struct call *call, struct process *p);
call_op proc_call_set_robust_list;

/* futex.c: wakes waiters of any space; how many. */
long proc_futex_wake(struct proc *proc, uint64_t address, int limit);

/* timer.c */
void proc_arm_timer(struct proc *proc, struct process *p, uint64_t due, uint64_t interval);

/* time.c */
void proc_times(struct proc *proc, struct process *p, uint64_t *user, uint64_t *system);
void proc_fill_rusage(struct rusage *usage, uint64_t user_ns, uint64_t system_ns, uint64_t pages);

/* random.c */
/* A block of the process's stream; it counts as used when p->random_block has moved on. */
void proc_random_peek(struct proc *proc, struct process *p, uint64_t block, uint8_t out[64]);

/* exec*.c */
void proc_exec_free(struct proc *proc, struct process *p);

/* Calls, by file. */
call_op proc_call_fork, proc_call_vfork, proc_call_clone; /* fork.c */
call_op proc_call_execve; /* exec.c */
call_op proc_call_exit, proc_call_exit_group; /* exit.c */
call_op proc_call_wait4; /* wait.c */
call_op proc_call_getpid, proc_call_getppid, proc_call_setpgid, proc_call_getpgid, proc_call_getpgrp, proc_call_setsid,
    proc_call_getsid, proc_call_set_tid_address, proc_call_rseq; /* ids.c */
call_op proc_call_getuid, proc_call_geteuid, proc_call_getgid, proc_call_getegid, proc_call_setuid, proc_call_setgid,
    proc_call_getgroups; /* users.c */
call_op proc_call_rt_sigaction, proc_call_rt_sigprocmask, proc_call_rt_sigpending, proc_call_rt_sigsuspend,
    proc_call_sigaltstack, proc_call_pause; /* sigcalls.c */
call_op proc_call_kill, proc_call_tkill, proc_call_tgkill; /* kill.c */
call_op proc_call_rt_sigreturn; /* frame.c */
call_op proc_call_alarm, proc_call_setitimer; /* timer.c */
call_op proc_call_clock_gettime, proc_call_clock_getres, proc_call_gettimeofday, proc_call_time, proc_call_times,
    proc_call_getrusage; /* time.c */
call_op proc_call_nanosleep, proc_call_clock_nanosleep; /* sleep.c */
call_op proc_call_futex; /* futex.c */
call_op proc_call_getrandom; /* random.c */
call_op proc_call_uname, proc_call_sysinfo, proc_call_prctl, proc_call_arch_prctl, proc_call_sched_yield,
    proc_call_sched_getaffinity; /* misc.c */
call_op proc_call_getrlimit, proc_call_setrlimit, proc_call_prlimit64; /* limits.c */

#endif
