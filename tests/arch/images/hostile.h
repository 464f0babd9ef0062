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

/* ttyd: an ioctl, with the number in the low bits */
#define HOSTILE_IOCTL 0x66660000u
#define HOSTILE_DEADLY 0x8000u /* one of those that the server does not survive */

#endif
