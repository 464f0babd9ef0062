/* SPDX-License-Identifier: MIT
 *
 * services/boot/boot.h: from made services to process 1, and from its end to theirs: the steps that placements have in
 * common.
 *
 * No service: it holds nothing, and is linked where its caller is. A placement makes its services, mounts the disk,
 * makes process 1 out of what the boot information says is to run, and when that is gone has everything written before
 * it ends the services.
 *
 * Where services are called as functions and whoever calls may sleep, boot_mount, boot_program and boot_finish are
 * those steps as a whole; they sleep by a function of the placement's. A server that answers messages takes the
 * smaller parts.
 */
#ifndef RINGSIDE_SERVICES_BOOT_H
#define RINGSIDE_SERVICES_BOOT_H

#include "abi/boot.h"
#include "services/fs/fs.h"
#include "services/host.h"
#include "services/proc/proc.h"

#define FIRST_PID 1

/* ---- arguments.c ---- */

/* What process 1 is given: boot->argc arguments and NULL, boot->envc variables and NULL, in one array of the host's
 * memory, which boot_arguments_free gives back (nothing, if it is NULL). NULL without memory. */
const char **boot_arguments(const struct host *host, const struct boot_info *boot);
void boot_arguments_free(const struct host *host, const struct boot_info *boot, const char **arguments);
/* The status that a shell shows for a program that could not be started, and for one that ended (wait4's status). */
int boot_failure_status(long error);
int boot_exit_status(int status);

/* ---- boot.c ---- */

/* Returns when a call that answered CALL_WAIT is worth handing in again. */
typedef void boot_sleep(const struct call *call);

/* 0, or why fs_mount refuses. */
long boot_mount(struct fs *fs, boot_sleep *sleep);
/* Makes process 1, whose thread exists: 0, or why it cannot be. */
long boot_program(const struct host *host, const struct boot_info *boot, struct fs *fs, struct proc *proc,
                  boot_sleep *sleep);
/* All is on the disk, and all output has left. Errors change nothing any more. */
void boot_finish(const struct service *fs, const struct service *tty, boot_sleep *sleep);

#endif
