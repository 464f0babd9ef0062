/* SPDX-License-Identifier: MIT
 *
 * sim/native/bulk.c: the count model's REP MOVS and REP STOS, a page at a time.
 *
 * The engine makes an element of a REP as a block of its own: for a kernel that copies a page with REP MOVSB (as Linux
 * does on a processor with ERMS) 4,096 blocks, of some fifty host instructions each. To the count model they are one
 * instruction. So where the engine comes by with many elements to go, this makes those that stay within the page they
 * read and the page they write, moves RCX, RSI and RDI on, and leaves the engine the one behind them. The last is
 * always the engine's: what comes after it is as it was.
 *
 * Nothing may be skipped that an element does. So both pages must be in the engine's soft TLB, without a flag: then its
 * translated code does what is done here, a load and a store at an address of the host, and no more. A page that may
 * not be accessed, that was not yet, that holds translated code, or is a device's has a flag or no entry; then the
 * engine goes the long way with one element, and the next may find an entry. With DF or TF set nothing is done.
 *
 * The soft TLB is the engine's own data, at offsets of Unicorn 2.1.1 (engine_state.h); bulk_check() tries out on a
 * scratch engine that it is there.
 */
#include "sim/native/bulk.h"

#include <fcntl.h>
#include <unistd.h>

#include "sim/inside.h"
#include "sim/native/engine_state.h"

enum {
    HFLAGS_CPL = 3,
    HFLAGS_CS64 = 1 << 15,
    HFLAGS_SMAP = 1 << 23,
    MODE_KERNEL_SMAP = 0, /* cpu_mmu_index() */
    MODE_USER = 1,
    MODE_KERNEL = 2,
    SOFT_SHIFT = 6, /* from an address to the offset of its entry: 4 KiB pages, entries of 64 bytes */
    SOFT_READ = 0,  /* of an entry: the page, and flags, for loads, */
    SOFT_WRITE = 8, /* and for stores; */
    SOFT_HOST = 32, /* what an address is more than the guest's */
    SOFT_ENTRY_BYTES = 40,
    GENERAL_RAX = 0,
    GENERAL_RCX = 1,
    GENERAL_RSI = 6,
    GENERAL_RDI = 7,
};

static bool works; /* bulk_check() */
static uint64_t made;

uint64_t bulk_count(void)
{
    return made;
}

static unsigned mode_of(const uint8_t *env)
{
    const uint32_t flags = word32(env, ENV_HFLAGS);

    if ((flags & HFLAGS_CPL) == 3)
        return MODE_USER;
    return flags & HFLAGS_SMAP && !(word32(env, ENV_EFLAGS) & FLAG_AC) ? MODE_KERNEL_SMAP : MODE_KERNEL;
}

static ptrdiff_t soft_tlb(const uint8_t *env)
{
    return ENV_SOFT_TLB + SOFT_TLB_BYTES * (ptrdiff_t)mode_of(env);
}

/* NULL: not a page that the engine would just read or write. */
static uint8_t *host_address(const struct machine *m, const uint8_t *env, uint64_t address, unsigned access)
{
    const uint64_t mask = word64(env, soft_tlb(env)), table = word64(env, soft_tlb(env) + 8);
    const uint8_t *entry = (const uint8_t *)(uintptr_t)(table + (address >> SOFT_SHIFT & mask));
    uint8_t *host = (uint8_t *)(uintptr_t)(word64(entry, SOFT_HOST) + address);

    if (word64(entry, access) != (address & ~(PAGE_BYTES - 1)))
        return NULL;
    return host >= m->ram && host < m->ram + m->ram_bytes ? host : NULL;
}

static uint64_t elements_in_page(uint64_t address, unsigned shift)
{
    return (PAGE_BYTES - address % PAGE_BYTES) >> shift;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* One after the other: with an overlap, what was stored is loaded again. */
static void make_moves(uint8_t *to, const uint8_t *from, uint64_t count, size_t element)
{
    const size_t bytes = count * element;

    if (to + bytes <= from || from + bytes <= to)
        memcpy(to, from, bytes);
    else
        for (size_t at = 0; at < bytes; at += element)
            memmove(to + at, from + at, element);
}

static void make_stores(uint8_t *to, uint64_t value, uint64_t count, size_t element)
{
    if (element == 1)
        memset(to, (int)(value & 0xff), count);
    else
        for (uint64_t i = 0; i < count; i++)
            memcpy(to + i * element, &value, element);
}

uint64_t bulk_make(struct cpu *cpu)
{
    const struct machine *m = cpu->machine;
    const struct block *b = cpu->block;
    uint8_t *env = (uint8_t *)cpu->bulk;
    uint64_t *general = cpu->bulk, count = cpu->rep_left - 1, address = general[GENERAL_RDI];
    const uint8_t *from = NULL;
    uint8_t *to;

    if (b->bulk == BULK_NONE || general[GENERAL_RCX] != cpu->rep_left || word32(env, ENV_DIRECTION) != 1 ||
        word32(env, ENV_EFLAGS) & FLAG_TF || !(word32(env, ENV_HFLAGS) & HFLAGS_CS64))
        return 0;
    count = least(count, elements_in_page(address, b->element_shift));
    to = host_address(m, env, address, SOFT_WRITE);
    if (b->bulk == BULK_MOVES) {
        address = general[GENERAL_RSI];
        count = least(count, elements_in_page(address, b->element_shift));
        from = host_address(m, env, address, SOFT_READ);
    }
    if (count == 0 || !to || (b->bulk == BULK_MOVES && !from))
        return 0;
    if (b->bulk == BULK_MOVES) {
        make_moves(to, from, count, block_element(b));
        general[GENERAL_RSI] += count << b->element_shift;
    } else {
        make_stores(to, general[GENERAL_RAX], count, block_element(b));
    }
    general[GENERAL_RDI] += count << b->element_shift;
    general[GENERAL_RCX] -= count;
    made += count;
    return count;
}

void bulk_open(struct cpu *cpu)
{
    struct engine_registers registers;
    char error[ENGINE_ERROR_MAX];

    if (works && engine_find_registers(&cpu->engine, &registers, error) == 0)
        cpu->bulk = (uint64_t *)(uintptr_t)registers.general;
}

/* ---- is it where it is expected? ---- */

static bool run_code(uc_engine *uc, uint64_t code, const char *bytes, size_t count)
{
    return uc_mem_write(uc, code, bytes, count) == UC_ERR_OK && uc_ctl_remove_cache(uc, code, code + 16) == UC_ERR_OK &&
           uc_emu_start(uc, code, code + count, 0, 0) == UC_ERR_OK;
}

static bool peek(int self, uint64_t address, void *to, size_t bytes)
{
    return pread(self, to, bytes, (off_t)address) == (ssize_t)bytes;
}

/* Does the entry lead to the word that the engine has at `data`? Nothing is taken for an address without looking. */
static bool finds(uc_engine *uc, int self, const uint8_t *env, uint64_t data, uint64_t mark)
{
    uint8_t entry[SOFT_ENTRY_BYTES];
    uint64_t tlb[2], word;

    return uc_mem_write(uc, data, &mark, sizeof mark) == UC_ERR_OK &&
           peek(self, (uint64_t)(uintptr_t)(env + soft_tlb(env)), tlb, sizeof tlb) &&
           peek(self, tlb[1] + (data >> SOFT_SHIFT & tlb[0]), entry, sizeof entry) &&
           word64(entry, SOFT_READ) == (data & ~(PAGE_BYTES - 1)) &&
           word64(entry, SOFT_WRITE) == word64(entry, SOFT_READ) &&
           peek(self, word64(entry, SOFT_HOST) + data, &word, sizeof word) && word == mark;
}

static bool direction_is(uc_engine *uc, const uint8_t *env, uint64_t code, const char *instruction, uint32_t expected)
{
    return run_code(uc, code, instruction, 1) && word32(env, ENV_DIRECTION) == expected;
}

bool bulk_check(struct engine *engine, uint64_t code, uint64_t data)
{
    const int self = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char error[ENGINE_ERROR_MAX];
    struct engine_registers registers;
    unsigned major, minor;
    const uint8_t *env;
    uc_engine *uc = engine->uc;

    uc_version(&major, &minor);
    works = self >= 0 && major == 2 && minor == 1 && engine_find_registers(engine, &registers, error) == 0;
    if (works) {
        env = (const uint8_t *)registers.general;
        engine_set(engine, UC_X86_REG_RDI, data);
        works = run_code(uc, code, "\x48\x8b\x07\x48\x89\x07", 6) && /* mov rax, [rdi]; mov [rdi], rax */
                registers.general[GENERAL_RDI] == data &&
                (word32(env, ENV_HFLAGS) & (HFLAGS_CPL | HFLAGS_CS64)) == HFLAGS_CS64 &&
                finds(uc, self, env, data, 0x5ca1ab1e) && finds(uc, self, env, data, 0x0ddba11) &&
                direction_is(uc, env, code, "\xfd", UINT32_MAX) && direction_is(uc, env, code, "\xfc", 1);
    }
    if (self >= 0)
        close(self);
    return works;
}
