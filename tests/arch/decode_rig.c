/* SPDX-License-Identifier: MIT
 *
 * tests/arch/decode_rig.c: what the tests of the monitor's decoder share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/arch/decode_rig.h"

size_t put_hex(uint8_t *to, const char *hex)
{
    size_t bytes = 0;

    for (; *hex; hex += strspn(hex, " "))
        to[bytes++] = (uint8_t)strtoul(hex, (char **)&hex, 16);
    return bytes;
}

static bool same_memory(const struct memory_operand *a, const struct memory_operand *b)
{
    return a->segment == b->segment && a->base == b->base && a->index == b->index &&
           (a->index == NO_REGISTER || a->scale == b->scale) && a->rip_relative == b->rip_relative &&
           a->address32 == b->address32 && a->displacement == b->displacement;
}

bool decoded_same(const struct decoded *a, const struct decoded *b)
{
    return a->op == b->op && a->length == b->length && a->width == b->width && a->target == b->target &&
           a->sign == b->sign && a->high_byte == b->high_byte && a->immediate_used == b->immediate_used &&
           a->rep == b->rep && a->wide == b->wide && a->has_memory == b->has_memory && a->reg == b->reg &&
           a->rm == b->rm && a->immediate == b->immediate && (!a->has_memory || same_memory(&a->memory, &b->memory));
}

void decoded_print(const char *who, const struct decoded *d)
{
    const struct memory_operand *m = &d->memory;

    print_error("%s: op %u length %u width %u target %u%s%s%s%s%s reg %u rm %u immediate %#lx", who, d->op, d->length,
                d->width, d->target, d->sign ? " sign" : "", d->high_byte ? " high" : "",
                d->immediate_used ? " immediate" : "", d->rep ? " rep" : "", d->wide ? " wide" : "", d->reg, d->rm,
                (unsigned long)d->immediate);
    if (d->has_memory)
        print_error(" [segment %u base %u index %u * %u%s%s + %#lx]", m->segment, m->base, m->index, m->scale,
                    m->rip_relative ? " rip" : "", m->address32 ? " 32" : "", (unsigned long)m->displacement);
    print_error("\n");
}

_Noreturn void fail_at(const uint8_t *code, size_t bytes, const char *what)
{
    char hex[3 * LONGEST + 1] = "";

    for (size_t i = 0; i < bytes; i++)
        sprintf(hex + 3 * i, "%02x ", code[i]);
    fail_msg("%s%s", hex, what);
    abort();
}

void random_code(struct random *random, uint8_t *code)
{
    static const uint8_t usual[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x64, 0x65, 0x40, 0x41, 0x44, 0x48, 0x4f, 0x0f, 0x0f};
    uint32_t count = random_below(random, 2) ? random_below(random, 5) : 0;

    for (size_t i = 0; i < LONGEST; i++)
        code[i] = i < count ? usual[random_below(random, COUNT(usual))] : (uint8_t)random_next(random);
}
