/* SPDX-License-Identifier: MIT
 *
 * arch-exo/kernel.c: the exokernel's start and end.
 *
 * A group is a library and one env that begins in it. Each boot module is one; and there are as many groups as the disk has
 * slices, which are systems of their own: those beyond the modules have the first module again. The first group has the
 * consoles. The machine is done when all systems are; what came besides (a module more than slices) is not waited for.
 */
#include "abi/devices.h"
#include "abi/probe.h"
#include "arch-exo/kernel.h"
#include "guest/heap.h"
#include "guest/print.h"
#include "guest/trap.h"
#include "guest/x86.h"

struct kernel kernel;

trap_handler *const kernel_traps[256] = {
    [0 ... 31] = fault_any,
    [VECTOR_VIRTIO_BLK] = fault_disk,
    [VECTOR_VIRTIO_CONSOLE] = fault_interrupt,
    [VECTOR_VIRTIO_STDERR] = fault_interrupt,
};

static void count_frames(bool after)
{
    if (after)
        thread_stacks_shrink();
    heap_shrink();
    probe(PROBE_FREE_FRAMES, frames_available(), after, 0);
}

/* The private page and stack of a group's first env come from the kernel; they are the group's as any others. */
static void take_first_frames(struct group *group, uint64_t frames[1 + LIB_STACK_PAGES])
{
    for (unsigned i = 0; i <= LIB_STACK_PAGES; i++) {
        frames[i] = lend_take(group->number, 1);
        if (!frames[i] || shared_map(group, LIB_WINDOW + frames[i], frames[i], PAGE_READ | PAGE_WRITE) < 0)
            panic("not enough memory for group %u", group->number);
        zero_quads(direct(frames[i]), PAGE_BYTES / 8);
    }
}

static void name_first(struct env *env)
{
    for (unsigned i = 0; i + 1 < TASK_NAME_BYTES && env->group->name[i]; i++)
        env->name[i] = env->group->name[i];
}

static const struct boot_module *module_of(unsigned number)
{
    return &kernel.boot->modules[number <= kernel.boot->module_count ? number - 1 : 0];
}

static void group_start(unsigned number)
{
    struct group *group = &kernel.group[number - 1];
    uint64_t frames[1 + LIB_STACK_PAGES], entry;
    struct space *space;
    struct env *env;

    group_create(number, module_of(number));
    entry = group_load(group);
    take_first_frames(group, frames);
    env = env_create(group, frames, NULL);
    space = group_space(group);
    if (!env || !space)
        panic("not enough memory for group %u", number);
    name_first(env);
    env_enter_space(env, space);
    env_begin_at(env, entry);
}

static void make_groups(const struct boot_info *boot)
{
    unsigned groups = boot->module_count > boot->disk_slices ? boot->module_count : boot->disk_slices;

    if (!boot->module_count)
        panic("no library");
    kernel.groups = groups < GROUPS_MAX ? groups : GROUPS_MAX;
    kernel.systems = boot->disk_slices < GROUPS_MAX ? boot->disk_slices : GROUPS_MAX;
    for (unsigned n = 1; n <= kernel.groups; n++)
        group_start(n);
    revoke_init();
}

static bool systems_done(void)
{
    for (unsigned i = 0; i < kernel.systems; i++)
        if (!kernel.group[i].done)
            return false;
    return true;
}

/* The first that is not 0. */
static int machine_status(void)
{
    for (unsigned i = 0; i < kernel.systems; i++)
        if (kernel.group[i].status)
            return kernel.group[i].status;
    return 0;
}

static void end_groups(void)
{
    for (unsigned i = 0; i < kernel.groups; i++) {
        kernel.group[i].done = true;
        envs_end(&kernel.group[i]);
    }
    sched_reap();
}

void kernel_main(const struct boot_info *boot)
{
    probe(PROBE_DOMAIN, 0, (uint64_t) "kernel", 0);
    kernel.boot = boot;
    count_frames(false);
    if (!lend_init())
        panic("not enough memory");
    disk_init();
    faults_init();
    make_groups(boot);
    while (!systems_done())
        sched_sleep(CHANNEL_DONE, SCHED_FOREVER, false);
    end_groups();
    revoke_end();
    groups_end();
    disk_end();
    lend_fini();
    count_frames(true);
    power_off(machine_status());
}
