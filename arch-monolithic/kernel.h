/* SPDX-License-Identifier: MIT
 *
 * arch-monolithic/kernel.h: the monolithic kernel as one structure: every service, and a task for each process.
 *
 * Files: kernel.c makes the services and ends the machine, host.c lends them what they call back for, tasks.c is
 * the threads of processes, calls.c and faults.c are the ways in. What a library has in common with it is
 * services/local.h (calls) and services/boot/boot.h (the beginning and the end).
 */
#ifndef RINGSIDE_ARCH_MONOLITHIC_KERNEL_H
#define RINGSIDE_ARCH_MONOLITHIC_KERNEL_H

#include "guest/cpu.h"
#include "guest/kernel.h"
#include "guest/sched.h"
#include "guest/thread.h"
#include "services/blk/blk.h"
#include "services/fs/fs.h"
#include "services/host.h"
#include "services/local.h"
#include "services/proc/proc.h"
#include "services/requests.h"
#include "services/tty/tty.h"
#include "services/vm/vm.h"

#define EPERM 1
#define ENOENT 2
#define ENOMEM 12
#define EFAULT 14
#define ENOSYS 38

#define TASK_NAME_BYTES 32
#define TASK_BUCKETS 64

/* A process's thread. */
struct task {
    struct thread thread; /* first: the scheduler's pointer is ours */
    struct task *next;    /* in its bucket of kernel.tasks */
    int pid;
    bool dying;                      /* never returns to ring 3 */
    long fault_result;               /* why a copy to or from the program was abandoned */
    struct call fault;               /* the page fault inside it: with CALL_WAIT, what to wait for */
    char name[TASK_NAME_BYTES];      /* of the program, for the domain of its space */
    char exec_name[TASK_NAME_BYTES]; /* of the program that an execve has opened */
};

struct kernel {
    const struct boot_info *boot;
    struct host host;
    struct vm_host vm_host;
    struct proc_host proc_host;
    struct device blk_device, console_device, stderr_device;
    struct blk *blk;
    struct tty *tty;
    struct fs *fs;
    struct vm *vm;
    struct proc *proc;
    struct service services[SERVICE_COUNT];
    struct route routes[ROUTES];
    struct task *tasks[TASK_BUCKETS];
    unsigned task_count;
    bool done;  /* process 1 is gone */
    int status; /* of process 1, as of wait4 */
};

extern struct kernel kernel;

/* Wakes the main thread: process 1 or another one is gone. */
#define CHANNEL_DONE CHANNEL(SERVICE_NONE, 1)
/* Wakes the thread that serves alarm and setitimer. */
#define CHANNEL_TIMER CHANNEL(SERVICE_NONE, 2)

/* host.c: fills in kernel.host, vm_host, proc_host and the devices. */
void host_init(void);

/* tasks.c */
static inline struct task *task_current(void)
{
    return (struct task *)this_cpu()->current;
}
/* Not started; knows no space. `parent`: whose context and name it copies, or NULL. NULL without memory. */
struct task *task_create(int pid, const struct task *parent, void (*begin)(void *));
struct task *task_find(int pid);
void task_exit(struct task *task);
/* The task is about to execute the program at `path`: its next space is named after it. */
void task_name_exec(struct task *task, const char *path);
void tasks_init(struct proc_host *host);
/* Ends all processes that are left. Sleeps until they are gone. */
void tasks_kill_all(void);

/* calls.c */
void calls_init(void);
/* Hands a call that answered `result` in again until it has another one than CALL_WAIT. A signal is told to it by
 * CALL_INTERRUPTED. */
long call_complete(struct task *task, struct call *call, long result);
/* The last thing before ring 3: the processor, signals, the user state. Does not return to a task that dies. `result`:
 * of its system call. */
void task_leave(struct task *task, long result);
/* For the kernel's own threads: sleeps until a call that answered CALL_WAIT is worth handing in again. */
void call_sleep(const struct call *call);

/* faults.c */
trap_handler fault_page, fault_exception;

#endif
