/* SPDX-License-Identifier: MIT
 *
 * services/proc/misc.c: what the system is, and a few words about a process: uname, sysinfo, prctl, arch_prctl, …
 */
#include <asm/prctl.h>
#include <linux/prctl.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "services/proc/process.h"

static void put(char *to, const char *from, size_t room)
{
    for (size_t i = 0; i + 1 < room && from[i]; i++) {
        to[i] = from[i];
        NOT_A_COPY();
    }
}

long proc_call_uname(void *self, struct call *call)
{
    struct proc *proc = self;
    const char *version = proc->config.machine_version;
    struct new_utsname name = {0};

    put(name.sysname, "Linux", sizeof name.sysname);
    put(name.nodename, "ringside", sizeof name.nodename);
    put(name.release, "6.1.0-ringside", sizeof name.release);
    put(name.version, version ? version : "#1", sizeof name.version);
    put(name.machine, "x86_64", sizeof name.machine);
    put(name.domainname, "(none)", sizeof name.domainname);
    return proc_out(proc, call, call->arg[0], &name, sizeof name);
}

/* How much memory is free is the placement's knowledge: said to be 0 rather than guessed. */
long proc_call_sysinfo(void *self, struct call *call)
{
    struct proc *proc = self;
    struct sysinfo info = {
        .uptime = (long)(proc_now(proc) / NS_PER_SECOND),
        .totalram = proc->config.ram_bytes,
        .procs = (uint16_t)proc->count,
        .mem_unit = 1,
    };

    return proc_out(proc, call, call->arg[0], &info, sizeof info);
}

static long set_name(struct proc *proc, struct call *call, struct process *p)
{
    char name[NAME_BYTES] = {0};
    long r = 0;

    /* The string may end at the end of its page: a byte at a time. */
    for (int i = 0; r == 0 && i < NAME_BYTES - 1; i++) {
        r = proc_in(proc, call, &name[i], call->arg[1] + (uint64_t)i, 1);
        if (!name[i])
            break;
    }
    for (int i = 0; r == 0 && i < NAME_BYTES; i++) {
        p->name[i] = name[i];
        NOT_A_COPY();
    }
    return r;
}

long proc_call_prctl(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);

    switch ((int)call->arg[0]) {
    case PR_SET_NAME:
        return set_name(self, call, p);
    case PR_GET_NAME:
        return proc_out(self, call, call->arg[1], p->name, NAME_BYTES);
    default:
        return -EINVAL;
    }
}

long proc_call_arch_prctl(void *self, struct call *call)
{
    struct proc *proc = self;
    struct user_context *context = proc->threads->thread_context(proc->threads->ctx, call->pid);
    int code = (int)call->arg[0];

    switch (code) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        if (call->arg[1] >= USER_END)
            return -EPERM;
        *(code == ARCH_SET_FS ? &context->fs_base : &context->gs_base) = call->arg[1];
        return 0;
    case ARCH_GET_FS:
        return proc_out(proc, call, call->arg[1], &context->fs_base, sizeof context->fs_base);
    case ARCH_GET_GS:
        return proc_out(proc, call, call->arg[1], &context->gs_base, sizeof context->gs_base);
    default:
        return -EINVAL;
    }
}

long proc_call_sched_yield(void *self, struct call *call)
{
    struct proc *proc = self;

    proc->threads->thread_yield(proc->threads->ctx);
    return 0;
}

/* Every process may run on every CPU. Returns the bytes of the mask, as the raw call does. */
long proc_call_sched_getaffinity(void *self, struct call *call)
{
    struct proc *proc = self;
    uint32_t cpus = proc->config.cpus ? proc->config.cpus : 1;
    uint64_t mask = cpus < 64 ? (1ul << cpus) - 1 : ~0ul;
    long r;

    if (call->arg[1] < sizeof mask || call->arg[1] % sizeof mask)
        return -EINVAL;
    if ((int)call->arg[0] && !proc_find(proc, (int)call->arg[0]))
        return -ESRCH;
    r = proc_out(proc, call, call->arg[2], &mask, sizeof mask);
    return r ? r : (long)sizeof mask;
}
