/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_outcome.h: what vmm_attacks.def calls outcomes.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_VMM_OUTCOME_H
#define RINGSIDE_TESTS_ARCH_IMAGES_VMM_OUTCOME_H

#define RETURNED 256                        /* it was executed */
#define CALLED 257                          /* it arrived where SYSCALLs do */
#define EXCEPTION(vector) (1000 + (vector)) /* the attacker's own, through its IDT */
#define RESERVED_BIT 9                      /* error code of a page fault: present, a bit is set that must not be */
#define RESET 0x40                          /* the device says that it needs a reset */
#define IOERR 1                             /* status of a disk request */
#define UNSUPP 2

#endif
