/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/calls.c: a system call of the program: reflected by the kernel, answered here or by a service.
 *
 * read and write try the stream's way first and leave the rest to fs. Before any other call of fs, it is told what has
 * been written without it. What needs a second process, memory that is shared or a file's, or a timer that interrupts
 * the program is not for this library: the run ends as "not applicable".
 */
#include <linux/mman.h>

#include "abi/probe.h"
#include "arch-exo/copier/copier.h"
#include "arch-exo/lib/context.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/start.h"
#include "guest/x86.h"

#define SIGKILL 9

static const uint8_t owner[CALL_TABLE_END] = {
#define CALL(number, name, service) [number] = SERVICE_##service,
#include "abi/calls.def"
#undef CALL
};

/* ---- sleep ---- */

void call_sleep(const struct call *call)
{
    long happened = exo_call(EXO_SLEEP, call->until, EVENT_DISK | EVENT_CONSOLE, 0);

    if (happened & EVENT_CONSOLE && copier.tty)
        tty_event(copier.tty);
}

/* Until it has another answer than CALL_WAIT. A signal is told to it once. */
static long complete(struct call *call)
{
    const struct service *service = &copier.services[owner[call->nr]];
    long result;

    while ((result = service_call(service, call)) == CALL_WAIT) {
        if (!(call->flags & CALL_INTERRUPTED) && proc_pending(copier.proc, FIRST_PID)) {
            call->flags = CALL_INTERRUPTED;
            continue;
        }
        call_sleep(call);
        call->flags = call->until <= clock_ns() ? CALL_TIMED_OUT : 0;
    }
    return result;
}

/* ---- calls ---- */

/* The program is killed as by a signal that only it knows of; nobody failed. */
static _Noreturn void not_applicable(const struct call *call)
{
    struct call kill = {.nr = CALL_kill, .pid = FIRST_PID};

    log_line("call %u is not for this library: one process, memory of its own, no timers", call->nr);
    probe(PROBE_WARN, PROBE_WARN_NOT_APPLICABLE, 0, 0);
    ASK(SERVICE_PROC, PROC_SIGNAL, NULL, 0, SIGKILL);
    while (proc_deliver(copier.proc, &kill, 0) == CALL_WAIT)
        call_sleep(&kill);
    copier_end(0);
}

/* The rest of a read or write: what fs says counts, but not before what has been moved. */
static long rest(struct call *call, uint64_t moved)
{
    long result;

    call->arg[1] += moved;
    call->arg[2] -= moved;
    result = complete(call);
    return result < 0 && moved ? (long)moved : result + (result < 0 ? 0 : (long)moved);
}

static long call_read(struct call *call)
{
    uint64_t moved;

    return stream_read(call, &moved) ? (long)moved : rest(call, moved);
}

static long call_write(struct call *call)
{
    uint64_t moved;

    return stream_write(call, &moved) ? (long)moved : rest(call, moved);
}

static long call_fsync(struct call *call)
{
    long error, result;

    stream_settle();
    error = stream_error(call->arg[0]);
    result = complete(call);
    return error ? error : result;
}

static long call_close(struct call *call)
{
    long error, result;

    stream_settle();
    error = stream_close(call->arg[0]);
    result = complete(call);
    return result < 0 ? result : error;
}

static long call_mmap(struct call *call)
{
    if (!(call->arg[3] & MAP_ANONYMOUS) || !(call->arg[3] & MAP_PRIVATE) || call->arg[3] & MAP_FIXED)
        not_applicable(call);
    return complete(call);
}

static long call_other(struct call *call)
{
    if (owner[call->nr] == SERVICE_FS)
        stream_settle();
    if (owner[call->nr] == SERVICE_VM && !copier.services[SERVICE_VM].calls[call->nr])
        not_applicable(call);
    return complete(call);
}

/* No service has this call. Worth a word if Linux may have it. */
static long call_unknown(const struct call *call)
{
    if (call->nr < CALL_TABLE_SIZE)
        probe(PROBE_WARN, PROBE_WARN_ENOSYS, call->nr, 0);
    return -ENOSYS;
}

static bool is_known(uint32_t nr)
{
    return nr < CALL_TABLE_SIZE && owner[nr] && copier.services[owner[nr]].calls &&
           (owner[nr] == SERVICE_VM || copier.services[owner[nr]].calls[nr]);
}

static long answer(struct call *call)
{
    switch (call->nr) {
    case CALL_read:
        return call_read(call);
    case CALL_write:
        return call_write(call);
    case CALL_fsync:
    case CALL_fdatasync:
        return call_fsync(call);
    case CALL_close:
        return call_close(call);
    case CALL_mmap:
        return call_mmap(call);
    case CALL_alarm:
    case CALL_setitimer:
    case CALL_fork:
    case CALL_vfork:
    case CALL_clone:
    case CALL_execve:
        not_applicable(call);
    default:
        return is_known(call->nr) ? call_other(call) : call_unknown(call);
    }
}

/* ---- the way back ---- */

static void load_context(void)
{
    struct user_context *context = &lib_private.context;

    copier.context_lent = false;
    context_sanitise(context);
    load_fpu(context->fx);
    if (copier.fs_base == context->fs_base && copier.gs_base == context->gs_base)
        return;
    copier.fs_base = context->fs_base;
    copier.gs_base = context->gs_base;
    exo_call(EXO_ENV_BASES, lib_private.env, copier.fs_base, copier.gs_base);
}

void program_resume(long result)
{
    struct call call = {.nr = CALL_rt_sigreturn, .pid = FIRST_PID};

    if (!copier.done && (result == -ERESTART || proc_pending(copier.proc, FIRST_PID)))
        while (proc_deliver(copier.proc, &call, result) == CALL_WAIT)
            call_sleep(&call);
    if (copier.done)
        copier_end(boot_exit_status(copier.status));
    if (copier.context_lent)
        load_context();
}

bool lib_syscall(void)
{
    struct user_regs *regs = &lib_private.context.regs;
    struct call call = {.nr = (uint32_t)regs->error,
                        .pid = FIRST_PID,
                        .arg = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9}};
    long result = answer(&call);

    if (!copier.done && regs->vector == VECTOR_SYSCALL_ENTRY)
        regs->rax = (uint64_t)result;
    if (!copier.done && !copier.context_lent && result != -ERESTART && !proc_pending(copier.proc, FIRST_PID))
        return true;
    program_resume(result);
    return false;
}

/* No site is patched: what this library is for makes few calls, and long ones. */
bool lib_reflected(void)
{
    return lib_syscall();
}

/* All of the program's state is in the context: there is no result to be written any more. */
void lib_pending(void)
{
    uint64_t pending = __atomic_exchange_n(&lib_private.pending, 0, __ATOMIC_RELAXED);

    if (pending & PENDING_SLICE)
        exo_call(EXO_YIELD, 0, 0, 0);
    if (pending & PENDING_REVOKE) {
        rows_shrink();
        memory_shrink();
    }
    lib_private.context.regs.vector = VECTOR_RESTORED;
    program_resume(0);
}
