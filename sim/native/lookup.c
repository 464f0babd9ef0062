/* SPDX-License-Identifier: MIT
 *
 * sim/native/lookup.c: where the engine goes on behind an indirect jump, and behind a direct one to another page.
 *
 * Such a jump cannot be chained: each time, the translated code calls helper_lookup_tb_ptr() for the translation at
 * RIP. That takes the descriptor from a sparse table, and from the descriptor what has to be compared: two lines of the
 * host's cache, which a program of some size does not find in the first level. It was a fifth of a run of the count
 * model.
 *
 * Unicorn's functions are exported and call each other through the dynamic linker, so one of the same name here takes
 * its place (symbol interposition: System V ABI, "Shared Object Dependencies"). That changes each place that calls it,
 * to one of two things near the translated code:
 *
 *   - a call of a routine with a small table: RIP, and the code there;
 *   - where the jump is direct, which the instructions before the call tell, a jump to a stub of its own (a site). That
 *     needs no table: it goes on at the same code, as long as it is there.
 *
 * What is known was found by the engine's own function, and is good as long as that would find it again:
 *
 *   - for this engine, the same flags (CPL, mode, TF, RF, AC, …) and a code segment at 0: that is a state, and has a
 *     number, the epoch, which each entry and each site holds. A site's flags follow from those of its translation, or
 *     the engine could not chain jumps; so it compares the epoch alone;
 *   - until the engine empties its own table, in whole or for a page that has entries, or drops a translation. The
 *     functions that do it are taken over too, and end all epochs.
 *
 * The engine has one thing more that ends an entry of its table: another translation in its slot. Then it searches, and
 * fetches the page anew. A fetch through the page tables that this saves could show only that a kernel changed an entry
 * and forgot INVLPG, which the count model does not look for; so this is for the count model alone.
 *
 * The offsets are those of Unicorn 2.1.1. An entry is kept only if the engine's table, the descriptor and the
 * state agree on it; so another layout of a 2.1 makes this useless, not wrong. That each change is heard of is tried
 * out on a scratch engine whenever one is opened (lookup_check).
 */
#include "sim/native/lookup.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "sim/native/engine_state.h"
#include "sim/native/lookup_code.h"

enum {
    STATES = 8,
    PAGE_BITS = 12,
    PAGES = 1 << PAGE_BITS,
    PAGE_SHIFT = 12,
    EPOCH_MAX = UINT16_MAX,
    /* of TranslationBlock */
    TB_PC = 0,
    TB_CS_BASE = 8,
    TB_FLAGS = 16,
    TB_CODE = 32,
};

static struct lookup_table now __attribute__((aligned(64)));

static struct state {
    const uint8_t *env; /* of which engine */
    uint32_t flags;
    uint64_t epoch;
} known[STATES];
static unsigned known_count;
static uint64_t last_epoch;

static unsigned engines;           /* that are open */
static uint64_t pages[PAGES / 64]; /* a bit for some: may there be an entry of them? */
static bool use, works;
static struct lookup_counts counts;

/* The engine's function of the same name. */
static void *behind(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void forget_all(void)
{
    now.flags = NO_STATE;
    now.epoch = 0;
    known_count = 0;
    memset(pages, 0, sizeof pages);
    counts.forgotten++;
}

void lookup_opened(void)
{
    engines++;
}

void lookup_closed(void)
{
    forget_all();
    if (--engines == 0)
        lookup_code_drop();
}

static unsigned bit_of(uint64_t page)
{
    return (unsigned)(page * 0x9e3779b97f4a7c15 >> (64 - PAGE_BITS)); /* Fibonacci hashing: Knuth, vol. 3, 6.4 */
}

/* The entries of a page of code. */
static void forget_page(uint64_t page)
{
    const unsigned bit = bit_of(page);

    if (pages[bit / 64] >> bit % 64 & 1)
        forget_all();
}

struct lookup_counts lookup_counts(void)
{
    return counts;
}

void lookup_use(bool on)
{
    use = on && works;
    now.flags = NO_STATE;
}

static uint32_t flags_of(const uint8_t *env)
{
    return (word32(env, ENV_EFLAGS) & EFLAGS_MASK) | word32(env, ENV_HFLAGS);
}

static struct lookup_entry *entry_of(uint64_t pc)
{
    return &now.entry[(pc ^ pc >> ENTRY_BITS) % ENTRIES];
}

/* The state the engine is in. */
static void enter_state(const uint8_t *env, uint32_t flags)
{
    unsigned i = 0;

    while (i < known_count && (known[i].env != env || known[i].flags != flags))
        i++;
    if (i == known_count) {
        if (last_epoch == EPOCH_MAX) {
            memset(now.entry, 0, sizeof now.entry);
            lookup_code_forget();
            last_epoch = 0;
            i = known_count = 0;
        }
        if (i == STATES)
            i = known_count = 0;
        known[i] = (struct state){env, flags, ++last_epoch};
        known_count++;
    }
    now.flags = flags;
    now.epoch = known[i].epoch;
}

/* Does the engine's own table lead to this code, and its descriptor say what the state says? */
static bool is_certain(const uint8_t *env, uint64_t pc, const void *code)
{
    const uint64_t fold = pc ^ pc >> 6; /* tb_jmp_cache_hash_func() */
    const uint64_t slot = (fold >> 6 & 0xfc0) | (fold & 0x3f);
    const uint64_t address = word64(env, ENV_JMP_CACHE + (ptrdiff_t)(slot * sizeof(void *)));
    const uint8_t *tb = (const uint8_t *)(uintptr_t)address; /* it lies before its code: read nothing else */

    return address < (uintptr_t)code && (uintptr_t)code - address < 4096 && word64(tb, TB_PC) == pc &&
           word64(tb, TB_CODE) == (uintptr_t)code && word32(tb, TB_FLAGS) == flags_of(env) &&
           word64(tb, TB_CS_BASE) == 0;
}

/* ---- in the place of the engine's functions ---- */

void *helper_lookup_tb_ptr_x86_64(const uint8_t *env);
void tlb_flush_by_mmuidx_x86_64(void *cpu, uint16_t modes);
void tlb_flush_by_mmuidx_all_cpus_x86_64(void *cpu, uint16_t modes);
void tlb_flush_by_mmuidx_all_cpus_synced_x86_64(void *cpu, uint16_t modes);
void tb_flush_jmp_cache_x86_64(void *cpu, uint64_t address);
void tb_flush_x86_64(void *cpu);
void tb_phys_invalidate_x86_64(void *context, void *tb, uint64_t page);
void tb_invalidate_phys_range_x86_64(void *uc, uint64_t start, uint64_t end);
void tb_invalidate_phys_page_range_x86_64(void *uc, uint64_t start, uint64_t end);
void tb_invalidate_phys_page_fast_x86_64(void *uc, void *pages_locked, uint64_t start, int bytes, uintptr_t from);

/* What the routine calls if its table does not have it. */
static void *ask(const uint8_t *env)
{
    static void *(*theirs)(const uint8_t *);
    const uint64_t pc = word64(env, ENV_EIP);
    struct lookup_entry *e = entry_of(pc);
    bool was_known;
    void *code;

    if (!theirs)
        *(void **)&theirs = behind("helper_lookup_tb_ptr_x86_64");
    code = theirs(env);
    counts.asked++;
    if (!use || word64(env, ENV_CS_BASE) != 0)
        return code;
    was_known = e->pc == pc && e->code << 16 >> 16 == (uintptr_t)code; /* in another state, or before a change */
    if (!was_known && !is_certain(env, pc, code))
        return code;
    if (now.flags != flags_of(env))
        enter_state(env, flags_of(env));
    *e = (struct lookup_entry){pc, (uint64_t)(uintptr_t)code | now.epoch << EPOCH_SHIFT};
    pages[bit_of(pc >> PAGE_SHIFT) / 64] |= 1ull << bit_of(pc >> PAGE_SHIFT) % 64;
    counts.kept++;
    return code;
}

/* In this state the table has it. */
static bool has(const struct lookup_entry *e, const uint8_t *env, uint64_t pc)
{
    return e->pc == pc && e->code >> EPOCH_SHIFT == now.epoch && now.flags == flags_of(env) &&
           word64(env, ENV_CS_BASE) == 0;
}

/* What a site's stub calls that does not know, or no longer. */
static const void *ask_for_site(const uint8_t *env, uint32_t number)
{
    const uint64_t pc = word64(env, ENV_EIP);
    const struct lookup_entry *e = entry_of(pc);
    const void *code;

    if (!has(e, env, pc)) {
        code = ask(env);
        if (!has(e, env, pc))
            return code;
    }
    code = (const void *)(uintptr_t)(e->code << 16 >> 16);
    lookup_code_fill(number, now.epoch, code);
    return code;
}

void *helper_lookup_tb_ptr_x86_64(const uint8_t *env)
{
    static bool opened;

    if (!opened)
        lookup_code_open(&now, ask, ask_for_site);
    opened = true;
    if (use)
        counts.sites +=
            lookup_code_patch(__builtin_return_address(0), (void *)helper_lookup_tb_ptr_x86_64, word64(env, ENV_EIP));
    return ask(env);
}

/* Calls the engine's own function: (types)(arguments). */
#define CALL_THEIRS(types, arguments)                                                                                  \
    static void(*theirs) types;                                                                                        \
                                                                                                                       \
    counts.told++;                                                                                                     \
    if (!theirs)                                                                                                       \
        *(void **)&theirs = behind(__func__);                                                                          \
    theirs arguments

void tlb_flush_by_mmuidx_x86_64(void *cpu, uint16_t modes)
{
    forget_all();
    CALL_THEIRS((void *, uint16_t), (cpu, modes));
}

void tlb_flush_by_mmuidx_all_cpus_x86_64(void *cpu, uint16_t modes)
{
    forget_all();
    CALL_THEIRS((void *, uint16_t), (cpu, modes));
}

void tlb_flush_by_mmuidx_all_cpus_synced_x86_64(void *cpu, uint16_t modes)
{
    forget_all();
    CALL_THEIRS((void *, uint16_t), (cpu, modes));
}

/* Code that begins in the page before may go on in this one. */
void tb_flush_jmp_cache_x86_64(void *cpu, uint64_t address)
{
    forget_page(address >> PAGE_SHIFT);
    forget_page((address >> PAGE_SHIFT) - 1);
    CALL_THEIRS((void *, uint64_t), (cpu, address));
}

void tb_flush_x86_64(void *cpu)
{
    forget_all();
    if (engines == 1)
        lookup_code_drop();
    CALL_THEIRS((void *), (cpu));
}

void tb_phys_invalidate_x86_64(void *context, void *tb, uint64_t page)
{
    forget_all();
    CALL_THEIRS((void *, void *, uint64_t), (context, tb, page));
}

void tb_invalidate_phys_range_x86_64(void *uc, uint64_t start, uint64_t end)
{
    forget_all();
    CALL_THEIRS((void *, uint64_t, uint64_t), (uc, start, end));
}

void tb_invalidate_phys_page_range_x86_64(void *uc, uint64_t start, uint64_t end)
{
    forget_all();
    CALL_THEIRS((void *, uint64_t, uint64_t), (uc, start, end));
}

void tb_invalidate_phys_page_fast_x86_64(void *uc, void *pages_locked, uint64_t start, int bytes, uintptr_t from)
{
    forget_all();
    CALL_THEIRS((void *, void *, uint64_t, int, uintptr_t), (uc, pages_locked, start, bytes, from));
}

/* ---- is it told of every change? ---- */

/* How often it was told of a change while these instructions ran; UINT64_MAX: they did not. */
static uint64_t tells(uc_engine *uc, uint64_t code, const char *bytes, size_t count)
{
    uint64_t before;

    if (uc_mem_write(uc, code, bytes, count) || uc_ctl_remove_cache(uc, code, code + 64))
        return UINT64_MAX;
    before = counts.told;
    return uc_emu_start(uc, code, code + count, 0, 0) == UC_ERR_OK ? counts.told - before : UINT64_MAX;
}

static bool hears_instructions(uc_engine *uc, uint64_t code)
{
    static const struct {
        const char *bytes;
        size_t count;
    } changes[] = {
        {"\x0f\x01\x3f\x90", 4},                                  /* invlpg [rdi] */
        {"\x0f\x20\xe0\x34\x80\x0f\x22\xe0\x90", 9},              /* mov rax, cr4; xor al, PGE; mov cr4, rax */
        {"\xc6\x05\x02\x00\x00\x00\x90\xeb\x00\x90\x90\x90", 12}, /* mov byte [rip + 2], nop; jmp there */
    };
    const uint64_t asked = counts.asked;
    const uint64_t always = tells(uc, code, "\x48\x8d\x05\x02\x00\x00\x00\xff\xe0\x90\x90", 11); /* lea; jmp rax */

    if (counts.asked == asked || always == UINT64_MAX)
        return false;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint64_t times = tells(uc, code, changes[i].bytes, changes[i].count);

        if (times <= always || times == UINT64_MAX)
            return false;
    }
    return true;
}

static bool hears_interface(uc_engine *uc, uint64_t code)
{
    uint64_t before = counts.told;

    if (uc_ctl_remove_cache(uc, code, code + 64) || counts.told == before)
        return false;
    before = counts.told;
    if (uc_ctl_flush_tlb(uc) || counts.told == before)
        return false;
    before = counts.told;
    return uc_ctl_flush_tb(uc) == UC_ERR_OK && counts.told != before;
}

bool lookup_check(uc_engine *uc, uint64_t code)
{
    unsigned major, minor;

    uc_version(&major, &minor);
    works = major == 2 && minor == 1 && behind("helper_lookup_tb_ptr_x86_64") && hears_instructions(uc, code) &&
            hears_interface(uc, code);
    return works;
}
