/* SPDX-License-Identifier: MIT
 *
 * arch-micro/calls.c: a SYSCALL in the microkernel: a program's call becomes a message, a kernel call is done here.
 *
 * A program's number leads through the route table, which whoever knows the numbers has filled (IPC_ROUTE), to an endpoint;
 * the registers are the message; there is no second trap. Numbers from IPC_CALL_BASE on are the kernel's own, for all
 * tasks: a table of functions, each of which checks the capability that it needs.
 */
#include "arch-micro/kernel.h"
#include "guest/print.h"
#include "guest/trap.h"

static bool result_in_rax(struct task *task, struct user_regs *regs, long result)
{
    regs->rax = (uint64_t)result;
    return true;
}

/* ---- the way back ---- */

/* An interrupted task hears of it before it goes on. */
static void deliver(struct task *task, long result)
{
    task->attention = false;
    if (!kernel.handler)
        return;
    task->kind = MSG_DELIVER;
    task->nr = 0;
    task->word[0] = (uint64_t)result;
    ipc_send(task, kernel.handler);
}

void task_leave(struct task *task)
{
    for (;;) {
        if (task->yield) {
            task->yield = false;
            sched_yield_later();
        }
        if (this_cpu()->reschedule)
            sched_before_user();
        else if (task->attention)
            deliver(task, task->result);
        else
            break;
    }
    thread_load_user_state();
}

/* Nothing to do on the way back, which is nearly always: the short way. The user state of a thread that does not own it is
 * a matter of registers only, so that is no reason for the long way. */
static bool leave(struct task *task)
{
    if (likely(!task->attention && !this_cpu()->reschedule && !task->yield && !task->thread.changed)) {
        thread_load_user_state();
        return true;
    }
    task_leave(task);
    return false;
}

/* ---- calls of programs ---- */

static void call_general(struct task *task, const struct route *route, uint32_t nr)
{
    task->result = -ENOSYS;
    if (!route->endpoint)
        return;
    task->kind = MSG_CALL;
    task->nr = (uint16_t)nr;
    ipc_send(task, route->endpoint);
}

static bool call_of_program(struct task *task, struct user_regs *regs, uint32_t nr)
{
    const struct route *route = &kernel.route[likely(nr < ROUTES_MAX) ? nr : 0];

    if (unlikely(nr >= ROUTES_MAX || !route->endpoint))
        route = &kernel.other_calls;
    task->route = route;
    if (likely(kernel.fastpath && route->endpoint) && likely(fast_call(task, route, nr)))
        ;
    else
        call_general(task, route, nr);
    if (likely(!task->delivered))
        regs->rax = (uint64_t)task->result;
    else
        task->attention = false;
    return leave(task);
}

/* ---- kernel calls for anybody ---- */

static bool call_plain(struct task *self, struct user_regs *regs)
{
    const struct capability *cap = cap_find(self, regs->rdi, CAP_KIND_ENDPOINT, RIGHT_SEND);

    if (!cap || !self->program)
        return result_in_rax(self, regs, -EBADF);
    self->kind = MSG_PLAIN;
    self->nr = 0;
    self->word[0] = regs->rsi;
    self->word[1] = regs->rdx;
    self->word[2] = regs->r10;
    self->word[3] = regs->r8;
    self->word[4] = regs->r9;
    self->word[5] = 0;
    ipc_send(self, cap->endpoint);
    regs->r10 = self->answer[0];
    regs->r8 = self->answer[1];
    regs->r9 = self->answer[2];
    return result_in_rax(self, regs, self->result);
}

/* 0: the task's own endpoint, which only servers have. */
static struct endpoint *receive_endpoint(struct task *self, uint64_t cap)
{
    const struct capability *found;

    if (!cap && self->endpoint)
        return self->endpoint;
    found = cap_find(self, cap, CAP_KIND_ENDPOINT, RIGHT_RECEIVE);
    return found ? found->endpoint : NULL;
}

static bool wait_at(struct task *self, struct user_regs *regs, uint64_t cap)
{
    struct endpoint *endpoint = receive_endpoint(self, cap);

    if (!endpoint)
        return result_in_rax(self, regs, -EBADF);
    if (endpoint->waiting)
        return result_in_rax(self, regs, -EBUSY);
    if (unlikely(self->image && self->image->fresh))
        server_is_up(self->image);
    ipc_receive(self, endpoint);
    return self->result < 0 ? result_in_rax(self, regs, self->result) : true;
}

static bool call_wait(struct task *self, struct user_regs *regs)
{
    return wait_at(self, regs, regs->rdi);
}

static bool call_reply_wait(struct task *self, struct user_regs *regs)
{
    struct task *to = ipc_served(self, regs->rdi);

    if (to)
        ipc_answer(to, (long)regs->rsi);
    return wait_at(self, regs, regs->rdx);
}

static bool call_reply(struct task *self, struct user_regs *regs)
{
    struct task *to = ipc_served(self, regs->rdi);

    if (!to)
        return result_in_rax(self, regs, -ESRCH);
    to->delivered = regs->rdx & REPLY_DELIVERED && kernel.handler && self == kernel.handler->owner; /* nobody else's to say */
    to->yield = regs->rdx & REPLY_YIELD;
    ipc_answer(to, (long)regs->rsi);
    return result_in_rax(self, regs, 0);
}

static bool call_endpoint(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, cap_new_endpoint(self));
}

static bool call_close(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, cap_close(self, regs->rdi));
}

static bool call_notify(struct task *self, struct user_regs *regs)
{
    const struct capability *cap = cap_find(self, regs->rdi, CAP_KIND_ENDPOINT, RIGHT_SEND);

    if (!cap)
        return result_in_rax(self, regs, -EBADF);
    ipc_notify(cap->endpoint, regs->rsi);
    return result_in_rax(self, regs, 0);
}

/* ---- kernel calls of servers ---- */

static bool call_request(struct task *self, struct user_regs *regs)
{
    const struct capability *cap = cap_find(self, regs->rdi, CAP_KIND_ENDPOINT, RIGHT_SEND);
    uint64_t served;
    struct endpoint *to;

    if (!cap || !cap->endpoint->owner)
        return result_in_rax(self, regs, -EBADF);
    to = cap->endpoint;
    served = message_page(self)->served;
    self->served = ipc_served(self, served);
    if (regs->rsi & REQUEST_TRY && !to->waiting) {
        to->tell_free |= 1u << self->badge;
        return result_in_rax(self, regs, -EAGAIN);
    }
    if (to->owner == self || ipc_cycle(self, to))
        return result_in_rax(self, regs, -EDEADLK);
    if (to->owner->image->ended)
        return result_in_rax(self, regs, -EPIPE);
    self->kind = MSG_REQUEST;
    self->nr = (uint16_t)message_page(self)->op;
    ipc_send(self, to);
    return result_in_rax(self, regs, self->result);
}

static bool call_copy(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, copy_call(self, regs));
}

static bool call_grow(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, heap_grow(self->image, regs->rdi));
}

static bool call_shrink(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, heap_shrink_by(self->image, regs->rdi, regs->rsi));
}

static bool call_dma(struct task *self, struct user_regs *regs)
{
    uint64_t address = regs->rdi;
    bool heap = address >= SERVER_HEAP_BASE && address < self->image->heap_top;
    uint64_t physical = heap ? space_frame(self->thread.space, address, PAGE_WRITE) : 0;

    return result_in_rax(self, regs, physical ? (long)physical : -EFAULT);
}

static bool call_dma_of(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, heap_dma_of(self, regs->rdi, regs->rsi, regs->rdx));
}

static bool call_alarm(struct task *self, struct user_regs *regs)
{
    alarm_set(&self->image->alarm, regs->rdi);
    return result_in_rax(self, regs, 0);
}

static bool call_yield(struct task *self, struct user_regs *regs)
{
    sched_yield_later();
    return result_in_rax(self, regs, 0);
}

static bool call_keep(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, server_keep(self->image, regs->rdi));
}

static bool call_log(struct task *self, struct user_regs *regs)
{
    char line[128];
    size_t bytes = regs->rsi < sizeof(line) - 1 ? regs->rsi : sizeof(line) - 1;

    if (regs->rdi >= USER_TOP - sizeof(line) || copy_user(line, (const void *)regs->rdi, bytes))
        return result_in_rax(self, regs, -EFAULT);
    line[bytes] = 0;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' '; /* one line: none that another seems to have written */
    print("%s: %s\n", self->name, line);
    return result_in_rax(self, regs, 0);
}

static bool call_memory(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, memory_call(self, regs));
}

static bool call_task(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, task_call(self, regs));
}

static bool call_server(struct task *self, struct user_regs *regs)
{
    return result_in_rax(self, regs, server_call(self, regs));
}

struct kernel_call {
    bool (*call)(struct task *self, struct user_regs *regs);
    uint8_t needs; /* 0: nothing; else a capability CAP_*, or SERVER_ONLY */
};
#define SERVER_ONLY 0xff
#define CALLS (IPC_CALLS_END - IPC_CALL_BASE)
#define CALL(number, function, needs) [(number) - IPC_CALL_BASE] = {function, needs}

static const struct kernel_call kernel_calls[CALLS] = {
    CALL(IPC_CALL, call_plain, 0),
    CALL(IPC_WAIT, call_wait, 0),
    CALL(IPC_REPLY_WAIT, call_reply_wait, 0),
    CALL(IPC_REPLY, call_reply, 0),
    CALL(IPC_ENDPOINT, call_endpoint, 0),
    CALL(IPC_CLOSE, call_close, 0),
    CALL(IPC_NOTIFY, call_notify, 0),
    CALL(IPC_REQUEST, call_request, SERVER_ONLY),
    CALL(IPC_COPY, call_copy, SERVER_ONLY),
    CALL(IPC_GROW, call_grow, SERVER_ONLY),
    CALL(IPC_SHRINK, call_shrink, SERVER_ONLY),
    CALL(IPC_DMA, call_dma, SERVER_ONLY),
    CALL(IPC_DMA_OF, call_dma_of, SERVER_ONLY),
    CALL(IPC_ALARM, call_alarm, SERVER_ONLY),
    CALL(IPC_YIELD, call_yield, SERVER_ONLY),
    CALL(IPC_EXIT, call_server, SERVER_ONLY),
    CALL(IPC_KEEP, call_keep, SERVER_ONLY),
    CALL(IPC_LOG, call_log, SERVER_ONLY),
    [IPC_FRAMES_TAKE - IPC_CALL_BASE ... IPC_PROTECT - IPC_CALL_BASE] = {call_memory, CAP_MEMORY},
    [IPC_TASK_CREATE - IPC_CALL_BASE ... IPC_POWER_OFF - IPC_CALL_BASE] = {call_task, CAP_TASKS},
    [IPC_SERVER_STATE - IPC_CALL_BASE ... IPC_SERVER_BEAT - IPC_CALL_BASE] = {call_server, CAP_SUPERVISE},
};

static bool allowed(const struct task *self, uint8_t needs)
{
    static const uint8_t kind[] = {
        [CAP_MEMORY] = CAP_KIND_MEMORY, [CAP_TASKS] = CAP_KIND_TASKS, [CAP_SUPERVISE] = CAP_KIND_SUPERVISE};

    if (!needs)
        return true;
    if (needs == SERVER_ONLY)
        return self->image;
    return cap_find(self, needs, kind[needs], 0);
}

/* All 64 bits count: what a call does is chosen by them as well (task_call and others), after the check here. */
static bool call_of_kernel(struct task *self, struct user_regs *regs)
{
    uint64_t n = regs->error - IPC_CALL_BASE;
    const struct kernel_call *call = &kernel_calls[n < CALLS ? n : 0];

    if (n >= CALLS || !call->call)
        result_in_rax(self, regs, -ENOSYS);
    else if (!allowed(self, call->needs))
        result_in_rax(self, regs, -EBADF);
    else
        call->call(self, regs);
    self->result = (long)regs->rax;
    return leave(self);
}

bool kernel_syscall(struct user_regs *regs)
{
    struct task *task = task_current();
    uint32_t nr = (uint32_t)regs->error;

    if (task->program && likely(nr < IPC_CALL_BASE))
        return call_of_program(task, regs, nr);
    if (likely(kernel.fastpath) && ((regs->error == IPC_REPLY_WAIT && likely(fast_reply_wait(task, regs))) ||
                                    (regs->error == IPC_CALL && likely(fast_plain_call(task, regs)))))
        return leave(task);
    return call_of_kernel(task, regs);
}

void kernel_user_return(struct user_regs *regs)
{
    task_leave(task_current());
}
