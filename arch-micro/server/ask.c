/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/ask.c: what a service asks of another one: a function call in the same server, else a message.
 *
 * The words of the request and of its answer are in the message page, which any further request overwrites: so they are
 * written right before the kernel call and read right after it. The payload stays where it is; the request grants it.
 */
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/server.h"

/* Who may block on whom: on greater ranks. */
static const int rank[SERVICE_COUNT] = {
    [SERVICE_PROC] = 0, [SERVICE_VM] = 1, [SERVICE_FS] = 2, [SERVICE_PIPE] = 2, [SERVICE_TTY] = 3, [SERVICE_BLK] = 3,
};

static bool upwards(unsigned service)
{
    for (unsigned own = 0; own < SERVICE_COUNT; own++)
        if (server.services[own].request && rank[service] <= rank[own])
            return true;
    return false;
}

/* The program that is served by asking: who is asked may copy from and to it, if what is asked says where. */
static uint64_t served_by(const struct request *rq)
{
    const struct entry *entry = server.current;

    if (!request_uses_caller(rq) || rq->call != &entry->call || entry->kind == ENTRY_REQUEST)
        return 0;
    return entry->handle;
}

static void write_request(const struct request *rq)
{
    volatile struct message *page = MESSAGE_PAGE;

    page->service = rq->service;
    page->op = rq->op;
    page->pid = rq->pid;
    page->arg[0] = rq->arg[0];
    page->arg[1] = rq->arg[1];
    page->arg[2] = rq->arg[2];
    page->arg[3] = rq->arg[3];
    page->arg[4] = rq->arg[4];
    page->arg[5] = rq->arg[5];
    page->data = (uint64_t)rq->data;
    page->size = rq->data ? rq->size : 0;
    page->data_out = (uint64_t)rq->data_out;
    page->served = served_by(rq);
    page->nr = rq->call->nr;
    page->flags = rq->call->flags;
    page->done = rq->call->done;
    page->note = rq->call->note;
    page->channel = rq->call->channel;
    page->until = rq->call->until;
}

static long read_answer(struct call *call)
{
    volatile struct message *page = MESSAGE_PAGE;

    call->done = page->done;
    call->note = page->note;
    call->channel = page->channel;
    call->until = page->until;
    return page->result;
}

/* ---- posts ---- */

/* Only what nobody waits for. */
static bool can_be_posted(const struct request *rq)
{
    return (rq->service == SERVICE_PROC && rq->op == PROC_SIGNAL) ||
           (rq->service == SERVICE_FS && rq->op == FS_RELEASE);
}

/* When there is no room, a signal is lost, or a file stays open until the end: better than a deadlock. */
static long post(int to, const struct request *rq)
{
    struct post *post = &server.posts[(server.first_post + server.post_count) % POSTS_MAX];

    if (server.post_count == POSTS_MAX) {
        log_line("too many requests wait for %s: one is dropped", server.boot->modules[to].name);
        return 0;
    }
    post->to = to;
    post->service = rq->service;
    post->op = rq->op;
    post->pid = rq->pid;
    post->arg[0] = rq->arg[0];
    post->arg[1] = rq->arg[1];
    post->arg[2] = rq->arg[2];
    server.post_count++;
    server.attention |= ATTENTION_POSTED;
    return 0;
}

/* false: busy again. */
static bool send_post(const struct post *post)
{
    struct call call = {.nr = CALL_kill};
    struct request rq = {.service = post->service,
                         .op = post->op,
                         .pid = post->pid,
                         .arg = {post->arg[0], post->arg[1], post->arg[2]},
                         .call = &call};

    write_request(&rq);
    return kcall(IPC_REQUEST, CAP_SERVER(post->to), REQUEST_TRY, 0) != -EAGAIN;
}

/* A server posts to one other server only: the ring is in order. */
void ask_free(int n)
{
    while (server.post_count && server.posts[server.first_post].to == n) {
        if (!send_post(&server.posts[server.first_post]))
            return;
        server.first_post = (server.first_post + 1) % POSTS_MAX;
        server.post_count--;
    }
    server_send(calls_release_held());
    wake_channel(CHANNEL_FREE(n));
}

/* ---- asking ---- */

static long busy(int to, const struct request *rq)
{
    return can_be_posted(rq) ? post(to, rq) : call_wait(rq->call, CHANNEL_FREE(to), CALL_FOREVER);
}

static long send(int to, const struct request *rq, bool polite)
{
    write_request(rq);
    return kcall(IPC_REQUEST, CAP_SERVER(to), polite ? REQUEST_TRY : 0, 0);
}

/* Who dies of a request answers -EPIPE. Of blk the same may be asked again (services/requests.h), and is, once: of what
 * kills it twice it is not asked a third time. */
long ask_server(int to, struct request *rq)
{
    bool polite = server.current->polite || upwards(rq->service);
    long r;

    if (polite && server.post_count && can_be_posted(rq))
        return post(to, rq);
    r = send(to, rq, polite);
    if (r == -EPIPE && rq->service == SERVICE_BLK)
        r = send(to, rq, polite);
    if (r == -EAGAIN)
        return busy(to, rq);
    return r < 0 ? -EIO : read_answer(rq->call);
}

long ask(void *ctx, struct request *rq)
{
    const struct service *service = &server.services[rq->service < SERVICE_COUNT ? rq->service : SERVICE_NONE];
    int to = server.where[rq->service < SERVICE_COUNT ? rq->service : SERVICE_NONE];

    if (service->request)
        return rq->op >= OP_FAULT ? serve_operation(rq) : service->request(service->self, rq);
    return to == NOWHERE ? -ENOSYS : ask_server(to, rq);
}
