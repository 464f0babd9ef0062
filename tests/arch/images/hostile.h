/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/hostile.h: what a program says to a hostile server.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_HOSTILE_H
#define RINGSIDE_TESTS_ARCH_IMAGES_HOSTILE_H

/* fsd: a descriptor, and offsets that are no attack's number */
#define HOSTILE_FD 0x666
#define HOSTILE_WHO 1000
#define HOSTILE_HOLD 1001
#define HOSTILE_STALE 1002
#define HOSTILE_SILENT 1003 /* never answers, also not when interrupted, but says that it keeps the call */
#define HOSTILE_FORGETS 1004 /* the call */
#define HOSTILE_FORGETS_REQUEST 1005 /* the next one */
#define HOSTILE_LEAVES 1006 /* once all programs have ended */
#define HOSTILE_DEAF 1007 /* receives, and does nothing else any more */

/* ttyd: an ioctl, with the number in the low bits */
#define HOSTILE_IOCTL 0x66660000u
#define HOSTILE_DEADLY 0x8000u /* one of those that the server does not survive */
#define HOSTILE_REFUSES "refuses" /* an argument of the program: no fresh start either */

/* vmd: an munmap of this address; the length is the attack's number + 1 */
#define HOSTILE_ADDRESS 0x666000ul
#define HOSTILE_DESTROY 1000 /* the space of the process that was forked last */
#define HOSTILE_WHERE 1001   /* the address of what no program but one in vmd's space can run: it exits with HOSTILE_RAN */
#define HOSTILE_RAN 77

#endif
