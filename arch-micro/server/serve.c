/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/serve.c: what other servers ask of this one.
 *
 * One request is in service at a time, and is answered before anything else is done: the asker waits, and holds up
 * those who wait for it. CALL_WAIT is an answer like any other; the asker keeps its call.
 *
 * Every server may send to every other one, so each looks at who asks: services ask what services/requests.h has them ask, and
 * nothing else. That fsd cannot end vmd, nor ttyd read the disk, is decided here.
 */
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/server.h"

static void read_request(const struct ipc_message *m)
{
    volatile struct message *page = MESSAGE_PAGE;
    struct request *rq = &server.request;
    struct call *call = &server.request_entry.call;

    server.requester = LABEL_BADGE(m->label);
    server.request_entry.kind = ENTRY_REQUEST;
    server.request_entry.handle = LABEL_HANDLE(m->label);
    rq->service = (uint16_t)page->service;
    rq->op = (uint16_t)page->op;
    rq->pid = (int32_t)page->pid;
    rq->arg[0] = page->arg[0];
    rq->arg[1] = page->arg[1];
    rq->arg[2] = page->arg[2];
    rq->arg[3] = page->arg[3];
    rq->arg[4] = page->arg[4];
    rq->arg[5] = page->arg[5];
    rq->data = (void *)page->data;
    rq->size = page->size;
    rq->data_out = page->data_out != 0;
    rq->call = call;
    call->nr = (uint32_t)page->nr;
    call->pid = (int32_t)page->pid;
    call->flags = (uint32_t)page->flags;
    call->done = page->done;
    call->note = page->note;
    call->channel = page->channel;
    call->until = page->until;
}

long serve_operation(struct request *rq)
{
    long result = -ENOSYS;

    for (const struct part *const *part = server_parts; *part && result == -ENOSYS; part++)
        if ((*part)->operation)
            result = (*part)->operation(rq);
    return result;
}

static long operation(struct request *rq)
{
    if (rq->op != OP_QUIT)
        return serve_operation(rq);
    server.attention |= ATTENTION_QUIT;
    return 0;
}

#define BY(service) (1u << SERVICE_##service)

/* Whose requests a service takes. */
static const uint8_t asked_by[SERVICE_COUNT] = {
    [SERVICE_PROC] = BY(FS) | BY(TTY), [SERVICE_VM] = BY(PROC),          [SERVICE_FS] = BY(PROC) | BY(VM),
    [SERVICE_TTY] = BY(FS) | BY(PROC), [SERVICE_BLK] = BY(FS),
};

static unsigned may_ask(const struct request *rq)
{
    if (rq->op == OP_FAULT)
        return BY(PROC) | BY(FS) | BY(TTY);
    if (rq->op > OP_FAULT)
        return BY(PROC);
    return rq->service < SERVICE_COUNT ? asked_by[rq->service] : 0;
}

static bool is_allowed(const struct request *rq)
{
    unsigned services = may_ask(rq);

    for (unsigned s = 0; s < SERVICE_COUNT; s++)
        if (services >> s & 1 && server.where[s] == server.requester)
            return true;
    return false;
}

static long serve(struct request *rq)
{
    const struct service *service = &server.services[rq->service < SERVICE_COUNT ? rq->service : SERVICE_NONE];
    long result;

    if (!is_allowed(rq))
        return -EPERM;
    server.current = &server.request_entry;
    if (rq->op >= OP_FAULT) {
        result = operation(rq);
    } else {
        server.entered = service->request;
        result = service->request ? service->request(service->self, rq) : -ENOSYS;
    }
    server.current = server.fresh;
    return result;
}

struct reply serve_answer(long result)
{
    volatile struct message *page = MESSAGE_PAGE;
    const struct call *call = &server.request_entry.call;
    struct reply reply = {server.request_entry.handle, result};

    if (result == CALL_WAIT)
        server.waiters[CHANNEL_SERVICE(call->channel) % SERVICE_COUNT] |= (uint8_t)(1u << server.requester);
    page->done = call->done;
    page->note = call->note;
    page->channel = call->channel;
    page->until = call->until;
    page->result = result;
    if (!server.attention)
        return reply;
    server_send(reply);
    return NO_REPLY;
}

struct reply serve_again(void)
{
    return serve_answer(serve(&server.request));
}

struct reply serve_request(const struct ipc_message *m)
{
    read_request(m);
    return serve_again();
}

/* ---- payload ---- */

/* Between services of one server it is a move, else the kernel copies between the servers. */
static bool out_of_bounds(const struct request *rq, size_t offset, size_t bytes)
{
    return offset > rq->size || bytes > rq->size - offset;
}

long serve_take(void *ctx, struct request *rq, void *to, size_t offset, size_t bytes)
{
    uint64_t from = (uint64_t)rq->data + offset, absent;

    if (!bytes || out_of_bounds(rq, offset, bytes))
        return bytes ? -EFAULT : 0;
    if (rq == &server.request)
        return ipc_copy(server.request_entry.handle, (uint64_t)to, from, bytes, 0, &absent) ? -EFAULT : 0;
    memcpy(to, (const void *)from, bytes);
    return 0;
}

long serve_give(void *ctx, struct request *rq, size_t offset, const void *from, size_t bytes)
{
    uint64_t to = (uint64_t)rq->data + offset, absent;

    if (!bytes || out_of_bounds(rq, offset, bytes))
        return bytes ? -EFAULT : 0;
    if (rq == &server.request)
        return ipc_copy(server.request_entry.handle, (uint64_t)from, to, bytes, COPY_OUT, &absent) ? -EFAULT : 0;
    memcpy((void *)to, from, bytes);
    return 0;
}
