/* SPDX-License-Identifier: MIT
 *
 * arch-monolithic/kernel.c: the monolithic kernel: all services in ring 0 of one image.
 *
 * The main thread makes the services, starts process 1 on a thread of its own, sleeps until it is gone, ends the
 * services, and switches the machine off. Frames are counted before there is a service and when there is none any more,
 * so that caches do not matter: a difference is a leak.
 */
#include "abi/devices.h"
#include "abi/probe.h"
#include "arch-monolithic/kernel.h"
#include "guest/clock.h"
#include "guest/frames.h"
#include "guest/heap.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/trap.h"
#include "services/boot/boot.h"

struct kernel kernel;

/* ---- interrupts ---- */

static void interrupt_blk(struct user_regs *regs)
{
    blk_event(kernel.blk);
}

static void interrupt_tty(struct user_regs *regs)
{
    tty_event(kernel.tty);
}

trap_handler *const kernel_traps[256] = {
    [0 ... VECTOR_PAGE_FAULT - 1] = fault_exception,  [VECTOR_PAGE_FAULT] = fault_page,
    [VECTOR_PAGE_FAULT + 1 ... 31] = fault_exception, [VECTOR_VIRTIO_BLK] = interrupt_blk,
    [VECTOR_VIRTIO_CONSOLE] = interrupt_tty,          [VECTOR_VIRTIO_STDERR] = interrupt_tty,
};

/* ---- services ---- */

static void make_devices(const struct boot_info *boot)
{
    struct tty_config tty = {.tty_mask = boot->tty_mask, .rows = boot->tty_rows, .columns = boot->tty_columns};

    kernel.blk = blk_create(&kernel.host, &kernel.blk_device);
    kernel.tty = tty_create(&kernel.host, &kernel.console_device, &kernel.stderr_device, &tty);
    if (!kernel.blk || !kernel.tty)
        panic("no disk or no console");
    kernel.services[SERVICE_BLK] = blk_service(kernel.blk);
    kernel.services[SERVICE_TTY] = tty_service(kernel.tty);
}

static void make_services(const struct boot_info *boot)
{
    struct fs_config fs = {.wall_ns = boot->wall_ns, .seed = boot->seed, .tty_mask = boot->tty_mask};
    struct proc_config proc = {
        .seed = boot->seed,
        .wall_ns = boot->wall_ns,
        .ram_bytes = boot->ram_bytes,
        .cpus = boot->cpus,
        .machine_version = "monolithic",
    };

    kernel.fs = fs_create(&kernel.host, &fs);
    kernel.vm = vm_create(&kernel.host, &kernel.vm_host, boot->ram_bytes);
    kernel.proc = proc_create(&kernel.host, &kernel.proc_host, &proc);
    if (!kernel.fs || !kernel.vm || !kernel.proc)
        panic("not enough memory for the services");
    kernel.services[SERVICE_FS] = fs_service(kernel.fs);
    kernel.services[SERVICE_VM] = vm_service(kernel.vm);
    kernel.services[SERVICE_PROC] = proc_service(kernel.proc);
}

static void mount(void)
{
    long result = boot_mount(kernel.fs, call_sleep);

    if (result < 0)
        panic("cannot mount the disk: error %ld", -result);
}

/* ---- alarm and setitimer ---- */

static struct thread timer_thread;

static void timer_begin(void *argument)
{
    for (;;) {
        uint64_t due = proc_next_timer(kernel.proc);

        sched_sleep(CHANNEL_TIMER, due, false);
        if (clock_ns() >= due)
            proc_timer(kernel.proc);
    }
}

static void timer_released(struct thread *thread)
{
}

static void start_timer_thread(void)
{
    if (!thread_init(&timer_thread, timer_begin, NULL, timer_released))
        panic("not enough memory for the timer's thread");
    sched_ready(&timer_thread);
}

/* ---- process 1 ---- */

static void first_begin(void *argument)
{
    struct task *task = argument;
    long result;

    task_name_exec(task, kernel.boot->text);
    result = boot_program(&kernel.host, kernel.boot, kernel.fs, kernel.proc, call_sleep);
    if (result < 0) {
        print("cannot start %s: error %ld\n", kernel.boot->text, -result);
        power_off(boot_failure_status(result));
    }
    probe(PROBE_BOOTED, 0, 0, 0);
    task_leave(task, 0);
    return_to_user(&task->thread.context->regs);
}

/* ---- the end ---- */

static void end_services(void)
{
    sched_kill(&timer_thread);
    sched_reap();
    proc_destroy(kernel.proc);
    vm_destroy(kernel.vm);
    fs_destroy(kernel.fs);
    tty_destroy(kernel.tty);
    blk_destroy(kernel.blk);
}

static void count_frames(bool after)
{
    if (after)
        thread_stacks_shrink();
    heap_shrink();
    probe(PROBE_FREE_FRAMES, frames_available(), after, 0);
}

void kernel_main(const struct boot_info *boot)
{
    struct task *first;

    probe(PROBE_DOMAIN, 0, (uint64_t) "kernel", 0);
    kernel.boot = boot;
    count_frames(false);
    host_init();
    make_devices(boot);
    make_services(boot);
    calls_init();
    mount();
    start_timer_thread();
    first = task_create(FIRST_PID, NULL, first_begin);
    if (!first)
        panic("not enough memory for process 1");
    sched_ready(&first->thread);
    while (!kernel.done)
        sched_sleep(CHANNEL_DONE, SCHED_FOREVER, false);
    tasks_kill_all();
    boot_finish(&kernel.services[SERVICE_FS], &kernel.services[SERVICE_TTY], call_sleep);
    end_services();
    count_frames(true);
    power_off(boot_exit_status(kernel.status));
}
