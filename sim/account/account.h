/* SPDX-License-Identifier: MIT
 *
 * sim/account/account.h: whose the cycles and events are, for those who count them.
 */
#ifndef RINGSIDE_SIM_ACCOUNT_H
#define RINGSIDE_SIM_ACCOUNT_H

#include "sim/cpu.h"

/* account.c: domains, regions, results */
void account_enter(struct cpu *cpu); /* CPL or CR3 changed: find the current domain */
/* Whose the current root table is; guest 0: no guest's. */
const struct guest_root *account_guest(struct cpu *cpu);
/* As the kernel that runs means it: ring 0, or a guest's. space 0: the current one. */
void account_name(struct cpu *cpu, uint64_t space, unsigned ring, const char *name);
void account_space_gone(struct cpu *cpu, uint64_t space);
void account_guest_root(struct cpu *cpu, const struct guest_root *root);
void account_user_resumes(struct cpu *cpu);
void account_region_begin(struct cpu *cpu);
void account_region_end(struct machine *m, uint64_t ops);
uint64_t account_instructions(struct machine *m); /* since the books were opened */
void account_result(struct machine *m);
void account_warn(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
void account_close(struct machine *m);

/* exits.c: CPL 3 is being left for ring 0 */
void exits_syscall(struct cpu *cpu);
void exits_interrupt(struct cpu *cpu);
void exits_exception(struct cpu *cpu, unsigned vector, bool software, uint64_t rip);
const char *exits_exception_name(unsigned vector);

/* probe.c */
int probe_cpuid(uc_engine *uc, void *user);

#endif
