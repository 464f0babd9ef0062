/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/host.c: what the services call back for, where there is one env and it may sleep where it stands.
 */
#include "arch-exo/copier/copier.h"
#include "arch-exo/lib/exo_call.h"
#include "guest/x86.h"

#define WORDS_MAX 32 /* bytes */

/* ---- struct host ---- */

/* A page fault in it has been resolved, or never can be (faults.c). */
static long host_copy(void *to, const void *from, size_t bytes, uint64_t user)
{
    if (!bytes)
        return 0;
    return is_programs(user, bytes) && copy_user(to, from, bytes) == 0 ? 0 : -EFAULT;
}

static long host_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    return host_copy(to, (const void *)from, bytes, from);
}

static long host_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    return host_copy((void *)to, from, bytes, to);
}

/* Nobody else sleeps. */
static void host_wake(void *ctx, uint64_t channel)
{
}

static long host_ask(void *ctx, struct request *rq)
{
    return local_ask(copier.services, rq);
}

long ask(enum service_id id, uint16_t op, const uint64_t arg[6], void *data, size_t size)
{
    struct call call = {.nr = CALL_SYNC_ALL, .pid = FIRST_PID};
    struct request rq = {
        .service = id, .op = op, .pid = FIRST_PID, .data = data, .size = size, .data_out = 1, .call = &call};
    long result;

    for (unsigned i = 0; i < 6; i++)
        rq.arg[i] = arg[i];
    while ((result = host_ask(NULL, &rq)) == CALL_WAIT)
        call_sleep(&call);
    return result;
}

/* A few words are arguments and results, no payload: they move as in registers. */
static long host_give(void *ctx, struct request *rq, size_t offset, const void *from, size_t bytes)
{
    volatile uint64_t *to = (volatile uint64_t *)rq->data;
    const uint64_t *word = from;

    if (offset || bytes % 8 || bytes > WORDS_MAX || bytes > rq->size || (uint64_t)from % 8 || (uint64_t)to % 8)
        return local_give(ctx, rq, offset, from, bytes);
    for (size_t i = 0; i < bytes / 8; i++)
        to[i] = word[i];
    return 0;
}

void host_init(void)
{
    machine_init(&copier.host);
    copier.host.copy_in = host_copy_in;
    copier.host.copy_out = host_copy_out;
    copier.host.wake = host_wake;
    copier.host.ask = host_ask;
    copier.host.give = host_give;
}

/* ---- struct proc_host: the one thread ---- */

static long thread_create(void *ctx, int child, int parent)
{
    return -ENOMEM;
}

static void thread_ignore(void *ctx, int pid)
{
}

static struct user_context *thread_context(void *ctx, int pid)
{
    if (!copier.context_lent)
        save_fpu(lib_private.context.fx);
    copier.context_lent = true;
    return &lib_private.context;
}

static void thread_yield(void *ctx)
{
    exo_call(EXO_YIELD, 0, 0, 0);
}

/* The kernel does not know which part of it was the library. */
static void thread_times(void *ctx, int pid, uint64_t *user, uint64_t *system)
{
    long ns = exo_call(EXO_ENV_TIME, lib_private.env, 0, 0);

    *user = ns > 0 ? (uint64_t)ns : 0;
    *system = 0;
}

static void all_done(void *ctx, int status)
{
    copier.status = status;
    copier.done = true;
}

void threads_init(struct proc_host *host)
{
    *host = (struct proc_host){
        .thread_create = thread_create,
        .thread_start = thread_ignore,
        .thread_exit = thread_ignore,
        .thread_context = thread_context,
        .thread_interrupt = thread_ignore,
        .thread_yield = thread_yield,
        .thread_times = thread_times,
        .all_done = all_done,
    };
}
