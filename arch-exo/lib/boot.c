/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/boot.c: the library's start and end.
 *
 * The first env makes the services and becomes process 1. When that is gone so are all others; its env then ends the
 * services, gives what it had back to the kernel, and says that the group is done.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "arch-exo/lib/patch.h"
#include "arch-exo/lib/start.h"
#include "guest/settings.h"

struct library library;

/* ---- services ---- */

static void make_services(const struct boot_info *boot)
{
    struct fs_config fs = start_fs_config(boot);
    struct proc_config proc = start_proc_config(boot, "exo");

    library.services[SERVICE_BLK] = disk_service(boot);
    library.services[SERVICE_TTY] = start_tty(boot, &library.host, &library.tty);
    library.fs = fs_create(&library.host, &fs);
    library.vm = vm_create(&library.host, &library.vm_host, boot->ram_bytes);
    library.proc = proc_create(&library.host, &library.proc_host, &proc);
    if (!library.fs || !library.vm || !library.proc)
        panic("not enough memory for the services");
    library.services[SERVICE_FS] = fs_service(library.fs);
    library.services[SERVICE_VM] = vm_service(library.vm);
    library.services[SERVICE_PROC] = proc_service(library.proc);
}

/* ---- process 1 ---- */

static void become_first(struct task *task)
{
    const struct boot_info *boot = library.boot;

    task_name_exec(task, boot->text);
    start_program(&library.host, boot, library.fs, library.proc);
    task_leave(task, 0);
}

/* ---- the beginning ---- */

void lib_main(void)
{
    const struct boot_info *boot = (const struct boot_info *)LIB_BOOT_INFO;
    struct task *first = task_adopt(FIRST_PID);

    library.boot = boot;
    library.patches = settings_on(boot->settings, "patch", true);
    start_upcalls();
    sched_init();
    lock_take();
    host_init();
    pages_init(&library.vm_host);
    tasks_init(&library.proc_host);
    patch_init(&library.host, (uint64_t)lib_call);
    make_services(boot);
    calls_init();
    housekeeper_start();
    start_mount(library.fs);
    become_first(first);
}

void lib_begin(void)
{
    struct task *task = task_current();

    task->begin(task);
}

/* ---- the end ---- */

static void end_services(void)
{
    proc_destroy(library.proc);
    vm_destroy(library.vm);
    fs_destroy(library.fs);
    if (library.tty)
        tty_destroy(library.tty);
}

static void give_memory_back(void)
{
    size_t leak;

    tasks_reap();
    pages_shrink();
    leak = memory_shrink();
    if (leak)
        log_line("%lu pages of the heap leaked", leak);
}

/* The housekeeper is needed to the end of the output; and longer, if process 1 crashed and this is its env. */
_Noreturn void library_end(void)
{
    boot_finish(&library.services[SERVICE_FS], &library.services[SERVICE_TTY], call_sleep);
    if (task_current() != library.housekeeper) {
        housekeeper_stop();
        end_services();
        give_memory_back();
    }
    for (;;)
        exo_call(EXO_POWER_OFF, (uint64_t)boot_exit_status(library.status), 0, 0);
}
