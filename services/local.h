/* SPDX-License-Identifier: MIT
 *
 * services/local.h: for a placement that has all services in its own domain, and makes a program's call on that
 * program's own thread: a monolithic kernel, a library. (Where services are asked by messages: arch-micro/server/.)
 *
 * The services' tables are merged into one at boot, so that a call costs one indexed load and one indirect call. Waiting
 * is the placement's: it lends a function that sleeps and says as call flags what has ended the sleep. What it
 * means to a call that it waited, was interrupted or timed out is said here.
 *
 * All of it is inline, so that each placement compiles its own way in as one function.
 */
#ifndef RINGSIDE_SERVICES_LOCAL_H
#define RINGSIDE_SERVICES_LOCAL_H

#include <stdbool.h>

#include "abi/regs.h"
#include "services/host.h"
#include "services/proc/proc.h"
#include "services/requests.h"
#include "services/string.h"

/* ---- the table ---- */

/* Where a call number leads. */
struct route {
    call_op *op;
    void *self;
};
#define ROUTE_UNKNOWN CALL_TABLE_END /* for all numbers beyond the table */
#define ROUTES (ROUTE_UNKNOWN + 1)

static inline void local_route_set(struct route *routes, const struct service *service, unsigned number)
{
    if (service->calls && service->calls[number])
        routes[number] = (struct route){service->calls[number], service->self};
}

/* By abi/calls.def and the services' tables; `unknown` answers what no service has. */
static inline void local_routes(struct route routes[ROUTES], const struct service services[SERVICE_COUNT],
                                call_op *unknown)
{
    for (unsigned i = 0; i < ROUTES; i++)
        routes[i] = (struct route){unknown, NULL};
#define CALL(number, name, service) local_route_set(routes, &services[SERVICE_##service], number);
#include "abi/calls.def"
#undef CALL
    local_route_set(routes, &services[SERVICE_VM], CALL_FAULT);
    local_route_set(routes, &services[SERVICE_FS], CALL_SYNC_ALL);
}

/* A pseudo call number, from the placement itself, has its place in the table too. */
static inline const struct route *local_route(const struct route routes[ROUTES], uint32_t number)
{
    return &routes[number < CALL_TABLE_END ? number : ROUTE_UNKNOWN];
}

/* ---- a call ---- */

/* As the program's registers say; channel and until have no meaning yet. */
static inline void local_call(struct call *call, uint32_t number, int pid, const struct user_regs *regs)
{
    call->nr = number;
    call->pid = pid;
    call->arg[0] = regs->rdi;
    call->arg[1] = regs->rsi;
    call->arg[2] = regs->rdx;
    call->arg[3] = regs->r10;
    call->arg[4] = regs->r8;
    call->arg[5] = regs->r9;
    call->flags = 0;
    call->done = 0;
    call->note = 0;
}

/* The thread sleeps until the channel is woken, `until` has come, or its process gets a signal (`interruptible`): call
 * flags. */
typedef uint32_t local_sleep(uint64_t channel, uint64_t until, bool interruptible);

/* Hands a call that answered `result` in again until it has another one than CALL_WAIT, or its process is `dying`. A
 * signal interrupts a wait once; if the service then wants to wait still, it waits for something short. */
static inline long local_complete(const struct route *route, struct call *call, long result, const struct proc *proc,
                                  const bool *dying, local_sleep *sleep)
{
    while (result == CALL_WAIT && !*dying) {
        bool told = call->flags & CALL_INTERRUPTED;

        if (!told && proc_pending(proc, call->pid))
            call->flags = CALL_INTERRUPTED;
        else
            call->flags = sleep(call->channel, call->until, !told);
        result = route->op(route->self, call);
    }
    return result;
}

/* Signal frames are built on the program's stack: that may wait, too. 0: go; 1: the process is no more. */
static inline long local_deliver(struct proc *proc, int pid, long result, local_sleep *sleep)
{
    struct call call = {.nr = CALL_rt_sigreturn, .pid = pid};
    long status;

    while ((status = proc_deliver(proc, &call, result)) == CALL_WAIT)
        sleep(call.channel, call.until, true);
    return status;
}

/* ---- struct host ---- */

/* Another service is a function call. */
static inline long local_ask(const struct service services[SERVICE_COUNT], struct request *rq)
{
    const struct service *service = &services[rq->service < SERVICE_COUNT ? rq->service : SERVICE_NONE];

    return service->request ? service->request(service->self, rq) : -ENOSYS;
}

static inline bool local_beyond(const struct request *rq, size_t offset, size_t bytes)
{
    return offset > rq->size || bytes > rq->size - offset;
}

/* The asker's memory is ours. */
static inline long local_take(void *ctx, struct request *rq, void *to, size_t offset, size_t bytes)
{
    if (local_beyond(rq, offset, bytes))
        return -EFAULT;
    memcpy(to, (const char *)rq->data + offset, bytes);
    return 0;
}

static inline long local_give(void *ctx, struct request *rq, size_t offset, const void *from, size_t bytes)
{
    if (local_beyond(rq, offset, bytes))
        return -EFAULT;
    memcpy((char *)rq->data + offset, from, bytes);
    return 0;
}

#endif
