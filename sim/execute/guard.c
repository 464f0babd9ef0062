/* SPDX-License-Identifier: MIT
 *
 * sim/execute/guard.c: see guard.h.
 */
#include "sim/execute/guard.h"

#include <string.h>

static _Thread_local struct guard *selected;

/* glibc releases its lock before it raises SIGABRT, so that a handler may jump away (POSIX, abort()). */
static void on_abort(int number)
{
    struct guard *guard = selected;

    if (guard && guard->armed) {
        guard->armed = false;
        siglongjmp(guard->landing, 1);
    }
    signal(number, SIG_DFL); /* abort() raises it again */
}

void guard_open(struct sigaction *old)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_abort;
    action.sa_flags = SA_NODEFER; /* so that landing need not restore the signal mask */
    sigaction(SIGABRT, &action, old);
}

void guard_close(const struct sigaction *old)
{
    selected = NULL;
    sigaction(SIGABRT, old, NULL);
}

void guard_select(struct guard *guard)
{
    selected = guard;
}

uc_err guard_start(struct guard *guard, uc_engine *uc, uint64_t begin, bool *aborted)
{
    uc_err err;

    *aborted = false;
    if (sigsetjmp(guard->landing, 0)) {
        *aborted = true;
        return UC_ERR_OK;
    }
    guard->armed = true;
    err = uc_emu_start(uc, begin, 0, 0, 0);
    guard->armed = false;
    return err;
}
