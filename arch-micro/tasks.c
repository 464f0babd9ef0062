/* SPDX-License-Identifier: MIT
 *
 * arch-micro/tasks.c: threads of programs, for the server that holds CAP_TASKS: made, started, ended, read and changed.
 *
 * The kernel knows a program as a task with a badge, a context and an address space. What a process, a signal or a fork is, it
 * does not know.
 */
#include "abi/probe.h"
#include "arch-micro/kernel.h"
#include "guest/heap.h"
#include "guest/print.h"
#include "guest/trap.h"

static struct task **bucket_of(int pid)
{
    return &kernel.tasks[(unsigned)pid % TASK_BUCKETS];
}

struct task *task_find(int pid)
{
    struct task *task = *bucket_of(pid);

    while (task && task->badge != pid)
        task = task->next;
    return task;
}

/* In turn, so that a number comes back late. */
uint16_t handle_take(struct task *task)
{
    for (unsigned n = 0; n < TASKS_MAX; n++) {
        unsigned handle = (kernel.next_handle + n) % TASKS_MAX;

        if (handle && !kernel.task[handle]) {
            kernel.task[handle] = task;
            kernel.next_handle = handle + 1;
            return task->handle = (uint16_t)handle;
        }
    }
    return 0;
}

void handle_drop(struct task *task)
{
    kernel.task[task->handle] = NULL;
}

void task_dispose(struct task *task)
{
    handle_drop(task);
    heap_free(task, sizeof(*task));
    kernel.task_count--;
    if (kernel.done)
        sched_wake(CHANNEL_DONE);
}

static void task_release(struct thread *thread)
{
    struct task *task = (struct task *)thread;

    task->released = true;
    if (task->state == IPC_NONE)
        task_dispose(task);
}

static void child_begin(void *argument)
{
    struct task *task = argument;

    task->result = (long)task->thread.context->regs.rax;
    task_leave(task);
    return_to_user(&task->thread.context->regs);
}

static bool task_prepare(struct task *task, struct task *parent)
{
    if (!handle_take(task))
        return false;
    if (!thread_init(&task->thread, child_begin, task, task_release)) {
        handle_drop(task);
        return false;
    }
    task->thread.space = kernel.nowhere;
    if (!parent)
        return true;
    if (!caps_copy(task, parent)) {
        thread_fini(&task->thread);
        handle_drop(task);
        return false;
    }
    *task->thread.context = *thread_context_read(&parent->thread);
    __builtin_memcpy(task->name, parent->name, sizeof(task->name));
    return true;
}

static long task_create(int pid, int parent_pid)
{
    struct task *parent = parent_pid ? task_find(parent_pid) : NULL, *task, **bucket = bucket_of(pid);

    if (pid <= 0 || pid >= 1 << 24 || task_find(pid) || (parent_pid && !parent))
        return -EINVAL;
    task = heap_alloc(sizeof(*task));
    if (!task)
        return -ENOMEM;
    task->program = true;
    task->badge = pid;
    list_init(&task->link);
    list_init(&task->serving);
    if (!task_prepare(task, parent)) {
        heap_free(task, sizeof(*task));
        return -ENOMEM;
    }
    task->next = *bucket;
    *bucket = task;
    kernel.task_count++;
    return 0;
}

/* Those whom it served, as a receiver at a plain endpoint, will not be answered. */
static void drop_serving(struct task *task)
{
    while (!list_empty(&task->serving)) {
        struct task *from = LIST_MEMBER(task->serving.next, struct task, link);

        ipc_fail(from, -EPIPE);
    }
}

/* Who ends a task that it serves itself needs no notice of that. */
static void leave_server(const struct task *self, struct task *task)
{
    if (task->state != IPC_SERVED || task->server != self) {
        ipc_gone(task);
        return;
    }
    if (task->notice != NOTICE_NONE)
        self->endpoint->notices--;
    task->notice = NOTICE_NONE;
    list_remove(&task->link);
    task->state = IPC_NONE;
}

/* `self`: who ends it, or NULL. */
static void task_exit(const struct task *self, struct task *task)
{
    struct task **link = bucket_of(task->badge);

    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (kernel.mach)
        mach_drop(task);
    leave_server(self, task);
    drop_serving(task);
    caps_drop(task);
    task->thread.space = NULL;
    thread_context_write(&task->thread);
    sched_kill(&task->thread);
}

/* Its context may be changed while nothing of it runs or waits for another than the caller. */
static bool context_is_free(const struct task *self, const struct task *task)
{
    return task->thread.state == THREAD_NEW || (task->state == IPC_SERVED && task->server == self);
}

/* Word by word: registers are no payload. The buffer is the server's; a bad address ends the copy in copy_user. */
static long task_read(struct task *task, uint64_t address)
{
    const struct user_context *context = thread_context_read(&task->thread);

    if (address % 16 || address > USER_TOP - sizeof(*context))
        return -EFAULT;
    return move_user_words((void *)address, context, sizeof(*context) / 8) ? -EFAULT : 0;
}

static long task_write(const struct task *self, struct task *task, uint64_t address)
{
    struct user_context *context;

    if (!context_is_free(self, task))
        return -EBUSY;
    context = thread_context_write(&task->thread);
    if (address % 16 || address > USER_TOP - sizeof(*context))
        return -EFAULT;
    return move_user_words(context, (const void *)address, sizeof(*context) / 8) ? -EFAULT : 0;
}

static void task_name(struct task *task, const struct user_regs *regs)
{
    const uint64_t word[3] = {regs->rsi, regs->rdx, regs->r10};

    __builtin_memcpy(task->exec_name, word, sizeof(word));
    task->exec_name[sizeof(word)] = 0;
}

static void task_interrupt(struct task *task)
{
    task->attention = true;
    ipc_interrupt(task);
}

/* ---- routes ---- */

static struct endpoint *endpoint_of(const struct task *self, uint64_t cap)
{
    const struct capability *found = cap_find(self, cap, CAP_KIND_ENDPOINT, RIGHT_SEND);

    return found ? found->endpoint : NULL;
}

/* Number ROUTES_MAX stands for all others. */
static long set_route(const struct task *self, uint64_t nr, uint64_t cap, uint64_t grant)
{
    struct endpoint *endpoint = endpoint_of(self, cap);
    struct route *route = nr < ROUTES_MAX ? &kernel.route[nr] : &kernel.other_calls;

    if (nr > ROUTES_MAX || !endpoint)
        return nr > ROUTES_MAX ? -EINVAL : -EBADF;
    *route = (struct route){
        .endpoint = endpoint,
        .rights = (uint8_t)grant,
        .argument = (uint8_t)(grant >> 8),
        .length = (uint16_t)(grant >> 16),
    };
    return 0;
}

static long set_handlers(const struct task *self, uint64_t pager, uint64_t handler)
{
    kernel.pager = endpoint_of(self, pager);
    kernel.handler = endpoint_of(self, handler);
    return kernel.pager && kernel.handler ? 0 : -EBADF;
}

/* ---- kernel calls ---- */

static void power_off_later(uint64_t status)
{
    if (status >= 0x100)
        panic("the system cannot go on");
    kernel.status = (int)status;
    kernel.done = true;
    sched_wake(CHANNEL_DONE);
    sched_block();
}

static long call_on_task(struct task *self, struct user_regs *regs, struct task *task)
{
    switch (regs->error) {
    case IPC_TASK_START:
        if (task->thread.state != THREAD_NEW)
            return -EBUSY;
        sched_ready(&task->thread);
        return 0;
    case IPC_TASK_EXIT:
        task_exit(self, task);
        return 0;
    case IPC_TASK_READ:
        return task_read(task, regs->rsi);
    case IPC_TASK_WRITE:
        return task_write(self, task, regs->rsi);
    case IPC_TASK_INTERRUPT:
        task_interrupt(task);
        return 0;
    case IPC_TASK_NAME:
        task_name(task, regs);
        return 0;
    case IPC_TASK_TIME:
        return (long)sched_used_ns(&task->thread);
    default:
        return -ENOSYS;
    }
}

long task_call(struct task *self, struct user_regs *regs)
{
    struct task *task;

    switch (regs->error) {
    case IPC_TASK_CREATE:
        return task_create((int)regs->rdi, (int)regs->rsi);
    case IPC_ROUTE:
        return set_route(self, regs->rdi, regs->rsi, regs->rdx);
    case IPC_HANDLERS:
        return set_handlers(self, regs->rdi, regs->rsi);
    case IPC_POWER_OFF:
        power_off_later(regs->rdi);
        return 0;
    default:
        task = task_find((int)regs->rdi);
        return task ? call_on_task(self, regs, task) : -ESRCH;
    }
}

bool tasks_any(void)
{
    for (unsigned i = 0; i < TASK_BUCKETS; i++)
        if (kernel.tasks[i])
            return true;
    return false;
}

/* What is left when the servers have ended, and those that waited for a server that will not hear of their end. */
void tasks_end(void)
{
    for (unsigned i = 0; i < TASK_BUCKETS; i++)
        while (kernel.tasks[i])
            task_exit(NULL, kernel.tasks[i]);
    sched_reap();
    for (unsigned handle = 1; handle < TASKS_MAX; handle++) {
        struct task *task = kernel.task[handle];

        if (task && task->program) {
            list_remove(&task->link);
            task_dispose(task);
        }
    }
}
