/* SPDX-License-Identifier: MIT
 *
 * arch-micro/kernel.c: the microkernel's start and end.
 *
 * The main thread starts a server for each boot module and sleeps. Everything that makes a system happens among the servers;
 * when the one that may (CAP_TASKS) says so, the main thread takes everything down, counts the frames and switches off.
 */
#include "abi/devices.h"
#include "abi/probe.h"
#include "arch-micro/kernel.h"
#include "guest/frames.h"
#include "guest/heap.h"
#include "guest/lend.h"
#include "guest/print.h"
#include "guest/settings.h"
#include "guest/trap.h"

struct kernel kernel;

trap_handler *const kernel_traps[256] = {
    [0 ... VECTOR_PAGE_FAULT - 1] = fault_exception,  [VECTOR_PAGE_FAULT] = fault_page,
    [VECTOR_PAGE_FAULT + 1 ... 31] = fault_exception, [VECTOR_VIRTIO_BLK] = fault_interrupt,
    [VECTOR_VIRTIO_CONSOLE] = fault_interrupt,        [VECTOR_VIRTIO_STDERR] = fault_interrupt,
};

static void count_frames(bool after)
{
    if (after)
        thread_stacks_shrink();
    heap_shrink();
    probe(PROBE_FREE_FRAMES, frames_available(), after, 0);
}

void kernel_main(const struct boot_info *boot)
{
    probe(PROBE_DOMAIN, 0, (uint64_t) "kernel", 0);
    kernel.boot = boot;
    kernel.mach = settings_on(boot->settings, "mach", false);
    kernel.fastpath = !kernel.mach && settings_on(boot->settings, "fastpath", true);
    count_frames(false);
    kernel.nowhere = space_create();
    if (!kernel.nowhere || !lend_init())
        panic("not enough memory");
    servers_start();
    while (!kernel.done)
        sched_sleep(CHANNEL_DONE, SCHED_FOREVER, false);
    tasks_end();
    servers_end();
    lend_fini();
    space_destroy(kernel.nowhere);
    sched_reap();
    count_frames(true);
    power_off(kernel.status);
}
