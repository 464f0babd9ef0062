/* SPDX-License-Identifier: MIT
 *
 * sim/native/instructions.c: the few x86-64 instructions that routines are made of (Intel SDM vol. 2).
 */
#include "sim/native/write.h"

#include <string.h>

void put8(struct writer *w, unsigned byte)
{
    *w->at++ = (uint8_t)byte;
}

void put32(struct writer *w, uint32_t word)
{
    memcpy(w->at, &word, sizeof word);
    w->at += sizeof word;
}

static void put64(struct writer *w, uint64_t word)
{
    memcpy(w->at, &word, sizeof word);
    w->at += sizeof word;
}

static void put_rex(struct writer *w, bool wide, unsigned reg, unsigned index, unsigned base)
{
    put8(w, 0x40u | (unsigned)wide << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3);
}

static void put_opcode(struct writer *w, unsigned opcode)
{
    if (opcode > 0xff)
        put8(w, opcode >> 8);
    put8(w, opcode & 0xff);
}

void put_memory(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg base, int32_t disp)
{
    put_rex(w, wide, reg, 0, base);
    put_opcode(w, opcode);
    put8(w, 0x80u | (reg & 7) << 3 | (base & 7));
    put32(w, (uint32_t)disp);
}

void put_indexed(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg base, enum reg index,
                 unsigned scale, int32_t disp)
{
    put_rex(w, wide, reg, index, base);
    put_opcode(w, opcode);
    put8(w, 0x84u | (reg & 7) << 3);
    put8(w, scale << 6 | (index & 7u) << 3 | (base & 7u));
    put32(w, (uint32_t)disp);
}

void put_registers(struct writer *w, bool wide, unsigned opcode, unsigned reg, enum reg rm)
{
    put_rex(w, wide, reg, 0, rm);
    put_opcode(w, opcode);
    put8(w, 0xc0u | (reg & 7) << 3 | (rm & 7));
}

void put_move(struct writer *w, enum reg to, enum reg from)
{
    put_registers(w, true, STORE, from, to);
}

void put_move32(struct writer *w, enum reg to, enum reg from)
{
    put_registers(w, false, STORE, from, to);
}

void put_constant(struct writer *w, enum reg to, uint64_t value)
{
    put_rex(w, true, 0, 0, to);
    put8(w, 0xb8u | (to & 7));
    put64(w, value);
}

void put_shift(struct writer *w, bool wide, enum shift op, enum reg reg, unsigned by)
{
    put_registers(w, wide, 0xc1, op, reg);
    put8(w, by);
}

void put_and32(struct writer *w, enum reg reg, uint32_t mask)
{
    put_registers(w, false, 0x81, 4, reg);
    put32(w, mask);
}

void put_jump(struct writer *w, const uint8_t *target)
{
    put8(w, 0xe9);
    put32(w, (uint32_t)(target - (w->at + 4)));
}

uint8_t *put_jump_if(struct writer *w, enum condition condition)
{
    put8(w, 0x0f);
    put8(w, condition);
    put32(w, 0);
    return w->at - 4;
}

void land(const struct writer *w, uint8_t *displacement)
{
    uint32_t distance = (uint32_t)(w->at - (displacement + 4));

    memcpy(displacement, &distance, sizeof distance);
}

void put_slow_if(struct writer *w, enum condition condition)
{
    w->jump[w->jump_count++] = (struct jump){put_jump_if(w, condition), w->to};
}

void put_aside_if(struct writer *w, enum condition condition, const void *function, uint64_t argument, bool can_refuse)
{
    uint8_t *from = put_jump_if(w, condition);

    w->aside[w->aside_count++] = (struct aside){from, w->at, function, argument, can_refuse};
}
