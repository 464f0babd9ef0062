/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/kernel.c: the monitor's start and end.
 *
 * Each guest has an equal share of the memory that is for guests, a slice of the disk, and a kernel: the n-th boot module, or
 * the last one. The first has the consoles; what others print goes to the log, line by line. The machine ends when all have ended; its exit status
 * is the first guest's, and it counts as crashed if the first did.
 */
#include <stdarg.h>

#include "abi/probe.h"
#include "abi/save.h"
#include "arch-vmm/kernel.h"
#include "guest/heap.h"
#include "guest/format.h"
#include "guest/layout.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/x86.h"
#include "services/string.h"

struct monitor monitor;

trap_handler *const kernel_traps[256] = {
    [0 ... 31] = fault_any,
    [VECTOR_VIRTIO_BLK] = fault_device,
    [VECTOR_VIRTIO_CONSOLE] = fault_device,
    [VECTOR_VIRTIO_STDERR] = fault_device,
};

/* ---- guests' logs ---- */

static void log_flush(struct guest *guest)
{
    guest->log[guest->log_used] = 0;
    if (monitor.guests > 1)
        print("guest %u: %s\n", guest->number, guest->log);
    else
        print("%s\n", guest->log);
    guest->log_used = 0;
}

void guest_log(struct guest *guest, char c)
{
    if (c != '\n')
        guest->log[guest->log_used++] = c;
    if (c == '\n' || guest->log_used == LOG_LINE_BYTES - 1)
        log_flush(guest);
}

/* ---- the end of one ---- */

static _Noreturn void leave(struct guest *guest)
{
    if (guest->log_used)
        log_flush(guest);
    vm_disk_forget(guest);
    guest->ended = true;
    alarm_cancel(&guest->cpu.timer);
    if (monitor.bases_of == &guest->cpu)
        monitor.bases_of = NULL;
    if (this_cpu()->user_state == &guest->cpu.thread)
        this_cpu()->user_state = NULL;
    monitor.running--;
    write_cr3(paging.root);
    sched_wake(CHANNEL_ENDED);
    sched_exit();
}

void guest_power_off(struct guest *guest, int status)
{
    guest->status = status;
    leave(guest);
}

static void put_char(void *guest, char c)
{
    guest_log(guest, c);
}

__attribute__((format(printf, 2, 3))) static void log_text(struct guest *guest, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_list(put_char, guest, format, &args);
    va_end(args);
}

void guest_crash(struct guest *guest, const char *format, ...)
{
    const struct user_regs *r = vcpu_regs(&guest->cpu);
    va_list args;

    va_start(args, format);
    if (guest->log_used)
        log_flush(guest);
    log_text(guest, "crash: ");
    format_list(put_char, guest, format, &args);
    va_end(args);
    log_text(guest, "; at %lx, in %s\n", r->rip, guest->cpu.kernel ? "its kernel" : "a program of its");
    guest->crashed = true;
    leave(guest);
}

/* ---- start ---- */

static struct guest *guest_make(unsigned number, const struct boot_module *kernel)
{
    const struct boot_info *boot = monitor.boot;
    struct guest *guest = heap_alloc(sizeof(*guest));

    if (!guest)
        panic("not enough memory for guest %u", number);
    guest->number = number;
    guest->bytes = boot->guest_ram_bytes;
    guest->base = boot->free_end + (number - 1) * guest->bytes;
    vcpu_init(&guest->cpu, guest);
    bus_init(guest);
    vm_disk_init(guest);
    vm_console_init(guest, 0);
    vm_console_init(guest, 1);
    if (!shadow_init(guest))
        panic("not enough memory for guest %u", number);
    if (str_eq(kernel->name, SAVED_MODULE))
        guest_restore(guest, kernel);
    else
        guest_boot(guest, kernel);
    shadow_switch(&guest->cpu, false);
    return guest;
}

static void guest_free(struct guest *guest)
{
    shadow_fini(guest);
    vm_disk_fini(guest);
    heap_free(guest, sizeof(*guest));
}

/* A guest that was saved goes on where it was; it is alone. */
static const struct boot_module *module_of(const struct boot_info *boot, unsigned guest)
{
    const struct boot_module *last = &boot->modules[boot->module_count - 1];

    if (str_eq(last->name, SAVED_MODULE))
        return last;
    return guest < boot->module_count ? &boot->modules[guest] : last;
}

static void start_guests(const struct boot_info *boot)
{
    if (!boot->module_count || !boot->guests || boot->guests > GUESTS_MAX)
        panic("no kernel for guests, or no guests");
    monitor.guests = monitor.running = boot->guests;
    for (unsigned i = 0; i < monitor.guests; i++)
        monitor.guest[i] = guest_make(i + 1, module_of(boot, i));
    for (unsigned i = 0; i < monitor.guests; i++)
        vcpu_start(&monitor.guest[i]->cpu);
    save_init();
}

static void count_frames(bool after)
{
    if (after)
        thread_stacks_shrink();
    heap_shrink();
    probe(PROBE_FREE_FRAMES, frames_available(), after, 0);
}

/* An interrupt in ring 0 goes back to the segments that it interrupted, and those of the boot are not in the monitor's
 * table (guest/layout.h). Entries from ring 3 load the right ones, but a guest that was saved asleep makes none before the
 * first interrupt. */
static void leave_boot_segments(void)
{
    uint64_t scratch = 0;

    __asm__ volatile("mov %w0, %%ss\n\t"
                     "push %1\n\t"
                     "lea 1f(%%rip), %0\n\t"
                     "push %0\n\t"
                     "lretq\n"
                     "1:"
                     : "+r"(scratch)
                     : "i"(KERNEL_CS)
                     : "memory");
}

void kernel_main(const struct boot_info *boot)
{
    bool crashed;
    int status;

    leave_boot_segments();
    probe(PROBE_DOMAIN, 0, (uint64_t) "vmm", 0);
    monitor.boot = boot;
    count_frames(false);
    disk_init();
    console_init();
    start_guests(boot);
    while (monitor.running)
        sched_sleep(CHANNEL_ENDED, SCHED_FOREVER, false);
    sched_reap();
    save_end();
    crashed = monitor.guest[0]->crashed;
    status = monitor.guest[0]->status;
    disk_end();
    console_end();
    for (unsigned i = 0; i < monitor.guests; i++)
        guest_free(monitor.guest[i]);
    count_frames(true);
    if (crashed)
        panic("guest 1 crashed");
    power_off(status);
}
