/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_patch.c: patching of SYSCALL sites (arch-exo/lib/patch.c) over the real vm.
 *
 * Three judges: Capstone for the lengths of instructions and for what in a program's text is alive; the CPU that runs
 * the test for what a patched site does; and bytes written by hand for what has to be refused.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <capstone/capstone.h>
#include <cmocka.h>

#include "arch-exo/lib/patch.h"
#include "arch-exo/lib/patch_decode.h"
#include "tests/services/fake_world.h"

#define PAGE 4096ul
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
#define LIB_CALL 0x600000201000ul
#define ROOT "build/programs/root/bin/"

/* ---- programs ---- */

struct section {
    uint64_t address, bytes;
    const uint8_t *data;
};

struct program {
    const char *name;
    uint8_t *file;
    size_t bytes;
    struct section text;
    const Elf64_Sym *symbols; /* NULL: stripped */
    size_t symbol_count;
    const char *strings;
    /* by Capstone's linear disassembly: of each byte of the text */
    uint8_t *first; /* length of the instruction that begins here; 0: inside of one, or none */
    uint16_t *id;   /* … and which one it is */
    bool *target;   /* some direct branch, pointer or symbol leads here */
};

static void find_sections(struct program *p)
{
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)p->file;
    const Elf64_Shdr *sh = (const Elf64_Shdr *)(p->file + h->e_shoff);
    const char *names = (const char *)p->file + sh[h->e_shstrndx].sh_offset;

    for (int i = 0; i < h->e_shnum; i++) {
        if (!strcmp(names + sh[i].sh_name, ".text"))
            p->text = (struct section){sh[i].sh_addr, sh[i].sh_size, p->file + sh[i].sh_offset};
        if (sh[i].sh_type != SHT_SYMTAB)
            continue;
        p->symbols = (const Elf64_Sym *)(p->file + sh[i].sh_offset);
        p->symbol_count = sh[i].sh_size / sizeof *p->symbols;
        p->strings = (const char *)p->file + sh[sh[i].sh_link].sh_offset;
    }
}

/* Whether `address` is in the function of that name (one of its names), or where it begins. */
static bool is_in(const struct program *p, uint64_t address, const char *name)
{
    for (size_t i = 0; i < p->symbol_count; i++) {
        const Elf64_Sym *s = &p->symbols[i];

        if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && !strcmp(p->strings + s->st_name, name) && address >= s->st_value &&
            (address < s->st_value + s->st_size || address == s->st_value))
            return true;
    }
    return false;
}

static void note_target(struct program *p, uint64_t to)
{
    if (to >= p->text.address && to < p->text.address + p->text.bytes)
        p->target[to - p->text.address] = true;
}

static bool is_branch(csh cs, const cs_insn *in)
{
    return cs_insn_group(cs, in, CS_GRP_JUMP) || cs_insn_group(cs, in, CS_GRP_CALL);
}

/* In a row from `from` to `to`, offsets in the text. */
static void disassemble_range(struct program *p, csh cs, cs_insn *in, size_t from, size_t to)
{
    const uint8_t *code = p->text.data + from;
    uint64_t address = p->text.address + from;
    size_t left = to - from;

    while (left) {
        size_t at;

        if (!cs_disasm_iter(cs, &code, &left, &address, in)) {
            code++, address++, left--;
            continue;
        }
        at = in->address - p->text.address;
        p->first[at] = (uint8_t)in->size;
        p->id[at] = (uint16_t)in->id;
        if (is_branch(cs, in) && in->detail->x86.operands[0].type == X86_OP_IMM)
            note_target(p, (uint64_t)in->detail->x86.operands[0].imm);
    }
}

/* From each function's symbol on, so that data between functions misleads nobody; of a stripped program, in one go. */
static void disassemble(struct program *p)
{
    bool *start = calloc(p->text.bytes + 1, sizeof *start);
    size_t from = 0;
    cs_insn *in;
    csh cs;

    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &cs), CS_ERR_OK);
    cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
    in = cs_malloc(cs);
    p->first = calloc(p->text.bytes + 1, 1);
    p->id = calloc(p->text.bytes + 1, sizeof *p->id);
    p->target = calloc(p->text.bytes + 1, sizeof *p->target);
    for (size_t i = 0; i < p->symbol_count; i++) {
        uint64_t offset = p->symbols[i].st_value - p->text.address;

        note_target(p, p->symbols[i].st_value);
        if (offset < p->text.bytes)
            start[offset] = true;
    }
    for (size_t i = 0; i + 8 <= p->bytes; i += 8) {
        uint64_t word;

        memcpy(&word, p->file + i, 8);
        note_target(p, word);
    }
    start[p->text.bytes] = true;
    for (size_t i = 1; i <= p->text.bytes; i++)
        if (start[i]) {
            disassemble_range(p, cs, in, from, i);
            from = i;
        }
    cs_free(in, 1);
    cs_close(&cs);
    free(start);
}

static struct program *program_open(const char *path)
{
    struct program *p = calloc(1, sizeof *p);
    int fd = open(path, O_RDONLY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        fail_msg("%s: %s; `make build` makes it", path, strerror(errno));
    p->name = strrchr(path, '/') + 1;
    p->bytes = (size_t)st.st_size;
    p->file = malloc(p->bytes);
    assert_int_equal(read(fd, p->file, p->bytes), p->bytes);
    close(fd);
    find_sections(p);
    assert_true(p->text.bytes > 0);
    disassemble(p);
    return p;
}

static void program_close(struct program *p)
{
    free(p->file);
    free(p->first);
    free(p->id);
    free(p->target);
    free(p);
}

static const char *const programs[] = {ROOT "null", ROOT "read",  ROOT "write",   ROOT "stat",  ROOT "open",
                                       ROOT "pipe", ROOT "ctx",   ROOT "prot",    ROOT "fork",  ROOT "exec",
                                       ROOT "copy", ROOT "shell", ROOT "busybox", ROOT "sqlite"};
#define PROGRAMS (sizeof programs / sizeof *programs)

/* ---- lengths ---- */

static void lengths_are_capstones(void **state)
{
    for (size_t i = 0; i < PROGRAMS; i++) {
        struct program *p = program_open(programs[i]);
        size_t all = 0, unknown = 0;

        for (size_t at = 0; at < p->text.bytes; at++) {
            struct instruction in;

            if (!p->first[at])
                continue;
            all++;
            if (!decode(p->text.data + at, p->text.bytes - at, &in))
                unknown++;
            else if (in.length != p->first[at])
                fail_msg("%s %#lx: %u bytes, Capstone says %u", p->name, p->text.address + at, in.length, p->first[at]);
        }
        print_message("%-8s %7zu instructions, %zu refused\n", p->name, all, unknown);
        assert_true(unknown * 200 < all);
        program_close(p);
    }
}

/* ---- whole programs ---- */

/* A world with the program mapped as exec maps it. */
static struct world *world_with(const struct program *p)
{
    struct world *w = world_new();
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)p->file;
    const Elf64_Phdr *ph = (const Elf64_Phdr *)(p->file + h->e_phoff);

    world_add_file(w, "/program", p->file, p->bytes);
    assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 1, 0, 0, 0, 0, 0, 0), 0);
    w->file[0].handles++;
    for (int i = 0; i < h->e_phnum; i++) {
        uint64_t start = ph[i].p_vaddr & ~(PAGE - 1), head = ph[i].p_vaddr % PAGE;
        int prot = (ph[i].p_flags & PF_R ? PROT_READ : 0) | (ph[i].p_flags & PF_W ? PROT_WRITE : 0) |
                   (ph[i].p_flags & PF_X ? PROT_EXEC : 0);

        if (ph[i].p_type == PT_LOAD)
            assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_FILE, 1, start, head + ph[i].p_memsz, 100,
                                           ph[i].p_offset & ~(PAGE - 1), head + ph[i].p_filesz, (uint64_t)prot), 0);
    }
    w->file[0].handles--;
    patch_init(&w->host, LIB_CALL);
    return w;
}

static void end_world(struct world *w)
{
    for (int pid = 1; pid < 10; pid++)
        if (w->thread[pid].space)
            world_request(w, SERVICE_VM, VM_EXIT, pid, 0, 0, 0, 0, 0, 0);
    world_free(w);
}

static uint8_t byte_at(struct world *w, int pid, uint64_t address)
{
    uint8_t byte;

    assert_true(world_peek(w, pid, address, &byte, 1));
    return byte;
}

static uint64_t relative(struct world *w, int pid, uint64_t from, unsigned bytes)
{
    int8_t small;
    int32_t large;

    assert_true(bytes == 1 ? world_peek(w, pid, from, &small, 1) : world_peek(w, pid, from, &large, 4));
    return from + bytes + (uint64_t)(int64_t)(bytes == 1 ? small : large);
}

/* Follows a site's jumps to lib_call, by hand: whether it is patched, and if so, rightly. */
static bool arrives(struct world *w, int pid, uint64_t site)
{
    uint64_t at = site, lib_call;
    int hops = 0;

    if (byte_at(w, pid, site) == 0x0f)
        return false;
    for (; byte_at(w, pid, at) == 0xeb && hops < 3; hops++)
        at = relative(w, pid, at + 1, 1);
    assert_true(hops == 1 || hops == 2);
    assert_int_equal(byte_at(w, pid, at), 0xe9);
    at = relative(w, pid, at + 1, 4);
    assert_int_equal(byte_at(w, pid, at) | byte_at(w, pid, at + 1) << 8 | byte_at(w, pid, at + 2) << 16, 0x0d8d48);
    assert_int_equal(relative(w, pid, at + 3, 4), site + 2);
    assert_int_equal(byte_at(w, pid, at + 7) | byte_at(w, pid, at + 8) << 8, 0x25ff);
    assert_true(world_peek(w, pid, relative(w, pid, at + 9, 4), &lib_call, 8));
    assert_int_equal(lib_call, LIB_CALL);
    return true;
}

/* ---- what was overwritten is dead ---- */

static bool is_padding(const struct program *p, size_t at)
{
    return p->first[at] && (p->id[at] == X86_INS_NOP || p->id[at] == X86_INS_INT3 ||
                            (p->first[at] == 2 && !memcmp(p->text.data + at, "\x66\x90", 2)));
}

static size_t instruction_of(const struct program *p, size_t at)
{
    while (at > 0 && !p->first[at])
        at--;
    return at;
}

/* Functions of libc that do not return, where a CALL of them is the last of a function. */
static bool never_returns(const struct program *p, size_t call)
{
    static const char *const names[] = {"__stack_chk_fail", "abort", "__assert_fail", "__libc_fatal", "__fortify_fail",
                                        "_exit", "_Exit", "exit", "__chk_fail", "__libc_assert_fail",
                                        "_dl_signal_error", "_dl_signal_exception"};
    int32_t displacement;

    memcpy(&displacement, p->text.data + call + 1, 4);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_in(p, p->text.address + call + 5 + (uint64_t)(int64_t)displacement, names[i]))
            return true;
    return !p->symbols; /* stripped: what padding ends with is all that can be seen */
}

static bool never_falls_through(const struct program *p, size_t at)
{
    switch (p->id[at]) {
    case X86_INS_RET: case X86_INS_JMP: case X86_INS_HLT: case X86_INS_UD2: return true;
    case X86_INS_CALL: return p->text.data[at] == 0xe8 && never_returns(p, at);
    case X86_INS_SYSCALL: return at >= 7 && !memcmp(p->text.data + at - 7, "\x48\xc7\xc0\x0f\0\0\0", 7);
    default: return false;
    }
}

/* The byte at `at` was changed: by Capstone's linear disassembly of the file it is dead padding. */
static void check_dead(const struct program *p, size_t at)
{
    size_t i = instruction_of(p, at);

    if (!is_padding(p, i) || p->target[at])
        fail_msg("%s %#lx is alive", p->name, p->text.address + at);
    while (is_padding(p, i))
        i = instruction_of(p, i - 1);
    if (!never_falls_through(p, i))
        fail_msg("%s %#lx is reached from %#lx", p->name, p->text.address + at, p->text.address + i);
}

static bool is_site(const struct program *p, size_t at)
{
    return p->first[at] == 2 && !memcmp(p->text.data + at, "\x0f\x05", 2);
}

static void check_all_dead(const struct program *p, struct world *w)
{
    uint8_t *now = malloc(p->text.bytes);

    assert_true(world_peek(w, 1, p->text.address, now, p->text.bytes));
    for (size_t at = 0; at < p->text.bytes; at++)
        if (now[at] != p->text.data[at] && !is_site(p, at) && !(at > 0 && is_site(p, at - 1)))
            check_dead(p, at);
    free(now);
}

/* ---- how many ---- */

/* Patched in the order of their addresses, all of them: more than a program ever executes, so gaps are scarcer here. */
static size_t patch_all(const struct program *p, struct world *w, size_t *sites)
{
    size_t patched = 0;

    *sites = 0;
    for (size_t at = 0; at + 2 <= p->text.bytes; at++) {
        if (!is_site(p, at))
            continue;
        ++*sites;
        patch_site(1, p->text.address + at + 2);
        patched += arrives(w, 1, p->text.address + at);
    }
    return patched;
}

static void most_sites_can_be_patched(void **state)
{
    for (size_t i = 0; i < PROGRAMS; i++) {
        struct program *p = program_open(programs[i]);
        struct world *w = world_with(p);
        size_t sites, patched = patch_all(p, w, &sites);

        print_message("%-8s %zu of %zu sites\n", p->name, patched, sites);
        check_all_dead(p, w);
        assert_true(patched * 4 >= sites * 3);
        end_world(w);
        program_close(p);
    }
}

/* The calls that workloads measure, by the names that their libc gives them. `before`: bytes shortly before the
 * SYSCALL, where the function has several. */
static void hot_sites_are_patched(void **state)
{
    static const struct {
        const char *program, *function, *before;
    } hot[] = {
        {ROOT "null", "syscall", ""},                {ROOT "read", "__syscall_cp_c", ""},
        {ROOT "write", "__syscall_cp_c", ""},        {ROOT "open", "__syscall_cp_c", ""},
        {ROOT "pipe", "__syscall_cp_c", ""},         {ROOT "pipe", "pipe", ""},
        {ROOT "pipe", "__clock_gettime", ""},        {ROOT "ctx", "__syscall_cp_c", ""},
        {ROOT "stat", "fstatat", "\xb8\x04"},        {ROOT "prot", "__mprotect", ""},
        {ROOT "prot", "__libc_sigaction", ""},       {ROOT "prot", "__restore_rt", ""},
        {ROOT "sqlite", "__libc_pread64", ""},       {ROOT "sqlite", "__libc_pwrite64", ""},
        {ROOT "sqlite", "fdatasync", ""},
    };
    size_t functions = 0;

    for (size_t i = 0; i < sizeof hot / sizeof *hot; i++) {
        struct program *p = program_open(hot[i].program);
        struct world *w = world_with(p);
        size_t found = 0;

        for (size_t at = 16; at + 2 <= p->text.bytes; at++) {
            if (!is_site(p, at) || !is_in(p, p->text.address + at, hot[i].function) ||
                !memmem(p->text.data + at - 16, 16, hot[i].before, strlen(hot[i].before)))
                continue;
            found++;
            patch_site(1, p->text.address + at + 2);
            if (!arrives(w, 1, p->text.address + at))
                fail_msg("%s: %s at %#lx", p->name, hot[i].function, p->text.address + at);
        }
        functions += found > 0;
        end_world(w);
        program_close(p);
    }
    assert_true(functions >= 10); /* another libc may have other names for some */
}

/* ---- single cases, by hand ---- */

#define TEXT 0x400000ul
#define TEXT_BYTES (3 * PAGE)

/* Bytes put to offsets of a text that is else invalid; the SYSCALL at `site` is executed. */
struct piece {
    uint32_t offset;
    const char *hex;
};

struct snippet {
    const char *name;
    uint32_t site;
    bool patched;
    struct piece piece[6];
};

static void put_hex(uint8_t *to, const char *hex)
{
    unsigned byte;

    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2 + (hex[2] == ' '))
        *to++ = (uint8_t)byte;
}

static uint8_t snippet_text[TEXT_BYTES];

static struct world *snippet_world(const struct snippet *s, uint64_t prot)
{
    struct world *w = world_new();

    memset(snippet_text, 0x06, sizeof snippet_text);
    for (int i = 0; i < 6 && s->piece[i].hex; i++)
        put_hex(snippet_text + s->piece[i].offset, s->piece[i].hex);
    world_add_file(w, "/snippet", snippet_text, sizeof snippet_text);
    assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 1, 0, 0, 0, 0, 0, 0), 0);
    w->file[0].handles++;
    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_FILE, 1, TEXT, TEXT_BYTES, 100, 0, TEXT_BYTES, prot), 0);
    w->file[0].handles--;
    patch_init(&w->host, LIB_CALL);
    return w;
}

#define NOP8 "0f 1f 84 00 00 00 00 00"
#define NOPS16 "90 90 90 90 90 90 90 90 90 90 90 90 90 90 90 90 "
#define CALLS_0X200 "0f 05 e8 f9 00 00 00 90 " NOP8

static const struct snippet snippets[] = {
    {"padding behind RET", 0x100, true, {{0x100, "0f 05 c3 cc cc cc cc cc " NOP8}}},
    {"NOPs of each length", 0x100, true, {{0x100, "0f 05 c3 66 90 0f 1f 00 0f 1f 40 00 66 66 66 90"}}},
    {"padding behind JMP", 0x100, true, {{0x100, "0f 05 eb 0c 0f 1f 40 00 " NOP8 "c3"}}},
    {"padding behind JMP to a register", 0x100, true, {{0x100, "0f 05 ff e0 0f 1f 40 00 " NOP8}}},
    {"padding behind UD2", 0x100, true, {{0x100, "0f 05 0f 0b 0f 1f 40 00 " NOP8}}},
    {"padding before the site, in reach of its own code", 0x120, true,
     {{0x110, "c3 66 2e 0f 1f 84 00 00 00 00 00 0f 1f 44 00 00"}, {0x120, "0f 05 eb ec"}}},
    {"CALL of a function that ends in HLT", 0x100, true,
     {{0x100, CALLS_0X200}, {0x200, "f4 c3"}}},
    {"rt_sigreturn", 0x107, true, {{0x100, "48 c7 c0 0f 00 00 00 0f 05 0f 1f 80 00 00 00 00"}}},
    {"a gap out of reach, but for a hop", 0x100, true,
     {{0x100, "0f 05 0f 84 82 00 00 00 90 90 90 90 c3 0f 1f 00"}, {0x18a, "c3 0f 1f 44 00 00"}}},
    {"a gap 127 bytes ahead", 0x100, true, {{0x100, "0f 05 e9 79 00 00 00"}, {0x180, "c3 90 66 90 0f 1f 40 00 " NOP8}}},
    {"a gap 128 bytes back", 0x207, true, {{0x188, "c3 0f 1f 80 00 00 00 00"}, {0x207, "0f 05 e9 7a ff ff ff"}}},
    {"a gap before the site, to which code leads in a row", 0x40, true,
     {{0, NOPS16 "90 90 90 90 c3 90 66 90 " NOP8}, {0x20, NOPS16 NOPS16 "0f 05 c3"}}},
    {"a function that only the survey finds", 0x10a, true,
     {{0x100, "75 0e 0f 1f 80 00 00 00 00 90 0f 05 c3 0f 1f 00 " NOP8 "c3 0f 1f 80 00 00 00 00"}}},
    {"loop alignment behind an instruction that ends in C3", 0x100, false,
     {{0x100, "0f 05 48 89 c3 66 2e 0f 1f 84 00 00 00 00 00 90 ff c8 75 fc c3"}}},
    {"alignment behind a branch", 0x100, false, {{0x100, "0f 05 75 0c 0f 1f 40 00 " NOP8 "c3"}}},
    {"CALL of a function that returns", 0x100, false,
     {{0x100, CALLS_0X200}, {0x200, "c3"}}},
    {"CALL of a function that is not understood", 0x100, false,
     {{0x100, CALLS_0X200}, {0x200, "06 f4"}}},
    {"CALL through a register", 0x100, false, {{0x100, "0f 05 ff d0 0f 1f 40 00 " NOP8}}},
    {"padding directly behind another call's SYSCALL", 0x107, false,
     {{0x100, "48 c7 c0 0e 00 00 00 0f 05 0f 1f 80 00 00 00 00"}}},
    {"a branch into the padding, reached", 0x100, false, {{0x100, "0f 05 75 04 90 c3 66 90 " NOP8}}},
    {"a branch into the padding, not reached", 0x100, false,
     {{0x100, "0f 05 c3 cc cc cc cc cc " NOP8}, {0x90, "74 76"}}},
    {"a JMP rel32 into the padding, not reached", 0x100, false,
     {{0x100, "0f 05 c3 cc cc cc cc cc " NOP8}, {0x1f0, "e9 16 ff ff ff"}}},
    {"a gap of four bytes", 0x10a, false, {{0x10a, "0f 05 c3 0f 1f 00"}}},
    {"padding without an aligned end", 0x100, false, {{0x100, "0f 05 c3 66 66 66 66 66 66 66 66 66 66 66 90"}}},
    {"bytes that are no padding", 0x100, false, {{0x100, "0f 05 c3 00 00 00 00 00 00 00 00 00 00 00 00 00"}}},
    {"ENDBR64 is no padding", 0x100, false, {{0x108, "0f 05 c3 90 f3 0f 1e fa"}}},
    {"PAUSE is no padding", 0x100, false, {{0x100, "0f 05 c3 cc f3 90 f3 90"}}},
    {"an unknown instruction in the way", 0x100, false, {{0x100, "0f 05 62 f1 7c 48 10 c3 " NOP8}}},
    {"a prefix of an unknown length in the way", 0x100, false, {{0x100, "0f 05 66 eb 00 c3 66 90 " NOP8}}},
    {"two readings of the same bytes", 0x100, false, {{0x100, "0f 05 74 01 b8 c3 66 90 90 90 c3 0f 1f 44 00 00"}}},
    {"a gap 128 bytes ahead", 0x100, false, {{0x100, "0f 05 e9 7a 00 00 00"}, {0x181, "c3 66 90 0f 1f 40 00 " NOP8}}},
    {"a gap 129 bytes back", 0x208, false, {{0x188, "c3 0f 1f 80 00 00 00 00"}, {0x208, "0f 05 e9 79 ff ff ff"}}},
    {"a gap before the site, and bytes in between that are no code", 0x40, false,
     {{0, NOPS16 "90 90 90 90 c3 90 66 90 " NOP8}, {0x30, NOPS16 "0f 05 c3"}}},
    {"a gap on another page", 0xff0, false,
     {{0xff0, "0f 05 eb 1e"}, {0x1010, "c3 66 2e 0f 1f 84 00 00 00 00 00 0f 1f 44 00 00"}}},
    {"no SYSCALL", 0x100, false, {{0x100, "0f 34 c3 cc cc cc cc cc " NOP8}}},
};

static void single_cases(void **state)
{
    for (size_t i = 0; i < sizeof snippets / sizeof *snippets; i++) {
        const struct snippet *s = &snippets[i];
        struct world *w = snippet_world(s, PROT_READ | PROT_EXEC);
        uint64_t site = TEXT + s->site;
        uint8_t now[TEXT_BYTES];

        patch_site(1, site + 2);
        assert_true(world_peek(w, 1, TEXT, now, sizeof now));
        if (!s->patched && memcmp(now, snippet_text, sizeof now))
            fail_msg("%s: changed", s->name);
        if (s->patched && (now[s->site] != 0xeb || !arrives(w, 1, site)))
            fail_msg("%s: not patched", s->name);
        end_world(w);
    }
}

/* Text that the program can write, or made itself, is not touched: what is padding now may be code later. */
static void only_text_is_patched(void **state)
{
    struct world *w = snippet_world(&snippets[0], PROT_READ | PROT_WRITE | PROT_EXEC);
    uint64_t anon = 0x500000;

    patch_site(1, TEXT + 0x102);
    assert_false(arrives(w, 1, TEXT + 0x100));
    assert_int_equal(CALLS(w, 1, CALL_mmap, anon, PAGE, PROT_READ | PROT_WRITE, ANON, -1ul, 0), anon);
    assert_true(world_poke(w, 1, anon, snippet_text, PAGE));
    assert_int_equal(CALLS(w, 1, CALL_mprotect, anon, PAGE, PROT_READ | PROT_EXEC), 0);
    patch_site(1, anon + 0x102);
    assert_false(arrives(w, 1, anon + 0x100));
    patch_site(1, 0x700002); /* nothing is there */
    patch_site(1, 1);
    patch_site(1, -1ul);
    patch_site(9, TEXT + 0x102); /* nobody */
    end_world(w);
}

static void a_patch_lives_as_long_as_its_space(void **state)
{
    struct world *w = snippet_world(&snippets[0], PROT_READ | PROT_EXEC);
    uint64_t site = TEXT + 0x100;

    patch_site(1, site + 2);
    assert_int_equal(world_request(w, SERVICE_VM, VM_FORK, 2, 1, 0, 0, 0, 0, 0), 0);
    assert_true(arrives(w, 2, site)); /* inherited */
    w->file[0].handles++;
    assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 3, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_FILE, 3, TEXT, TEXT_BYTES, 100, 0, TEXT_BYTES, 5), 0);
    assert_int_equal(world_request(w, SERVICE_VM, VM_EXEC, 2, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_FILE, 2, TEXT, TEXT_BYTES, 100, 0, TEXT_BYTES, 5), 0);
    w->file[0].handles--;
    assert_false(arrives(w, 3, site)); /* another process of the same file */
    assert_false(arrives(w, 2, site)); /* exec starts anew … */
    patch_site(2, site + 2);           /* … and the plan is known by now */
    assert_true(arrives(w, 2, site));
    assert_true(arrives(w, 1, site));
    assert_int_equal(CALLS(w, 1, CALL_madvise, TEXT, PAGE, MADV_DONTNEED), 0);
    assert_false(arrives(w, 1, site)); /* as the file has it, all of it */
    assert_int_equal(byte_at(w, 1, site + 8), 0x0f);
    patch_site(1, site + 2);
    assert_true(arrives(w, 1, site));
    end_world(w);
}

/* At whatever allocation memory runs out, the site is whole: patched or not. */
static void no_memory_leaves_the_site(void **state)
{
    bool patched = false;

    for (long k = 0; !patched; k++) {
        struct world *w = snippet_world(&snippets[0], PROT_READ | PROT_EXEC);

        world_quiet(w);
        w->fail_at = k;
        patch_site(1, TEXT + 0x102);
        w->fail_at = NEVER;
        patched = arrives(w, 1, TEXT + 0x100);
        if (!patched)
            assert_int_equal(byte_at(w, 1, TEXT + 0x103), 0xcc);
        patch_site(1, TEXT + 0x102); /* and is not given up */
        assert_true(arrives(w, 1, TEXT + 0x100));
        end_world(w);
        assert_true(k < 100);
    }
}

static void a_refusal_is_remembered(void **state)
{
    struct snippet far = {"", 0x100, false, {{0x100, "0f 05 c3"}}};
    struct world *w = snippet_world(&far, PROT_READ | PROT_EXEC);
    size_t first;

    world_quiet(w);
    patch_site(1, TEXT + 0x102);
    first = w->waits; /* places that may wait: here, reads of the program's memory */
    patch_site(1, TEXT + 0x102);
    assert_true(first > 2);
    assert_int_equal(w->waits, first + 1);
    end_world(w);
}

/* Random texts of what matters to the decoder and the window, most of them refused: nothing but the site and bytes that
 * can be padding ever changes, and what is patched arrives. */
static void random_texts(void **state)
{
    static const char *const pieces[] = {
        "c3", "cc", "90", "66 90", "0f 1f 00", "0f 1f 44 00 00", NOP8, "eb", "e9", "74", "e8 10 00 00 00", "0f 05",
        "48 89 c3", "f4", "ff e0", "b8 0f 00 00 00 0f 05", "c5 f8 77", "66", "0f", "00", "ff ff ff",
        "66 2e 0f 1f 84 00 00 00 00 00",
    };
    static const char padding[] = "\x90\x66\x2e\x0f\x1f\x40\x44\x80\x84\xcc";
    uint64_t seed = 1;
    size_t patched = 0, texts = 600;

    for (size_t i = 0; i < texts; i++) {
        struct snippet none = {.name = ""};
        struct world *w = snippet_world(&none, PROT_READ | PROT_EXEC);
        uint32_t site = 0xe00 + (uint32_t)(i * 7 % 0x400);
        uint8_t now[TEXT_BYTES];

        for (uint32_t at = 0xc00; at < 0x1600;) {
            const char *hex;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            hex = pieces[(seed >> 33) % (sizeof pieces / sizeof *pieces)];
            put_hex(snippet_text + at, hex);
            at += (uint32_t)(strlen(hex) + 1) / 3;
        }
        put_hex(snippet_text + site, "0f 05");
        patch_site(1, TEXT + site + 2);
        assert_true(world_peek(w, 1, TEXT, now, sizeof now));
        for (uint32_t at = 0; at < TEXT_BYTES; at++)
            if (now[at] != snippet_text[at] && at != site && at != site + 1)
                assert_non_null(memchr(padding, snippet_text[at], sizeof padding)); /* its NUL, too */
        patched += arrives(w, 1, TEXT + site);
        end_world(w);
    }
    assert_true(patched > texts / 100 && patched < texts);
}

/* ---- on the CPU ---- */

/* Answers 1000 more than the call's number; changes what lib_call may. */
uint64_t test_lib_call(void);
__asm__(".text\n.globl test_lib_call\ntest_lib_call: lea 1000(%rax), %rax\n xor %r11d, %r11d\n jmp *%rcx\n");

/* The world's pages as pages of this process. */
static void map_here(struct world *w, uint64_t address, size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *here = mmap((void *)address, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

    assert_ptr_equal(here, (void *)address);
    assert_true(world_peek(w, 1, address, here, bytes));
    assert_int_equal(mprotect(here, bytes, PROT_READ | PROT_EXEC), 0);
}

static void a_patched_site_runs(void **state)
{
    /* f(x, y) keeps x and y below the stack pointer and answers the call's result + x + y; the second by a hop */
#define BODY "48 89 7c 24 f8 48 89 74 24 80 b8 27 00 00 00 0f 05 "
#define SUM "48 03 44 24 f8 48 03 44 24 80 c3 "
    static const struct snippet cases[] = {
        {"", 0x10f, true, {{0x100, BODY "eb 2d"}, {0x140, SUM "0f 1f 44 00 00"}}},
        {"", 0x10f, true, {{0x100, BODY "e9 72 00 00 00 66 90"}, {0x188, SUM "0f 1f 44 00 00"}}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = snippet_world(&cases[i], PROT_READ | PROT_EXEC);
        long stubs;

        patch_init(&w->host, (uint64_t)test_lib_call);
        patch_site(1, TEXT + cases[i].site + 2);
        stubs = world_request(w, SERVICE_VM, VM_RESERVE, 1, TEXT, 4 * PAGE, PROT_READ | PROT_EXEC, 0, 0, 0);
        assert_true(stubs > 0);
        map_here(w, TEXT, TEXT_BYTES);
        map_here(w, (uint64_t)stubs, 4 * PAGE);
        if (byte_at(w, 1, TEXT + cases[i].site) == 0xeb)
            assert_int_equal(((uint64_t(*)(uint64_t, uint64_t))(TEXT + 0x100))(5, 70000), 1039 + 5 + 70000);
        else
            fail_msg("case %zu", i);
        munmap((void *)TEXT, TEXT_BYTES);
        munmap((void *)stubs, 4 * PAGE);
        end_world(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_capstones),
        cmocka_unit_test(most_sites_can_be_patched),
        cmocka_unit_test(hot_sites_are_patched),
        cmocka_unit_test(single_cases),
        cmocka_unit_test(only_text_is_patched),
        cmocka_unit_test(a_patch_lives_as_long_as_its_space),
        cmocka_unit_test(no_memory_leaves_the_site),
        cmocka_unit_test(a_refusal_is_remembered),
        cmocka_unit_test(random_texts),
        cmocka_unit_test(a_patched_site_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
