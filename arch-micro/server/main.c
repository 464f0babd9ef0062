/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/main.c: a server starts.
 *
 * At boot each part makes its service. After a death the server starts again in one of two ways. With its memory kept
 * (START_KEEP) it looks where it died: if that was the first instruction of the operation entered last, nothing of
 * it has happened, the memory is good, and the same call is handed in once more; a call that kills its server twice is
 * answered -EIO. Anywhere else the memory cannot be trusted, and the server refuses. Then it starts from nothing
 * (START_FRESH), and whoever may have waited for its services is told to look again.
 */
#include "abi/probe.h"
#include "arch-micro/server/kcall.h"
#include "arch-micro/server/server.h"
#include "guest/ring3/memory.h"

struct server server;

#define S(service) (1u << SERVICE_##service)
static const struct {
    const char *name;
    unsigned services;
} placement[] = {
    {"procd", S(PROC)}, {"vmd", S(VM)},   {"fsd", S(FS) | S(PIPE)},
    {"blkd", S(BLK)},   {"ttyd", S(TTY)}, {"osd", S(PROC) | S(VM) | S(FS) | S(PIPE) | S(BLK) | S(TTY)},
};
#undef S

static void find_services(void)
{
    for (unsigned service = 0; service < SERVICE_COUNT; service++)
        server.where[service] = NOWHERE;
    for (unsigned n = 0; n < server.boot->module_count; n++)
        for (unsigned i = 0; i < sizeof(placement) / sizeof(*placement); i++)
            for (unsigned service = 0; service < SERVICE_COUNT; service++)
                if (placement[i].services >> service & 1 && str_eq(server.boot->modules[n].name, placement[i].name))
                    server.where[service] = (int)n;
}

/* No service has this call. */
static long call_unknown(void *self, struct call *call)
{
    probe(PROBE_WARN, PROBE_WARN_ENOSYS, call->nr, 0);
    return -ENOSYS;
}

void server_add(enum service_id id, struct service service)
{
    server.services[id] = service;
    for (unsigned nr = 0; nr < CALL_TABLE_END; nr++)
        if (service.calls[nr])
            server.routes[nr] = (struct route){service.calls[nr], service.self};
}

static void init(int number)
{
    server.number = number;
    server.boot = (const struct boot_info *)SERVER_BOOT_INFO;
    find_services();
    calls_init();
    host_init();
    server.finish = entry_answer;
    for (unsigned nr = 0; nr <= ROUTE_UNKNOWN; nr++)
        server.routes[nr] = (struct route){call_unknown, NULL};
}

int server_supervisor(void)
{
    for (unsigned n = 0; n < server.boot->module_count; n++)
        if (str_eq(server.boot->modules[n].name, "rsd"))
            return (int)n;
    return NOWHERE;
}

/* What the dead instance would have woken. */
static void wake_everybody(void)
{
    for (unsigned n = 0; n < server.boot->module_count; n++)
        if ((int)n != server.number)
            kcall(IPC_NOTIFY, CAP_SERVER(n), NOTIFY_POLL | (NOTIFY_WAKE(SERVICE_COUNT) - 1), 0);
}

/* ---- again ---- */

/* The operation of that number, where the route leads to it through something of the placement's. */
static bool is_operation(uint64_t address, uint32_t nr)
{
    for (unsigned service = 0; service < SERVICE_COUNT; service++)
        if (server.services[service].calls && address == (uint64_t)server.services[service].calls[nr])
            return true;
    for (const struct part *const *part = server_parts; *part; part++)
        if ((*part)->inner && address == (uint64_t)(*part)->inner(nr))
            return true;
    return false;
}

/* A program's call, or a request that is handed to a service as a call. */
static bool enters_by_table(const struct entry *entry)
{
    if (entry->call.nr >= CALL_TABLE_END)
        return false;
    return entry->kind == ENTRY_CALL || (entry->kind == ENTRY_REQUEST && server.request.op >= OP_FAULT);
}

static bool nothing_happened(uint64_t died_at)
{
    const struct entry *entry = server.current;

    return died_at == (uint64_t)server.entered || (enters_by_table(entry) && is_operation(died_at, entry->call.nr));
}

static struct reply once_more(void)
{
    struct entry *entry = server.current;
    bool twice = server.retrying;

    server.retrying = true;
    server.current = server.fresh;
    if (entry->kind == ENTRY_REQUEST)
        return twice ? serve_answer(-EIO) : serve_again();
    return twice ? entry_end(entry, -EIO) : entry_run(entry);
}

static struct reply resume(uint64_t died_at)
{
    struct reply reply;

    if (!server.started || !nothing_happened(died_at))
        kcall(IPC_EXIT, 1, 0, 0);
    server.alarm = CALL_FOREVER;
    reply = once_more();
    server.retrying = false;
    server.attention |= ATTENTION_ALARM;
    if (server.owed.handle) {
        server_send(reply);
        reply = server.owed;
    }
    return calls_settle(reply);
}

/* ---- start and end ---- */

static struct reply start(int number, enum server_why why, uint64_t died_at)
{
    if (why == START_KEEP)
        return resume(died_at);
    init(number);
    for (const struct part *const *part = server_parts; *part; part++)
        (*part)->create(why);
    server.started = true;
    if (why == START_FRESH)
        wake_everybody();
    return calls_settle(NO_REPLY);
}

void server_main(int number, enum server_why why, uint64_t died_at)
{
    struct reply reply = start(number, why, died_at);

    if (why != START_BOOT)
        kcall(IPC_NOTIFY, CAP_SERVER(server_supervisor()), NOTIFY_ALIVE(server.number), 0);
    server_loop(reply);
}

static void destroy_parts(const struct part *const *part)
{
    if (!*part)
        return;
    destroy_parts(part + 1);
    (*part)->destroy();
}

void server_end(void)
{
    size_t pages;

    destroy_parts(server_parts);
    calls_end();
    pages = memory_shrink();
    if (pages)
        log_line("%lu pages of memory leaked", pages);
}
