/* SPDX-License-Identifier: MIT
 *
 * services/boot/boot.c: the steps as a whole, where the caller may sleep; see boot.h.
 */
#include "services/boot/boot.h"

#include "services/requests.h"

long boot_mount(struct fs *fs, boot_sleep *sleep)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    long result;

    while ((result = fs_mount(fs, &call)) == CALL_WAIT)
        sleep(&call);
    return result;
}

long boot_program(const struct host *host, const struct boot_info *boot, struct fs *fs, struct proc *proc,
                  boot_sleep *sleep)
{
    const char **argv = boot_arguments(host, boot);
    struct call call = {.nr = CALL_execve, .pid = FIRST_PID};
    long result;

    if (!argv)
        return -ENOMEM;
    while ((result = fs_start(fs, &call, boot->cwd[0] ? boot->cwd : "/")) == CALL_WAIT)
        sleep(&call);
    if (result >= 0) {
        call = (struct call){.nr = CALL_execve, .pid = FIRST_PID};
        while ((result = proc_start(proc, &call, boot->text, argv, argv + boot->argc + 1)) == CALL_WAIT)
            sleep(&call);
    }
    boot_arguments_free(host, boot, argv);
    return result;
}

void boot_finish(const struct service *fs, const struct service *tty, boot_sleep *sleep)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    struct request drain = {.service = SERVICE_TTY, .op = TTY_DRAIN, .call = &call};

    while (service_call(fs, &call) == CALL_WAIT)
        sleep(&call);
    while (tty->request(tty->self, &drain) == CALL_WAIT)
        sleep(&call);
}
