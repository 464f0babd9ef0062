/* SPDX-License-Identifier: MIT
 *
 * services/host.h: everything a service knows of the world outside it.
 *
 * A service is policy: plain C with no header of guest/, arch-* or sim/, no CPU,
 * no global variables, no idea how it is called. The same object code is linked
 * into a ring-0 kernel, a ring-3 server, a library OS and a host test.
 *
 * Lifecycle of a call
 *   The placement (arch-X) receives a program's system call, fills in a struct
 *   call with done = 0 and hands it to the owning service. The operation
 *       returns >= 0            done, that is the result;
 *       returns -errno          failed, nothing changed;
 *       returns CALL_WAIT       cannot go on now; call->channel says what to
 *                               wait for, call->until when to give up waiting.
 *   After CALL_WAIT the placement keeps the struct call, waits until some
 *   service wakes that channel (or the deadline passes), and hands *the same
 *   call* in again from the start. The service holds no state across the wait:
 *   what has been achieved is in the world (a block is in the cache now) or in
 *   call->done and call->note, which the placement preserves.
 *   So: check, then commit. Every refusal and every WAIT comes before the first
 *   change; copies to and from the caller come before the change as well,
 *   because they too may WAIT (the caller's page may have to come from disk).
 *   Wake-ups may be spurious. The placement runs calls of one service one at a
 *   time, never preempted by another call of that service.
 *
 * Signals
 *   A waiting call whose process gets a signal is handed in once more with
 *   CALL_INTERRUPTED set in call->flags: the service then undoes what it must
 *   (usually nothing) and returns -ERESTART if nothing was done yet, or the
 *   progress so far. proc turns ERESTART into a restart or EINTR.
 */
#ifndef RINGSIDE_SERVICES_HOST_H
#define RINGSIDE_SERVICES_HOST_H

#include <stddef.h>
#include <stdint.h>

#include <linux/errno.h>

#include "abi/calls.h"

/* Beyond Linux's errno range (-4095…-1), so no result can be mistaken for it. */
#define CALL_WAIT (-65536L)
/* As in the Linux kernel: "restart me, or EINTR": never reaches a program. (The uapi header gives the name
 * to a STREAMS error, 85, that nothing uses.) */
#undef ERESTART
#define ERESTART 512

enum call_flags {
    CALL_INTERRUPTED = 1 << 0, /* a signal came while this call waited */
    CALL_TIMED_OUT = 1 << 1,   /* call->until passed while this call waited */
};

/* Pseudo call numbers: work that is not a system call but waits like one. */
enum {
    CALL_FAULT = CALL_TABLE_SIZE, /* arg[0] address, arg[1] VM_READ/WRITE/EXEC: a page fault */
    CALL_SYNC_ALL,                /* write everything back; from the placement at power off */
    CALL_TABLE_END
};

struct call {
    /* set by the placement */
    uint32_t nr;
    int32_t pid; /* the caller */
    uint64_t arg[6];
    uint32_t flags;
    /* set by the service, kept by the placement across CALL_WAIT */
    uint64_t done;    /* progress: bytes moved so far, or whatever the operation needs */
    uint64_t note;    /* a second word of progress */
    uint64_t channel; /* with CALL_WAIT: what to wait for */
    uint64_t until;   /* with CALL_WAIT: deadline in ns since boot; CALL_FOREVER: none */
};

#define CALL_FOREVER UINT64_MAX

/* Channels are named by who wakes them. 0 is no channel (a pure time-out). */
#define CHANNEL(service, object) (((uint64_t)(service) << 56) | ((uint64_t)(object) & 0xffffffffffffffull))

/* One service asking another. Same results as a call, CALL_WAIT included: then
 * rq->call has channel and until, and the asker returns CALL_WAIT itself. */
struct request {
    uint16_t service; /* enum service_id: whom */
    uint16_t op;      /* enum in services/requests.h: what */
    int32_t pid;      /* on whose behalf, if it matters */
    uint64_t arg[6];
    void *data;  /* payload in the asker's memory, or NULL; the callee moves it by host->take and host->give only */
    size_t size; /* bytes */
    int data_out; /* 0: the callee takes it; 1: the callee gives it */
    struct call *call; /* the program's call this serves. Never NULL */
};

/*
 * Callbacks. `ctx` is the placement's. Each placement fills one struct host for
 * each service instance, before the service's init, and never changes it.
 */
struct host {
    void *ctx;

    /* Zeroed memory for the service itself, 16-byte aligned; page aligned when
     * bytes >= 4096. NULL when there is none: answer -ENOMEM. */
    void *(*alloc)(void *ctx, size_t bytes);
    void (*free)(void *ctx, void *memory, size_t bytes);

    /* The caller's memory: 0, -EFAULT, or CALL_WAIT (set in call as usual).
     * One payload copy each, counted by the machine. */
    long (*copy_in)(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes);
    long (*copy_out)(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes);

    /* ns since boot, from the machine's cycle clock; never the host's. */
    uint64_t (*now)(void *ctx);

    /* Hand in again all calls that wait for this channel. */
    void (*wake)(void *ctx, uint64_t channel);

    /* Another service. -ENOSYS when this placement has none. */
    long (*ask)(void *ctx, struct request *rq);

    /* A part of a request's payload, on the callee's side: 0, or -EFAULT beyond its size. One payload copy each. */
    long (*take)(void *ctx, struct request *rq, void *to, size_t offset, size_t bytes);
    long (*give)(void *ctx, struct request *rq, size_t offset, const void *from, size_t bytes);

    /* The address by which a device reaches this service's memory (physical). Only
     * for memory from alloc with bytes >= 4096; contiguous within each 4 KiB. */
    uint64_t (*dma)(void *ctx, void *memory);
};

/* poll and select wait for this one. Whatever they looked at is armed by that look, and
 * wakes it at its next change. */
#define CHANNEL_POLL CHANNEL(SERVICE_FS, 1)

/* Small helpers, so that a service reads like prose. */
static inline long call_wait(struct call *call, uint64_t channel, uint64_t until)
{
    call->channel = channel;
    call->until = until;
    return CALL_WAIT;
}

/* A service's operation table: index = call number, NULL = ENOSYS. */
typedef long call_op(void *service, struct call *call);

struct service {
    const char *name;       /* "fs", … */
    void *self;             /* the instance, first argument of every operation */
    call_op *const *calls;  /* CALL_TABLE_END entries */
    long (*request)(void *self, struct request *rq); /* what other services ask */
};

static inline long service_call(const struct service *service, struct call *call)
{
    call_op *op = call->nr < CALL_TABLE_END ? service->calls[call->nr] : NULL;

    return op ? op(service->self, call) : -38 /* ENOSYS */;
}

#endif
