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
#include "services/string.h"

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
    struct call call = {.nr = CALL_SYNC_ALL};
    long result;

    while ((result = fs_mount(kernel.fs, &call)) == CALL_WAIT)
        call_sleep(&call);
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
    struct call call = {.nr = CALL_execve, .pid = 1};
    long result;

    while ((result = fs_start(kernel.fs, &call, boot->cwd[0] ? boot->cwd : "/")) == CALL_WAIT)
        call_sleep(&call);
    if (result >= 0) {
        call = (struct call){.nr = CALL_execve, .pid = 1};
        while ((result = proc_start(kernel.proc, &call, boot->text, argv, envp)) == CALL_WAIT)
            call_sleep(&call);
    }
    heap_free(argv, (boot->argc + 1) * sizeof(*argv));
    heap_free(envp, (boot->envc + 1) * sizeof(*envp));
    return result;
}

static void first_begin(void *argument)
{
    struct task *task = argument;
    long result;

    task_name_exec(task, kernel.boot->text);
    result = start_program(kernel.boot);

    if (result < 0) {
        print("cannot start %s: error %ld\n", kernel.boot->text, -result);
        power_off(result == -ENOENT ? 127 : 126);
    }
    probe(PROBE_BOOTED, 0, 0, 0);
    task_leave(task, 0);
    return_to_user(&task->thread.context->regs);
}

/* ---- the end ---- */

static void finish_output(void)
{
    struct call call = {.nr = CALL_SYNC_ALL};
    struct request drain = {.service = SERVICE_TTY, .op = TTY_DRAIN, .call = &call};
    const struct route *sync = &kernel.routes[CALL_SYNC_ALL];

    while (sync->op(sync->self, &call) == CALL_WAIT)
        call_sleep(&call);
    while (kernel.host.ask(kernel.host.ctx, &drain) == CALL_WAIT)
        call_sleep(&call);
}

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

/* From wait4's status to the one a shell shows. */
static int exit_status(int status)
{
    return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
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
    first = task_create(1, NULL, first_begin);
    if (!first)
        panic("not enough memory for process 1");
    sched_ready(&first->thread);
    while (!kernel.done)
        sched_sleep(CHANNEL_DONE, SCHED_FOREVER, false);
    tasks_kill_all();
    finish_output();
    end_services();
    count_frames(true);
    power_off(exit_status(kernel.status));
}
