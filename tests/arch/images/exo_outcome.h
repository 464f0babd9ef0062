/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/exo_outcome.h: how an attack of exo_attacks.def can end besides by an exception.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_EXO_OUTCOME_H
#define RINGSIDE_TESTS_ARCH_IMAGES_EXO_OUTCOME_H

#define ABORTED 1000  /* the kernel ended the env */
#define KILLED 1001   /* it went on until the group ended it */
#define SURVIVED 1002 /* nothing happened */

#define OWN_FRAMES 9 /* the private area of a group's first env */

#endif
