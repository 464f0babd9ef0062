/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/start.c: the first and the last steps of any library: its upcalls, its disk, its first program.
 */
#include "arch-exo/lib/start.h"

#include "abi/devices.h"
#include "abi/probe.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/heap.h"
#include "services/string.h"

#define EXIT_CANNOT_START 126
#define EXIT_NOT_FOUND 127

static struct device console_device, stderr_device;

static const struct exo_upcalls upcalls = {
    .syscall = (uint64_t)syscall_upcall,
    .exception = (uint64_t)exception_upcall,
    .fault = (uint64_t)fault_upcall,
    .interrupt = (uint64_t)interrupt_upcall,
    .exit_begin = (uint64_t)exit_begin,
    .exit_end = (uint64_t)exit_end,
};

void start_upcalls(void)
{
    exo_call(EXO_UPCALLS, (uint64_t)&upcalls, 0, 0);
}

/* ---- services ---- */

struct service start_tty(const struct boot_info *boot, struct host *host, struct tty **tty)
{
    struct tty_config config = {.tty_mask = boot->tty_mask, .rows = boot->tty_rows, .columns = boot->tty_columns};

    if (!has_consoles())
        return log_tty_service(host);
    console_device = console_at(MMIO_VIRTIO_CONSOLE);
    stderr_device = console_at(MMIO_VIRTIO_STDERR);
    *tty = tty_create(host, &console_device, &stderr_device, &config);
    if (!*tty)
        panic("no console");
    return tty_service(*tty);
}

struct fs_config start_fs_config(const struct boot_info *boot)
{
    return (struct fs_config){
        .wall_ns = boot->wall_ns, .seed = boot->seed, .tty_mask = has_consoles() ? boot->tty_mask : 0};
}

struct proc_config start_proc_config(const struct boot_info *boot, const char *version)
{
    return (struct proc_config){
        .seed = boot->seed,
        .wall_ns = boot->wall_ns,
        .ram_bytes = boot->ram_bytes,
        .cpus = boot->cpus,
        .machine_version = version,
    };
}

void start_mount(struct fs *fs)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    long result;

    while ((result = fs_mount(fs, &call)) == CALL_WAIT)
        call_sleep(&call);
    if (result < 0)
        panic("cannot mount the disk: error %ld", -result);
}

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

static long start(const struct boot_info *boot, struct fs *fs, struct proc *proc)
{
    const char **argv = strings_from(boot, 1, boot->argc), **envp = strings_from(boot, 1 + boot->argc, boot->envc);
    struct call call = {.nr = CALL_execve, .pid = FIRST_PID};
    long result;

    while ((result = fs_start(fs, &call, boot->cwd[0] ? boot->cwd : "/")) == CALL_WAIT)
        call_sleep(&call);
    if (result >= 0) {
        call = (struct call){.nr = CALL_execve, .pid = FIRST_PID};
        while ((result = proc_start(proc, &call, boot->text, argv, envp)) == CALL_WAIT)
            call_sleep(&call);
    }
    heap_free(argv, (boot->argc + 1) * sizeof(*argv));
    heap_free(envp, (boot->envc + 1) * sizeof(*envp));
    return result;
}

void start_program(const struct boot_info *boot, struct fs *fs, struct proc *proc)
{
    long result = start(boot, fs, proc);

    if (result < 0) {
        log_line("cannot start %s: error %ld", boot->text, -result);
        exo_call(EXO_POWER_OFF, result == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_START, 0, 0);
    }
    probe(PROBE_BOOTED, 0, 0, 0);
}

void start_finish(const struct service *fs, const struct service *tty)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    struct request drain = {.service = SERVICE_TTY, .op = TTY_DRAIN, .call = &call};

    while (service_call(fs, &call) == CALL_WAIT)
        call_sleep(&call);
    while (tty->request(tty->self, &drain) == CALL_WAIT)
        call_sleep(&call);
}

/* From wait4's status to the one a shell shows. */
int start_status(int status)
{
    return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}
