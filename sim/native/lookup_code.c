/* SPDX-License-Identifier: MIT
 *
 * sim/native/lookup_code.c: what the places in translated code that call for a look-up get instead: see lookup.c.
 *
 * A place that may go on anywhere calls a routine that looks in the table. The engine has stored RIP before, and jumps
 * to what the routine returns, or what ask() does.
 *
 * A place that always goes on at the same address, a site, jumps to a stub of its own, which never comes back:
 *
 *      mov  rax, [epoch]
 *      cmp  rax, [epoch of the site]
 *      jne  1f                                 not known, or no longer
 *      jmp  [code of the site]
 *   1: mov  esi, number; ask_for_site(env, number); jmp rax
 *
 * All of it is near the translated code: a place has room for a displacement of 32 bits.
 */
#include "sim/native/lookup_code.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/native/engine_state.h"
#include "sim/native/write.h"

enum {
    SITES_MAX = 1 << 16,
    STUB_BYTES = 32,
    ASIDE_BYTES = 16,  /* from 1: */
    CALL_DIRECT = 5,   /* bytes of call x */
    CALL_INDIRECT = 6, /* and of call [rip + x] */
};

struct site {
    uint64_t epoch; /* NO_STATE: not known */
    const void *code;
};

static struct near {
    struct site site[SITES_MAX];
    uint8_t routine[4096];
    uint8_t stub[SITES_MAX][STUB_BYTES];
    uint8_t aside[SITES_MAX][ASIDE_BYTES];
    uint8_t ask_for_site[ASIDE_BYTES];
} * near; /* NULL: none */
static const struct lookup_table *table;
static uint32_t site_count;

/* RDI is the argument; it may change what a call may change. */
static void write_routine(const void *ask, const void *ask_for_site)
{
    enum { ENTRY = offsetof(struct lookup_table, entry), OR_FROM = 0x0b, XOR_FROM = 0x33, RET = 0xc3 };
    struct writer w = {.at = near->routine};
    uint8_t *other_pc, *other_epoch;

    put_memory(&w, true, LOAD, RCX, RDI, ENV_EIP);
    put_memory(&w, false, LOAD, RAX, RDI, ENV_EFLAGS);
    put_and32(&w, RAX, EFLAGS_MASK);
    put_memory(&w, false, OR_FROM, RAX, RDI, ENV_HFLAGS);
    put_constant(&w, RSI, (uint64_t)(uintptr_t)table);
    put_memory(&w, true, XOR_FROM, RAX, RSI, offsetof(struct lookup_table, flags));
    put_memory(&w, true, OR_FROM, RAX, RDI, ENV_CS_BASE);
    put_move(&w, RDX, RCX);
    put_shift(&w, true, SHR, RDX, ENTRY_BITS);
    put_registers(&w, true, XOR, RCX, RDX);
    put_and32(&w, RDX, ENTRIES - 1);
    put_shift(&w, false, SHL, RDX, 4); /* bytes of an entry */
    put_indexed(&w, true, XOR_FROM, RCX, RSI, RDX, 0, ENTRY + (int)offsetof(struct lookup_entry, pc));
    put_registers(&w, true, OR, RCX, RAX);
    other_pc = put_jump_if(&w, NE); /* or other flags, or a base */
    put_indexed(&w, true, LOAD, RAX, RSI, RDX, 0, ENTRY + (int)offsetof(struct lookup_entry, code));
    put_move(&w, RDX, RAX);
    put_shift(&w, true, SHR, RDX, EPOCH_SHIFT);
    put_memory(&w, true, CMP, RDX, RSI, offsetof(struct lookup_table, epoch));
    other_epoch = put_jump_if(&w, NE);
    put_shift(&w, true, SHL, RAX, 64 - EPOCH_SHIFT);
    put_shift(&w, true, SHR, RAX, 64 - EPOCH_SHIFT);
    put8(&w, RET);
    land(&w, other_pc);
    land(&w, other_epoch);
    put_constant(&w, RAX, (uint64_t)(uintptr_t)ask);
    put8(&w, 0xff), put8(&w, 0xe0); /* jmp rax */
    w.at = near->ask_for_site;
    put_constant(&w, RAX, (uint64_t)(uintptr_t)ask_for_site);
    put8(&w, 0xff), put8(&w, 0xd0); /* call rax */
    put8(&w, 0xff), put8(&w, 0xe0); /* jmp rax */
}

void lookup_code_open(const struct lookup_table *from, void *(*ask)(const uint8_t *),
                      const void *(*ask_for_site)(const uint8_t *, uint32_t))
{
    void *memory = mmap(NULL, sizeof *near, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return;
    near = memory;
    table = from;
    write_routine((const void *)ask, (const void *)ask_for_site);
}

static int32_t distance_to(const void *to, const uint8_t *behind)
{
    return (int32_t)((const uint8_t *)to - behind);
}

/* Bytes of an instruction that stores a register or a constant in the engine's state, at `offset`, or of MOV RDI, RBP;
 * 0: another. */
static unsigned store_bytes(const uint8_t *at, int32_t *offset)
{
    const unsigned rex = (at[0] & 0xf0) == 0x40;
    const uint8_t *code = at + rex;
    const unsigned constant = code[0] == 0xc7 ? 4 : 0;

    *offset = 0;
    if (memcmp(at, "\x48\x8b\xfd", 3) == 0)
        return 3;
    if ((code[0] != 0x89 && !constant) || (code[1] & 7) != 5 || (constant && code[1] & 0x38))
        return 0;
    if (code[1] >> 6 == 1) {
        *offset = (int8_t)code[2];
        return rex + 3 + constant;
    }
    memcpy(offset, code + 2, sizeof *offset);
    return code[1] >> 6 == 2 ? rex + 6 + constant : 0;
}

/* Is the code before `call` MOV QWORD [RBP + ENV_EIP], `pc`, and then nothing but other stores? Then it goes on there
 * always: the call is not reached but through all of them. */
static bool goes_on_at(const uint8_t *call, uint64_t pc)
{
    enum { STORE_EIP_BYTES = 11, BACK_MAX = 96 };
    static const uint8_t store_eip[] = {0x48, 0xc7, 0x85, ENV_EIP, 0, 0, 0};

    for (unsigned back = STORE_EIP_BYTES; back < BACK_MAX; back++) {
        const uint8_t *at = call - back;
        unsigned bytes = STORE_EIP_BYTES;
        int32_t constant, offset = 0;

        if (memcmp(at, store_eip, sizeof store_eip) != 0)
            continue;
        memcpy(&constant, at + sizeof store_eip, sizeof constant);
        for (at += bytes; at < call && bytes > 0 && offset != ENV_EIP; at += bytes)
            bytes = store_bytes(at, &offset);
        return at == call && bytes > 0 && offset != ENV_EIP && (uint64_t)(int64_t)constant == pc;
    }
    return false;
}

/* A new stub. NULL: there are too many. */
static const uint8_t *make_site(void)
{
    const uint64_t epoch = (uint64_t)(uintptr_t)&table->epoch;
    const uint32_t number = site_count;
    struct site *site = &near->site[number];
    struct writer w = {.at = near->stub[number]};

    if (number == SITES_MAX)
        return NULL;
    site_count++;
    *site = (struct site){NO_STATE, NULL};
    put8(&w, 0x48), put8(&w, 0xa1), put32(&w, (uint32_t)epoch), put32(&w, epoch >> 32); /* mov rax, [epoch] */
    put8(&w, 0x48), put8(&w, 0x3b), put8(&w, 0x05);                                     /* cmp rax, [rip + x] */
    put32(&w, (uint32_t)distance_to(&site->epoch, w.at + 4));
    put8(&w, 0x0f), put8(&w, 0x85), put32(&w, (uint32_t)distance_to(near->aside[number], w.at + 4)); /* jne aside */
    put8(&w, 0xff), put8(&w, 0x25), put32(&w, (uint32_t)distance_to(&site->code, w.at + 4));         /* jmp [rip + x] */
    w.at = near->aside[number];
    put8(&w, 0xbe), put32(&w, number); /* mov esi, number */
    put_jump(&w, near->ask_for_site);
    return near->stub[number];
}

unsigned lookup_code_patch(uint8_t *from, const void *called, uint64_t pc)
{
    const int64_t distance = (const uint8_t *)near - from;
    const uint8_t *stub = NULL;
    unsigned bytes = 0;
    int32_t where;

    if (!near || distance < INT32_MIN || distance > INT32_MAX - (int64_t)sizeof *near)
        return 0;
    memcpy(&where, from - sizeof where, sizeof where);
    if (from[-CALL_INDIRECT] == 0xff && from[-CALL_INDIRECT + 1] == 0x15 &&
        memcmp(from + where, &called, sizeof called) == 0)
        bytes = CALL_INDIRECT;
    else if (from[-CALL_DIRECT] == 0xe8 && from + where == called)
        bytes = CALL_DIRECT;
    if (bytes == 0)
        return 0;
    if (goes_on_at(from - bytes, pc))
        stub = make_site();
    if (bytes == CALL_INDIRECT)
        from[-CALL_INDIRECT] = 0x48; /* a prefix without effect fills it up */
    from[-CALL_DIRECT] = stub ? 0xe9 : 0xe8;
    where = distance_to(stub ? stub : near->routine, from);
    memcpy(from - sizeof where, &where, sizeof where);
    return stub != NULL;
}

void lookup_code_fill(uint32_t number, uint64_t epoch, const void *code)
{
    near->site[number] = (struct site){epoch, code};
}

void lookup_code_forget(void)
{
    for (uint32_t number = 0; number < site_count; number++)
        near->site[number].epoch = NO_STATE;
}

void lookup_code_drop(void)
{
    site_count = 0;
}
