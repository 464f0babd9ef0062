/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_exec.c: execve: the first stack, segments, scripts, limits, every refusal before and every death
 * after the point of no return, injected failures and waits, and 10,000 hostile ELF headers.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/services/fake_world.h"

#define DATA WORLD_DATA
#define PAGE 4096ul
#define VADDR 0x500000ul

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segment[4];
    uint8_t rest[3 * PAGE];
};

/* Text with the headers, data with bss, and a mark for the stack. */
static struct image *good_image(uint16_t type)
{
    struct image *e = calloc(1, sizeof *e);
    uint64_t base = type == ET_DYN ? 0 : VADDR;

    e->header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, .e_type = type,
                             .e_machine = EM_X86_64, .e_version = 1, .e_entry = base + 0x300, .e_phoff = 64,
                             .e_ehsize = 64, .e_phentsize = 56, .e_phnum = 3};
    e->segment[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = base, .p_filesz = 0x1000,
                                 .p_memsz = 0x1000, .p_align = PAGE};
    e->segment[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x1100, .p_vaddr = base + 0x2100,
                                 .p_filesz = 0x40, .p_memsz = 0x1800, .p_align = PAGE};
    e->segment[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
    memset((uint8_t *)e + 0x1000, 0x77, 0x1000);
    return e;
}

static uint64_t word_at(struct world *w, uint64_t address)
{
    uint64_t word = 0;

    assert_true(world_peek(w, 1, address, &word, sizeof word));
    return word;
}

static void string_is(struct world *w, uint64_t address, const char *expected)
{
    char seen[300];
    size_t bytes = strlen(expected) + 1;

    assert_true(world_peek(w, 1, address, seen, bytes));
    assert_memory_equal(seen, expected, bytes);
}

/* path, argv, envp at DATA in process 1, as three addresses. */
static void put_arguments(struct world *w, const char *path, const char *const *argv, const char *const *envp,
                          uint64_t at[3])
{
    uint64_t string = DATA + 0x1000, vector = DATA + 0x100, null = 0;
    const char *const *lists[] = {argv, envp};

    at[0] = DATA;
    assert_true(world_poke(w, 1, DATA, path, strlen(path) + 1));
    for (int i = 0; i < 2; i++) {
        at[i + 1] = vector;
        for (; lists[i] && *lists[i]; lists[i]++) {
            assert_true(world_poke(w, 1, string, *lists[i], strlen(*lists[i]) + 1));
            assert_true(world_poke(w, 1, vector, &string, 8));
            string += strlen(*lists[i]) + 1;
            vector += 8;
        }
        assert_true(world_poke(w, 1, vector, &null, 8));
        vector += 8;
    }
}

static long exec(struct world *w, const char *path, const char *const *argv, const char *const *envp)
{
    uint64_t at[3];

    put_arguments(w, path, argv, envp, at);
    return CALLS(w, 1, CALL_execve, at[0], at[1], at[2]);
}

static const char *const two_arguments[] = {"prog", "second argument", NULL};
static const char *const environment[] = {"HOME=/root", "X=", "PATH=/bin", NULL};

static uint64_t auxiliary(struct world *w, uint64_t at, uint64_t type)
{
    for (;; at += 16) {
        uint64_t seen = word_at(w, at);

        if (seen == type)
            return word_at(w, at + 8);
        if (seen == AT_NULL)
            fail_msg("no auxiliary entry %lu", type);
    }
}

static void check_stack(struct world *w, const char *path, uint64_t base)
{
    struct user_context *c = &w->thread[1].context;
    uint64_t sp = c->regs.rsp, aux = sp + 8 * 8, random[2];

    assert_int_equal(sp % 16, 0);
    assert_int_equal(word_at(w, sp), 2);
    string_is(w, word_at(w, sp + 8), "prog");
    string_is(w, word_at(w, sp + 16), "second argument");
    assert_int_equal(word_at(w, sp + 24), 0);
    string_is(w, word_at(w, sp + 32), "HOME=/root");
    string_is(w, word_at(w, sp + 40), "X=");
    string_is(w, word_at(w, sp + 48), "PATH=/bin");
    assert_int_equal(word_at(w, sp + 56), 0);
    assert_int_equal(auxiliary(w, aux, AT_PAGESZ), PAGE);
    assert_int_equal(auxiliary(w, aux, AT_PHDR), base + 64);
    assert_int_equal(auxiliary(w, aux, AT_PHENT), 56);
    assert_int_equal(auxiliary(w, aux, AT_PHNUM), 3);
    assert_int_equal(auxiliary(w, aux, AT_ENTRY), base + 0x300);
    assert_int_equal(auxiliary(w, aux, AT_CLKTCK), 100);
    assert_int_equal(auxiliary(w, aux, AT_SECURE), 0);
    assert_int_equal(auxiliary(w, aux, AT_UID), 0);
    string_is(w, auxiliary(w, aux, AT_EXECFN), path);
    string_is(w, auxiliary(w, aux, AT_PLATFORM), "x86_64");
    assert_true(world_peek(w, 1, auxiliary(w, aux, AT_RANDOM), random, 16));
    assert_true(random[0] && random[1] && random[0] != random[1]);
    assert_int_equal(word_at(w, 0x7fffffffeff8), 0);
}

static void check_memory(struct world *w, uint64_t base)
{
    uint8_t byte;

    string_is(w, base, "\x7f" "ELF\x02\x01\x01");
    assert_true(world_peek(w, 1, base + 0x213f, &byte, 1));
    assert_int_equal(byte, 0x77);
    assert_true(world_peek(w, 1, base + 0x2140, &byte, 1)); /* bss begins in the last page of the file's bytes */
    assert_int_equal(byte, 0);
    assert_true(world_poke(w, 1, base + 0x38ff, "z", 1));
    assert_false(world_poke(w, 1, base, "z", 1));
    assert_false(world_peek(w, 1, base + 0x4000, &byte, 1));
    assert_false(world_peek(w, 1, DATA, &byte, 1)); /* the old space */
    assert_int_equal(CALLS(w, 1, CALL_brk, 0), base + 0x4000);
}

static void a_program_starts(void **state)
{
    static const uint16_t types[] = {ET_EXEC, ET_DYN};

    for (int i = 0; i < 2; i++) {
        struct world *w = world_with_proc();
        struct image *e = good_image(types[i]);
        struct user_context *c = &w->thread[1].context;
        uint64_t base = types[i] == ET_DYN ? 0x555555554000ul : VADDR;

        world_add_file(w, "/bin/prog", e, sizeof *e);
        c->regs.rbx = 99;
        c->fs_base = 5;
        assert_int_equal(exec(w, "/bin/prog", two_arguments, environment), 0);
        assert_int_equal(c->regs.rip, base + 0x300);
        assert_int_equal(c->regs.rbx, 0);
        assert_int_equal(c->fs_base, 0);
        assert_int_equal(c->regs.cs, 0x33);
        assert_int_equal(c->regs.rflags, 0x202);
        assert_int_equal(*(uint16_t *)c->fx, 0x37f);
        assert_int_equal(*(uint32_t *)(c->fx + 24), 0x1f80);
        check_stack(w, "/bin/prog", base);
        check_memory(w, base);
        assert_int_equal(w->fs_execs, 2);
        assert_int_equal(w->live_spaces, 1);
        world_end(w);
        free(e);
    }
}

/* Two processes that run one program share its text and read it once. */
static void text_is_shared(void **state)
{
    struct world *w = world_with_proc();
    struct image *e = good_image(ET_EXEC);
    int file = world_add_file(w, "/bin/prog", e, sizeof *e), child, reads;
    uint64_t at[3];
    uint8_t byte;

    put_arguments(w, "/bin/prog", two_arguments, environment, at);
    child = world_fork(w, 1);
    assert_int_equal(CALLS(w, 1, CALL_execve, at[0], at[1], at[2]), 0);
    assert_true(world_peek(w, 1, VADDR + 0x300, &byte, 1));
    reads = w->file[file].reads;
    assert_int_equal(CALLS(w, child, CALL_execve, at[0], at[1], at[2]), 0);
    assert_true(world_peek(w, child, VADDR + 0x300, &byte, 1));
    assert_int_equal(w->file[file].reads, reads + 1); /* the header; the page is there */
    assert_int_equal(world_pte(w, 1, VADDR)->frame, world_pte(w, child, VADDR)->frame);
    world_end(w);
    free(e);
}

static void handlers_are_reset(void **state)
{
    struct world *w = world_with_proc();
    struct image *e = good_image(ET_EXEC);
    uint64_t action[4] = {0x400000, 0x04000000, 0x400000}, ignore[4] = {1}, seen;
    uint64_t stack = 0x7fffffffe000ul;

    world_add_file(w, "/bin/prog", e, sizeof *e);
    assert_true(world_poke(w, 1, DATA + 0x800, action, sizeof action));
    assert_true(world_poke(w, 1, DATA + 0x900, ignore, sizeof ignore));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigaction, SIGUSR1, DATA + 0x800, 0, 8), 0);
    assert_int_equal(CALLS(w, 1, CALL_rt_sigaction, SIGUSR2, DATA + 0x900, 0, 8), 0);
    assert_int_equal(exec(w, "/bin/prog", two_arguments, environment), 0);
    assert_int_equal(CALLS(w, 1, CALL_rt_sigaction, SIGUSR1, 0, stack, 8), 0);
    seen = word_at(w, stack);
    assert_int_equal(seen, 0);
    assert_int_equal(CALLS(w, 1, CALL_rt_sigaction, SIGUSR2, 0, stack, 8), 0);
    assert_int_equal(word_at(w, stack), 1); /* ignored stays ignored */
    world_end(w);
    free(e);
}

static void scripts(void **state)
{
    static const struct {
        const char *text;
        long result;
        const char *argv[7];
    } cases[] = {
        {"#!/second x\n", 0, {"/bin/prog", "y z", "/second", "x", "/script", "second argument"}},
        {"#!/bin/prog\nrest", 0, {"/bin/prog", "/script", "second argument"}},
        {"#! /bin/prog  -x  y \t\nrest", 0, {"/bin/prog", "-x  y", "/script", "second argument"}},
        {"#!/bin/prog", 0, {"/bin/prog", "/script", "second argument"}},
        {"#!\n", -ENOEXEC, {NULL}},
        {"#!   \n", -ENOEXEC, {NULL}},
        {"#!/none\n", -ENOENT, {NULL}},
        {"#!/script\n", -ELOOP, {NULL}},
        {"echo hello\n", -ENOEXEC, {NULL}},
        {"", -ENOEXEC, {NULL}},
        {"#", -ENOEXEC, {NULL}},
    };
    struct image *e = good_image(ET_EXEC);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world_with_proc();
        long r;

        world_add_file(w, "/bin/prog", e, sizeof *e);
        world_add_file(w, "/second", "#!/bin/prog y z\n", 16);
        world_add_file(w, "/script", cases[i].text, strlen(cases[i].text));
        r = exec(w, "/script", two_arguments, environment);
        if (r != cases[i].result)
            fail_msg("case %zu: %ld", i, r);
        for (int a = 0; r == 0 && cases[i].argv[a]; a++)
            string_is(w, word_at(w, w->thread[1].context.regs.rsp + 8 + 8 * (uint64_t)a), cases[i].argv[a]);
        if (r == 0)
            string_is(w, w->thread[1].context.regs.rsp ? auxiliary(w, w->thread[1].context.regs.rsp + 8 *
                      (word_at(w, w->thread[1].context.regs.rsp) + 6), AT_EXECFN) : 0, "/script");
        world_end(w);
    }
    free(e);
}

/* One wrong thing in a good file, and what comes of it: a refusal that leaves the old program as it was. */
struct damage {
    const char *what;
    void (*apply)(struct image *e);
    long result;
};

static void d_magic(struct image *e) { e->header.e_ident[1] = 'x'; }
static void d_class(struct image *e) { e->header.e_ident[EI_CLASS] = ELFCLASS32; }
static void d_data(struct image *e) { e->header.e_ident[EI_DATA] = ELFDATA2MSB; }
static void d_machine(struct image *e) { e->header.e_machine = EM_AARCH64; }
static void d_type(struct image *e) { e->header.e_type = ET_REL; }
static void d_phentsize(struct image *e) { e->header.e_phentsize = 55; }
static void d_no_headers(struct image *e) { e->header.e_phnum = 0; }
static void d_many_headers(struct image *e) { e->header.e_phnum = 65535; }
static void d_phoff_far(struct image *e) { e->header.e_phoff = 1ul << 40; }
static void d_phoff_overflow(struct image *e) { e->header.e_phoff = -8ul; }
static void d_no_load(struct image *e) { e->segment[0].p_type = e->segment[1].p_type = PT_NOTE; }
static void d_interp(struct image *e) { e->segment[2].p_type = PT_INTERP; }
static void d_kernel_address(struct image *e) { e->segment[0].p_vaddr = 0xffffffff80000000ul; }
static void d_low_address(struct image *e) { e->segment[0].p_vaddr = 0; }
static void d_top_address(struct image *e) { e->segment[0].p_vaddr = 0x7ffffffff000ul; }
static void d_memsz_overflow(struct image *e) { e->segment[1].p_memsz = -1ul; }
static void d_memsz_huge(struct image *e) { e->segment[1].p_memsz = 1ul << 47; }
static void d_sum_too_high(struct image *e) { e->segment[1].p_vaddr = 0x700000002100ul; e->segment[1].p_memsz = 1ul << 45; }
static void d_filesz_above(struct image *e) { e->segment[1].p_filesz = 0x1801; }
static void d_misaligned(struct image *e) { e->segment[1].p_offset += 1; }
static void d_offset_overflow(struct image *e) { e->segment[1].p_offset = -0xf00ul; }
static void d_entry(struct image *e) { e->header.e_entry = 1ul << 63; }

static void refusals(void **state)
{
    static const struct damage damages[] = {
        {"magic", d_magic, -ENOEXEC}, {"class", d_class, -ENOEXEC}, {"data", d_data, -ENOEXEC},
        {"machine", d_machine, -ENOEXEC}, {"type", d_type, -ENOEXEC}, {"phentsize", d_phentsize, -ENOEXEC},
        {"no headers", d_no_headers, -ENOEXEC}, {"many headers", d_many_headers, -ENOEXEC},
        {"phoff far", d_phoff_far, -ENOEXEC}, {"phoff overflow", d_phoff_overflow, -ENOEXEC},
        {"no load", d_no_load, -ENOEXEC}, {"interp", d_interp, -ENOENT},
        {"kernel address", d_kernel_address, -ENOEXEC}, {"low address", d_low_address, -ENOEXEC},
        {"top address", d_top_address, -ENOEXEC}, {"memsz overflow", d_memsz_overflow, -ENOEXEC},
        {"memsz huge", d_memsz_huge, -ENOEXEC}, {"end too high", d_sum_too_high, -ENOEXEC}, {"filesz above memsz", d_filesz_above, -ENOEXEC},
        {"misaligned", d_misaligned, -ENOEXEC}, {"offset overflow", d_offset_overflow, -ENOEXEC},
        {"entry", d_entry, -ENOEXEC},
    };

    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct world *w = world_with_proc();
        struct image *e = good_image(ET_EXEC);
        uint64_t blocks = w->live_blocks;
        long r;

        damages[i].apply(e);
        world_add_file(w, "/bin/prog", e, sizeof *e);
        w->thread[1].context.regs.rip = 0x1234;
        r = exec(w, "/bin/prog", two_arguments, environment);
        if (r != damages[i].result || w->thread[1].context.regs.rip != 0x1234 || w->fs_execs != 1)
            fail_msg("%s: %ld", damages[i].what, r);
        assert_true(w->live_blocks <= blocks + 2); /* leaves for the touched arguments */
        world_end(w);
        free(e);
    }
}

static void argument_limits(void **state)
{
    struct world *w = world_with_proc();
    struct image *e = good_image(ET_EXEC);
    uint64_t at[3], pages = 200, big;
    char *text = malloc(pages * PAGE), path[5000];

    memset(text, 'x', pages * PAGE);
    text[pages * PAGE - 1] = '\0';
    world_add_file(w, "/bin/prog", e, sizeof *e);
    put_arguments(w, "/bin/prog", two_arguments, environment, at);
    big = (uint64_t)CALLS(w, 1, CALL_mmap, 0, pages * PAGE, 3, 0x22, -1ul, 0);
    assert_true(world_poke(w, 1, big, text, pages * PAGE));
    assert_true(world_poke(w, 1, at[1], &big, 8)); /* one argument of 800 KiB */
    assert_int_equal(CALLS(w, 1, CALL_execve, at[0], at[1], at[2]), -E2BIG);
    for (int i = 0; i < 30; i++) { /* thirty of 100 KiB */
        uint64_t pointer = big + (pages - 25) * PAGE;

        assert_true(world_poke(w, 1, DATA + 0x2000 + 8 * (uint64_t)i, &pointer, 8));
    }
    assert_int_equal(CALLS(w, 1, CALL_execve, at[0], DATA + 0x2000, at[2]), -E2BIG);
    assert_int_equal(CALLS(w, 1, CALL_execve, 0x1000, at[1], at[2]), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_execve, at[0], 0x1000, at[2]), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_execve, at[0], 0, 0x1003), -EFAULT);
    big = 0x1000;
    assert_true(world_poke(w, 1, at[2], &big, 8));
    assert_int_equal(CALLS(w, 1, CALL_execve, at[0], 0, at[2]), -EFAULT);
    memset(path, '/', sizeof path);
    path[4999] = '\0';
    assert_true(world_poke(w, 1, DATA + 0x1000, path, sizeof path));
    assert_int_equal(CALLS(w, 1, CALL_execve, DATA + 0x1000, 0, 0), -ENAMETOOLONG);
    assert_true(world_poke(w, 1, DATA, "", 1));
    assert_int_equal(CALLS(w, 1, CALL_execve, DATA, 0, 0), -ENOENT);
    assert_true(world_poke(w, 1, DATA, "/bin/prog", 10));
    assert_int_equal(CALLS(w, 1, CALL_execve, DATA, 0, 0), 0); /* NULL vectors: argv[0] is "" */
    assert_int_equal(word_at(w, w->thread[1].context.regs.rsp), 1);
    string_is(w, word_at(w, w->thread[1].context.regs.rsp + 8), "");
    world_end(w);
    free(text);
    free(e);
}

/* Strings and pointers of several blocks and buffers. */
static void many_arguments(void **state)
{
    struct world *w = world_with_proc();
    struct image *e = good_image(ET_EXEC);
    uint64_t strings = (uint64_t)CALLS(w, 1, CALL_mmap, 0, 64 * PAGE, 3, 0x22, -1ul, 0), vector = strings + 32 * PAGE;
    uint64_t sp, string = strings, at[3];
    char text[32];

    world_add_file(w, "/bin/prog", e, sizeof *e);
    put_arguments(w, "/bin/prog", NULL, environment, at);
    for (int i = 0; i < 1000; i++) {
        size_t bytes = (size_t)snprintf(text, sizeof text, "argument number %d", i) + 1;

        assert_true(world_poke(w, 1, string, text, bytes));
        assert_true(world_poke(w, 1, vector + 8 * (uint64_t)i, &string, 8));
        string += bytes;
    }
    assert_int_equal(CALLS(w, 1, CALL_execve, at[0], vector, at[2]), 0);
    sp = w->thread[1].context.regs.rsp;
    assert_int_equal(word_at(w, sp), 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "argument number %d", i);
        string_is(w, word_at(w, sp + 8 + 8 * (uint64_t)i), text);
    }
    string_is(w, word_at(w, sp + 8 * 1002), "HOME=/root");
    world_end(w);
    free(e);
}

static void vfork_ends_with_exec(void **state)
{
    struct world *w = world_with_proc();
    struct image *e = good_image(ET_EXEC);
    struct call vfork = {.nr = CALL_vfork, .pid = 1};
    uint64_t at[3];
    uint8_t byte;

    world_add_file(w, "/bin/prog", e, sizeof *e);
    put_arguments(w, "/bin/prog", two_arguments, environment, at);
    assert_int_equal(world_call(w, &vfork), CALL_WAIT);
    assert_int_equal(CALLS(w, 2, CALL_execve, at[0], at[1], at[2]), 0);
    assert_int_equal(world_call(w, &vfork), 2);
    assert_true(world_peek(w, 1, DATA, &byte, 1)); /* the parent's space is whole */
    assert_int_equal(w->live_spaces, 2);
    assert_int_equal(CALLS(w, 1, CALL_setpgid, 2, 0), -EACCES);
    CALLS(w, 2, CALL_exit_group, 0);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0, 0), 2);
    world_end(w);
    free(e);
}

static void exec_gives_up_locks(void **state)
{
    struct world *w = world_with_proc();
    struct image *e = good_image(ET_EXEC);
    uint64_t shared = (uint64_t)CALLS(w, 1, CALL_mmap, 0, PAGE, 3, 0x21, -1ul, 0), at[3];
    uint64_t head[3] = {shared + 64, 32, 0};
    uint32_t word = 2;

    world_add_file(w, "/bin/prog", e, sizeof *e);
    put_arguments(w, "/bin/prog", two_arguments, environment, at);
    assert_true(world_poke(w, 1, shared, head, sizeof head) && world_poke(w, 1, shared + 64, &shared, 8));
    assert_true(world_poke(w, 1, shared + 96, &word, 4));
    assert_int_equal(world_fork(w, 1), 2);
    assert_int_equal(CALLS(w, 2, CALL_set_robust_list, shared, 24), 0);
    assert_int_equal(CALLS(w, 2, CALL_execve, at[0], at[1], at[2]), 0);
    assert_int_equal((uint32_t)word_at(w, shared + 96), 0x40000000); /* FUTEX_OWNER_DIED */
    world_end(w);
    free(e);
}

/* Refused, killed by SIGKILL, or done: never half, and nothing leaks. */
static void failures_at_every_allocation(void **state)
{
    struct image *e = good_image(ET_EXEC);
    long r = -1, k = 0, refused = 0, killed = 0;

    for (; r < 0; k++) {
        struct world *w = world_with_proc();
        uint64_t at[3];
        struct call wait = {.nr = CALL_wait4, .pid = 1, .arg = {2, 0}};

        world_add_file(w, "/bin/prog", e, sizeof *e);
        put_arguments(w, "/bin/prog", two_arguments, environment, at);
        assert_int_equal(world_fork(w, 1), 2);
        world_quiet(w);
        w->fail_at = k;
        r = CALLS(w, 2, CALL_execve, at[0], at[1], at[2]);
        w->fail_at = NEVER;
        if (r < 0 && w->thread[2].used) {
            assert_int_equal(r, -ENOMEM);
            refused++;
            assert_int_equal(CALLS(w, 2, CALL_execve, at[0], at[1], at[2]), 0);
        } else if (r < 0) {
            killed++;
            assert_int_equal(world_call(w, &wait), 2);
        }
        world_end(w);
    }
    assert_true(refused >= 3 && killed >= 5);
    free(e);
}

static void waits_at_every_place(void **state)
{
    struct image *e = good_image(ET_EXEC);
    long places = 1;
    uint64_t random = 0;

    for (long k = 0; k < places; k++) {
        struct world *w = world_with_proc();
        uint64_t seen;

        world_add_file(w, "/bin/prog", e, sizeof *e);
        world_add_file(w, "/script", "#!/bin/prog\n", 12);
        world_quiet(w);
        w->wait_at = k;
        assert_int_equal(exec(w, "/bin/prog", two_arguments, environment), 0);
        places = w->waits;
        check_stack(w, "/bin/prog", VADDR);
        seen = word_at(w, auxiliary(w, w->thread[1].context.regs.rsp + 64, AT_RANDOM));
        assert_true(!random || seen == random); /* however often it began again */
        random = seen;
        check_memory(w, VADDR);
        world_end(w);
    }
    assert_true(places > 5);
    free(e);
}

static void the_start_may_wait(void **state)
{
    uint64_t random = 0;

    for (long k = 0; k < 8; k++) {
        struct world *w = world_new();
        uint64_t seen;

        w->wait_at = k;
        world_start_proc(w);
        seen = word_at(w, auxiliary(w, w->thread[1].context.regs.rsp + 40, AT_RANDOM));
        assert_true(!random || seen == random);
        random = seen;
        world_end(w);
    }
}

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
    return *seed >> 11;
}

/* Interesting numbers are found near borders. */
static uint64_t hostile(uint64_t *seed)
{
    static const uint64_t borders[] = {0, 1, 0x1000, 0x10000, 0x400000, 0x500000, 1ul << 31, 1ul << 32, 1ul << 46,
                                       0x7ffff7fff000, 0x7ffffffff000, 1ul << 47, 1ul << 62, 1ul << 63, -0x1000ul, -1ul};
    uint64_t border = borders[next(seed) % 16];

    switch (next(seed) % 4) {
    case 0:
        return next(seed) << 11 | next(seed);
    case 1:
        return border + next(seed) % 0x2000;
    case 2:
        return border - next(seed) % 0x2000;
    default:
        return border;
    }
}

static void damage(struct image *e, uint64_t *seed)
{
    for (uint64_t n = 1 + next(seed) % 6; n--;) {
        Elf64_Phdr *ph = &e->segment[next(seed) % 4];
        uint64_t *fields[] = {&e->header.e_entry, &e->header.e_phoff, &ph->p_vaddr, &ph->p_offset,
                              &ph->p_filesz, &ph->p_memsz, &ph->p_align};

        switch (next(seed) % 8) {
        case 0:
            ((uint8_t *)e)[next(seed) % 300] = (uint8_t)next(seed);
            break;
        case 1:
            e->header.e_phnum = (uint16_t)(next(seed) % 20);
            break;
        case 2:
            ph->p_type = (uint32_t)(next(seed) % 8);
            break;
        default:
            *fields[next(seed) % 7] = hostile(seed);
        }
    }
}

struct tally {
    int started, refused, killed;
};

static void try_hostile(struct world *w, int child, const uint64_t at[3], struct tally *t)
{
    long r = CALLS(w, child, CALL_execve, at[0], at[1], at[2]);
    uint8_t *byte;

    if (!w->thread[child].used) {
        t->killed++;
        return;
    }
    assert_true(r == 0 || r == -ENOEXEC || r == -ENOENT);
    if (r == 0) {
        assert_true(w->thread[child].context.regs.rip < VM_USER_END);
        world_access(w, child, w->thread[child].context.regs.rip, VM_EXEC_ACCESS, &byte);
    }
    *(r ? &t->refused : &t->started) += 1;
    CALLS(w, child, CALL_exit_group, 0);
}

/* Whatever the header says: refused and the old program lives, or started, or killed. Never anything else. */
static void hostile_headers(void **state)
{
    struct image *good[2] = {good_image(ET_EXEC), good_image(ET_DYN)}, *e = malloc(sizeof *e);
    uint64_t seed = 2026, at[3];
    struct tally tally = {0};

    for (int batch = 0; batch < 25; batch++) {
        struct world *w = world_with_proc();
        int file = world_add_file(w, "/bin/prog", e, sizeof *e);

        put_arguments(w, "/bin/prog", two_arguments, environment, at);
        for (int i = 0; i < 400; i++) {
            int child = world_fork(w, 1);

            memcpy(e, good[i & 1], sizeof *e);
            damage(e, &seed);
            w->file[file].bytes = next(&seed) % 8 ? sizeof *e : next(&seed) % 400;
            w->file[file].version++;
            try_hostile(w, child, at, &tally);
            assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0, 0), child);
            assert_int_equal(w->live_spaces, 1);
        }
        world_end(w);
    }
    assert_true(tally.refused > 3000 && tally.started > 1000);
    assert_int_equal(tally.refused + tally.started + tally.killed, 10000);
    free(good[0]);
    free(good[1]);
    free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_starts),
        cmocka_unit_test(text_is_shared),
        cmocka_unit_test(handlers_are_reset),
        cmocka_unit_test(scripts),
        cmocka_unit_test(refusals),
        cmocka_unit_test(argument_limits),
        cmocka_unit_test(many_arguments),
        cmocka_unit_test(vfork_ends_with_exec),
        cmocka_unit_test(exec_gives_up_locks),
        cmocka_unit_test(failures_at_every_allocation),
        cmocka_unit_test(waits_at_every_place),
        cmocka_unit_test(the_start_may_wait),
        cmocka_unit_test(hostile_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
