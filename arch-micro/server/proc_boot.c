/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/proc_boot.c: procd is the first to know what is to run.
 *
 * At boot it tells the kernel where programs' calls, faults and exceptions go. Process 1 is made like a child that has
 * something to be delivered: before its first instruction the kernel asks (MSG_DELIVER), and the answer is its program.
 */
#include "abi/probe.h"
#include "arch-micro/server/proc_part.h"
#include "services/boot/boot.h"

static const char **arguments; /* of process 1, until it has begun */

/* ---- where calls go ---- */

static const uint64_t grants[CALL_TABLE_SIZE] = {
#define GRANTS(call, rights, argument, length) [CALL_##call] = GRANT(rights, argument, length),
#include "arch-micro/server/grants.def"
#undef GRANTS
};

/* What programs may not know of, we answer. */
static void route_calls(void)
{
    uint8_t service_of[CALL_TABLE_SIZE] = {0};

#define CALL(number, name, service) service_of[number] = SERVICE_##service;
#include "abi/calls.def"
#undef CALL
    for (unsigned nr = 0; nr < ROUTES_MAX; nr++)
        if (service_of[nr])
            kcall(IPC_ROUTE, nr, CAP_SERVER(server.where[service_of[nr]]), grants[nr]);
    kcall(IPC_ROUTE, ROUTES_MAX, CAP_SERVER(server.number), 0); /* all others */
    kcall(IPC_HANDLERS, CAP_SERVER(server.where[SERVICE_VM]), CAP_SERVER(server.number), 0);
}

/* ---- process 1 ---- */

static long start_program(void *self, struct call *call)
{
    const char **argv = arguments, **envp = argv + server.boot->argc + 1;

    return proc_start(proc_placement.proc, call, server.boot->text, argv, envp);
}

static struct reply program_started(struct entry *entry, long result)
{
    boot_arguments_free(&server.host, server.boot, arguments);
    if (result < 0) {
        log_line("cannot start %s: error %ld", server.boot->text, -result);
        kcall(IPC_POWER_OFF, (uint64_t)boot_failure_status(result), 0, 0);
    }
    probe(PROBE_BOOTED, 0, 0, 0);
    server.deliver = proc_deliver_to;
    return proc_leave_to(entry, 0);
}

/* The first MSG_DELIVER is process 1's. */
static struct reply deliver_program(struct entry *entry)
{
    entry->kind = ENTRY_JOB;
    entry->op = start_program;
    entry->done = program_started;
    entry->call.nr = CALL_execve;
    return entry_run(entry);
}

void proc_boot(void)
{
    route_calls();
    arguments = boot_arguments(&server.host, server.boot);
    if (!arguments)
        panic("not enough memory for the arguments");
    server.deliver = deliver_program;
    if (kcall(IPC_TASK_CREATE, FIRST_PID, 0, 0) < 0)
        panic("not enough memory for process 1");
    task_name(FIRST_PID, server.boot->text);
    kcall(IPC_TASK_START, FIRST_PID, 0, 0);
    kcall(IPC_TASK_INTERRUPT, FIRST_PID, 0, 0);
}
