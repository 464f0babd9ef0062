/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/mend.c: when the kernel wants memory back.
 *
 * Visible revocation: the library gives what it can miss: cached pages of files (all those that no program has mapped,
 * then as many of the others as are wanted), free pages of its heap and its pool, what the dead have left. That is
 * never the only copy of anything: what a program has written to a file is in fs's cache, whose memory the kernel has
 * promised to leave here (EXO_KEPT).
 *
 * Abort: frames are gone that were not given in time. The vector says which. Pages of files are read again when they
 * are touched; a process that had anything else in them is killed, because nobody has its data any more.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"

#define LOST_BATCH 128 /* the kernel's limit */
#define SIGKILL 9

static void kill(int pid)
{
    struct call call = {.nr = CALL_kill, .pid = pid};
    struct request rq = {.service = SERVICE_PROC, .op = PROC_SIGNAL, .pid = pid, .arg = {SIGKILL}, .call = &call};

    log_line("process %d: its memory was taken by force", pid);
    library.host.ask(library.host.ctx, &rq);
}

bool pages_mend(void)
{
    frame_t lost[LOST_BATCH];
    bool any = false;
    long count;

    while ((count = exo_call(EXO_REPOSSESSED, (uint64_t)lost, LOST_BATCH, 0)) > 0) {
        pages_forget(lost, (size_t)count);
        vm_lost(library.vm, lost, (size_t)count, kill);
        any = true;
    }
    return any;
}

void pages_revoke(void)
{
    size_t wanted = lib_private.revoke;

    pages_mend();
    if (!wanted)
        return;
    lib_private.revoke = 0;
    vm_reclaim(library.vm, wanted);
    tasks_reap();
    memory_shrink();
    pages_shrink();
}

long pages_fault(void *self, struct call *call)
{
    if (unlikely(lib_private.pending & PENDING_REVOKE))
        pages_mend();
    return service_call(self, call);
}
