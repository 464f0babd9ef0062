/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/proc_tasks.c: programs' threads are the kernel's; proc's view of them (struct proc_host).
 *
 * A program's registers are read from the kernel when proc first looks at them, changed here, and written back before
 * the program is answered. Few are looked at in one operation: the caller's, a new child's.
 *
 * A signal interrupts a call that waits, but it is the server where it waits that ends it. If that does not, whatever
 * its reasons, SIGKILL ends the process all the same: KILL_NS later its thread is taken from that server, which
 * then hears that it is gone.
 */
#include "arch-micro/server/proc_part.h"

#define CONTEXTS 4
#define NAME_BYTES 24
#define KILL_NS 1000000000ul

static struct {
    int pid; /* 0: free */
    struct user_context context;
} contexts[CONTEXTS];

static void write_back(unsigned i)
{
    kcall(IPC_TASK_WRITE, (uint64_t)contexts[i].pid, (uint64_t)&contexts[i].context, 0);
    contexts[i].pid = 0;
}

void tasks_write_back(void)
{
    for (unsigned i = 0; i < CONTEXTS; i++)
        if (contexts[i].pid)
            write_back(i);
}

static void write_back_of(int pid)
{
    for (unsigned i = 0; i < CONTEXTS; i++)
        if (contexts[i].pid == pid)
            write_back(i);
}

static struct user_context *find_context(int pid)
{
    for (unsigned i = 0; i < CONTEXTS; i++)
        if (contexts[i].pid == pid)
            return &contexts[i].context;
    return NULL;
}

static struct user_context *read_context(int pid)
{
    for (unsigned i = 0; i < CONTEXTS; i++)
        if (!contexts[i].pid) {
            if (kcall(IPC_TASK_READ, (uint64_t)pid, (uint64_t)&contexts[i].context, 0) < 0)
                return NULL;
            contexts[i].pid = pid;
            return &contexts[i].context;
        }
    panic("too many contexts in one operation");
}

static void drop_context(int pid)
{
    for (unsigned i = 0; i < CONTEXTS; i++)
        if (contexts[i].pid == pid)
            contexts[i].pid = 0;
}

bool task_restored(int pid)
{
    const struct user_context *context = find_context(pid);

    return context && context->regs.vector == VECTOR_RESTORED;
}

void task_name(int pid, const char *path)
{
    union {
        char text[NAME_BYTES];
        uint64_t word[NAME_BYTES / 8];
    } name = {{0}};
    const char *base = path;

    for (const char *c = path; *c; c++)
        if (*c == '/' && c[1])
            base = c + 1;
    for (unsigned n = 0; n + 1 < NAME_BYTES && base[n] && base[n] != '/'; n++)
        name.text[n] = base[n];
    kcall4(IPC_TASK_NAME, (uint64_t)pid, name.word[0], name.word[1], name.word[2]);
}

/* ---- who is killed and does not come ---- */

/* Its memory is out of reach, as it is not us whom it waits for: robust futexes stay locked. */
static long end_killed(void *self, struct call *call)
{
    if (!(call->flags & CALL_TIMED_OUT))
        return call_wait(call, 0, call->until);
    return proc_killed(proc_placement.proc, call->pid) ? proc_deliver(proc_placement.proc, call, 0) : 0;
}

static struct reply killed_ended(struct entry *entry, long result)
{
    entry_release(entry);
    return NO_REPLY;
}

static bool ends_killed(const struct entry *entry, uint64_t pid)
{
    return entry->op == end_killed && entry->call.pid == (int)pid;
}

/* Without memory for it, it takes another signal. */
static void end_if_killed(int pid)
{
    struct entry *job;

    if (!proc_killed(proc_placement.proc, pid) || entry_find(ends_killed, (uint64_t)pid))
        return;
    job = entry_create(end_killed, killed_ended);
    if (!job)
        return;
    job->call.nr = CALL_rt_sigreturn;
    job->call.pid = pid;
    job->call.until = server_now() + KILL_NS;
    entry_keep(job);
}

static void forget_killed(int pid)
{
    struct entry *job = entry_find(ends_killed, (uint64_t)pid);

    if (job)
        entry_forget(job);
}

/* ---- struct proc_host ---- */

static bool serves(int pid)
{
    return server.current->kind != ENTRY_REQUEST && server.current->call.pid == pid;
}

static bool is_of_program(const struct entry *entry, uint64_t pid)
{
    return entry->handle && entry->call.pid == (int)pid;
}

static long thread_create(void *ctx, int child, int parent)
{
    return kcall(IPC_TASK_CREATE, (uint64_t)child, (uint64_t)parent, 0);
}

/* What a child has to be delivered before its first instruction, it is asked about as if it were interrupted. */
static void thread_start(void *ctx, int pid)
{
    write_back_of(pid);
    kcall(IPC_TASK_START, (uint64_t)pid, 0, 0);
    if (proc_pending(proc_placement.proc, pid))
        kcall(IPC_TASK_INTERRUPT, (uint64_t)pid, 0, 0);
}

static void thread_exit(void *ctx, int pid)
{
    struct entry *waits = entry_find(is_of_program, (uint64_t)pid);

    drop_context(pid);
    kcall(IPC_TASK_EXIT, (uint64_t)pid, 0, 0);
    if (waits)
        entry_forget(waits);
    forget_killed(pid);
    if (serves(pid))
        server.current->gone = true;
    server.attention |= ATTENTION_CONTEXT;
}

static struct user_context *thread_context(void *ctx, int pid)
{
    struct user_context *context = find_context(pid);

    server.attention |= ATTENTION_CONTEXT;
    return context ? context : read_context(pid);
}

/* The program that is served right now is looked at when the operation ends. */
static void thread_interrupt(void *ctx, int pid)
{
    struct entry *waits;

    if (serves(pid))
        return;
    waits = entry_find(is_of_program, (uint64_t)pid);
    if (waits)
        entry_interrupt(waits);
    else
        kcall(IPC_TASK_INTERRUPT, (uint64_t)pid, 0, 0);
    end_if_killed(pid);
}

static void thread_yield(void *ctx)
{
    server.attention |= ATTENTION_YIELD;
}

static void thread_times(void *ctx, int pid, uint64_t *user, uint64_t *system)
{
    long ns = kcall(IPC_TASK_TIME, (uint64_t)pid, 0, 0);

    *user = ns > 0 ? (uint64_t)ns : 0;
    *system = 0;
}

static void all_done(void *ctx, int status)
{
    proc_shutdown(status);
}

void tasks_init(struct proc_host *threads)
{
    *threads = (struct proc_host){
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
