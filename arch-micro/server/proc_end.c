/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/proc_end.c: procd is the last to know that all is over.
 *
 * When process 1 is gone everything is written to the disk and to the terminal, the servers end one after the other,
 * and the machine is switched off.
 */
#include "arch-micro/server/proc_part.h"
#include "services/boot/boot.h"

static int status_of_first; /* process 1's, as of wait4 */

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
    kcall(IPC_POWER_OFF, (uint64_t)boot_exit_status(status_of_first), 0, 0);
    return NO_REPLY;
}

void proc_shutdown(int status)
{
    struct entry *job = entry_create(finish_output, power_off);

    if (!job)
        panic("not enough memory to end");
    status_of_first = status;
    entry_ready(job, 0);
}
