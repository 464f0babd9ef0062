/* SPDX-License-Identifier: MIT
 *
 * sim/cli/tcb.h: how much of an architecture runs in ring 0, measured from the kernel image that was built.
 *
 * The trusted computing base of an architecture is what can do anything: the image that runs in ring 0, services that
 * are linked into it included. Both measures count what is there after compiling and linking, so they hold for every
 * architecture, and a comment costs nothing.
 */
#ifndef RINGSIDE_SIM_CLI_TCB_H
#define RINGSIDE_SIM_CLI_TCB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/cli/catalogue.h"

struct tcb {
    uint64_t bytes; /* of executable sections, their padding included */
    uint64_t
        lines; /* source lines with code: pairs of file and line that the line table (DWARF) gives an instruction */
    bool has_lines; /* it has a line table: not stripped */
};

/* false: no ELF file is there. */
bool tcb_measure(const char *path, struct tcb *tcb);
bool arch_measure(const struct home *home, const struct arch *arch, struct tcb *tcb);
/* "tcb_bytes" and "tcb_lines" for `object`, if the image has been built. */
void arch_add_tcb(const struct home *home, const struct arch *arch, json_t *object);

#endif
