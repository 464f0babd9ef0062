/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/fs_part.c: fs mounts by itself, as a job; until it has, who asks waits.
 *
 * After a restart with nothing kept the disk is mounted anew, which brings back all that was ever synced. But
 * descriptors and what was not yet written are gone. No program may go on as if they were there: every call answers
 * -EIO from then on, while processes may still end.
 */
#include "arch-micro/server/parts.h"
#include "services/fs/fs.h"

#define CHANNEL_MOUNTED CHANNEL(SERVICE_FS, 2)

static struct {
    struct fs *fs;
    struct service service;
    bool lost;         /* a new instance: see above */
    long start_result; /* why process 1 cannot start; 0: it can */
} part;

/* Its own operations: the service's table leads to them through a common entry. */
#define OPERATION(call, function) call_op op_##function;
#include "services/fs/operations.def"
#undef OPERATION

static call_op *const operations[CALL_TABLE_END] = {
#define OPERATION(call, function) [CALL_##call] = op_##function,
#include "services/fs/operations.def"
#undef OPERATION
};

static call_op *inner(uint32_t nr)
{
    return operations[nr];
}

/* ---- what is answered when fs is not there ---- */

static long request_waits(void *self, struct request *rq)
{
    return call_wait(rq->call, CHANNEL_MOUNTED, CALL_FOREVER);
}

/* Process 1 has no working directory: its program cannot be opened. */
static long request_cannot_start(void *self, struct request *rq)
{
    return rq->op == FS_OPEN_EXEC ? part.start_result : part.service.request(self, rq);
}

static long request_lost(void *self, struct request *rq)
{
    switch (rq->op) {
    case FS_FORK:
    case FS_EXEC:
    case FS_EXIT:
    case FS_HOLD:
    case FS_RELEASE:
        return 0;
    default:
        return -EIO;
    }
}

static long call_lost(void *self, struct call *call)
{
    return -EIO;
}

static void lose_calls(void)
{
    for (unsigned nr = 0; nr < CALL_SYNC_ALL; nr++)
        if (part.service.calls[nr])
            server.routes[nr].op = call_lost;
}

/* ---- the job at start ---- */

static long mount_and_start(void *self, struct call *call)
{
    const char *cwd = server.boot->cwd;
    long r = fs_mount(part.fs, call);

    if (r == CALL_WAIT)
        return r;
    if (r < 0)
        panic("cannot mount the disk: error %ld", -r);
    if (part.lost)
        return 0;
    part.start_result = fs_start(part.fs, call, cwd[0] ? cwd : "/");
    return part.start_result == CALL_WAIT ? CALL_WAIT : 0;
}

static struct reply mounted(struct entry *entry, long result)
{
    server.services[SERVICE_FS].request = part.lost           ? request_lost
                                          : part.start_result ? request_cannot_start
                                                              : part.service.request;
    entry_release(entry);
    wake_channel(CHANNEL_MOUNTED);
    return NO_REPLY;
}

/* The device may still move bytes from and to memory of this instance, or of the one before, that is about to have a
 * new owner: for an instance that begins, when it first waits for messages. So it asks without waiting. */
static void end_transfers(void)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    struct request rq = {.service = SERVICE_BLK, .op = BLK_FORGET, .call = &call};

    while (ask(NULL, &rq) == CALL_WAIT)
        kcall(IPC_YIELD, 0, 0, 0);
}

static void create(enum server_why why)
{
    struct fs_config config = {
        .wall_ns = server.boot->wall_ns, .seed = server.boot->seed, .tty_mask = server.boot->tty_mask};
    struct entry *job = entry_create(mount_and_start, mounted);
    struct service service;

    part.fs = fs_create(&server.host, &config);
    if (!part.fs || !job)
        panic("not enough memory");
    part.lost = why == START_FRESH;
    if (part.lost)
        end_transfers();
    part.service = service = fs_service(part.fs);
    service.request = request_waits;
    server_add(SERVICE_FS, service);
    if (part.lost)
        lose_calls();
    job->call.nr = CALL_SYNC_ALL;
    server_send(entry_run(job));
}

static void destroy(void)
{
    end_transfers();
    fs_destroy(part.fs);
}

static long operation(struct request *rq)
{
    const struct route *route = &server.routes[CALL_SYNC_ALL];

    if (rq->op != OP_SYNC)
        return -ENOSYS;
    rq->call->nr = CALL_SYNC_ALL;
    server.entered = route->op;
    return route->op(route->self, rq->call);
}

const struct part fs_part = {.create = create, .destroy = destroy, .operation = operation, .inner = inner};
