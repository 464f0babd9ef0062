/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/proc_part.c: proc, which also hears of exceptions and delivers signals.
 */
#include "arch-micro/server/proc_part.h"

/* ---- calls ---- */

/* A fault's answer must not be replaced: the kernel may have to make an exception of it. */
static struct reply finish_fault(struct entry *entry, long result)
{
    if (proc_pending(proc_placement.proc, entry->call.pid))
        kcall(IPC_TASK_INTERRUPT, (uint64_t)entry->call.pid, 0, 0);
    return entry_answer(entry, result);
}

static struct reply finish(struct entry *entry, long result)
{
    if (entry->call.nr == CALL_FAULT)
        return finish_fault(entry, result);
    entry->result = result;
    if (result == -ERESTART || proc_pending(proc_placement.proc, entry->call.pid))
        return proc_deliver_to(entry);
    return proc_leave_to(entry, result);
}

/* alarm and setitimer: the kernel's alarm may have to come earlier. */
static long call_timer(void *self, struct call *call)
{
    server.attention |= ATTENTION_ALARM;
    return service_call(&server.services[SERVICE_PROC], call);
}

static void exception(struct entry *entry, unsigned vector, uint64_t error, uint64_t address, uint64_t answer)
{
    bool page_fault = vector == 14;

    proc_exception(proc_placement.proc, entry->call.pid, vector,
                   page_fault ? (error & UINT32_MAX) | PROC_FAULT(answer) : error, address);
}

/* ---- execve's names ---- */

static long ask_noting(void *ctx, struct request *rq)
{
    long result = ask(ctx, rq);

    if (rq->service == SERVICE_FS && rq->op == FS_OPEN_EXEC && result >= 0 && rq->data)
        task_name(rq->pid, rq->data);
    return result;
}

/* ---- life ---- */

static void create(enum server_why why)
{
    const struct boot_info *boot = server.boot;
    struct proc_config config = {
        .seed = boot->seed,
        .wall_ns = boot->wall_ns,
        .ram_bytes = boot->ram_bytes,
        .cpus = boot->cpus,
        .machine_version = "micro",
    };

    proc_placement.host = server.host;
    proc_placement.host.ask = ask_noting;
    tasks_init(&proc_placement.threads);
    proc_placement.proc = proc_create(&proc_placement.host, &proc_placement.threads, &config);
    if (!proc_placement.proc)
        panic("not enough memory");
    server_add(SERVICE_PROC, proc_service(proc_placement.proc));
    server.routes[CALL_alarm].op = server.routes[CALL_setitimer].op = call_timer;
    server.proc = proc_placement.proc;
    server.pending = (int (*)(const void *, int))proc_pending;
    server.finish = finish;
    server.exception = exception;
    server.write_back = tasks_write_back;
    proc_boot();
}

static void destroy(void)
{
    proc_destroy(proc_placement.proc);
}

static uint64_t next_timer(void)
{
    return proc_next_timer(proc_placement.proc);
}

static void timer(void)
{
    proc_timer(proc_placement.proc);
}

const struct part proc_part = {.create = create, .destroy = destroy, .next_timer = next_timer, .timer = timer};
