/* SPDX-License-Identifier: MIT
 *
 * tests/arch/decode_oracle.h: what Capstone says of the instructions that arch-vmm/decode.h lists, in its words.
 */
#ifndef RINGSIDE_TESTS_ARCH_DECODE_ORACLE_H
#define RINGSIDE_TESTS_ARCH_DECODE_ORACLE_H

#include <capstone/capstone.h>

#include "tests/arch/decode_rig.h"

struct oracle {
    csh cs;
    cs_insn *in; /* the last one */
};

struct oracle oracle_open(void);
void oracle_close(struct oracle *o);
/* As decode() of so many bytes. */
bool oracle_decode(struct oracle *o, const uint8_t code[LONGEST], struct decoded *out);

#endif
