/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/start.c: the first steps of any library: its upcalls, its disk, its first program.
 */
#include "arch-exo/lib/start.h"

#include "abi/devices.h"
#include "abi/probe.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"

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
    long result = boot_mount(fs, call_sleep);

    if (result < 0)
        panic("cannot mount the disk: error %ld", -result);
}

void start_program(const struct host *host, const struct boot_info *boot, struct fs *fs, struct proc *proc)
{
    long result = boot_program(host, boot, fs, proc, call_sleep);

    if (result < 0) {
        log_line("cannot start %s: error %ld", boot->text, -result);
        exo_call(EXO_POWER_OFF, (uint64_t)boot_failure_status(result), 0, 0);
    }
    probe(PROBE_BOOTED, 0, 0, 0);
}
