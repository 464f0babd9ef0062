/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/start.h: the steps between power on and the first program that are the same in every library: those of
 * services/boot/boot.h, asleep by call_sleep (library.h), and what is the exokernel's own.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_START_H
#define RINGSIDE_ARCH_EXO_LIB_START_H

#include "abi/boot.h"
#include "services/boot/boot.h"
#include "services/tty/tty.h"

/* Tells the kernel where entry.S is. */
void start_upcalls(void);
/* The consoles' tty, which is *tty then; without consoles a tty that writes to the log. */
struct service start_tty(const struct boot_info *boot, struct host *host, struct tty **tty);
struct fs_config start_fs_config(const struct boot_info *boot);
/* `version`: what uname says. */
struct proc_config start_proc_config(const struct boot_info *boot, const char *version);
/* Panics if the disk cannot be mounted. */
void start_mount(struct fs *fs);
/* Makes process 1. If there is no such program the group is done, with the status that a shell would show. */
void start_program(const struct host *host, const struct boot_info *boot, struct fs *fs, struct proc *proc);

#endif
