/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/library.h: the library OS as one structure: every service, and a task for each process.
 *
 * What a monolithic kernel does in ring 0 this does in ring 3, in each program's own address space; struct library is
 * the same memory in all of them. Files, as in arch-monolithic: boot.c makes the services and ends them, host.c lends
 * them what they call back for, tasks.c is processes' envs, calls.c and faults.c are the ways in. Here alone:
 * pages.c is frames and spaces (struct vm_host), memory.c where the heap's pages come from, disk.c the place of blk,
 * sched.c the lock and sleep, housekeeper.c what nobody's call does, patch.c the rewriting of programs' SYSCALLs.
 * arch-exo/copier/ is another library: it has entry.S, context.c, machine.c, start.c, memory.c, disk.c, log.c and
 * log_tty.c in common with this one.
 * What is the same in a kernel is services/local.h (calls) and services/boot/boot.h (the beginning and the end); what is
 * the same in a server, guest/ring3/ (heap, log).
 *
 * The lock is held by whoever is in the library, from its entry to its exit, but not while asleep. So all of this but
 * sched.c and the first lines of calls.c and faults.c runs as in a kernel that is not preemptive.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_LIBRARY_H
#define RINGSIDE_ARCH_EXO_LIB_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/boot.h"
#include "abi/exo.h"
#include "arch-exo/lib/machine.h"
#include "guest/layout.h"
#include "guest/list.h"
#include "guest/ring3/log.h"
#include "guest/ring3/memory.h"
#include "services/boot/boot.h"
#include "services/fs/fs.h"
#include "services/host.h"
#include "services/local.h"
#include "services/proc/proc.h"
#include "services/requests.h"
#include "services/tty/tty.h"
#include "services/vm/vm.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ENOENT 2
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define ENOSYS 38

#define TASK_NAME_BYTES 24 /* what EXO_NAME takes */
#define TASK_BUCKETS 64
#define SLEEP_BUCKETS 64
#define REFLECTED_SITES 64
#define PRIVATE_FRAMES (1 + LIB_STACK_PAGES) /* an env's private page, then its stack */

/* Why the way back must look further than at the call's result. */
enum attention {
    ATTENTION_MAPPINGS = 1, /* pages.c has changes of spaces to send */
    ATTENTION_CONTEXT = 2,  /* the task's own context was lent: load FPU and segment bases from it */
};

/* A process's env, or the housekeeper's. */
struct task {
    /* read by each call */
    int pid; /* 0: the housekeeper's */
    uint32_t attention;

    uint64_t env;
    struct task *next; /* in its bucket of library.tasks */
    struct list link;  /* sleepers of a channel, the dead, or the crashed */
    long space;        /* its current one; 0: none yet */
    long doomed_space; /* it runs there until its env is no more; 0: none */
    bool dying;        /* never returns to its program */
    bool crashed;      /* its env is no more, but its process lives */
    void (*begin)(struct task *task);
    frame_t frames[PRIVATE_FRAMES];     /* all FRAME_NONE: the kernel's own, of the first env */
    uint64_t fs_base, gs_base;          /* as the processor has them */
    uint8_t reflected[REFLECTED_SITES]; /* how often, by hash of the site, since its program began */
    /* while it sleeps */
    bool asleep, interruptible;
    bool woken, interrupted; /* what ended its sleep */
    uint64_t channel;
    /* a copy from or to the program that could not be done at once */
    long fault_result;
    struct call fault; /* with CALL_WAIT: what to wait for */
    /* of the program that an execve has opened: its next space is called so */
    char exec_name[TASK_NAME_BYTES] __attribute__((aligned(8)));
};

struct library {
    uint64_t lock; /* the env that is in the library; 0: none */
    struct proc *proc;
    struct route routes[ROUTES];

    const struct boot_info *boot;
    bool patches; /* SYSCALLs of programs are patched */
    struct host host;
    struct vm_host vm_host;
    struct proc_host proc_host;
    struct tty *tty; /* NULL: no consoles */
    struct fs *fs;
    struct vm *vm;
    struct service services[SERVICE_COUNT];

    struct task *tasks[TASK_BUCKETS];
    struct task *housekeeper;
    struct list sleepers[SLEEP_BUCKETS]; /* by hash of the channel */
    struct list dead;                    /* tasks whose env is no more, or is about to be */
    struct list crashed;
    uint64_t alarm; /* as the kernel has it */
    bool done;      /* process 1 is gone */
    int status;     /* of process 1, as of wait4 */
};

extern struct library library;
/* The env's own page, at LIB_PRIVATE (lib.ld). */
extern struct exo_private lib_private __attribute__((visibility("hidden")));

static inline struct task *task_current(void)
{
    return lib_private.library;
}

/* ---- entry.S ---- */

/* Not C functions: addresses for the kernel and for patched programs. */
extern char lib_start[], lib_call[], syscall_upcall[], exception_upcall[], exception_passed[], fault_upcall[],
    interrupt_upcall[], exit_begin[], exit_end[];

/* ---- guest/usercopy.S ---- */

extern uint8_t copy_user_erms; /* the CPU is fast at REP MOVSB */
size_t copy_user(void *to, const void *from, size_t bytes);
long peek_user_string(char *to, const char *from, size_t size);

/* ---- sched.c ---- */

void sched_init(void);
void lock_wait(void);
/* One instruction takes the lock, so that no interrupt can come between its look and its write; there is one CPU, so
 * that nobody else can either. (Several would need a LOCK prefix, no more.) */
static inline void lock_take(void)
{
    uint64_t nobody = 0;
    bool taken;

    __asm__ volatile("cmpxchgq %3, %1"
                     : "=@ccz"(taken), "+m"(library.lock), "+a"(nobody)
                     : "r"(lib_private.env)
                     : "memory");
    if (unlikely(!taken))
        lock_wait();
}
static inline void lock_release(void)
{
    __atomic_store_n(&library.lock, 0, __ATOMIC_RELEASE);
}
static inline bool lock_is_mine(void)
{
    return library.lock == lib_private.env;
}
/* Sleeps without the lock until the channel is woken, `until` has come, or the process gets a signal (`interruptible`):
 * call flags. */
uint32_t task_sleep(uint64_t channel, uint64_t until, bool interruptible);
void task_wake(uint64_t channel);
/* A sleeping task's wait ends, if it may. */
void task_interrupt(struct task *task);

/* ---- tasks.c ---- */

/* Not started; knows no space. `parent`: whose context it copies, or NULL. NULL without memory. */
struct task *task_create(int pid, const struct task *parent, void (*begin)(struct task *task));
/* The task of the first env, which runs already. */
struct task *task_adopt(int pid);
long task_start(struct task *task);
struct task *task_find(int pid);
/* The first for which fits() says so, or NULL. */
struct task *task_search(bool (*fits)(const struct task *task, uint64_t value), uint64_t value);
/* The current task's env ends here. With the lock. */
_Noreturn void task_end(void);
/* Frees what dead envs had: whether there were any. */
bool tasks_reap(void);
/* The task is about to execute the program at `path`: its next space is named after it. */
void task_name_exec(struct task *task, const char *path);
/* FPU and segment bases of the current task are those of its context again. */
void task_load_context(struct task *task);
/* The env is no more and has not said so: its process is for the housekeeper. */
void task_crashed(uint64_t env);
void tasks_init(struct proc_host *host);

/* ---- calls.c ---- */

void calls_init(void);
/* entry.S. True: nothing of the context but rax was changed, so the short way back is right. */
bool lib_syscall(void);
bool lib_reflected(void);
void lib_pending(void);
/* Hands a call that answered `result` in again until it has another one than CALL_WAIT. A signal is told to it by
 * CALL_INTERRUPTED. */
long call_complete(struct task *task, struct call *call, long result);
/* The last thing before the program: signals, mappings, the context; the lock is free. Does not return to a task that
 * dies. `result`: of its system call. */
void task_leave(struct task *task, long result);
/* Sleeps, deaf to signals, until a call that answered CALL_WAIT is worth handing in again. */
void call_sleep(const struct call *call);

/* ---- faults.c ---- */

void lib_exception(void);
void lib_fault(struct user_regs *nested);

/* ---- host.c ---- */

/* Fills in library.host. */
void host_init(void);
/* The consoles are this group's. */
static inline bool has_consoles(void)
{
    return lib_private.group == 1;
}

/* ---- pages.c ---- */

void pages_init(struct vm_host *host);
/* Sends what was put off: before anything relies on a mapping. */
void pages_send(void);
static inline void pages_flush(void)
{
    if (task_current()->attention & ATTENTION_MAPPINGS)
        pages_send();
}
frame_t page_take(void);
void page_give(frame_t frame);
static inline void *page_window(frame_t frame)
{
    return (void *)(LIB_WINDOW + frame);
}
/* All free frames go back to the kernel. */
void pages_shrink(void);
/* The free ones among these are gone. */
void pages_forget(const frame_t *frames, size_t count);

/* ---- mend.c ---- */

/* PENDING_REVOKE: the kernel wants frames back, or has taken some. */
void pages_revoke(void);
/* Does without what was taken by force: whether there was any. */
bool pages_mend(void);
/* CALL_FAULT; `self`: vm. A page that was taken is not there for vm either. */
long pages_fault(void *self, struct call *call);

/* ---- memory.c ---- */

/* How other frames of this library's that the kernel took by force are dealt with: it gives none before. */
void memory_mends(bool (*mend)(void));

/* ---- disk.c ---- */

/* Binds the group's slice of the disk. The place of blk: what fs asks it becomes calls of the kernel. */
struct service disk_service(const struct boot_info *boot);

/* ---- log_tty.c ---- */

/* The place of tty without consoles. */
struct service log_tty_service(struct host *host);

/* ---- housekeeper.c ---- */

void housekeeper_start(void);
void housekeeper_stop(void);
/* alarm or setitimer may have changed what is due next. */
void alarm_update(void);

/* ---- boot.c ---- */

void lib_main(void);
/* entry.S: an env that task_start started. */
void lib_begin(void);
/* Process 1 is gone: so are all others. With the lock. */
_Noreturn void library_end(void);

#endif
