/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/boot.c: the library's start and end.
 */
#include "arch-exo/copier/copier.h"
#include "arch-exo/lib/context.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/start.h"

struct copier copier;

static void make_services(const struct boot_info *boot)
{
    struct fs_config fs = start_fs_config(boot);
    struct proc_config proc = start_proc_config(boot, "exo:copier");

    copier.services[SERVICE_BLK] = disk_service(boot);
    copier.services[SERVICE_TTY] = start_tty(boot, &copier.host, &copier.tty);
    copier.fs = fs_create(&copier.host, &fs);
    copier.proc = proc_create(&copier.host, &copier.proc_host, &proc);
    if (!copier.fs || !copier.proc)
        panic("not enough memory for the services");
    copier.services[SERVICE_FS] = fs_service(copier.fs);
    copier.services[SERVICE_PROC] = proc_service(copier.proc);
    copier.services[SERVICE_VM] = space_service();
}

/* The first env: the only one. entry.S goes on with its context. */
void lib_main(void)
{
    copier.boot = (const struct boot_info *)LIB_BOOT_INFO;
    start_upcalls();
    context_init(&lib_private.context);
    lib_private.trap.pass = (uint64_t)exception_passed;
    host_init();
    threads_init(&copier.proc_host);
    make_services(copier.boot);
    start_mount(copier.fs);
    start_program(&copier.host, copier.boot, copier.fs, copier.proc);
    program_resume(0);
}

/* entry.S: for further envs, of which there are none. */
void lib_begin(void)
{
}

static void end_services(void)
{
    proc_destroy(copier.proc);
    fs_destroy(copier.fs);
    if (copier.tty)
        tty_destroy(copier.tty);
}

_Noreturn void copier_end(int status)
{
    size_t leak;

    streams_end();
    boot_finish(&copier.services[SERVICE_FS], &copier.services[SERVICE_TTY], call_sleep);
    end_services();
    space_end();
    rows_shrink();
    leak = memory_shrink();
    if (leak)
        log_line("%lu pages of the heap leaked", leak);
    for (;;)
        exo_call(EXO_POWER_OFF, (uint64_t)status, 0, 0);
}
