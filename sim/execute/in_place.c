/* SPDX-License-Identifier: MIT
 *
 * sim/execute/in_place.c: the count model's block hook, written into the translated code.
 *
 * The engine calls the block hook with constants: MOV to four argument registers, CALL. All that the count model does
 * for a plain block is to add its instructions to the clock, if nothing is due, and to remember which block runs. When
 * such a block has run once, this takes the place of its call:
 *
 *      mov   rdi, &cpu->now                LEA if it is near
 *      mov   rax, [rdi]                    clock
 *      cmp   rax, [rdi + 8]                limit
 *      jae   1f
 *      add   qword ptr [rdi], N            its instructions
 *      mov   dword ptr [rdi + 16], PLACE
 *      jmp   2f
 *  1:  call  [rdi + 24]                    the hook
 *  2:                                      where the CALL returned to
 *
 * It uses nothing but what a call may change. What the hook would have noted of the block is taken from the table of
 * places when anything outside of the translated code looks (in_place_take, in execute.h): each callback begins with
 * it. A translation is the code it was made from; so a place is good until the translations go, and they go
 * when the blocks do. The limit is 0 behind a block that has to be settled and whenever there is something to do.
 *
 * A call that is written otherwise than Unicorn 2.1.1 does on x86-64 is left alone: it stays a call.
 */
#include "sim/execute/in_place.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sim/inside.h"

enum {
    PLACES_MAX = 1 << 16,
    CODE_MAX = 64,
    ADD_MAX = 127,     /* an 8-bit immediate */
    NUMBER_BEHIND = 9, /* from the number's bytes to where the hook's call returns to */
    CALL_INDIRECT = 6, /* bytes of call [rip + x] */
    CALL_DIRECT = 5,
};

_Static_assert(offsetof(struct in_place, clock) == 0 && offsetof(struct in_place, limit) == 8 &&
                   offsetof(struct in_place, place) == 16 && offsetof(struct in_place, call) == 24,
               "the offsets in the code");

/* Bytes of `code` that end before `end` and load a constant into one of the first eight registers; 0: they do not. */
static unsigned loads(const uint8_t *end, unsigned reg, uint64_t value)
{
    uint64_t wide;
    int32_t signed_word;
    uint32_t word;

    memcpy(&wide, end - 8, sizeof wide);
    memcpy(&word, end - 4, sizeof word);
    memcpy(&signed_word, end - 4, sizeof signed_word);
    if (end[-10] == 0x48 && end[-9] == 0xb8 + reg && wide == value) /* movabs */
        return 10;
    if (end[-7] == 0x48 && end[-6] == 0xc7 && end[-5] == 0xc0 + reg && (uint64_t)(int64_t)signed_word == value)
        return 7; /* mov r64, imm32 */
    if (end[-7] == 0x48 && end[-6] == 0x8d && end[-5] == (reg << 3 | 5) &&
        (uint64_t)(uintptr_t)end + (uint64_t)(int64_t)signed_word == value)
        return 7; /* lea r64, [rip + x] */
    if (end[-5] == 0xb8 + reg && word == value)
        return 5; /* mov r32, imm32 */
    return 0;
}

/* Where the sequence begins that calls the hook for this block; NULL: it is another one. */
static uint8_t *call_begins(const struct cpu *cpu, uint8_t *behind)
{
    enum { RCX = 1, RDX = 2, RSI = 6, RDI = 7 };
    const struct {
        unsigned reg;
        uint64_t value;
    } arguments[] = {{RCX, (uint64_t)(uintptr_t)cpu},
                     {RDX, cpu->block->size},
                     {RSI, cpu->block_pc},
                     {RDI, (uint64_t)(uintptr_t)cpu->engine.uc}};
    uint8_t *at = behind;

    if (behind[-CALL_INDIRECT] == 0xff && behind[-CALL_INDIRECT + 1] == 0x15)
        at -= CALL_INDIRECT;
    else if (behind[-CALL_DIRECT] == 0xe8)
        at -= CALL_DIRECT;
    else
        return NULL;
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        unsigned bytes = loads(at, arguments[i].reg, arguments[i].value);

        if (bytes == 0)
            return NULL;
        at -= bytes;
    }
    return at;
}

static unsigned put(uint8_t *code, unsigned at, const char *bytes, unsigned count)
{
    memcpy(code + at, bytes, count);
    return at + count;
}

/* Assembles it for a place of `room` bytes at `begin`. false: too small. */
static bool assemble(const struct cpu *cpu, uint8_t code[CODE_MAX], const uint8_t *begin, unsigned room,
                     uint32_t number)
{
    const uint64_t now = (uint64_t)(uintptr_t)&cpu->now;
    const int64_t distance = (int64_t)(now - ((uint64_t)(uintptr_t)begin + 7));
    const int32_t near = (int32_t)distance;
    unsigned at, jump;

    if (near == distance) {
        at = put(code, 0, "\x48\x8d\x3d", 3);
        memcpy(code + at, &near, 4), at += 4;
    } else {
        at = put(code, 0, "\x48\xbf", 2);
        memcpy(code + at, &now, 8), at += 8;
    }
    at = put(code, at, "\x48\x8b\x07\x48\x3b\x47\x08\x73\x0d\x48\x83\x07", 12);
    code[at++] = (uint8_t)cpu->block->instructions;
    at = put(code, at, "\xc7\x47\x10", 3);
    memcpy(code + at, &number, 4), at += 4;
    code[at++] = 0xeb;
    jump = at++;
    at = put(code, at, "\xff\x57\x18", 3);
    if (at > room)
        return false;
    memset(code + at, 0x90, room - at);
    code[jump] = (uint8_t)(room - jump - 1);
    return true;
}

uint32_t in_place_add(struct cpu *cpu)
{
    if (!cpu->places)
        cpu->places = calloc(PLACES_MAX, sizeof *cpu->places);
    if (!cpu->places || cpu->place_count + 1 >= PLACES_MAX)
        return 0;
    cpu->places[++cpu->place_count] = (struct code_place){cpu->block_pc, cpu->block, cpu->block->size};
    return cpu->place_count;
}

void in_place_write(struct cpu *cpu, uint8_t *behind)
{
    uint8_t code[CODE_MAX];
    uint8_t *begin = call_begins(cpu, behind);

    if (begin && behind - begin <= CODE_MAX && cpu->block->instructions <= ADD_MAX &&
        assemble(cpu, code, begin, (unsigned)(behind - begin), cpu->place_count + 1) && in_place_add(cpu))
        memcpy(begin, code, (size_t)(behind - begin));
}

const struct code_place *in_place_of(const struct cpu *cpu, const uint8_t *behind)
{
    uint32_t number;

    memcpy(&number, behind - NUMBER_BEHIND, sizeof number);
    return &cpu->places[number];
}

void in_place_forget(struct cpu *cpu)
{
    cpu->place_count = 0;
}

unsigned in_place_count(const struct cpu *cpu)
{
    return cpu->place_count;
}

void in_place_close(struct cpu *cpu)
{
    free(cpu->places);
    cpu->places = NULL;
}
