/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/hostile_fsd.c: fsd that attacks. pwrite64 and pread64 of descriptor HOSTILE_FD ask for it: the
 * attack's number is the offset, the argument after it the address of a secret. Offset HOSTILE_WHO answers the caller's
 * handle; HOSTILE_HOLD waits until a signal comes, and remembers it; HOSTILE_STALE tries what was remembered; the
 * others are ways not to answer (hostile.h). A request of vmd for a page of a file is attacked once, after the first
 * attack on a program.
 */
#include "tests/arch/images/attack.h"

#include "tests/arch/images/hostile.h"

#define ESRCH 3
#define LIST(when) static const struct attack when##_attacks[] = {
#define ATTACK(name, expected) {#name, attack_##name},
#define END                                                                                                            \
    }                                                                                                                  \
    ;
#include "tests/arch/images/attacks.def"
#define COUNT(list) (sizeof(list) / sizeof(*list))

static struct {
    long (*request)(void *self, struct request *rq); /* the real one */
    bool attacked, forgets, leaves;
    uint64_t stale; /* handle of the call that was held */
    call_op *pwrite64, *pread64;
} hostile;

static long request(void *self, struct request *rq)
{
    struct target target = {.handle = server.request_entry.handle, .address = (uint64_t)rq->data, .bytes = rq->size};

    if (hostile.forgets) {
        hostile.forgets = false;
        server.request_entry.handle = 0; /* whom the runtime answers */
        return 0;
    }
    if (!hostile.attacked && rq->op == FS_READ_AT && server.requester == server.where[SERVICE_VM]) {
        hostile.attacked = true;
        for (unsigned n = 0; n < COUNT(request_attacks); n++)
            attack_run(request_attacks, COUNT(request_attacks), n, &target);
    }
    return hostile.request(self, rq);
}

/* Once it is mounted, fs has its own function there. */
static void hook_requests(void)
{
    if (server.services[SERVICE_FS].request == request)
        return;
    hostile.request = server.services[SERVICE_FS].request;
    server.services[SERVICE_FS].request = request;
}

static long try_stale(void)
{
    uint64_t absent;

    if (!hostile.stale)
        return -EINVAL;
    if (ipc_copy(hostile.stale, (uint64_t)&absent, 0x400000, 8, 0, &absent) != -ESRCH)
        return 1;
    return kcall(IPC_REPLY, hostile.stale, 4711, 0) == -ESRCH ? (long)hostile.stale : 2;
}

/* ---- silence ---- */

/* The runtime does not answer who is gone. */
static long forget(struct entry *entry)
{
    entry->gone = true;
    return CALL_WAIT;
}

static _Noreturn void be_deaf(void)
{
    uint64_t word[6];

    for (;;)
        ipc_reply_wait(0, 0, word);
}

static long not_answer(struct call *call)
{
    switch (call->arg[3]) {
    case HOSTILE_SILENT:
        return call_wait(call, CHANNEL(SERVICE_FS, 0x667), CALL_FOREVER);
    case HOSTILE_FORGETS:
        return forget((struct entry *)call);
    case HOSTILE_FORGETS_REQUEST:
        hostile.forgets = true;
        return 0;
    case HOSTILE_LEAVES:
        hostile.leaves = true;
        return 0;
    default:
        be_deaf();
    }
}

/* ---- */

static long attack(const struct attack *attacks, size_t count, struct call *call)
{
    struct entry *entry = (struct entry *)call;
    struct target target = {.entry = entry,
                            .handle = entry->handle,
                            .address = call->arg[1],
                            .bytes = call->arg[2],
                            .secret = call->arg[4]};

    hook_requests();
    switch (call->arg[3]) {
    case HOSTILE_WHO:
        return entry->handle;
    case HOSTILE_HOLD:
        hostile.stale = entry->handle;
        if (call->flags & CALL_INTERRUPTED)
            return -ERESTART;
        return call_wait(call, CHANNEL(SERVICE_FS, 0x666), CALL_FOREVER);
    case HOSTILE_STALE:
        return try_stale();
    case HOSTILE_SILENT ... HOSTILE_DEAF:
        return not_answer(call);
    default:
        return attack_run(attacks, count, call->arg[3], &target);
    }
}

static long hostile_pwrite64(void *self, struct call *call)
{
    return call->arg[0] == HOSTILE_FD ? attack(pwrite64_attacks, COUNT(pwrite64_attacks), call)
                                      : hostile.pwrite64(self, call);
}

static long hostile_pread64(void *self, struct call *call)
{
    return call->arg[0] == HOSTILE_FD ? attack(pread64_attacks, COUNT(pread64_attacks), call)
                                      : hostile.pread64(self, call);
}

/* ---- fs_part, and these two in front ---- */

static void create(enum server_why why)
{
    fs_part.create(why);
    hostile.pwrite64 = server.routes[CALL_pwrite64].op;
    hostile.pread64 = server.routes[CALL_pread64].op;
    server.routes[CALL_pwrite64].op = hostile_pwrite64;
    server.routes[CALL_pread64].op = hostile_pread64;
}

static void destroy(void)
{
    fs_part.destroy();
}

/* What is written at the end is the last that procd asks for but the end itself. */
static long operation(struct request *rq)
{
    if (rq->op == OP_SYNC && hostile.leaves)
        kcall(IPC_EXIT, 0, 0, 0);
    return fs_part.operation(rq);
}

static call_op *inner(uint32_t nr)
{
    return fs_part.inner(nr);
}

static const struct part hostile_part = {.create = create, .destroy = destroy, .operation = operation, .inner = inner};
const struct part *const server_parts[] = {&hostile_part, NULL};
