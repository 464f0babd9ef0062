/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/proc_part.h: the placement of proc: proc_part.c is the part itself; proc_boot.c starts process 1,
 * proc_answer.c is results and signals on their way to programs, proc_tasks.c is programs' threads, proc_end.c the last
 * moments. Each uses those behind it in this order.
 */
#ifndef RINGSIDE_ARCH_MICRO_SERVER_PROC_PART_H
#define RINGSIDE_ARCH_MICRO_SERVER_PROC_PART_H

#include "arch-micro/server/parts.h"
#include "services/proc/proc.h"

struct proc_placement {
    struct proc *proc;
    struct host host; /* as every service's, but it notes which program an execve opens */
    struct proc_host threads;
};

extern struct proc_placement proc_placement;

/* proc_answer.c */
/* Answers a program's call whose context is as it is to be: with `result` in RAX, unless it was replaced as a whole. */
struct reply proc_leave_to(struct entry *entry, long result);
/* Delivers what is pending, entry->result being the result of the program's call; then answers. */
struct reply proc_deliver_to(struct entry *entry);

/* proc_tasks.c */
void tasks_init(struct proc_host *threads);
/* Contexts of programs are changed here and written back before their programs are answered. */
void tasks_write_back(void);
/* Its context was replaced as a whole (VECTOR_RESTORED) since the last tasks_write_back. */
bool task_restored(int pid);
/* Its next address space is called by the last part of this path. */
void task_name(int pid, const char *path);

/* proc_boot.c */
void proc_boot(void);

/* proc_end.c */
void proc_shutdown(int status);

#endif
