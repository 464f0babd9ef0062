/* SPDX-License-Identifier: MIT
 *
 * arch-micro/caps.c: capabilities: what a task may name, by index into its own table (Dennis and Van Horn, CACM 1966).
 *
 * A server's table is part of it and filled when it starts. A program has none until it makes an endpoint; a fork
 * copies the parent's. An endpoint that programs made ends with the last capability to it, a server's with its server.
 */
#include "arch-micro/kernel.h"
#include "guest/heap.h"

const struct capability *cap_find(const struct task *task, uint64_t cap, enum capability_kind kind, unsigned rights)
{
    const struct capability *found = cap < task->cap_count ? &task->caps[cap] : NULL;

    return found && found->kind == kind && (found->rights & rights) == rights ? found : NULL;
}

/* ---- endpoints ---- */

void endpoint_init(struct endpoint *endpoint, struct task *owner)
{
    *endpoint = (struct endpoint){.owner = owner};
    list_init(&endpoint->senders);
    if (kernel.mach)
        mach_port_create(endpoint);
}

void endpoint_fail_senders(struct endpoint *endpoint)
{
    while (!list_empty(&endpoint->senders))
        ipc_fail(LIST_MEMBER(endpoint->senders.next, struct task, link), -EPIPE);
}

/* Nobody sends to it any more. */
void endpoint_fini(struct endpoint *endpoint)
{
    endpoint_fail_senders(endpoint);
    if (kernel.mach)
        mach_port_destroy(endpoint);
}

static void endpoint_release(struct endpoint *endpoint)
{
    if (endpoint->owner || --endpoint->capabilities)
        return;
    endpoint_fini(endpoint);
    heap_free(endpoint, sizeof(*endpoint));
}

/* ---- tables ---- */

static bool table_make(struct task *task)
{
    if (!task->caps) {
        task->caps = heap_alloc(PROGRAM_CAPS * sizeof(*task->caps));
        task->cap_count = task->caps ? PROGRAM_CAPS : 0;
    }
    return task->caps;
}

/* Index 0 stays free: as the endpoint of a wait it means the task's own. Servers have one, and make no others: where they wait
 * the supervisor sees whether they work. */
long cap_new_endpoint(struct task *task)
{
    struct endpoint *endpoint;
    unsigned cap = 1;

    if (task->image)
        return -EBADF;
    if (!table_make(task))
        return -ENOMEM;
    while (cap < task->cap_count && task->caps[cap].kind != CAP_KIND_NONE)
        cap++;
    if (cap == task->cap_count)
        return -ENFILE;
    endpoint = heap_alloc(sizeof(*endpoint));
    if (!endpoint)
        return -ENOMEM;
    endpoint_init(endpoint, NULL);
    endpoint->capabilities = 1;
    task->caps[cap] = (struct capability){CAP_KIND_ENDPOINT, RIGHT_SEND | RIGHT_RECEIVE, endpoint};
    return cap;
}

long cap_close(struct task *task, uint64_t cap)
{
    if (task->image || !cap_find(task, cap, CAP_KIND_ENDPOINT, 0))
        return -EBADF;
    endpoint_release(task->caps[cap].endpoint);
    task->caps[cap] = (struct capability){0};
    return 0;
}

bool caps_copy(struct task *task, const struct task *parent)
{
    if (!parent->program || !parent->caps)
        return true;
    if (!table_make(task))
        return false;
    for (unsigned i = 0; i < parent->cap_count; i++) {
        task->caps[i] = parent->caps[i];
        if (task->caps[i].kind == CAP_KIND_ENDPOINT)
            task->caps[i].endpoint->capabilities++;
    }
    return true;
}

void caps_drop(struct task *task)
{
    for (unsigned i = 0; i < task->cap_count; i++)
        if (task->caps[i].kind == CAP_KIND_ENDPOINT)
            endpoint_release(task->caps[i].endpoint);
    heap_free(task->caps, task->cap_count * sizeof(*task->caps));
    task->caps = NULL;
    task->cap_count = 0;
}
