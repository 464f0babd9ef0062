/* SPDX-License-Identifier: MIT
 *
 * sim/execute/engine.c: see engine.h. The probe runs four tiny snippets in a scratch engine:
 * load a flat GDT at CPL 0; IRETQ to CPL 3; a #GP with a known error code; INT n.
 * After each the context is saved; what differs between two saves is the word sought.
 */
#include "sim/execute/engine.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/native/bulk.h"
#include "sim/native/lookup.h"

enum {
    HEADER_BYTES = 32, /* uc_context's own header */
    TAIL_BYTES = 8,    /* never saved: what malloc left there */
    CODE = 0x1000,
    GDT = 0x2000,
    GDTR = 0x3000,
    RING3_RIP = 0x4000,
    IRET_FRAME = 0x7000,
    STACK = 0x8000,
    PROBE_BYTES = 0x10000,
    BAD_SELECTOR = 0x1230,
    DPL3 = 3 << 13,
    /* Unicorn clears its whole code buffer, so a big one costs time and memory. */
    PROBE_BUFFER_BYTES = 1 << 20,
};

struct probe {
    uc_engine *uc;
    uc_context *ring0, *ring3, *fault, *int_n;
    size_t size; /* of a context, as far as it is saved */
};

static uint32_t word_at(const uc_context *context, unsigned offset)
{
    uint32_t word;

    memcpy(&word, (const char *)context + offset, sizeof word);
    return word;
}

static void set_word(uc_context *context, unsigned offset, uint32_t word)
{
    memcpy((char *)context + offset, &word, sizeof word);
}

static void stop_on_exception(uc_engine *uc, uint32_t vector, void *user)
{
    (void)vector;
    (void)user;
    uc_emu_stop(uc);
}

static uc_err run_snippet(uc_engine *uc, const void *code, size_t bytes, uint64_t until)
{
    uc_err err = uc_mem_write(uc, CODE, code, bytes);

    uc_ctl_remove_cache(uc, CODE, CODE + 64);
    return err ? err : uc_emu_start(uc, CODE, until ? until : CODE + bytes, 0, 0);
}

/* lgdt [rdi]; mov ax,0x10; mov ss,ax; push 8; push CODE+18+1; retfq; nop */
static const uint8_t load_gdt[] = {0x0f, 0x01, 0x17, 0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd0, 0x6a,
                                   0x08, 0x68, 0x12, 0x10, 0x00, 0x00, 0x48, 0xcb, 0x90};
static const uint8_t iretq[] = {0x48, 0xcf};
static const uint8_t load_bad_selector[] = {0x66, 0xb8, BAD_SELECTOR & 0xff, BAD_SELECTOR >> 8, 0x8e, 0xd8};
static const uint8_t int_55[] = {0xcd, 0x55};

/* Null, ring-0 code and data, ring-3 data and code; accessed bits set so that loads change nothing. */
static const uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};

static void equalise(uc_context *context)
{
    uint64_t zero = 0, flags = 2;

    uc_context_reg_write(context, UC_X86_REG_RIP, &zero);
    uc_context_reg_write(context, UC_X86_REG_RSP, &zero);
    uc_context_reg_write(context, UC_X86_REG_RDI, &zero);
    uc_context_reg_write(context, UC_X86_REG_RFLAGS, &flags);
}

static bool probe_setup(struct probe *p)
{
    const uint8_t gdtr[10] = {sizeof gdt - 1, 0, GDT & 0xff, GDT >> 8};
    uint64_t rdi = GDTR, rsp = STACK;

    return uc_mem_map(p->uc, 0, PROBE_BYTES, UC_PROT_ALL) == UC_ERR_OK &&
           uc_mem_write(p->uc, GDT, gdt, sizeof gdt) == UC_ERR_OK &&
           uc_mem_write(p->uc, GDTR, gdtr, sizeof gdtr) == UC_ERR_OK &&
           uc_reg_write(p->uc, UC_X86_REG_RDI, &rdi) == UC_ERR_OK &&
           uc_reg_write(p->uc, UC_X86_REG_RSP, &rsp) == UC_ERR_OK &&
           run_snippet(p->uc, load_gdt, sizeof load_gdt, 0) == UC_ERR_OK;
}

static bool probe_run(struct probe *p)
{
    const uint64_t frame[5] = {RING3_RIP, 0x23, 2, STACK, 0x1b};
    uint64_t rsp = IRET_FRAME;
    uc_hook hook;

    uc_context_save(p->uc, p->ring0);
    if (uc_mem_write(p->uc, IRET_FRAME, frame, sizeof frame) || uc_reg_write(p->uc, UC_X86_REG_RSP, &rsp) ||
        run_snippet(p->uc, iretq, sizeof iretq, RING3_RIP))
        return false;
    uc_context_save(p->uc, p->ring3);
    if (uc_hook_add(p->uc, &hook, UC_HOOK_INTR, (void *)stop_on_exception, NULL, 1, 0))
        return false;
    uc_context_restore(p->uc, p->ring0);
    run_snippet(p->uc, load_bad_selector, sizeof load_bad_selector, 0);
    uc_context_save(p->uc, p->fault);
    uc_context_restore(p->uc, p->ring0);
    run_snippet(p->uc, int_55, sizeof int_55, 0);
    uc_context_save(p->uc, p->int_n);
    return true;
}

/* The only word that is `before` in one context and `after` in the other; 0 if there is none or more than one. */
static unsigned find_change(const struct probe *p, const uc_context *a, const uc_context *b, uint32_t before,
                            uint32_t after)
{
    unsigned found = 0;

    for (unsigned at = HEADER_BYTES; at + 4 <= p->size; at += 4)
        if (word_at(a, at) == before && word_at(b, at) == after) {
            if (found)
                return 0;
            found = at;
        }
    return found;
}

static bool find_exception_words(const struct probe *p, struct engine_layout *layout)
{
    layout->old_exception = find_change(p, p->ring0, p->fault, UINT32_MAX, 13);
    layout->error_code = find_change(p, p->ring0, p->fault, 0, BAD_SELECTOR);
    /* exception_is_int follows error_code in the state; the probe confirms it. */
    layout->exception_is_int = layout->error_code + 4;
    return layout->old_exception && layout->error_code && word_at(p->int_n, layout->exception_is_int) == 1 &&
           word_at(p->fault, layout->exception_is_int) == 0;
}

static bool find_ring_words(struct probe *p, struct engine_layout *layout)
{
    unsigned flag_words = 0;

    equalise(p->ring0);
    equalise(p->ring3);
    for (unsigned at = HEADER_BYTES; at < layout->old_exception; at += 4) {
        uint32_t a = word_at(p->ring0, at), b = word_at(p->ring3, at);

        if (a == b)
            continue;
        if (a == 0x08 && b == 0x23)
            layout->cs_selector = at;
        else if (a == 0x10 && b == 0x1b)
            layout->ss_selector = at;
        else if ((a ^ b) == DPL3 && flag_words++ == 0)
            layout->cs_flags = at;
        else if ((a ^ b) == DPL3 && flag_words == 2)
            layout->ss_flags = at;
        else if ((a ^ b) == 3 && (b & 3) == 3 && !layout->hflags)
            layout->hflags = at;
        else
            return false;
    }
    return layout->cs_selector && layout->ss_selector && layout->cs_flags && layout->ss_flags && layout->hflags;
}

/* Register numbers CR2 and CR3 are next to each other in the state, and a write to CR2 goes to both: the lower is CR2.
 */
static bool find_cr2(const struct probe *p, struct engine_layout *layout)
{
    const uint64_t mark = 0x5ca1ab1e;
    uint64_t pair[2];

    if (uc_reg_write(p->uc, UC_X86_REG_CR3, &mark) || uc_reg_write(p->uc, UC_X86_REG_CR2, &mark) ||
        uc_context_save(p->uc, p->int_n))
        return false;
    for (unsigned at = HEADER_BYTES; at + sizeof pair <= p->size && !layout->cr2; at += 4) {
        memcpy(pair, (const char *)p->int_n + at, sizeof pair);
        if (pair[0] == mark && pair[1] == mark)
            layout->cr2 = at;
    }
    return layout->cr2 != 0;
}

/* The word with the ID flag. */
static bool find_eflags(const struct probe *p, struct engine_layout *layout)
{
    const uint64_t off = 0x202, on = 0x200202;

    if (uc_reg_write(p->uc, UC_X86_REG_RFLAGS, &off) || uc_context_save(p->uc, p->fault) ||
        uc_reg_write(p->uc, UC_X86_REG_RFLAGS, &on) || uc_context_save(p->uc, p->int_n))
        return false;
    layout->eflags = find_change(p, p->fault, p->int_n, (uint32_t)off, (uint32_t)on);
    return layout->eflags != 0;
}

static bool probe_layout(struct probe *p, struct engine_layout *layout)
{
    memset(layout, 0, sizeof *layout);
    p->size = uc_context_size(p->uc) - TAIL_BYTES;
    return probe_setup(p) && probe_run(p) && find_exception_words(p, layout) && find_ring_words(p, layout) &&
           find_cr2(p, layout) && find_eflags(p, layout);
}

static uc_err open_engine(uc_engine **uc)
{
    uc_err err = uc_open(UC_ARCH_X86, UC_MODE_64, uc);

    if (err)
        *uc = NULL;
    else
        lookup_opened();
    return err;
}

static void close_engine(uc_engine *uc)
{
    if (!uc)
        return;
    uc_close(uc);
    lookup_closed();
}

static int probe_engine(struct engine_layout *layout, char error[ENGINE_ERROR_MAX])
{
    struct probe p = {0};
    uc_context **contexts[] = {&p.ring0, &p.ring3, &p.fault, &p.int_n};
    bool ok = open_engine(&p.uc) == UC_ERR_OK &&
              uc_ctl_set_tcg_buffer_size(p.uc, PROBE_BUFFER_BYTES) == UC_ERR_OK;

    for (size_t i = 0; ok && i < 4; i++)
        ok = uc_context_alloc(p.uc, contexts[i]) == UC_ERR_OK;
    ok = ok && probe_layout(&p, layout);
    if (ok) {
        uc_context_restore(p.uc, p.ring0);
        lookup_check(p.uc, CODE);
        bulk_check(&(struct engine){.uc = p.uc}, CODE, STACK);
    }
    for (size_t i = 0; i < 4; i++)
        if (*contexts[i])
            uc_context_free(*contexts[i]);
    close_engine(p.uc);
    if (!ok)
        snprintf(error, ENGINE_ERROR_MAX,
                 "this Unicorn's CPU state is not laid out as expected; use Unicorn 2.1.1 (make setup unpacks it)");
    return ok ? 0 : -1;
}

static int check_version(char version[32], char error[ENGINE_ERROR_MAX])
{
    unsigned major, minor, all = uc_version(&major, &minor);

    snprintf(version, 32, "%u.%u.%u", major, minor, (all >> 8) & 0xff);
    if (major == 2 && minor >= 1)
        return 0;
    snprintf(error, ENGINE_ERROR_MAX,
             "Unicorn %s has no usable x86 MMU; 2.1.1 or later is needed (make setup unpacks Debian 13's)", version);
    return -1;
}

int engine_check(char version[32], char error[ENGINE_ERROR_MAX])
{
    struct engine_layout layout;

    return check_version(version, error) || probe_engine(&layout, error) ? -1 : 0;
}

int engine_open(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
    char version[32];
    uc_err err;

    memset(engine, 0, sizeof *engine);
    if (check_version(version, error) || probe_engine(&engine->layout, error))
        return -1;
    err = open_engine(&engine->uc);
    if (!err)
        err = uc_ctl_set_tcg_buffer_size(engine->uc, ENGINE_CODE_BUFFER);
    if (!err) /* SMAP, SMEP and what static programs use; TCG has no AVX */
        err = uc_ctl_set_cpu_model(engine->uc, UC_CPU_X86_SKYLAKE_CLIENT);
    if (!err)
        err = uc_ctl_tlb_mode(engine->uc, UC_TLB_VIRTUAL);
    if (!err) /* no address ends a run, so none has to be translated to find out */
        err = uc_ctl_exits_enable(engine->uc);
    if (!err)
        err = uc_context_alloc(engine->uc, &engine->context);
    if (!err)
        return 0;
    snprintf(error, ENGINE_ERROR_MAX, "Unicorn: %s", uc_strerror(err));
    engine_close(engine);
    return -1;
}

void engine_close(struct engine *engine)
{
    if (engine->context)
        uc_context_free(engine->context);
    close_engine(engine->uc);
    engine->context = NULL;
    engine->uc = NULL;
}

/* ---- the registers of a running engine ---- */

enum { GENERAL_REGISTERS = 16, STATE_WINDOW = 256 << 10, SEGMENTS_WINDOW = 4096 };

static const int general_registers[GENERAL_REGISTERS] = {
    UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
    UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
    UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
};

static uint64_t mark_of(unsigned i, uint64_t round)
{
    return 0x5ca1ab1e00000000u + round * 0x10000 + i;
}

static void write_marks(struct engine *engine, uint64_t round, bool zero)
{
    for (unsigned i = 0; i < GENERAL_REGISTERS; i++)
        engine_set(engine, general_registers[i], zero ? 0 : mark_of(i, round));
    engine_set(engine, UC_X86_REG_FS_BASE, zero ? 0 : mark_of(20, round));
    engine_set(engine, UC_X86_REG_GS_BASE, zero ? 0 : mark_of(21, round));
}

static bool has_marks(const uint64_t *at, uint64_t round)
{
    for (unsigned i = 0; i < GENERAL_REGISTERS; i++)
        if (at[i] != mark_of(i, round))
            return false;
    return true;
}

/* Reads what may not be there: through /proc, page by page. Bytes read. */
static size_t peek_memory(int self, uint64_t address, void *to, size_t bytes)
{
    size_t done = 0;

    while (done < bytes) {
        size_t part = 4096 - ((address + done) & 4095);
        ssize_t n = pread(self, (char *)to + done, part < bytes - done ? part : bytes - done, (off_t)(address + done));

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

/* Offset of a value in words; 0: not there. */
static size_t find_word(const uint64_t *words, size_t count, uint64_t value)
{
    for (size_t i = GENERAL_REGISTERS; i < count; i++)
        if (words[i] == value)
            return i;
    return 0;
}

/* The marks of round 0 are there. Are they the registers, and not a copy that something made? Then others appear too.
 */
static bool are_registers(struct engine *engine, int self, uint64_t address, struct engine_registers *out)
{
    uint64_t state[SEGMENTS_WINDOW / sizeof(uint64_t)];
    size_t count = peek_memory(self, address, state, sizeof state) / sizeof *state;
    size_t fs = find_word(state, count, mark_of(20, 0)), gs = find_word(state, count, mark_of(21, 0));
    const uint64_t *general = (const uint64_t *)(uintptr_t)address;
    bool live;

    write_marks(engine, 1, false);
    count = peek_memory(self, address, state, sizeof state) / sizeof *state;
    live = fs && gs && fs < count && gs < count && has_marks(state, 1) && state[fs] == mark_of(20, 1) &&
           state[gs] == mark_of(21, 1);
    if (live)
        *out = (struct engine_registers){general, general + fs, general + gs};
    else
        write_marks(engine, 0, false);
    return live;
}

/* Behind one of the pointers in the engine object: the CPU's state. */
static bool find_marks(int self, struct engine *engine, uint64_t *window, struct engine_registers *out)
{
    const uint64_t *word = (const uint64_t *)(const void *)engine->uc;
    const uint64_t library = (uint64_t)(uintptr_t)(void *)uc_open;
    const size_t words = malloc_usable_size(engine->uc) / sizeof *word;

    for (size_t i = 0; i < words; i++) {
        size_t found;

        if (word[i] < 4096 || word[i] & 7 || word[i] >> 47 || (word[i] - library + (64ul << 20)) < 128ul << 20)
            continue;
        found = peek_memory(self, word[i], window, STATE_WINDOW) / sizeof *window;
        for (size_t at = 0; at + GENERAL_REGISTERS <= found; at++)
            if (has_marks(&window[at], 0) && are_registers(engine, self, word[i] + at * sizeof *window, out))
                return true;
    }
    return false;
}

int engine_find_registers(struct engine *engine, struct engine_registers *out, char error[ENGINE_ERROR_MAX])
{
    int self = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    uint64_t *window = malloc(STATE_WINDOW);
    bool ok;

    write_marks(engine, 0, false);
    ok = self >= 0 && window && find_marks(self, engine, window, out);
    write_marks(engine, 0, true);
    free(window);
    if (self >= 0)
        close(self);
    if (!ok)
        snprintf(
            error, ENGINE_ERROR_MAX, "%s",
            self < 0
                ? "cannot read /proc/self/mem, to find the engine's registers; mount /proc"
                : "this Unicorn does not keep its registers as expected; use Unicorn 2.1.1 (make setup unpacks it)");
    return ok ? 0 : -1;
}

struct engine_exception engine_take_exception(struct engine *engine)
{
    struct engine_exception e;

    uc_context_save(engine->uc, engine->context);
    e.error_code = word_at(engine->context, engine->layout.error_code);
    e.is_int = word_at(engine->context, engine->layout.exception_is_int) != 0;
    set_word(engine->context, engine->layout.old_exception, UINT32_MAX);
    set_word(engine->context, engine->layout.error_code, 0);
    set_word(engine->context, engine->layout.exception_is_int, 0);
    uc_context_restore(engine->uc, engine->context);
    return e;
}

enum { ARITHMETIC_FLAGS = 0xcd5 }; /* CF PF AF ZF SF OF, and DF */

uint64_t engine_system_flags(const struct engine *engine)
{
    uc_context_save(engine->uc, engine->context);
    return word_at(engine->context, engine->layout.eflags) & ~(uint64_t)ARITHMETIC_FLAGS;
}

void engine_repair_flags(struct engine *engine)
{
    const uint64_t flags = engine_get(engine, UC_X86_REG_RFLAGS), system = engine_system_flags(engine);

    if ((flags & ~(uint64_t)ARITHMETIC_FLAGS) != system)
        engine_set(engine, UC_X86_REG_RFLAGS, (flags & ARITHMETIC_FLAGS) | system);
}

void engine_set_cr2(struct engine *engine, uint64_t address)
{
    uc_context_save(engine->uc, engine->context);
    memcpy((char *)engine->context + engine->layout.cr2, &address, sizeof address);
    uc_context_restore(engine->uc, engine->context);
}

void engine_enter_ring0(struct engine *engine, uint16_t cs, uint16_t ss, uint64_t rip, uint64_t rsp, uint64_t rflags)
{
    const struct engine_layout *at = &engine->layout;
    uc_context *c = engine->context;

    uc_context_save(engine->uc, c);
    set_word(c, at->hflags, word_at(c, at->hflags) & ~3u);
    set_word(c, at->cs_selector, cs);
    set_word(c, at->ss_selector, ss);
    set_word(c, at->cs_flags, word_at(c, at->cs_flags) & ~(uint32_t)DPL3);
    set_word(c, at->ss_flags, word_at(c, at->ss_flags) & ~(uint32_t)DPL3);
    set_word(c, at->old_exception, UINT32_MAX);
    uc_context_reg_write(c, UC_X86_REG_RIP, &rip);
    uc_context_reg_write(c, UC_X86_REG_RSP, &rsp);
    uc_context_reg_write(c, UC_X86_REG_RFLAGS, &rflags);
    uc_context_restore(engine->uc, c);
}

uint64_t engine_msr(const struct engine *engine, uint32_t number)
{
    uc_x86_msr msr = {.rid = number};

    uc_reg_read(engine->uc, UC_X86_REG_MSR, &msr);
    return msr.value;
}

void engine_set_msr(const struct engine *engine, uint32_t number, uint64_t value)
{
    uc_x86_msr msr = {.rid = number, .value = value};

    uc_reg_write(engine->uc, UC_X86_REG_MSR, &msr);
}
