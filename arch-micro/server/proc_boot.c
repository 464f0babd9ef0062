/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/proc_boot.c: procd is the first to know what is to run, and the last to know that all is over.
 *
 * At boot it tells the kernel where programs' calls, faults and exceptions go. Process 1 is made like a child that has
 * something to be delivered: before its first instruction the kernel asks (MSG_DELIVER), and the answer is its program.
 *
 * When process 1 is gone everything is written to the disk and to the terminal, the servers end one after the other,
 * and the machine is switched off.
 */
#include "abi/probe.h"
#include "arch-micro/server/proc_part.h"
#include "services/boot/boot.h"

static struct {
    const char **arguments; /* of process 1, until it has begun */
    int status; /* of process 1, as of wait4 */
} boot;

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
    const char **argv = boot.arguments, **envp = argv + server.boot->argc + 1;

    return proc_start(proc_placement.proc, call, server.boot->text, argv, envp);
}

static struct reply program_started(struct entry *entry, long result)
{
    boot_arguments_free(&server.host, server.boot, boot.arguments);
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
    boot.arguments = boot_arguments(&server.host, server.boot);
    if (!boot.arguments)
        panic("not enough memory for the arguments");
    server.deliver = deliver_program;
    if (kcall(IPC_TASK_CREATE, FIRST_PID, 0, 0) < 0)
        panic("not enough memory for process 1");
    task_name(FIRST_PID, server.boot->text);
    kcall(IPC_TASK_START, FIRST_PID, 0, 0);
    kcall(IPC_TASK_INTERRUPT, FIRST_PID, 0, 0);
}

/* ---- the end ---- */

static long ask_of(struct call *call, enum service_id service, unsigned op)
{
    return ask(NULL, &(struct request){.service = service, .op = (uint16_t)op, .call = call});
}

/* call->done: how many steps are over. Errors change nothing any more. */
static long finish_output(void *self, struct call *call)
{
    static const struct {
        enum service_id service;
        unsigned op;
    } steps[] = {{SERVICE_VM, OP_SHRINK}, {SERVICE_FS, OP_SYNC}, {SERVICE_TTY, TTY_DRAIN}};
    uint64_t step = call->done;

    for (; step < sizeof(steps) / sizeof(*steps); step++) {
        struct call scratch = {.nr = CALL_SYNC_ALL};

        if (ask_of(&scratch, steps[step].service, steps[step].op) == CALL_WAIT) {
            call->done = step;
            return call_wait(call, scratch.channel, scratch.until);
        }
    }
    return 0;
}

static void quit(enum service_id service)
{
    struct call call = {.nr = CALL_SYNC_ALL};

    if (server.where[service] != server.number)
        ask_of(&call, service, OP_QUIT);
}

/* From the highest to the lowest: none has a user any more when it ends. */
static struct reply power_off(struct entry *entry, long result)
{
    entry_release(entry);
    quit(SERVICE_VM);
    quit(SERVICE_FS);
    quit(SERVICE_TTY);
    quit(SERVICE_BLK);
    server_end();
    kcall(IPC_POWER_OFF, (uint64_t)boot_exit_status(boot.status), 0, 0);
    return NO_REPLY;
}

void proc_shutdown(int status)
{
    struct entry *job = entry_create(finish_output, power_off);

    if (!job)
        panic("not enough memory to end");
    boot.status = status;
    entry_ready(job, 0);
}
