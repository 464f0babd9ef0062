/* SPDX-License-Identifier: MIT
 *
 * guest/init.c: from the boot state to kernel_main on a thread of its own.
 */
#include "guest/clock.h"
#include "guest/cpu.h"
#include "guest/frames.h"
#include "guest/kernel.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/sched.h"
#include "guest/settings.h"
#include "guest/x86.h"

_Noreturn void guest_main(uint64_t boot_physical);

/* What runs from power on until the first switch. It is never resumed. */
static struct thread boot_thread;
static struct thread main_thread;

static void begin_kernel(void *boot)
{
    kernel_main(boot);
}

static void start_main_thread(struct boot_info *boot)
{
    this_cpu()->current = &boot_thread;
    if (!thread_init(&main_thread, begin_kernel, boot, NULL))
        panic("no memory for the first thread");
    main_thread.state = THREAD_RUNNING;
    thread_switch(&main_thread);
}

void guest_main(uint64_t boot_physical)
{
    struct boot_info *boot = direct(boot_physical);
    struct paging_options options;

    if (boot->magic != BOOT_MAGIC)
        panic("no boot information");
    options.isolated = settings_on(boot->settings, "pti", false);
    options.pcid = settings_on(boot->settings, "pcid", true);
    options.ram_bytes = boot->ram_bytes;
    cpu_init(0, options.isolated);
    frames_init(boot);
    paging_init(&options);
    clock_init();
    lapic_start();
    sched_init();
    start_main_thread(boot);
    panic("the boot thread was resumed");
}
