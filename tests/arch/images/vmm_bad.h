/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_bad.h: what vmm_bad.c does, and the status with which it leaves.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_VMM_BAD_H
#define RINGSIDE_TESTS_ARCH_IMAGES_VMM_BAD_H

enum bad { BAD_LEAVES, BAD_HANGS, BAD_PANICS, BAD_CRASHES };

#define BAD_STATUS 5

#endif
