/* SPDX-License-Identifier: MIT
 *
 * arch-monolithic/tasks.c: processes' threads, as proc asks for them (struct proc_host).
 *
 * A task is found by pid in a hash table from task_create until it ends; its memory goes when the scheduler has left
 * its stack.
 */
#include "arch-monolithic/kernel.h"
#include "guest/clock.h"
#include "guest/heap.h"
#include "guest/paging.h"
#include "guest/print.h"

#define SIGKILL 9
#define KILL_LIMIT_NS 1000000000ul

static struct task **bucket_of(int pid)
{
    return &kernel.tasks[(unsigned)pid % TASK_BUCKETS];
}

struct task *task_find(int pid)
{
    struct task *task = *bucket_of(pid);

    while (task && task->pid != pid)
        task = task->next;
    return task;
}

static void task_release(struct thread *thread)
{
    heap_free(thread, sizeof(struct task));
    kernel.task_count--;
    if (kernel.done)
        sched_wake(CHANNEL_DONE);
}

struct task *task_create(int pid, const struct task *parent, void (*begin)(void *))
{
    struct task *task = heap_alloc(sizeof(*task)), **bucket = bucket_of(pid);

    if (!task)
        return NULL;
    if (!thread_init(&task->thread, begin, task, task_release)) {
        heap_free(task, sizeof(*task));
        return NULL;
    }
    task->pid = pid;
    if (parent) {
        *task->thread.context = *thread_context_read((struct thread *)&parent->thread);
        __builtin_memcpy(task->name, parent->name, sizeof(task->name));
    }
    task->next = *bucket;
    *bucket = task;
    kernel.task_count++;
    return task;
}

/* Its own end takes effect in task_leave, another's at once. */
void task_exit(struct task *task)
{
    struct task **link = bucket_of(task->pid);

    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    task->dying = true;
    task->thread.space = NULL;
    thread_context_write(&task->thread);
    if (task != task_current())
        sched_kill(&task->thread);
}

/* The last part of the path, as a program is called in reports. */
void task_name_exec(struct task *task, const char *path)
{
    const char *base = path;
    unsigned n = 0;

    for (const char *c = path; *c; c++)
        if (*c == '/' && c[1])
            base = c + 1;
    for (; n + 1 < TASK_NAME_BYTES && base[n] && base[n] != '/'; n++)
        task->exec_name[n] = base[n];
    task->exec_name[n] = 0;
}

/* A new child's first steps. Its context has the result of fork that proc put there. */
static void child_begin(void *argument)
{
    struct task *task = argument;
    struct user_regs *regs = &task->thread.context->regs;

    task_leave(task, (long)regs->rax);
    return_to_user(regs);
}

/* ---- struct proc_host ---- */

static long thread_create(void *ctx, int child, int parent)
{
    return task_create(child, task_find(parent), child_begin) ? 0 : -ENOMEM;
}

static void thread_start(void *ctx, int pid)
{
    sched_ready(&task_find(pid)->thread);
}

static void thread_exit(void *ctx, int pid)
{
    struct task *task = task_find(pid);

    if (task)
        task_exit(task);
}

static struct user_context *thread_context(void *ctx, int pid)
{
    struct task *task = task_find(pid);

    return task ? thread_context_write(&task->thread) : NULL;
}

static void thread_interrupt(void *ctx, int pid)
{
    struct task *task = task_find(pid);

    if (task)
        sched_interrupt(&task->thread);
}

static void thread_yield(void *ctx)
{
    sched_yield_later();
}

/* With interrupts off in ring 0 no sample ever hits it: all time is the program's. */
static void thread_times(void *ctx, int pid, uint64_t *user, uint64_t *system)
{
    struct task *task = task_find(pid);

    *user = task ? sched_used_ns(&task->thread) : 0;
    *system = 0;
}

static void all_done(void *ctx, int status)
{
    kernel.status = status;
    kernel.done = true;
    sched_wake(CHANNEL_DONE);
}

void tasks_init(struct proc_host *host)
{
    *host = (struct proc_host){
        .thread_create = thread_create,
        .thread_start = thread_start,
        .thread_exit = thread_exit,
        .thread_context = thread_context,
        .thread_interrupt = thread_interrupt,
        .thread_yield = thread_yield,
        .thread_times = thread_times,
        .all_done = all_done,
    };
}

/* ---- the end ---- */

static void kill_one(int pid)
{
    struct call call = {.nr = CALL_kill};
    struct request rq = {.service = SERVICE_PROC, .op = PROC_SIGNAL, .pid = pid, .arg = {SIGKILL}, .call = &call};

    kernel.host.ask(kernel.host.ctx, &rq);
}

static int any_pid(void)
{
    for (unsigned i = 0; i < TASK_BUCKETS; i++)
        if (kernel.tasks[i])
            return kernel.tasks[i]->pid;
    return 0;
}

void tasks_kill_all(void)
{
    uint64_t limit = clock_ns() + KILL_LIMIT_NS;

    for (unsigned i = 0; i < TASK_BUCKETS; i++)
        for (struct task *task = kernel.tasks[i], *next; task; task = next) {
            next = task->next;
            kill_one(task->pid);
        }
    while (kernel.task_count && clock_ns() < limit)
        sched_sleep(CHANNEL_DONE, limit, false);
    if (kernel.task_count)
        print("process %d did not end\n", any_pid());
}
