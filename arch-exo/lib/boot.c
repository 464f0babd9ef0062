/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/boot.c: the library's start and end.
 *
 * The first env makes the services and becomes process 1. When that is gone so are all others; its env then ends the
 * services, gives what it had back to the kernel, and says that the group is done.
 */
#include "abi/probe.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "arch-exo/lib/patch.h"
#include "guest/heap.h"
#include "guest/settings.h"
#include "services/string.h"

#define EXIT_CANNOT_START 126
#define EXIT_NOT_FOUND 127

struct library library;

/* ---- services ---- */

static const struct exo_upcalls upcalls = {
    .syscall = (uint64_t)syscall_upcall,
    .exception = (uint64_t)exception_upcall,
    .fault = (uint64_t)fault_upcall,
    .interrupt = (uint64_t)interrupt_upcall,
    .exit_begin = (uint64_t)exit_begin,
    .exit_end = (uint64_t)exit_end,
};

static void make_devices(const struct boot_info *boot)
{
    struct tty_config tty = {.tty_mask = boot->tty_mask, .rows = boot->tty_rows, .columns = boot->tty_columns};

    library.services[SERVICE_BLK] = disk_service(boot);
    if (!has_consoles()) {
        library.services[SERVICE_TTY] = log_tty_service();
        return;
    }
    library.tty = tty_create(&library.host, &library.console_device, &library.stderr_device, &tty);
    if (!library.tty)
        panic("no console");
    library.services[SERVICE_TTY] = tty_service(library.tty);
}

static void make_services(const struct boot_info *boot)
{
    struct fs_config fs = {
        .wall_ns = boot->wall_ns, .seed = boot->seed, .tty_mask = has_consoles() ? boot->tty_mask : 0};
    struct proc_config proc = {
        .seed = boot->seed,
        .wall_ns = boot->wall_ns,
        .ram_bytes = boot->ram_bytes,
        .cpus = boot->cpus,
        .machine_version = "exo",
    };

    library.fs = fs_create(&library.host, &fs);
    library.vm = vm_create(&library.host, &library.vm_host, boot->ram_bytes);
    library.proc = proc_create(&library.host, &library.proc_host, &proc);
    if (!library.fs || !library.vm || !library.proc)
        panic("not enough memory for the services");
    library.services[SERVICE_FS] = fs_service(library.fs);
    library.services[SERVICE_VM] = vm_service(library.vm);
    library.services[SERVICE_PROC] = proc_service(library.proc);
}

static void mount(void)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    long result;

    while ((result = fs_mount(library.fs, &call)) == CALL_WAIT)
        call_sleep(&call);
    if (result < 0)
        panic("cannot mount the disk: error %ld", -result);
}

/* ---- process 1 ---- */

/* The strings of boot->text from the n-th on, as a NULL-terminated array of `count`. */
static const char **strings_from(const struct boot_info *boot, unsigned n, unsigned count)
{
    const char **array = heap_alloc((count + 1) * sizeof(*array));
    const char *s = boot->text;

    if (!array)
        panic("not enough memory for the arguments");
    for (unsigned i = 0; i < n + count; i++) {
        if (i >= n)
            array[i - n] = s;
        s += str_len(s) + 1;
    }
    return array;
}

static long start_program(const struct boot_info *boot)
{
    const char **argv = strings_from(boot, 1, boot->argc), **envp = strings_from(boot, 1 + boot->argc, boot->envc);
    struct call call = {.nr = CALL_execve, .pid = FIRST_PID};
    long result;

    while ((result = fs_start(library.fs, &call, boot->cwd[0] ? boot->cwd : "/")) == CALL_WAIT)
        call_sleep(&call);
    if (result >= 0) {
        call = (struct call){.nr = CALL_execve, .pid = FIRST_PID};
        while ((result = proc_start(library.proc, &call, boot->text, argv, envp)) == CALL_WAIT)
            call_sleep(&call);
    }
    heap_free(argv, (boot->argc + 1) * sizeof(*argv));
    heap_free(envp, (boot->envc + 1) * sizeof(*envp));
    return result;
}

static void become_first(struct task *task)
{
    const struct boot_info *boot = library.boot;
    long result;

    task_name_exec(task, boot->text);
    result = start_program(boot);
    if (result < 0) {
        log_line("cannot start %s: error %ld", boot->text, -result);
        exo_call(EXO_POWER_OFF, result == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_START, 0, 0);
    }
    probe(PROBE_BOOTED, 0, 0, 0);
    task_leave(task, 0);
}

/* ---- the beginning ---- */

void lib_main(void)
{
    const struct boot_info *boot = (const struct boot_info *)LIB_BOOT_INFO;
    struct task *first = task_adopt(FIRST_PID);

    library.boot = boot;
    library.patches = settings_on(boot->settings, "patch", true);
    exo_call(EXO_UPCALLS, (uint64_t)&upcalls, 0, 0);
    sched_init();
    lock_take();
    host_init();
    pages_init(&library.vm_host);
    tasks_init(&library.proc_host);
    patch_init(&library.host, (uint64_t)lib_call);
    make_devices(boot);
    make_services(boot);
    calls_init();
    housekeeper_start();
    mount();
    become_first(first);
}

void lib_begin(void)
{
    struct task *task = task_current();

    task->begin(task);
}

/* ---- the end ---- */

static void finish_output(void)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    struct request drain = {.service = SERVICE_TTY, .op = TTY_DRAIN, .call = &call};
    const struct route *sync = &library.routes[CALL_SYNC_ALL];

    while (sync->op(sync->self, &call) == CALL_WAIT)
        call_sleep(&call);
    while (library.host.ask(library.host.ctx, &drain) == CALL_WAIT)
        call_sleep(&call);
}

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

/* From wait4's status to the one a shell shows. */
static int exit_status(int status)
{
    return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}

/* The housekeeper is needed to the end of the output; and longer, if process 1 crashed and this is its env. */
_Noreturn void library_end(void)
{
    finish_output();
    if (task_current() != library.housekeeper) {
        housekeeper_stop();
        end_services();
        give_memory_back();
    }
    for (;;)
        exo_call(EXO_POWER_OFF, (uint64_t)exit_status(library.status), 0, 0);
}
