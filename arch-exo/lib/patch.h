/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/patch.h: a SYSCALL that was reflected becomes a jump into the library.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_PATCH_H
#define RINGSIDE_ARCH_EXO_LIB_PATCH_H

#include <stdint.h>

#include "services/host.h"

/* `lib_call`: the address that patched sites jump to. Before the first patch_site. `host` stays the caller's and must
 * have copy_in, and ask for vm. */
void patch_init(const struct host *host, uint64_t lib_call);

/* A SYSCALL just before `rip` was reflected for pid: if it can be patched into a jump to lib_call, it is.
 *
 * Called at a reflected call, before the call is done, with the library's lock and in pid's own space; never waits. A
 * site that cannot be patched is remembered, so to ask again costs little. Needs up to 16 KiB of stack. The patched
 * code enters lib_call with all registers and flags as at the SYSCALL, but RCX = where to return to and R11 undefined.
 * The two bytes before that address make the same call again: a call that starts anew after a signal resumes there. */
void patch_site(int pid, uint64_t rip);

#endif
