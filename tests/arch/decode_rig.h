/* SPDX-License-Identifier: MIT
 *
 * tests/arch/decode_rig.h: what the tests of the monitor's decoder share.
 */
#ifndef RINGSIDE_TESTS_ARCH_DECODE_RIG_H
#define RINGSIDE_TESTS_ARCH_DECODE_RIG_H

#include "arch-vmm/decode.h"
#include "tests/sim/random.h"

#define LONGEST 15 /* bytes of an instruction */
#define OP_LAST OP_MOVE_STRING
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* "0f 01 f8" to bytes; returns how many. */
size_t put_hex(uint8_t *to, const char *hex);
/* LONGEST random bytes, half of the time beginning with prefixes and escapes. */
void random_code(struct random *random, uint8_t *code);

/* All that a reader of `struct decoded` may look at. */
bool decoded_same(const struct decoded *a, const struct decoded *b);
void decoded_print(const char *who, const struct decoded *d);
_Noreturn void fail_at(const uint8_t *code, size_t bytes, const char *what);

#endif
